// SPDX-License-Identifier: Apache-2.0
// Estimator: what was trained. Model: an estimator with its signature and where it comes from. Both
// immutable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "models/engine.h"
#include "models/signature.h"

namespace millrace::models {

/// A trained binary classifier, whatever trained it. Immutable, thread-safe.
class Estimator {
 public:
  virtual ~Estimator() = default;

  /// "lightgbm", "xgboost", "random_forest" or "logistic_regression"; reaches disk in
  /// millrace.json.
  virtual std::string_view kind() const = 0;
  /// Names of the features in the order of an engine's row; never empty.
  virtual const std::vector<std::string>& feature_names() const = 0;
  std::size_t n_features() const { return feature_names().size(); }
  /// Number of trees; 0 where there are none.
  virtual std::size_t n_trees() const { return 0; }

  /// One value per feature, >= 0: total gain of the splits on it; for a linear model the absolute
  /// weight of the standardised feature.
  virtual std::vector<double> GainImportance() const = 0;
  /// One value per feature: number of splits on it; for a linear model 1 where the weight is not 0.
  virtual std::vector<double> SplitImportance() const = 0;

  /// The estimator in its own format; the same estimator gives the same bytes.
  virtual std::string NativeBytes() const = 0;
  /// File name of these bytes in a model directory, for example "model.lgb".
  virtual std::string NativeFileName() const = 0;

  /// A new engine, independent of this object's lifetime.
  virtual std::unique_ptr<Engine> MakeEngine() const = 0;

  /// The whole pipeline, preprocessing included, as ONNX: one input of shape [n] per column of the
  /// signature (double or int64 by its type; of shape [n, 1] if there is only one column, as mlflow
  /// feeds it), one output `probability` (double, [n, 1]). Deterministic.
  /// @return - kInvalidArgument if the signature's inputs are not this estimator's features.
  ///         - kUnimplemented where a construct has no ONNX form (says which).
  virtual Result<std::string> OnnxBytes(const Signature& signature) const = 0;
};

/// Where a model comes from. Holds no ids and no times, so that it is the same for the same
/// training.
struct ModelMetadata {
  ContentHash training_set_hash;
  /// Feature view to the hash of its plan: the values that the model was trained on.
  std::map<std::string, ContentHash> view_hashes;
  std::uint64_t seed = 0;
  std::map<std::string, double> metrics;
  /// Name of the learner in its registry.
  std::string learner;
  /// Parameters as texts.
  std::map<std::string, std::string> params;

  bool operator==(const ModelMetadata&) const = default;
};

/// An estimator that knows its columns and its origin. Immutable; cheap to copy.
class Model {
 public:
  /// kInvalidArgument if the signature's inputs are not the estimator's features, in their order,
  /// or one is a string.
  static Result<Model> Make(Signature signature, std::shared_ptr<const Estimator> estimator,
                            ModelMetadata metadata);

  const Signature& signature() const { return signature_; }
  const std::shared_ptr<const Estimator>& estimator() const { return estimator_; }
  const ModelMetadata& metadata() const { return metadata_; }

 private:
  Model(Signature signature, std::shared_ptr<const Estimator> estimator, ModelMetadata metadata)
      : signature_(std::move(signature)),
        estimator_(std::move(estimator)),
        metadata_(std::move(metadata)) {}

  Signature signature_;
  std::shared_ptr<const Estimator> estimator_;
  ModelMetadata metadata_;
};

/// A signature of required double columns with these names.
Signature DoubleSignature(const std::vector<std::string>& names);

/// Checks that the inputs are exactly these features in this order and hold numbers;
/// kInvalidArgument names the first difference.
Result<void> CheckSignature(const Signature& signature,
                            const std::vector<std::string>& feature_names);

}  // namespace millrace::models
