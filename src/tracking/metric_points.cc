// SPDX-License-Identifier: Apache-2.0
// The order of metric values.
#include "tracking/internal/metric_points.h"

#include <cmath>
#include <tuple>

namespace millrace::tracking::internal {

bool IsLater(const MetricPoint& a, const MetricPoint& b) {
  const double value_a = std::isnan(a.value) ? 0.0 : a.value;
  const double value_b = std::isnan(b.value) ? 0.0 : b.value;
  return std::tie(a.step, a.timestamp_ms, value_a) > std::tie(b.step, b.timestamp_ms, value_b);
}

}  // namespace millrace::tracking::internal
