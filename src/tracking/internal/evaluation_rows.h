// SPDX-License-Identifier: Apache-2.0
// The tables of evaluation datasets, scorers and issues, and what their files share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/types.h"

namespace millrace::tracking::internal {

Result<void> MigrateEvaluation(store::Metadata& metadata);

inline std::optional<std::string> TextIfAny(const store::Value& value) {
  return store::IsNull(value) ? std::nullopt : std::optional(store::TextOr(value, ""));
}
inline store::Value OrNull(const std::optional<std::string>& text) {
  return text.has_value() ? store::Value(*text) : store::Value();
}
/// Ids of experiments as numbers; kNotFound in MLflow's words for one that is not there.
Result<std::vector<std::int64_t>> CheckExperiments(store::Metadata& metadata,
                                                   const std::vector<std::string>& ids);
/// The same for one, which must not be deleted.
Result<std::int64_t> CheckActiveExperiment(store::Metadata& metadata, const std::string& id);
/// Sets tags of an evaluation dataset.
Result<void> PutDatasetTags(store::Metadata& metadata, const std::string& dataset_id,
                            const Tags& tags);
/// Links an evaluation dataset to experiments behind those that it has.
Result<void> LinkDataset(store::Metadata& metadata, const std::string& dataset_id,
                         const std::vector<std::int64_t>& experiments);
/// A dataset's digest: it says that something changed, not what.
std::string EvaluationDigest(const std::string& name, std::int64_t time_ms);

}  // namespace millrace::tracking::internal
