// SPDX-License-Identifier: Apache-2.0
// Metric points as rows of the metadata database: what PostgreSQL uses.
#pragma once

#include <memory>

#include "store/metadata.h"
#include "tracking/internal/metric_points.h"

namespace millrace::tracking::internal {

/// Points in the tables `metrics` and `latest_metrics`. The reference outlives the points.
std::unique_ptr<MetricPoints> MakeSqlPoints(store::Metadata& metadata);

}  // namespace millrace::tracking::internal
