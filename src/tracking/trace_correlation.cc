// SPDX-License-Identifier: Apache-2.0
// How two filters of traces go together.
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include "store/metadata.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/trace_rows.h"
#include "tracking/search.h"
#include "tracking/trace_metrics.h"
#include "tracking/traces.h"

namespace millrace::tracking {
namespace {

constexpr double kJeffreysPrior = 0.5;

/// @param both, only1, only2, neither  numbers of traces
double Npmi(double both, double only1, double only2, double neither) {
  const double total = both + only1 + only2 + neither;
  if (both <= 0) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (only1 == 0 && only2 == 0 && neither == 0) {
    return 1;
  }
  const double pmi =
      std::log(both) + std::log(total) - std::log(both + only1) - std::log(both + only2);
  return std::clamp(pmi / (std::log(total) - std::log(both)), -1.0, 1.0);
}

}  // namespace

FilterCorrelation CorrelationOfCounts(std::int64_t joint, std::int64_t filter1,
                                      std::int64_t filter2, std::int64_t total) {
  FilterCorrelation result{.npmi = std::numeric_limits<double>::quiet_NaN(),
                           .npmi_smoothed = std::numeric_limits<double>::quiet_NaN(),
                           .filter1_count = filter1,
                           .filter2_count = filter2,
                           .joint_count = joint,
                           .total_count = total};
  const auto both = static_cast<double>(joint);
  const auto only1 = static_cast<double>(filter1 - joint);
  const auto only2 = static_cast<double>(filter2 - joint);
  const auto neither = static_cast<double>(total - filter1 - filter2 + joint);
  if (total <= 0 || filter1 == 0 || filter2 == 0 ||
      std::min(std::min(both, only1), std::min(only2, neither)) < 0) {
    return result;
  }
  result.npmi = joint == 0 ? -1 : Npmi(both, only1, only2, neither);
  // Whether all traces match both is asked of the counts themselves: none is 0 with the prior.
  const bool is_always = only1 == 0 && only2 == 0 && neither == 0;
  result.npmi_smoothed = is_always ? 1
                                   : Npmi(both + kJeffreysPrior, only1 + kJeffreysPrior,
                                          only2 + kJeffreysPrior, neither + kJeffreysPrior);
  return result;
}

Result<FilterCorrelation> CorrelateTraceFilters(store::Metadata& metadata,
                                                const std::vector<std::string>& experiment_ids,
                                                const std::string& filter1,
                                                const std::string& filter2,
                                                const std::string& base_filter) {
  std::vector<std::int64_t> experiments;
  for (const std::string& id : experiment_ids) {
    MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
    experiments.push_back(number);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<Clause> base,
                        ParseFilter(base_filter, SearchTarget::kTraces));
  const auto select = [&](const std::string& filter) -> Result<std::vector<std::string>> {
    MILL_ASSIGN_OR_RETURN(const std::vector<Clause> more,
                          ParseFilter(filter, SearchTarget::kTraces));
    std::vector<Clause> clauses = base;
    clauses.insert(clauses.end(), more.begin(), more.end());
    return internal::SelectTraces(metadata, experiments, clauses, {}, 0,
                                  std::numeric_limits<std::int64_t>::max());
  };
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> all, select(""));
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> ids1, select(filter1));
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> ids2, select(filter2));
  const std::unordered_set<std::string> first(ids1.begin(), ids1.end());
  const auto n_joint = std::count_if(ids2.begin(), ids2.end(),
                                     [&](const std::string& id) { return first.contains(id); });
  return CorrelationOfCounts(n_joint, static_cast<std::int64_t>(ids1.size()),
                             static_cast<std::int64_t>(ids2.size()),
                             static_cast<std::int64_t>(all.size()));
}

Result<FilterCorrelation> TraceStore::Correlate(const std::vector<std::string>& experiment_ids,
                                                const std::string& filter1,
                                                const std::string& filter2,
                                                const std::string& base_filter) {
  return CorrelateTraceFilters(metadata_, experiment_ids, filter1, filter2, base_filter);
}

Result<std::vector<TraceMetricPoint>> TraceStore::QueryMetrics(const TraceMetricQuery& query) {
  return QueryTraceMetrics(metadata_, query);
}

}  // namespace millrace::tracking
