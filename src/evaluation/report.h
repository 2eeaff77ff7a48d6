// SPDX-License-Identifier: Apache-2.0
// The report of one training: plain data in, one self-contained HTML page and its pictures out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "evaluation/binary_evaluation.h"
#include "evaluation/group_evaluation.h"

namespace millrace::evaluation {

// Nothing here may hold a wall-clock time, a duration or a random id: the page is content-hashed.

/// One part of the split by time.
struct SplitRow {
  std::string name;
  /// For people: "as-of 2010-06-01 to 2010-12-01".
  std::string period;
  std::int64_t rows = 0;
  std::int64_t positives = 0;
};

/// One trained learner.
struct LearnerRow {
  std::string name;
  double validation_auc = 0;
  metrics::AucEstimate test_auc;
  double test_pr_auc = 0;
  double test_log_loss = 0;
  double test_brier = 0;
  /// 0 where it has no meaning.
  int best_iteration = 0;
  bool is_chosen = false;
};

/// How much one feature matters to the chosen model.
struct ImportanceRow {
  std::string feature;
  /// Share of the total split gain, in [0, 1]; empty for models without trees.
  std::optional<double> gain_share;
  /// Mean loss of AUC when the feature is shuffled, and its standard deviation over repeats.
  std::optional<double> permutation;
  std::optional<double> permutation_std;
};

/// Shares of one feature over common bins in two groups of rows; shares of a group sum to 1 minus
/// its missing share.
struct FeatureDistribution {
  std::string feature;
  std::vector<double> edges;
  /// One per group of ReportData::distribution_groups.
  std::vector<std::vector<double>> shares;
  std::vector<double> missing;
};
/// Bins between the 1% and 99% quantile of all groups together (values outside go to the outer
/// bins; few distinct values get a bin each). @param groups values of each group, NaN missing.
/// kInvalidArgument without any present value.
Result<FeatureDistribution> MakeDistribution(std::string feature,
                                             std::span<const std::vector<double>> groups,
                                             int n_bins = 24);

/// One data expectation and what came of it.
struct ExpectationRow {
  std::string table;
  std::string expectation;
  std::string column;
  std::string observed;
  std::int64_t unexpected = 0;
  double unexpected_share = 0;
  /// "error" or "warn".
  std::string severity;
  bool passed = false;
};

/// One gate of the registry.
struct GateRow {
  std::string name;
  std::string wanted;
  std::string seen;
  bool passed = false;
};

/// Verdict words of drift: "ok", "warn", "drift".
struct DriftRow {
  std::string column;
  double psi = 0;
  double wasserstein = 0;
  double ks = 0;
  double ks_p_value = 1;
  double reference_missing = 0;
  double current_missing = 0;
  std::string verdict;
  std::string reason;
};
struct DriftSection {
  /// For people: "training, 21,034 rows, as-of 2010-06-01 to 2010-12-01".
  std::string reference;
  std::string current;
  /// One sentence with the overall verdict.
  std::string summary;
  std::vector<DriftRow> rows;
};

/// Everything that the page shows. Empty parts are left out.
struct ReportData {
  /// "churn", "Customers who stop buying".
  std::string project;
  std::string title;
  /// One or two sentences on what is predicted for whom.
  std::string question;
  std::string chosen_learner;
  /// Names of the classes 0 and 1, for legends.
  std::string negative_name = "stays";
  std::string positive_name = "churns";
  std::vector<SplitRow> splits;
  std::vector<LearnerRow> learners;
  BinaryEvaluation test;
  std::optional<BinaryEvaluation> validation;
  std::vector<BaselineComparison> baselines;
  /// The chosen learner by group of test rows; by sensitive column, with its measures.
  std::vector<GroupTable> segments;
  std::vector<GroupTable> fairness;
  std::vector<ImportanceRow> importance;
  std::vector<std::string> distribution_groups;
  std::vector<FeatureDistribution> distributions;
  std::vector<ExpectationRow> expectations;
  std::vector<GateRow> gates;
  std::optional<DriftSection> drift;
  /// Facts on the data: ("transactions", "805,549 rows, ...").
  std::vector<std::pair<std::string, std::string>> data_facts;
  /// Hashes and seed: ("training set", "9f2c...").
  std::vector<std::pair<std::string, std::string>> lineage;
  /// Shell commands that make the same page again.
  std::vector<std::string> reproduce;
};

/// The whole page as text.
std::string RenderHtmlReport(const ReportData& data);
/// Writes the page, atomically.
Result<void> WriteHtmlReport(const std::filesystem::path& path, const ReportData& data);
/// Writes each picture as NAME.svg and NAME.png into `dir`, atomically each; returns the paths in a
/// fixed order.
Result<std::vector<std::filesystem::path>> WritePlots(const std::filesystem::path& dir,
                                                      const ReportData& data);

/// Puts a drift section into a page that RenderHtmlReport made without one or with another
/// (monitoring runs later than evaluation). kInvalidArgument where the text is no such page.
Result<std::string> WithDriftSection(std::string_view report_html, const DriftSection& drift);
/// Writes the drift pictures ("drift_psi.svg", "drift_psi.png").
Result<std::vector<std::filesystem::path>> WriteDriftPlots(const std::filesystem::path& dir,
                                                           const DriftSection& drift);

}  // namespace millrace::evaluation
