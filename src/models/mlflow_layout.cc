// SPDX-License-Identifier: Apache-2.0
// Writes model directories. What MLflow reads is text in MLmodel; what we need beyond it stands in
// millrace.json.
#include "models/mlflow_layout.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"
#include "models/internal/mlflow_files.h"
#include "models/internal/onnx_runtime.h"

namespace millrace::models {

namespace {

namespace fs = std::filesystem;
using internal::kModelFile;
using internal::kOwnFile;
using nlohmann::json;

constexpr const char* kOnnxFile = "model.onnx";
constexpr const char* kExampleFile = "input_example.json";
constexpr const char* kServingExampleFile = "serving_input_example.json";
constexpr std::size_t kExampleRows = 5;
// What the environment files ask for beside Python.
constexpr const char* kLightGbmVersion = "4.7.0";
constexpr const char* kXgboostVersion = "3.4.1";
constexpr const char* kOnnxVersion = "1.23.2";
constexpr const char* kOnnxRuntimeVersion = "1.32.0";

/// One flavour as MLmodel says it: its name, the file it loads, its keys, and what Python needs.
struct Flavour {
  std::string name;
  std::string data;
  std::string loader_module;
  /// Lines below the flavour's name, sorted by key, without `data`.
  std::string keys;
  std::vector<std::string> requirements;
  /// JSON list of what pyfunc answers.
  std::string outputs;
};

std::string TensorOutput(const char* dtype) {
  return std::string(R"([{"tensor-spec":{"dtype":")") + dtype +
         R"(","shape":[-1]},"type":"tensor"}])";
}

Flavour FlavourOf(const Model& model) {
  const std::string_view kind = model.estimator()->kind();
  const std::string data = model.estimator()->NativeFileName();
  if (kind == "lightgbm") {
    return {"lightgbm",
            data,
            "mlflow.lightgbm",
            std::string("    lgb_version: ") + kLightGbmVersion +
                "\n    model_class: lightgbm.basic.Booster\n",
            {std::string("lightgbm==") + kLightGbmVersion},
            TensorOutput("float64")};
  }
  if (kind == "xgboost") {
    const std::string format = data.ends_with(".ubj") ? "ubj" : "json";
    return {"xgboost",
            data,
            "mlflow.xgboost",
            "    model_class: xgboost.core.Booster\n    model_format: " + format +
                "\n    xgb_version: " + kXgboostVersion + "\n",
            {std::string("xgboost==") + kXgboostVersion},
            TensorOutput("float32")};
  }
  return {
      "onnx",
      kOnnxFile,
      "mlflow.onnx",
      std::string("    onnx_session_options: null\n    onnx_version: ") + kOnnxVersion +
          "\n    providers:\n    - CPUExecutionProvider\n",
      {std::string("onnx==") + kOnnxVersion, std::string("onnxruntime==") + kOnnxRuntimeVersion},
      ColumnsToJson(model.signature().outputs)};
}

/// A YAML scalar in single quotes.
std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    quoted += c;
    if (c == '\'') {
      quoted += c;
    }
  }
  return quoted + "'";
}

/// Files of the directory by name; MLmodel is added last, because it states their size.
using Files = std::map<std::string, std::string>;

std::string MlModelText(const Model& model, const Flavour& flavour, const SaveInfo& info,
                        const Files& files) {
  std::size_t size = 0;
  for (const auto& [name, bytes] : files) {
    size += bytes.size();
  }
  std::string own =
      "  " + flavour.name + ":\n    code: null\n    data: " + flavour.data + "\n" + flavour.keys;
  std::string python = "  python_function:\n    data: " + flavour.data +
                       "\n    env:\n      conda: conda.yaml\n      virtualenv: python_env.yaml\n   "
                       " loader_module: " +
                       flavour.loader_module + "\n    python_version: " + kPythonVersion + "\n";
  std::string text = "flavors:\n" + own + python;
  text += "is_signature_from_type_hint: false\n";
  text += std::string("mlflow_version: ") + kMlflowVersion + "\n";
  text += "model_id: " + info.model_id + "\n";
  text += "model_size_bytes: " + std::to_string(size) + "\n";
  text += "model_uuid: " + info.model_id + "\n";
  text += "prompts: null\n";
  text += "run_id: " + info.run_id + "\n";
  if (files.contains(kExampleFile)) {
    text += std::string("saved_input_example_info:\n  artifact_path: ") + kExampleFile +
            "\n  pandas_orient: split\n  serving_input_path: " + kServingExampleFile +
            "\n  type: dataframe\n";
  }
  text += "signature:\n  inputs: " + Quoted(ColumnsToJson(model.signature().inputs)) +
          "\n  outputs: " + Quoted(flavour.outputs) + "\n  params: null\n";
  text += "type_hint_from_example: false\n";
  text += "utc_time_created: " + Quoted(MlflowTime(info.time)) + "\n";
  return text;
}

void AddEnvironment(const Flavour& flavour, Files& files) {
  std::vector<std::string> requirements = {std::string("mlflow==") + kMlflowVersion};
  requirements.insert(requirements.end(), flavour.requirements.begin(), flavour.requirements.end());
  std::string plain;
  std::string conda = std::string("channels:\n- conda-forge\ndependencies:\n- python=") +
                      kPythonVersion + "\n- pip\n- pip:\n";
  for (const std::string& requirement : requirements) {
    plain += requirement + "\n";
    conda += "  - " + requirement + "\n";
  }
  files["requirements.txt"] = plain;
  files["conda.yaml"] = conda + "name: mlflow-env\n";
  files["python_env.yaml"] = std::string("python: ") + kPythonVersion +
                             "\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\n"
                             "dependencies:\n- -r requirements.txt\n";
}

/// The first rows as pandas' split orientation; a missing value is null.
void AddExamples(const Model& model, std::span<const double> rows, Files& files) {
  const auto& columns = model.signature().inputs;
  const std::size_t n_rows = std::min(kExampleRows, rows.size() / columns.size());
  if (n_rows == 0) {
    return;
  }
  json split = {{"columns", json::array()}, {"data", json::array()}};
  for (const ColumnSpec& column : columns) {
    split["columns"].push_back(column.name);
  }
  for (std::size_t i = 0; i < n_rows; ++i) {
    json row = json::array();
    for (std::size_t j = 0; j < columns.size(); ++j) {
      const double value = rows[i * columns.size() + j];
      if (!std::isfinite(value)) {
        row.push_back(nullptr);
      } else if (columns[j].type == ColumnSpec::Type::kLong) {
        row.push_back(static_cast<std::int64_t>(value));
      } else {
        row.push_back(value);
      }
    }
    split["data"].push_back(std::move(row));
  }
  files[kExampleFile] = base::DumpJson(split);
  files[kServingExampleFile] = base::DumpJsonPretty({{"dataframe_split", split}});
}

std::string OwnText(const Model& model, const Files& models) {
  const ModelMetadata& metadata = model.metadata();
  json views = json::object();
  for (const auto& [view, hash] : metadata.view_hashes) {
    views[view] = hash.Hex();
  }
  json hashes = json::object();
  for (const auto& [name, bytes] : models) {
    hashes[name] = base::Sha256Hex(bytes);
  }
  return base::DumpJsonPretty({{"format_version", kModelDirectoryVersion},
                               {"kind", model.estimator()->kind()},
                               {"native_file", model.estimator()->NativeFileName()},
                               {"files", hashes},
                               {"outputs", json::parse(ColumnsToJson(model.signature().outputs))},
                               {"learner", metadata.learner},
                               {"params", metadata.params},
                               {"metrics", metadata.metrics},
                               {"seed", metadata.seed},
                               {"training_set_hash", metadata.training_set_hash.Hex()},
                               {"views", views}});
}

/// ONNX bytes, or nothing where the estimator has no such form.
Result<std::string> CheckedOnnx(const Model& model, std::span<const double> rows) {
  auto bytes = model.estimator()->OnnxBytes(model.signature());
  if (!bytes.ok()) {
    const bool is_possible = bytes.error().code() != ErrorCode::kUnimplemented;
    return is_possible ? std::move(bytes) : Result<std::string>(std::string());
  }
  MILL_ASSIGN_OR_RETURN(const double difference,
                        OnnxDifference(*model.estimator(), bytes.value(), rows));
  if (!(difference <= kOnnxTolerance)) {
    return base::FailedPrecondition("ONNX export of the " + std::string(model.estimator()->kind()) +
                                    " model: ONNX Runtime differs from the native engine by " +
                                    base::FormatDouble(difference) + ", allowed " +
                                    base::FormatDouble(kOnnxTolerance))
        .Hint("a feature may be too large for float32; scale it before training");
  }
  return bytes;
}

}  // namespace

std::string MlflowTime(Timestamp time) {
  std::string text =
      base::FormatTimestamp({time.micros - ((time.micros % 1'000'000) + 1'000'000) % 1'000'000});
  text.resize(text.size() - 1);
  text[10] = ' ';
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%06d",
                static_cast<int>(((time.micros % 1'000'000) + 1'000'000) % 1'000'000));
  return text + fraction.data();
}

Result<double> OnnxDifference(const Estimator& estimator, std::string_view onnx_bytes,
                              std::span<const double> rows) {
  const std::size_t n_features = estimator.n_features();
  if (rows.size() % n_features != 0) {
    return base::InvalidArgument(std::to_string(rows.size()) +
                                 " values are no whole number of rows of " +
                                 std::to_string(n_features) + " features");
  }
  MILL_ASSIGN_OR_RETURN(const auto session, internal::OnnxSession::Load(onnx_bytes));
  const std::size_t n_rows = rows.size() / n_features;
  if (n_rows == 0) {
    return 0.0;
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<double> foreign, session.RunColumns(rows, n_rows));
  if (foreign.size() != n_rows) {
    return base::Internal("ONNX Runtime answered " + std::to_string(foreign.size()) +
                          " values for " + std::to_string(n_rows) + " rows");
  }
  std::vector<double> own(n_rows);
  estimator.MakeEngine()->Predict(rows.data(), n_rows, own.data());
  double largest = 0.0;
  for (std::size_t i = 0; i < n_rows; ++i) {
    // Written so that a NaN on either side counts as a difference.
    const double difference = std::fabs(own[i] - foreign[i]);
    largest = difference <= largest ? largest : difference;
  }
  return largest;
}

Result<void> SaveModel(const Model& model, const fs::path& dir, const SaveInfo& info) {
  const std::size_t n_features = model.estimator()->n_features();
  if (info.sample_rows.size() % n_features != 0) {
    return base::InvalidArgument("saving \"" + dir.string() +
                                 "\": " + std::to_string(info.sample_rows.size()) +
                                 " sample values are no whole number of rows of " +
                                 std::to_string(n_features) + " features");
  }
  const Flavour flavour = FlavourOf(model);
  Files models = {{model.estimator()->NativeFileName(), model.estimator()->NativeBytes()}};
  MILL_ASSIGN_OR_RETURN(std::string onnx, CheckedOnnx(model, info.sample_rows));
  if (!onnx.empty()) {
    models[kOnnxFile] = std::move(onnx);
  }
  Files files = models;
  files[kOwnFile] = OwnText(model, models);
  AddEnvironment(flavour, files);
  AddExamples(model, info.sample_rows, files);
  files[kModelFile] = MlModelText(model, flavour, info, files);
  return base::ReplaceAtomic(dir, [&](const fs::path& temporary) -> Result<void> {
    MILL_RETURN_IF_ERROR(base::MakeDirectories(temporary));
    for (const auto& [name, bytes] : files) {
      MILL_RETURN_IF_ERROR(base::WriteFileAtomic(temporary / name, bytes));
    }
    return {};
  });
}

}  // namespace millrace::models
