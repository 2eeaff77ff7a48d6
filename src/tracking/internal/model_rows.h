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

/// The active models of these experiments, newest first, ties by id.
Result<std::vector<LoggedModel>> ReadModels(store::Metadata& metadata,
                                            std::span<const std::int64_t> experiment_ids);
/// The models with these ids, active or not, in no order; unknown ones are left out. Without
/// parameters, tags and metrics.
Result<std::vector<LoggedModel>> ReadModelRows(store::Metadata& metadata,
                                               std::span<const std::string> model_ids);
/// Fills in parameters, tags and metrics.
Result<void> ReadModelData(store::Metadata& metadata, std::span<LoggedModel> models);

}  // namespace millrace::tracking::internal
