// SPDX-License-Identifier: Apache-2.0
// A model as a directory in MLflow's layout, which the mlflow package loads and so do we
// (docs/formats/model_directory.md).
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "models/model.h"

namespace millrace::models {

/// The MLflow release whose layout is written.
inline constexpr const char* kMlflowVersion = "3.17.2";
/// The Python that environment files ask for: the release against which directories are tested.
inline constexpr const char* kPythonVersion = "3.12.11";
/// Version of millrace.json; a reader refuses a newer one.
inline constexpr int kModelDirectoryVersion = 1;
/// Largest allowed difference between the native engine and ONNX Runtime.
inline constexpr double kOnnxTolerance = 1e-5;

/// What the directory says beside the model itself.
struct SaveInfo {
  /// 32 hex digits.
  std::string run_id;
  /// "m-" and 32 hex digits.
  std::string model_id;
  Timestamp time;
  /// Rows of real data, row-major with the model's features, NaN for missing: the first five become
  /// the input example, and all of them are scored by ONNX Runtime and by the native engine where
  /// model.onnx is written. May be empty.
  std::span<const double> sample_rows;
};

/// MLflow's form of an instant: "2026-11-23 22:36:54.360045".
std::string MlflowTime(Timestamp time);

/// The largest difference between the native engine and ONNX Runtime on these rows; 0 for no rows.
///
/// @param onnx_bytes  what `estimator.OnnxBytes` gave.
/// @param rows        row-major with the estimator's features; kInvalidArgument if no whole number
/// of rows. kDataLoss with ONNX Runtime's words where it refuses the model.
Result<double> OnnxDifference(const Estimator& estimator, std::string_view onnx_bytes,
                              std::span<const double> rows);

/// Writes the directory: MLmodel, the native file, model.onnx where the estimator has an ONNX form,
/// requirements.txt, conda.yaml, python_env.yaml, input_example.json, serving_input_example.json,
/// millrace.json. It appears whole or not at all and takes the place of an older one.
///
/// Flavours: LightGBM and XGBoost files in MLflow's own, which handle missing values themselves;
/// forest and logistic regression as onnx, preprocessing inside, with the native file beside it.
/// @return - kFailedPrecondition if ONNX Runtime and the native engine differ by more than
/// kOnnxTolerance on `sample_rows`.
///         - kInvalidArgument if `sample_rows` is not a whole number of rows.
Result<void> SaveModel(const Model& model, const std::filesystem::path& dir, const SaveInfo& info);

/// Reads what SaveModel wrote; scores bit for bit as the saved model.
/// @return - kNotFound if the directory, MLmodel, millrace.json or the native file is missing
/// (names it).
///         - kDataLoss if the native file's hash is not the recorded one.
///         - kUnimplemented if a newer Millrace wrote it.
Result<Model> LoadModel(const std::filesystem::path& dir);

}  // namespace millrace::models
