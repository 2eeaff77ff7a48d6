// SPDX-License-Identifier: Apache-2.0
// What a learner is: declared parameters and Train, which turns rows and labels into an immutable
// estimator.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace millrace::data {
struct Matrix;
}
namespace millrace::models {
class Estimator;
}

namespace millrace::learners {

/// The value of one parameter: a number, or a text for choices.
using ParamValue = std::variant<double, std::string>;
/// Parameters by name; those not named keep their defaults.
using Params = std::map<std::string, ParamValue>;

enum class ParamType { kInteger, kDouble, kChoice };

/// One declared parameter: the source of validation, help, JSON Schema and the reference page.
struct ParamInfo {
  std::string name;
  ParamType type = ParamType::kDouble;
  ParamValue default_value;
  /// Range of a number, both ends included.
  double minimum = 0;
  double maximum = 0;
  /// Allowed texts of a kChoice.
  std::vector<std::string> choices;
  /// One sentence.
  std::string description;
};

struct Capabilities {
  /// NaN is a value of its own for the trained model, not imputed.
  bool native_missing = false;
  /// Stops by the validation set; `Trained::best_iteration` is then meaningful.
  bool early_stopping = false;
  /// Uses `Context::cpu`; otherwise trains on the calling thread alone.
  bool parallel = false;
};

struct LearnerInfo {
  /// Name in training/*.yaml and kind() of the estimator.
  std::string name;
  std::string summary;
  Capabilities capabilities;
  std::vector<ParamInfo> params;
};

/// Rows and labels; views, alive for the call. Both matrices have the same columns in the same
/// order; NaN is missing.
struct TrainingData {
  const data::Matrix& train;
  /// train.rows values in {0, 1}.
  std::span<const std::uint8_t> train_labels;
  const data::Matrix& validation;
  /// validation.rows values in {0, 1}.
  std::span<const std::uint8_t> validation_labels;
};

/// What training gave.
struct Trained {
  std::shared_ptr<const models::Estimator> estimator;
  /// ROC AUC of `estimator` on the validation rows.
  double validation_auc = 0;
  /// Iterations (trees, Newton steps) kept in the estimator, from 1.
  int best_iteration = 0;
  /// Validation metric after each iteration that was tried: the early-stopping metric for the
  /// boosters, the AUC of the first 1, 2, 4, ... trees for the forest, the penalised training loss
  /// for logistic regression.
  std::vector<double> curve;
  /// What `curve` holds: "auc", "logloss", "objective".
  std::string curve_metric;
  /// The estimator's GainImportance() as shares that sum to 1 (logistic regression: share of the
  /// absolute standardised weights); all 0 when no split was found.
  std::vector<double> gain;
  /// Every parameter that was used, defaults included.
  Params params;
  /// Things the user should know, one sentence each: constant columns, all-missing columns, no
  /// convergence.
  std::vector<std::string> notes;
};

/// Trains one kind of model. Stateless and thread-safe: several trainings may run side by side.
class Learner {
 public:
  virtual ~Learner() = default;
  Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;

  virtual const LearnerInfo& info() const = 0;

  /// Trains with `context.seed` on `context.cpu`; same seed, data and parameters give the same
  /// bytes at any thread count.
  /// @return - kInvalidArgument: unknown or out-of-range parameter (with the nearest name), no
  /// rows, no columns, labels of
  ///           another length or outside {0, 1}, one class only in train or validation, infinite
  ///           values, differing columns
  ///         - kCancelled, kDeadlineExceeded: as context.Check() says; checked at least once per
  ///         iteration
  /// Constant and all-missing columns are kept, get no weight, and are named in `notes`.
  virtual Result<Trained> Train(const Context& context, const TrainingData& data,
                                const Params& params) const = 0;
};

/// `given` with every default filled in, after checking names, types and ranges; all mistakes at
/// once.
Result<Params> CheckParams(const LearnerInfo& info, const Params& given);

/// JSON Schema (draft 2020-12) of a learner's parameter map, as text with sorted keys.
std::string ParamsJsonSchema(const LearnerInfo& info);

/// The text of a value: shortest round-trip number or the text itself. What tracking stores as a
/// run's parameter.
std::string ParamText(const ParamValue& value);

}  // namespace millrace::learners
