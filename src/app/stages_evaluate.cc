// SPDX-License-Identifier: Apache-2.0
// The stage that looks at the test period, once: metrics, baselines, importance, the report and its
// pictures.
#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "app/evaluate_groups.h"
#include "app/json_number.h"
#include "app/stages.h"
#include "app/trained_model.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"
#include "data/parquet.h"
#include "evaluation/report.h"
#include "explain/importance.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// Everything that is read once and used by several parts of the evaluation.
struct Loaded {
  data::Table training_set;
  std::vector<TrainedModel> models;
  std::vector<TrainedModel> baselines;
  std::size_t chosen = 0;
  double threshold = 0;
  SetRows train;
  SetRows validation;
  SetRows test;
  const TrainedModel& Chosen() const { return models[chosen]; }
};

Result<std::vector<TrainedModel>> ReadAllTrained(const std::vector<TrainedDir>& dirs) {
  std::vector<TrainedModel> models;
  for (const TrainedDir& dir : dirs) {
    MILL_ASSIGN_OR_RETURN(TrainedModel model, ReadTrained(dir.dir));
    models.push_back(std::move(model));
  }
  return models;
}

Result<Json> ReadJsonFile(const fs::path& path) {
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path));
  return base::ParseJson(text, path.string());
}

Result<Loaded> Load(const Context& context, const TrainingSpec& training,
                    const EvaluationInputs& inputs) {
  Loaded loaded;
  MILL_ASSIGN_OR_RETURN(loaded.training_set, data::ReadParquet(context, inputs.training_set));
  MILL_ASSIGN_OR_RETURN(loaded.models, ReadAllTrained(inputs.trained));
  MILL_ASSIGN_OR_RETURN(loaded.baselines, ReadAllTrained(inputs.baselines));
  for (TrainedModel& baseline : loaded.baselines) {
    baseline.name = baseline.name.substr(kBaselinePrefix.size());
  }
  MILL_ASSIGN_OR_RETURN(const Json choice, ReadJsonFile(inputs.choice));
  MILL_ASSIGN_OR_RETURN(loaded.threshold, ReadNumber(choice.value("threshold", Json()),
                                                     "choice.json: the decision threshold"));
  const std::string learner = choice.value("learner", "");
  const auto found = std::find_if(loaded.models.begin(), loaded.models.end(),
                                  [&](const TrainedModel& model) { return model.name == learner; });
  if (found == loaded.models.end()) {
    return base::DataLoss("choice.json names the learner \"" + learner +
                          "\", which was not trained");
  }
  loaded.chosen = static_cast<std::size_t>(found - loaded.models.begin());
  const std::vector<std::string>& features = loaded.Chosen().estimator->feature_names();
  const std::string& label = training.label.name;
  MILL_ASSIGN_OR_RETURN(loaded.train, ReadSet(loaded.training_set, "train", label, features));
  MILL_ASSIGN_OR_RETURN(loaded.validation,
                        ReadSet(loaded.training_set, "validation", label, features));
  MILL_ASSIGN_OR_RETURN(loaded.test, ReadSet(loaded.training_set, "test", label, features));
  return loaded;
}

/// Scores of a model on a set, whatever features it sees.
Result<std::vector<double>> ScoreSet(const TrainedModel& model, const SetRows& rows) {
  MILL_ASSIGN_OR_RETURN(const data::Matrix matrix,
                        data::ToMatrix(rows.table, model.estimator->feature_names()));
  return PredictAll(*model.estimator, matrix);
}

Result<evaluation::LearnerRow> MeasureLearner(const Context& context, const TrainedModel& model,
                                              bool is_chosen, std::span<const double> scores,
                                              const SetRows& test, const TrainingSpec& training) {
  MILL_ASSIGN_OR_RETURN(const evaluation::BinaryEvaluation measured,
                        evaluation::EvaluateBinary(context, scores, test.labels, training.costs));
  evaluation::LearnerRow row;
  row.name = model.name;
  row.validation_auc = model.validation_auc;
  row.test_auc = measured.roc_auc;
  row.test_pr_auc = measured.pr_auc;
  row.test_log_loss = measured.log_loss.value_or(0);
  row.test_brier = measured.brier.value_or(0);
  row.best_iteration = model.best_iteration;
  row.is_chosen = is_chosen;
  return row;
}

/// test_scores.parquet: key, as_of, label, one column per learner and baseline.
Result<void> WriteScores(const Context& context, const TrainingSpec& training, const Loaded& loaded,
                         const std::map<std::string, std::vector<double>>& scores,
                         const fs::path& out) {
  data::TableBuilder builder;
  for (const std::string& name :
       {training.label.key.value, std::string("as_of"), training.label.name}) {
    builder.AddColumn(loaded.test.table, name);
  }
  for (const auto& [name, values] : scores) {
    builder.AddDoubles(name, values);
  }
  MILL_ASSIGN_OR_RETURN(const data::Table table, builder.Finish());
  return data::WriteParquet(context, table, out / "test_scores.parquet");
}

/// reference.parquet: the training rows' features and the chosen model's scores on them.
Result<void> WriteReference(const Context& context, const Loaded& loaded, const fs::path& out) {
  const TrainedModel& chosen = loaded.Chosen();
  data::TableBuilder builder;
  for (const std::string& name : chosen.estimator->feature_names()) {
    builder.AddColumn(loaded.train.table, name);
  }
  builder.AddDoubles("score", PredictAll(*chosen.estimator, loaded.train.features));
  MILL_ASSIGN_OR_RETURN(const data::Table table, builder.Finish());
  return data::WriteParquet(context, table, out / "reference.parquet");
}

Result<std::vector<evaluation::ImportanceRow>> Importance(const Context& context,
                                                          const Loaded& loaded) {
  const TrainedModel& chosen = loaded.Chosen();
  MILL_ASSIGN_OR_RETURN(
      const auto permutation,
      explain::PermutationImportance(context, *chosen.estimator, loaded.validation.features,
                                     loaded.validation.labels));
  std::map<std::string, double> gain_of;
  for (const explain::FeatureImportance& feature : explain::GainImportance(*chosen.estimator)) {
    gain_of[feature.name] = feature.importance;
  }
  std::vector<evaluation::ImportanceRow> rows;
  for (const explain::FeatureImportance& feature : permutation) {
    rows.push_back({feature.name, gain_of[feature.name], feature.importance, feature.deviation});
  }
  return rows;
}

Result<void> WriteImportance(const std::vector<evaluation::ImportanceRow>& rows,
                             const fs::path& out) {
  Json list = Json::array();
  for (const evaluation::ImportanceRow& row : rows) {
    list.push_back({{"feature", row.feature},
                    {"gain_share", row.gain_share.value_or(0)},
                    {"permutation", row.permutation.value_or(0)},
                    {"permutation_std", row.permutation_std.value_or(0)}});
  }
  return base::WriteFileAtomic(out / "importance.json", base::DumpJsonPretty(list));
}

Result<std::vector<evaluation::ExpectationRow>> ReadValidations(
    const std::vector<fs::path>& files) {
  std::vector<evaluation::ExpectationRow> rows;
  for (const fs::path& file : files) {
    MILL_ASSIGN_OR_RETURN(const Json json, ReadJsonFile(file));
    for (const Json& item : json.value("expectations", Json::array())) {
      evaluation::ExpectationRow row;
      row.table = json.value("table", "");
      row.expectation = item.value("expectation", "");
      row.column = item.value("column", "");
      row.observed = item.value("observed", "");
      row.unexpected = item.value("unexpected", std::int64_t{0});
      row.unexpected_share = item.value("unexpected_share", 0.0);
      row.severity = item.value("severity", "error");
      row.passed = item.value("passed", false);
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

Result<std::vector<evaluation::SplitRow>> SplitRows(const Loaded& loaded) {
  std::vector<evaluation::SplitRow> rows;
  const std::array<std::pair<const char*, const SetRows*>, 3> sets = {
      {{"train", &loaded.train}, {"validation", &loaded.validation}, {"test", &loaded.test}}};
  for (const auto& [name, set] : sets) {
    MILL_ASSIGN_OR_RETURN(const data::Int64Column as_of, set->table.Timestamps("as_of"));
    const auto [first, last] = std::minmax_element(as_of.values.begin(), as_of.values.end());
    rows.push_back({name,
                    "as-of " + base::FormatDate(Timestamp{*first}) + " to " +
                        base::FormatDate(Timestamp{*last}),
                    static_cast<std::int64_t>(set->labels.size()), set->positives()});
  }
  return rows;
}

Result<std::vector<evaluation::FeatureDistribution>> Distributions(
    const Loaded& loaded, const std::vector<evaluation::ImportanceRow>& importance) {
  std::vector<evaluation::FeatureDistribution> list;
  for (const evaluation::ImportanceRow& row : importance) {
    MILL_ASSIGN_OR_RETURN(std::vector<double> train, loaded.train.table.Doubles(row.feature));
    MILL_ASSIGN_OR_RETURN(std::vector<double> test, loaded.test.table.Doubles(row.feature));
    const std::array<std::vector<double>, 2> groups = {std::move(train), std::move(test)};
    auto distribution = evaluation::MakeDistribution(row.feature, groups);
    if (distribution.ok()) {  // a feature without any value has no picture
      list.push_back(std::move(*distribution));
    }
  }
  return list;
}

cli::TextTable LearnerTable(const std::vector<evaluation::LearnerRow>& rows) {
  cli::TextTable table{
      "Test period", {"learner", "ROC AUC", "95% interval", "PR AUC", "log loss", "Brier"}, {}};
  for (const evaluation::LearnerRow& row : rows) {
    table.rows.push_back(
        {row.name + (row.is_chosen ? " (chosen)" : ""), base::FormatFixed(row.test_auc.auc, 4),
         base::FormatFixed(row.test_auc.interval.lower, 4) + " to " +
             base::FormatFixed(row.test_auc.interval.upper, 4),
         base::FormatFixed(row.test_pr_auc, 4), base::FormatFixed(row.test_log_loss, 4),
         base::FormatFixed(row.test_brier, 4)});
  }
  return table;
}

cli::TextTable BaselineTable(const std::vector<evaluation::BaselineComparison>& rows) {
  cli::TextTable table{"Against baselines",
                       {"baseline", "ROC AUC", "95% interval", "model minus baseline", "beaten"},
                       {}};
  for (const evaluation::BaselineComparison& row : rows) {
    table.rows.push_back({row.name, base::FormatFixed(row.baseline.auc, 4),
                          base::FormatFixed(row.baseline.interval.lower, 4) + " to " +
                              base::FormatFixed(row.baseline.interval.upper, 4),
                          base::FormatFixed(row.paired.difference, 4),
                          row.is_beaten ? "yes, intervals apart" : "no"});
  }
  return table;
}

using ScoresByName = std::map<std::string, std::vector<double>>;

/// Every learner on the test rows: its row of the report and its scores.
Result<void> MeasureLearners(const Context& context, const TrainingSpec& training,
                             const Loaded& loaded, evaluation::ReportData& report,
                             ScoresByName& scores) {
  for (std::size_t i = 0; i < loaded.models.size(); ++i) {
    const TrainedModel& model = loaded.models[i];
    MILL_ASSIGN_OR_RETURN(std::vector<double> values, ScoreSet(model, loaded.test));
    MILL_ASSIGN_OR_RETURN(
        evaluation::LearnerRow row,
        MeasureLearner(context, model, i == loaded.chosen, values, loaded.test, training));
    report.learners.push_back(std::move(row));
    scores[model.name] = std::move(values);
  }
  return {};
}

/// The chosen learner on test and validation rows, at the threshold that validation chose.
Result<void> MeasureChosen(const Context& context, const TrainingSpec& training,
                           const Loaded& loaded, std::span<const double> test_scores,
                           evaluation::ReportData& report) {
  evaluation::EvaluateOptions options;
  options.costs = training.costs;
  options.threshold = loaded.threshold;
  MILL_ASSIGN_OR_RETURN(
      report.test, evaluation::EvaluateBinary(context, test_scores, loaded.test.labels, options));
  MILL_ASSIGN_OR_RETURN(const std::vector<double> validation_scores,
                        ScoreSet(loaded.Chosen(), loaded.validation));
  MILL_ASSIGN_OR_RETURN(
      report.validation,
      evaluation::EvaluateBinary(context, validation_scores, loaded.validation.labels, options));
  return {};
}

/// The chosen learner against the majority and the declared baselines, on the test rows.
Result<void> CompareBaselines(const Loaded& loaded, const std::vector<double>& chosen_scores,
                              evaluation::ReportData& report, ScoresByName& scores) {
  MILL_ASSIGN_OR_RETURN(const std::vector<double> majority,
                        evaluation::MajorityScores(loaded.train.labels, loaded.test.labels.size()));
  MILL_ASSIGN_OR_RETURN(
      auto against_majority,
      evaluation::CompareWithBaseline("majority", "every customer gets the training share",
                                      chosen_scores, majority, loaded.test.labels));
  report.baselines.push_back(std::move(against_majority));
  for (const TrainedModel& baseline : loaded.baselines) {
    MILL_ASSIGN_OR_RETURN(std::vector<double> values, ScoreSet(baseline, loaded.test));
    std::string columns;
    for (const std::string& name : baseline.estimator->feature_names()) {
      columns += (columns.empty() ? "" : ", ") + name;
    }
    MILL_ASSIGN_OR_RETURN(auto against,
                          evaluation::CompareWithBaseline(
                              baseline.name, baseline.learner + " on " + columns + " alone",
                              chosen_scores, values, loaded.test.labels));
    report.baselines.push_back(std::move(against));
    scores[std::string(kBaselinePrefix) + baseline.name] = std::move(values);
  }
  return {};
}

/// What the report says beside numbers: names, question, lineage.
void Describe(const Context& context, const Project& project, const TrainingSpec& training,
              const EvaluationInputs& inputs, const Loaded& loaded,
              evaluation::ReportData& report) {
  report.distribution_groups = {"train", "test"};
  report.project = project.file.name;
  report.title = training.description.empty() ? training.name.value : training.description;
  report.question = project.file.description;
  report.chosen_learner = loaded.Chosen().name;
  report.positive_name = training.label.name;
  report.negative_name = "not " + training.label.name;
  report.lineage.emplace_back("training set", loaded.training_set.Hash().Hex());
  for (const features::ViewPlan* view : inputs.views) {
    report.lineage.emplace_back("view " + view->name, view->hash.Hex());
  }
  report.lineage.emplace_back("seed", std::to_string(context.seed));
  report.reproduce = {"millrace run"};
}

/// What metrics.json holds: of the chosen learner by plain names, of the others with theirs in
/// front.
std::map<std::string, double> TestMetrics(const evaluation::ReportData& report) {
  std::map<std::string, double> metrics;
  for (const auto& [name, value] : report.test.Metrics()) {
    metrics[name] = value;
  }
  for (const evaluation::BaselineComparison& baseline : report.baselines) {
    metrics["baseline_" + baseline.name + "_roc_auc"] = baseline.baseline.auc;
  }
  for (const evaluation::LearnerRow& row : report.learners) {
    metrics[row.name + "_roc_auc"] = row.test_auc.auc;
  }
  return metrics;
}

}  // namespace

Result<StageOutput> Evaluate(const Context& context, const Project& project,
                             const TrainingSpec& training, const EvaluationInputs& inputs,
                             const fs::path& out) {
  MILL_ASSIGN_OR_RETURN(const Loaded loaded, Load(context, training, inputs));
  evaluation::ReportData report;
  ScoresByName scores;
  MILL_RETURN_IF_ERROR(MeasureLearners(context, training, loaded, report, scores));
  const std::vector<double>& chosen_scores = scores.at(loaded.Chosen().name);
  MILL_RETURN_IF_ERROR(MeasureChosen(context, training, loaded, chosen_scores, report));
  MILL_RETURN_IF_ERROR(CompareBaselines(loaded, chosen_scores, report, scores));
  MILL_ASSIGN_OR_RETURN(report.importance, Importance(context, loaded));
  MILL_ASSIGN_OR_RETURN(report.distributions, Distributions(loaded, report.importance));
  MILL_ASSIGN_OR_RETURN(report.expectations, ReadValidations(inputs.validations));
  MILL_ASSIGN_OR_RETURN(report.splits, SplitRows(loaded));
  Describe(context, project, training, inputs, loaded, report);
  MILL_ASSIGN_OR_RETURN(
      const GroupReport groups,
      MeasureDeclaredGroups(
          context, training,
          {loaded.test.table, chosen_scores, loaded.test.labels, loaded.threshold}, inputs.tables));
  report.segments = groups.segments;
  report.fairness = groups.fairness;

  StageOutput output;
  output.metrics = TestMetrics(report);
  output.metrics.merge(GroupMetricNames(groups));
  MILL_RETURN_IF_ERROR(
      base::WriteFileAtomic(out / "metrics.json", base::DumpJsonPretty(Json(output.metrics))));
  MILL_RETURN_IF_ERROR(WriteScores(context, training, loaded, scores, out));
  MILL_RETURN_IF_ERROR(
      base::WriteFileAtomic(out / "segments.json", evaluation::GroupTablesToJson(groups.segments)));
  MILL_RETURN_IF_ERROR(
      base::WriteFileAtomic(out / "fairness.json", evaluation::GroupTablesToJson(groups.fairness)));
  MILL_RETURN_IF_ERROR(WriteReference(context, loaded, out));
  MILL_RETURN_IF_ERROR(WriteImportance(report.importance, out));
  MILL_RETURN_IF_ERROR(evaluation::WriteHtmlReport(out / "evaluation.html", report));
  auto plots = evaluation::WritePlots(out / "plots", report);
  if (!plots.ok()) {
    return std::move(plots).error();
  }
  output.rows = report.test.rows;
  output.tables.push_back(LearnerTable(report.learners));
  output.tables.push_back(BaselineTable(report.baselines));
  if (!groups.fairness.empty()) {
    output.tables.push_back(FairnessText(groups));
  }
  return output;
}

}  // namespace millrace::app
