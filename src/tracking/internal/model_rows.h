// SPDX-License-Identifier: Apache-2.0
// Reads logged models with all that belongs to them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/types.h"

namespace millrace::tracking::internal {

/// Which parameters, tags and metrics are to be read.
struct ModelKeys {
  std::vector<std::string> params = {};
  std::vector<std::string> tags = {};
  std::vector<std::string> metrics = {};
  bool has_all_metrics = false;
};

/// The active models of these experiments, newest first, ties by id; at least the first `limit` of
/// them. Without parameters, tags and metrics.
Result<std::vector<LoggedModel>> ReadModels(store::Metadata& metadata,
                                            std::span<const std::int64_t> experiment_ids,
                                            std::int64_t limit);
/// The models with these ids, active or not, in no order; unknown ones are left out. Without
/// parameters, tags and metrics.
Result<std::vector<LoggedModel>> ReadModelRows(store::Metadata& metadata,
                                               std::span<const std::string> model_ids);
/// Fills in parameters, tags and metrics: those that are named, or all.
Result<void> ReadModelData(store::Metadata& metadata, std::span<LoggedModel> models,
                           const ModelKeys* only = nullptr);

}  // namespace millrace::tracking::internal
