// SPDX-License-Identifier: Apache-2.0
// Gain shares, and the loss of ROC AUC when a column is shuffled.
#include "explain/importance.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "data/matrix.h"
#include "metrics/binary.h"
#include "models/model.h"

namespace millrace::explain {
namespace {

using base::InvalidArgument;

void SortFalling(std::vector<FeatureImportance>& features) {
  std::stable_sort(features.begin(), features.end(),
                   [](const FeatureImportance& a, const FeatureImportance& b) {
                     return a.importance > b.importance;
                   });
}

struct Sample {
  data::Matrix rows;
  std::vector<std::uint8_t> labels;
};

/// Every row, or max_rows of them at even distances.
Sample Take(const data::Matrix& rows, std::span<const std::uint8_t> labels, std::size_t max_rows) {
  Sample sample;
  const std::size_t n = max_rows == 0 ? rows.rows : std::min(rows.rows, max_rows);
  sample.rows.names = rows.names;
  sample.rows.rows = n;
  sample.rows.values.reserve(n * rows.names.size());
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t from = i * rows.rows / n;
    sample.rows.values.insert(sample.rows.values.end(), rows.Row(from),
                              rows.Row(from) + rows.names.size());
    sample.labels.push_back(labels[from]);
  }
  return sample;
}

class Permuter {
 public:
  Permuter(const Context& context, const models::Engine& engine, const Sample& sample, int repeats)
      : context_(context),
        engine_(engine),
        sample_(sample),
        repeats_(static_cast<std::size_t>(repeats)) {}

  Result<double> Auc(const data::Matrix& rows) const {
    std::vector<double> scores(rows.rows);
    engine_.Predict(rows.values.data(), rows.rows, scores.data());
    return metrics::RocAuc(scores, sample_.labels);
  }

  Result<void> Measure(double whole, std::size_t column, FeatureImportance* out) const {
    data::Matrix rows = sample_.rows;
    std::vector<double> losses;
    std::vector<std::uint32_t> order(rows.rows);
    for (std::size_t r = 0; r < repeats_; ++r) {
      MILL_RETURN_IF_ERROR(context_.Check());
      std::iota(order.begin(), order.end(), 0U);
      base::Rng(context_.seed, column * repeats_ + r).Shuffle(order);
      for (std::size_t i = 0; i < rows.rows; ++i) {
        rows.values[i * rows.names.size() + column] = sample_.rows.At(order[i], column);
      }
      MILL_ASSIGN_OR_RETURN(const double auc, Auc(rows));
      losses.push_back(whole - auc);
    }
    const double n = static_cast<double>(losses.size());
    out->importance = std::accumulate(losses.begin(), losses.end(), 0.0) / n;
    double squares = 0;
    for (const double loss : losses) {
      squares += (loss - out->importance) * (loss - out->importance);
    }
    out->deviation = std::sqrt(squares / n);
    return {};
  }

 private:
  const Context& context_;
  const models::Engine& engine_;
  const Sample& sample_;
  std::size_t repeats_;
};

}  // namespace

std::vector<FeatureImportance> GainImportance(const models::Estimator& estimator) {
  const std::vector<double> gain = estimator.GainImportance();
  const double sum = std::accumulate(gain.begin(), gain.end(), 0.0);
  std::vector<FeatureImportance> features;
  for (std::size_t i = 0; i < gain.size(); ++i) {
    features.push_back({estimator.feature_names()[i], sum > 0 ? gain[i] / sum : 0.0, 0.0});
  }
  SortFalling(features);
  return features;
}

Result<std::vector<FeatureImportance>> PermutationImportance(const Context& context,
                                                             const models::Estimator& estimator,
                                                             const data::Matrix& rows,
                                                             std::span<const std::uint8_t> labels,
                                                             const PermutationOptions& options) {
  if (options.repeats < 1) {
    return InvalidArgument("permutation importance with " + std::to_string(options.repeats) +
                           " repeats; at least 1 is wanted");
  }
  if (rows.names != estimator.feature_names()) {
    return InvalidArgument("the rows have " + std::to_string(rows.names.size()) +
                           " columns, the estimator has " + std::to_string(estimator.n_features()) +
                           " features; the same names in the same order are wanted");
  }
  if (labels.size() != rows.rows || rows.values.size() != rows.rows * rows.names.size()) {
    return InvalidArgument(std::to_string(rows.rows) + " rows with " +
                           std::to_string(rows.values.size()) + " values and " +
                           std::to_string(labels.size()) + " labels; one label per row is wanted");
  }
  const Sample sample = Take(rows, labels, options.max_rows);
  const std::unique_ptr<models::Engine> engine = estimator.MakeEngine();
  const Permuter permuter(context, *engine, sample, options.repeats);
  MILL_ASSIGN_OR_RETURN(const double whole, permuter.Auc(sample.rows));
  const std::vector<double> splits = estimator.SplitImportance();
  std::vector<FeatureImportance> features(rows.names.size());
  const auto block = [&](std::size_t begin, std::size_t end) -> Result<void> {
    for (std::size_t f = begin; f < end; ++f) {
      features[f].name = rows.names[f];
      // Nothing reads an unused column: its loss is 0 without any prediction.
      if (splits[f] > 0) {
        MILL_RETURN_IF_ERROR(permuter.Measure(whole, f, &features[f]));
      }
    }
    return {};
  };
  if (context.cpu == nullptr) {
    MILL_RETURN_IF_ERROR(block(0, features.size()));
  } else {
    MILL_RETURN_IF_ERROR(context.cpu->ParallelFor(context, features.size(), 1, block));
  }
  SortFalling(features);
  return features;
}

}  // namespace millrace::explain
