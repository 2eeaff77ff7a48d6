// SPDX-License-Identifier: Apache-2.0
// The rows behind a metric of traces, one sample each.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/trace_metrics.h"

namespace millrace::tracking::internal {

struct MetricSample {
  std::int64_t time_ms = 0;
  double value = 0;
  /// Of a session count: which one; each counts once.
  std::string session;
  std::vector<std::string> dimensions;
};

/// Hands out the samples of a query whose names have been checked; those without a value or a
/// dimension are left out. kInvalidArgument for its filters.
Result<void> ForMetricSamples(store::Metadata& metadata, const TraceMetricQuery& query,
                              const std::function<void(MetricSample)>& take);

}  // namespace millrace::tracking::internal
