// SPDX-License-Identifier: Apache-2.0
// Logistic regression: checks, engine, native bytes.
#include "models/logistic_regression.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "models/internal/native_file.h"
#include "models/internal/onnx_export.h"

namespace millrace::models {

namespace {

using internal::NativeReader;
using internal::NativeWriter;

// These reach disk: docs/formats/native_models.md.
constexpr std::string_view kMagic = "MILLRLOG";
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kWhat = "logistic regression";

class LogisticEngine final : public Engine {
 public:
  explicit LogisticEngine(LogisticData data) : data_(std::move(data)) {}

  std::size_t n_features() const noexcept override { return data_.weights.size(); }

  void Predict(const double* rows, std::size_t n_rows, double* out) const noexcept override {
    const std::size_t n = n_features();
    for (std::size_t i = 0; i < n_rows; ++i) {
      const double* row = rows + i * n;
      double z = data_.intercept;
      for (std::size_t j = 0; j < n; ++j) {
        const double x = std::isnan(row[j]) ? data_.impute[j] : row[j];
        z += data_.weights[j] * ((x - data_.mean[j]) / data_.scale[j]);
      }
      out[i] = 1.0 / (1.0 + std::exp(-z));
    }
  }

 private:
  LogisticData data_;
};

class LogisticEstimator final : public Estimator {
 public:
  explicit LogisticEstimator(LogisticData data) : data_(std::move(data)) {}

  std::string_view kind() const override { return "logistic_regression"; }
  const std::vector<std::string>& feature_names() const override { return data_.feature_names; }

  std::vector<double> GainImportance() const override {
    std::vector<double> sizes;
    for (const double weight : data_.weights) {
      sizes.push_back(std::fabs(weight));
    }
    return sizes;
  }
  std::vector<double> SplitImportance() const override {
    std::vector<double> is_used;
    for (const double weight : data_.weights) {
      is_used.push_back(weight != 0.0 ? 1.0 : 0.0);
    }
    return is_used;
  }

  std::string NativeBytes() const override {
    NativeWriter writer;
    writer.AddU32(static_cast<std::uint32_t>(data_.feature_names.size()));
    for (const std::string& name : data_.feature_names) {
      writer.AddText(name);
    }
    writer.AddDoubles(data_.impute);
    writer.AddDoubles(data_.mean);
    writer.AddDoubles(data_.scale);
    writer.AddDoubles(data_.weights);
    writer.AddDouble(data_.intercept);
    return writer.Finish(kMagic, kVersion);
  }
  std::string NativeFileName() const override { return "model.logistic"; }
  std::unique_ptr<Engine> MakeEngine() const override {
    return std::make_unique<LogisticEngine>(data_);
  }
  Result<std::string> OnnxBytes(const Signature& signature) const override {
    MILL_RETURN_IF_ERROR(CheckSignature(signature, data_.feature_names));
    return internal::LogisticToOnnx(data_, signature);
  }

 private:
  LogisticData data_;
};

Error Bad(const std::string& message) {
  return base::InvalidArgument(std::string(kWhat) + ": " + message);
}

Result<void> CheckList(const LogisticData& data, const std::vector<double>& values,
                       const char* name) {
  if (values.size() != data.feature_names.size()) {
    return Bad(std::to_string(values.size()) + " values of " + name + " for " +
               std::to_string(data.feature_names.size()) + " features");
  }
  for (std::size_t j = 0; j < values.size(); ++j) {
    if (!std::isfinite(values[j])) {
      return Bad("feature \"" + data.feature_names[j] + "\": " + name + " is not finite");
    }
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Estimator>> MakeLogisticRegression(LogisticData data) {
  if (data.feature_names.empty()) {
    return Bad("it has no features");
  }
  MILL_RETURN_IF_ERROR(CheckList(data, data.impute, "impute"));
  MILL_RETURN_IF_ERROR(CheckList(data, data.mean, "mean"));
  MILL_RETURN_IF_ERROR(CheckList(data, data.scale, "scale"));
  MILL_RETURN_IF_ERROR(CheckList(data, data.weights, "weights"));
  for (std::size_t j = 0; j < data.scale.size(); ++j) {
    if (data.scale[j] <= 0.0) {
      return Bad("feature \"" + data.feature_names[j] + "\": scale " +
                 std::to_string(data.scale[j]) + " is not positive");
    }
  }
  if (!std::isfinite(data.intercept)) {
    return Bad("the intercept is not finite");
  }
  return std::shared_ptr<const Estimator>(std::make_shared<LogisticEstimator>(std::move(data)));
}

Result<std::shared_ptr<const Estimator>> ParseLogisticRegression(std::string_view bytes) {
  MILL_ASSIGN_OR_RETURN(NativeReader reader, NativeReader::Open(bytes, kMagic, kVersion, kWhat));
  LogisticData data;
  const std::size_t n_features = reader.Count(4);
  for (std::size_t j = 0; j < n_features; ++j) {
    data.feature_names.push_back(reader.Text());
  }
  data.impute = reader.Doubles(n_features);
  data.mean = reader.Doubles(n_features);
  data.scale = reader.Doubles(n_features);
  data.weights = reader.Doubles(n_features);
  data.intercept = reader.Double();
  MILL_RETURN_IF_ERROR(reader.Finish());
  return MakeLogisticRegression(std::move(data));
}

}  // namespace millrace::models
