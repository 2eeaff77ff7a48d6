// SPDX-License-Identifier: Apache-2.0
// Declarations of monitors/*.yaml.
#include "monitoring/drift.h"

namespace millrace::monitoring {

const base::Declaration<Limits>& Limits::Declared() {
  static const base::Declaration<Limits> kDeclared =
      base::Declaration<Limits>("limits", "Two limits of one drift statistic.")
          .Field("warn", &Limits::warn, "From here on the column is one to watch.",
                 {.minimum = 0.0})
          .Field("drift", &Limits::drift, "From here on the statistic votes for drift.",
                 {.minimum = 0.0});
  return kDeclared;
}

const base::Declaration<DriftThresholds>& DriftThresholds::Declared() {
  static const base::Declaration<DriftThresholds> kDeclared =
      base::Declaration<DriftThresholds>("thresholds", "Limits of the drift statistics.")
          .Field("psi", &DriftThresholds::psi,
                 "Population stability index over ten quantile bins of the reference.")
          .Field("wasserstein", &DriftThresholds::wasserstein,
                 "Wasserstein distance over the reference's standard deviation.")
          .Field("ks", &DriftThresholds::ks,
                 "Kolmogorov-Smirnov distance, where its p-value is below ks_p_value.")
          .Field("ks_p_value", &DriftThresholds::ks_p_value,
                 "Below this p-value the Kolmogorov-Smirnov distance counts.",
                 {.minimum = 0.0, .maximum = 1.0})
          .Field("missing", &DriftThresholds::missing,
                 "Difference of the shares of missing values.")
          .Field("votes", &DriftThresholds::votes,
                 "How many of the four statistics must vote for drift; fewer are a warning.",
                 {.minimum = 1.0, .maximum = 4.0});
  return kDeclared;
}

const base::Declaration<MonitorSpec>& MonitorSpec::Declared() {
  static const base::Declaration<MonitorSpec> kDeclared =
      base::Declaration<MonitorSpec>("monitor",
                                     "A comparison of what is scored with what was trained on.")
          .Field("name", &MonitorSpec::name, "Name of the monitor.", {.required = true})
          .Field("endpoint", &MonitorSpec::endpoint, "Endpoint whose model is watched.",
                 {.required = true})
          .Field("reference", &MonitorSpec::reference, "Rows to compare with.",
                 {.one_of = {"training", "scoring"}})
          .Field("current", &MonitorSpec::current, "Rows that are watched.",
                 {.one_of = {"training", "scoring"}})
          .Field("columns", &MonitorSpec::columns,
                 "Columns to watch; every feature and the score if empty.")
          .Field("thresholds", &MonitorSpec::thresholds, "Limits of the drift statistics.")
          .Field("minimum_rows", &MonitorSpec::minimum_rows,
                 "With fewer rows on a side no verdict is given.", {.minimum = 1.0});
  return kDeclared;
}

}  // namespace millrace::monitoring
