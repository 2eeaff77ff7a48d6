// SPDX-License-Identifier: Apache-2.0
// What the parts of TrackingStore share about rows of runs.
#pragma once

#include <string>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/types.h"

namespace millrace::tracking::internal {

/// From columns key, value, timestamp, step, is_nan.
Metric MetricFromRow(const store::Row& row);
/// kNotFound, or kFailedPrecondition for a deleted run.
Result<void> CheckActiveRun(store::Metadata& metadata, const std::string& run_id);

}  // namespace millrace::tracking::internal
