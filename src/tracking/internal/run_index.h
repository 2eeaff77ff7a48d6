// SPDX-License-Identifier: Apache-2.0
// Search over runs in memory: one column per attribute, metric, parameter and tag that a search has
// asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/internal/metric_points.h"
#include "tracking/search.h"
#include "tracking/types.h"

namespace millrace::tracking::internal {

struct IndexQuery {
  /// Without one there is no result.
  std::vector<std::int64_t> experiment_ids;
  ViewType view = ViewType::kActiveOnly;
  std::vector<Clause> filter;
  /// Ends with start_time DESC, run_id ASC by itself.
  std::vector<OrderTerm> order;
  std::int64_t offset = 0;
  std::int64_t limit = 0;
};

/// Thread-safe: searches run side by side, refreshing is exclusive. Memory is bounded: the columns
/// that were not asked for longest go first.
class RunIndex {
 public:
  virtual ~RunIndex() = default;
  /// Brings the index up to date with everything committed before the call, and searches. Returns
  /// run_keys in order, one more than `limit` where there is a next page.
  virtual Result<std::vector<std::int64_t>> Search(const IndexQuery& query) = 0;
  /// Loads what the next search will most likely need, so that it does not wait.
  virtual Result<void> WarmUp() = 0;

  /// @param max_bytes  for all columns together; the columns of a running search count too, but
  /// are kept. Values of one run take about 50 bytes, and 8 for each metric that many runs have.
  /// The references outlive the index.
  static std::unique_ptr<RunIndex> Make(store::Metadata& metadata, MetricPoints& points,
                                        std::size_t max_bytes = std::size_t{300} << 20);
};

}  // namespace millrace::tracking::internal
