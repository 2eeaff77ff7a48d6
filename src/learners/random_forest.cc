// SPDX-License-Identifier: Apache-2.0
// Our random forest: bootstrapped Gini trees over binned columns, parallel over trees, the same
// bytes at any thread count.
#include "models/random_forest.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "base/thread_pool.h"
#include "learners/internal/binned.h"
#include "learners/internal/training.h"
#include "learners/registry.h"
#include "metrics/binary.h"

namespace millrace::learners {
namespace {

LearnerInfo MakeInfo() {
  using internal::ChoiceParam;
  using internal::IntegerParam;
  LearnerInfo info;
  info.name = "random_forest";
  info.summary = "Mean of bootstrapped Gini trees (our own).";
  info.capabilities = {.native_missing = true, .early_stopping = false, .parallel = true};
  info.params = {
      IntegerParam("n_estimators", 300, 1, 100'000, "Trees."),
      IntegerParam("max_depth", 0, 0, 1000, "Most levels of a tree; 0 is no limit."),
      IntegerParam("min_samples_leaf", 5, 1, 1e9, "Fewest distinct rows of a leaf."),
      IntegerParam("min_samples_split", 2, 2, 1e9, "Fewest distinct rows of a node that is split."),
      IntegerParam("max_features", 0, 0, 1'000'000,
                   "Columns tried at each split; 0 is the square root of their number."),
      IntegerParam("max_bins", 255, 2, 255, "Most bins of a column."),
      ChoiceParam("bootstrap", "yes", {"yes", "no"},
                  "Whether each tree draws its rows with replacement or sees all."),
  };
  return info;
}

/// Runs body over [0, n) one by one, on the pool if there is one.
Result<void> ForEach(const Context& context, std::size_t n,
                     const std::function<Result<void>(std::size_t)>& body) {
  const auto block = [&body, &context](std::size_t begin, std::size_t end) -> Result<void> {
    for (std::size_t i = begin; i < end; ++i) {
      MILL_RETURN_IF_ERROR(context.Check());
      MILL_RETURN_IF_ERROR(body(i));
    }
    return {};
  };
  return context.cpu == nullptr ? block(0, n) : context.cpu->ParallelFor(context, n, 1, block);
}

/// AUC on the validation rows of the first 1, 2, 4, ... trees and of all of them.
Result<std::vector<double>> Curve(const Context& context, const models::ForestData& forest,
                                  const TrainingData& data) {
  const std::size_t rows = data.validation.rows;
  std::vector<double> sums(rows);
  std::vector<double> curve;
  for (std::size_t t = 0; t < forest.trees.size(); ++t) {
    const std::vector<models::ForestNode>& nodes = forest.trees[t].nodes;
    for (std::size_t i = 0; i < rows; ++i) {
      const double* row = data.validation.Row(i);
      std::size_t at = 0;
      while (nodes[at].feature >= 0) {
        const double value = row[nodes[at].feature];
        const bool left = std::isnan(value) ? nodes[at].default_left : value <= nodes[at].threshold;
        at = static_cast<std::size_t>(left ? nodes[at].left : nodes[at].right);
      }
      sums[i] += nodes[at].value;
    }
    const std::size_t n = t + 1;
    if ((n & (n - 1)) == 0 || n == forest.trees.size()) {
      MILL_RETURN_IF_ERROR(context.Check());
      MILL_ASSIGN_OR_RETURN(const double auc, metrics::RocAuc(sums, data.validation_labels));
      curve.push_back(auc);
    }
  }
  return curve;
}

class RandomForestLearner final : public Learner {
 public:
  RandomForestLearner() : info_(MakeInfo()) {}
  const LearnerInfo& info() const override { return info_; }
  Result<Trained> Train(const Context& context, const TrainingData& data,
                        const Params& given) const override;

 private:
  LearnerInfo info_;
};

internal::TreeSettings Settings(const Params& params, std::size_t columns) {
  internal::TreeSettings settings;
  settings.max_depth = internal::Integer(params, "max_depth");
  settings.min_samples_leaf =
      static_cast<std::uint32_t>(internal::Integer(params, "min_samples_leaf"));
  settings.min_samples_split =
      static_cast<std::uint32_t>(internal::Integer(params, "min_samples_split"));
  settings.bootstrap = internal::Text(params, "bootstrap") == "yes";
  const auto wanted = static_cast<std::size_t>(internal::Integer(params, "max_features"));
  const auto root = static_cast<std::size_t>(std::sqrt(static_cast<double>(columns)));
  settings.max_features =
      static_cast<std::uint32_t>(std::clamp<std::size_t>(wanted == 0 ? root : wanted, 1, columns));
  return settings;
}

Result<Trained> RandomForestLearner::Train(const Context& context, const TrainingData& data,
                                           const Params& given) const {
  Trained trained;
  MILL_ASSIGN_OR_RETURN(trained.params, CheckParams(info_, given));
  MILL_ASSIGN_OR_RETURN(trained.notes, internal::CheckTrainingData(data));
  const auto n_trees = static_cast<std::size_t>(internal::Integer(trained.params, "n_estimators"));
  const auto max_bins = static_cast<std::size_t>(internal::Integer(trained.params, "max_bins"));
  const std::size_t columns = data.train.names.size();

  internal::BinnedMatrix binned;
  binned.rows = data.train.rows;
  binned.columns = columns;
  binned.bins.resize(binned.rows * columns);
  binned.bounds.resize(columns);
  binned.top.resize(columns);
  MILL_RETURN_IF_ERROR(ForEach(context, columns, [&](std::size_t column) -> Result<void> {
    internal::BinColumn(data.train, column, max_bins, binned);
    return {};
  }));

  const internal::TreeSettings settings = Settings(trained.params, columns);
  models::ForestData forest;
  forest.feature_names = data.train.names;
  forest.trees.resize(n_trees);
  internal::ProgressScope progress(context, "random_forest", n_trees);
  MILL_RETURN_IF_ERROR(ForEach(context, n_trees, [&](std::size_t tree) -> Result<void> {
    forest.trees[tree] =
        internal::GrowTree(binned, data.train_labels, settings, base::Rng(context.seed, tree));
    progress.Advance(1);
    return {};
  }));

  MILL_ASSIGN_OR_RETURN(trained.curve, Curve(context, forest, data));
  trained.curve_metric = "auc";
  trained.best_iteration = static_cast<int>(n_trees);
  MILL_ASSIGN_OR_RETURN(trained.estimator, models::MakeRandomForest(std::move(forest)));
  trained.gain = internal::Shares(trained.estimator->GainImportance());
  MILL_ASSIGN_OR_RETURN(trained.validation_auc, internal::ValidationAuc(*trained.estimator, data));
  return trained;
}

}  // namespace

std::unique_ptr<Learner> MakeRandomForestLearner() {
  return std::make_unique<RandomForestLearner>();
}

}  // namespace millrace::learners
