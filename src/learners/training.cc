// SPDX-License-Identifier: Apache-2.0
// Input checks, parameter access, early stopping and validation scores that the built-in learners
// share.
#include "learners/internal/training.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "base/check.h"
#include "base/number_format.h"
#include "base/thread_pool.h"
#include "data/matrix.h"
#include "metrics/binary.h"
#include "models/model.h"

namespace millrace::learners::internal {
namespace {

using base::InvalidArgument;

Result<void> CheckLabels(std::string_view set, const data::Matrix& rows,
                         std::span<const std::uint8_t> labels) {
  const std::string name(set);
  if (rows.rows == 0) {
    return InvalidArgument("the " + name +
                           " set has no rows; at least one row of each class is wanted")
        .Hint("widen the period of the " + name + " set in the split");
  }
  if (rows.values.size() != rows.rows * rows.names.size()) {
    return InvalidArgument("the " + name + " set holds " + std::to_string(rows.values.size()) +
                           " values; " + std::to_string(rows.rows) + " rows of " +
                           std::to_string(rows.names.size()) + " columns are wanted");
  }
  if (labels.size() != rows.rows) {
    return InvalidArgument("the " + name + " set has " + std::to_string(rows.rows) + " rows but " +
                           std::to_string(labels.size()) + " labels; one label per row is wanted");
  }
  std::size_t positive = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] > 1) {
      return InvalidArgument("label of row " + std::to_string(i) + " of the " + name + " set is " +
                             std::to_string(labels[i]) + "; 0 or 1 is wanted");
    }
    positive += labels[i];
  }
  if (positive == 0 || positive == labels.size()) {
    return InvalidArgument("every one of the " + std::to_string(labels.size()) + " labels of the " +
                           name + " set is " + (positive == 0 ? "0" : "1") +
                           "; both classes are wanted")
        .Hint("check the label's definition or widen the period of the " + name + " set");
  }
  return {};
}

Result<void> CheckFinite(std::string_view set, const data::Matrix& rows) {
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    if (std::isinf(rows.values[i])) {
      const std::size_t column = i % rows.names.size();
      return InvalidArgument("column \"" + rows.names[column] + "\" of the " + std::string(set) +
                             " set is " + base::FormatDouble(rows.values[i]) + " in row " +
                             std::to_string(i / rows.names.size()) +
                             "; finite numbers or missing values are wanted")
          .Hint("guard the division in the feature, for example with greatest(x, 1)");
    }
  }
  return {};
}

enum class ColumnKind { kVaries, kConstant, kMissing };

ColumnKind KindOf(const data::Matrix& rows, std::size_t column) {
  bool seen = false;
  bool missing = false;
  double first = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const double value = rows.At(i, column);
    if (std::isnan(value)) {
      missing = true;
    } else if (!seen) {
      first = value;
      seen = true;
    } else if (value != first) {
      return ColumnKind::kVaries;
    }
    if (seen && missing) {
      // One value and missing ones still separate rows for a learner that knows missing values.
      return ColumnKind::kVaries;
    }
  }
  return seen ? ColumnKind::kConstant : ColumnKind::kMissing;
}

}  // namespace

Result<std::vector<std::string>> CheckTrainingData(const TrainingData& data) {
  if (data.train.names.empty()) {
    return InvalidArgument("the train set has no columns; at least one feature is wanted");
  }
  if (data.train.names != data.validation.names) {
    return InvalidArgument("train and validation sets have different columns (" +
                           std::to_string(data.train.names.size()) + " and " +
                           std::to_string(data.validation.names.size()) +
                           "); the same names in the same order are wanted");
  }
  MILL_RETURN_IF_ERROR(CheckLabels("train", data.train, data.train_labels));
  MILL_RETURN_IF_ERROR(CheckLabels("validation", data.validation, data.validation_labels));
  MILL_RETURN_IF_ERROR(CheckFinite("train", data.train));
  MILL_RETURN_IF_ERROR(CheckFinite("validation", data.validation));
  std::vector<std::string> notes;
  for (std::size_t c = 0; c < data.train.names.size(); ++c) {
    const ColumnKind kind = KindOf(data.train, c);
    if (kind == ColumnKind::kConstant) {
      notes.push_back("column \"" + data.train.names[c] +
                      "\" is constant in the train set and gets no weight");
    } else if (kind == ColumnKind::kMissing) {
      notes.push_back("column \"" + data.train.names[c] +
                      "\" has no value in the train set and gets no weight");
    }
  }
  if (notes.size() == data.train.names.size()) {
    return InvalidArgument("none of the " + std::to_string(notes.size()) +
                           " columns of the train set varies; at least one that varies is wanted")
        .Hint("look at the features: " + notes.front());
  }
  return notes;
}

double Number(const Params& params, std::string_view name) {
  const auto found = params.find(std::string(name));
  MILL_CHECK(found != params.end());
  const double* value = std::get_if<double>(&found->second);
  MILL_CHECK(value != nullptr);
  return *value;
}

int Integer(const Params& params, std::string_view name) {
  return static_cast<int>(Number(params, name));
}

const std::string& Text(const Params& params, std::string_view name) {
  const auto found = params.find(std::string(name));
  MILL_CHECK(found != params.end());
  const std::string* value = std::get_if<std::string>(&found->second);
  MILL_CHECK(value != nullptr);
  return *value;
}

ParamInfo IntegerParam(std::string name, double value, double minimum, double maximum,
                       std::string description) {
  return {std::move(name),       ParamType::kInteger, value, minimum, maximum, {},
          std::move(description)};
}

ParamInfo DoubleParam(std::string name, double value, double minimum, double maximum,
                      std::string description) {
  return {std::move(name), ParamType::kDouble, value, minimum, maximum, {}, std::move(description)};
}

ParamInfo ChoiceParam(std::string name, std::string value, std::vector<std::string> choices,
                      std::string description) {
  return {std::move(name),    ParamType::kChoice,    std::move(value), 0, 0,
          std::move(choices), std::move(description)};
}

Result<double> ValidationAuc(const models::Estimator& estimator, const TrainingData& data) {
  std::vector<double> scores(data.validation.rows);
  const std::unique_ptr<models::Engine> engine = estimator.MakeEngine();
  engine->Predict(data.validation.values.data(), data.validation.rows, scores.data());
  return metrics::RocAuc(scores, data.validation_labels);
}

Result<double> CurveValue(std::string_view metric, std::span<const double> probabilities,
                          std::span<const std::uint8_t> labels) {
  return metric == "auc" ? metrics::RocAuc(probabilities, labels)
                         : metrics::LogLoss(probabilities, labels);
}

std::vector<double> Shares(std::vector<double> values) {
  double sum = 0;
  for (const double value : values) {
    sum += value;
  }
  for (double& value : values) {
    value = sum > 0 ? value / sum : 0.0;
  }
  return values;
}

int Threads(const Context& context) {
  return context.cpu == nullptr ? 1 : std::max(1, context.cpu->threads());
}

bool EarlyStop::Add(double value) {
  curve_.push_back(value);
  const int iteration = static_cast<int>(curve_.size());
  const bool better = higher_is_better_ ? value > best_ : value < best_;
  if (best_iteration_ == 0 || better) {
    best_ = value;
    best_iteration_ = iteration;
  }
  return patience_ > 0 && iteration - best_iteration_ >= patience_;
}

}  // namespace millrace::learners::internal
