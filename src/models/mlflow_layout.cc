// SPDX-License-Identifier: Apache-2.0
// Writes and reads model directories. What MLflow reads is text in MLmodel; what we need beyond it stands in millrace.json.
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
#include "base/yaml.h"
#include "models/internal/onnx_runtime.h"
#include "models/lightgbm.h"
#include "models/logistic_regression.h"
#include "models/random_forest.h"
#include "models/xgboost.h"

namespace millrace::models {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kModelFile = "MLmodel";
constexpr const char* kOwnFile = "millrace.json";
constexpr const char* kOnnxFile = "model.onnx";
constexpr const char* kExampleFile = "input_example.json";
constexpr const char* kServingExampleFile = "serving_input_example.json";
constexpr std::size_t kExampleRows = 5;
// What the environment files ask for: the releases against which the directories are tested.
constexpr const char* kPythonVersion = "3.12.11";
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
  return std::string(R"([{"tensor-spec":{"dtype":")") + dtype + R"(","shape":[-1]},"type":"tensor"}])";
}

Flavour FlavourOf(const Model& model) {
  const std::string_view kind = model.estimator()->kind();
  const std::string data = model.estimator()->NativeFileName();
  if (kind == "lightgbm") {
    return {"lightgbm",
            data,
            "mlflow.lightgbm",
            std::string("    lgb_version: ") + kLightGbmVersion + "\n    model_class: lightgbm.basic.Booster\n",
            {std::string("lightgbm==") + kLightGbmVersion},
            TensorOutput("float64")};
  }
  if (kind == "xgboost") {
    const std::string format = data.ends_with(".ubj") ? "ubj" : "json";
    return {"xgboost",
            data,
            "mlflow.xgboost",
            "    model_class: xgboost.core.Booster\n    model_format: " + format + "\n    xgb_version: " + kXgboostVersion +
                "\n",
            {std::string("xgboost==") + kXgboostVersion},
            TensorOutput("float32")};
  }
  return {"onnx",
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

/// MLflow's form of an instant: "2026-11-23 22:36:54.360045".
std::string MlflowTime(Timestamp time) {
  std::string text = base::FormatTimestamp({time.micros - ((time.micros % 1'000'000) + 1'000'000) % 1'000'000});
  text.resize(text.size() - 1);
  text[10] = ' ';
  std::array<char, 8> fraction{};
  std::snprintf(fraction.data(), fraction.size(), ".%06d",
                static_cast<int>(((time.micros % 1'000'000) + 1'000'000) % 1'000'000));
  return text + fraction.data();
}

/// Files of the directory by name; MLmodel is added last, because it states their size.
using Files = std::map<std::string, std::string>;

std::string MlModelText(const Model& model, const Flavour& flavour, const SaveInfo& info, const Files& files) {
  std::size_t size = 0;
  for (const auto& [name, bytes] : files) {
    size += bytes.size();
  }
  std::string own = "  " + flavour.name + ":\n    code: null\n    data: " + flavour.data + "\n" + flavour.keys;
  std::string python = "  python_function:\n    data: " + flavour.data +
                       "\n    env:\n      conda: conda.yaml\n      virtualenv: python_env.yaml\n    loader_module: " +
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
            "\n  pandas_orient: split\n  serving_input_path: " + kServingExampleFile + "\n  type: dataframe\n";
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
  std::string conda = std::string("channels:\n- conda-forge\ndependencies:\n- python=") + kPythonVersion +
                      "\n- pip\n- pip:\n";
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
  MILL_ASSIGN_OR_RETURN(const double difference, OnnxDifference(*model.estimator(), bytes.value(), rows));
  if (!(difference <= kOnnxTolerance)) {
    return base::FailedPrecondition("ONNX export of the " + std::string(model.estimator()->kind()) +
                                    " model: ONNX Runtime differs from the native engine by " +
                                    base::FormatDouble(difference) + ", allowed " +
                                    base::FormatDouble(kOnnxTolerance))
        .Hint("a feature may be too large for float32; scale it before training");
  }
  return bytes;
}

/// millrace.json, checked key by key.
struct OwnInfo {
  std::string kind;
  std::string native_file;
  std::map<std::string, std::string> file_hashes;
  std::vector<ColumnSpec> outputs;
  ModelMetadata metadata;
};

Result<std::string> TextMember(const json& own, const std::string& source, const char* key) {
  const auto found = own.find(key);
  if (found == own.end() || !found->is_string()) {
    return base::DataLoss(source + ": \"" + key + "\" is missing or no text");
  }
  return found->get<std::string>();
}

Result<std::map<std::string, std::string>> TextMap(const json& own, const std::string& source, const char* key) {
  const auto found = own.find(key);
  if (found == own.end() || !found->is_object()) {
    return base::DataLoss(source + ": \"" + key + "\" is missing or no object");
  }
  std::map<std::string, std::string> map;
  for (const auto& [name, value] : found->items()) {
    if (!value.is_string()) {
      return base::DataLoss(source + ": \"" + key + "." + name + "\" is no text");
    }
    map[name] = value.get<std::string>();
  }
  return map;
}

Result<void> ReadMetrics(const json& own, const std::string& source, std::map<std::string, double>& metrics) {
  const auto found = own.find("metrics");
  if (found == own.end() || !found->is_object()) {
    return base::DataLoss(source + ": \"metrics\" is missing or no object");
  }
  const std::map<std::string, double> words = {
      {"NaN", std::nan("")}, {"Infinity", HUGE_VAL}, {"-Infinity", -HUGE_VAL}};
  for (const auto& [name, value] : found->items()) {
    if (value.is_number()) {
      metrics[name] = value.get<double>();
    } else if (value.is_string() && words.contains(value.get<std::string>())) {
      metrics[name] = words.at(value.get<std::string>());
    } else {
      return base::DataLoss(source + ": \"metrics." + name + "\" is no number");
    }
  }
  return {};
}

Result<void> CheckVersion(const json& own, const std::string& source) {
  const auto version = own.find("format_version");
  if (version == own.end() || !version->is_number_integer() || version->get<std::int64_t>() < 1) {
    return base::DataLoss(source + ": \"format_version\" is missing or no positive integer");
  }
  if (version->get<std::int64_t>() > kModelDirectoryVersion) {
    return base::Unimplemented(source + ": format_version " + version->dump() + ", this program reads up to " +
                               std::to_string(kModelDirectoryVersion))
        .Hint("read it with the release that wrote it, or a later one");
  }
  return {};
}

Result<OwnInfo> ReadOwn(const fs::path& dir) {
  const std::string source = (dir / kOwnFile).string();
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(dir / kOwnFile));
  auto parsed = base::ParseJson(text, source);
  if (!parsed.ok()) {
    return base::DataLoss(source + ": " + parsed.error().message()).Hint("the file is truncated or was edited; save the model again");
  }
  const json& own = parsed.value();
  if (!own.is_object()) {
    return base::DataLoss(source + ": wanted an object, it is " + own.type_name());
  }
  MILL_RETURN_IF_ERROR(CheckVersion(own, source));
  OwnInfo info;
  MILL_ASSIGN_OR_RETURN(info.kind, TextMember(own, source, "kind"));
  MILL_ASSIGN_OR_RETURN(info.native_file, TextMember(own, source, "native_file"));
  MILL_ASSIGN_OR_RETURN(info.file_hashes, TextMap(own, source, "files"));
  if (!info.file_hashes.contains(info.native_file)) {
    return base::DataLoss(source + ": \"files\" does not name the native file \"" + info.native_file + "\"");
  }
  for (const auto& [name, hash] : info.file_hashes) {
    if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..") {
      return base::DataLoss(source + ": \"" + name + "\" is no plain file name");
    }
  }
  const auto outputs = own.find("outputs");
  if (outputs == own.end()) {
    return base::DataLoss(source + ": \"outputs\" is missing");
  }
  MILL_ASSIGN_OR_RETURN(info.outputs, ColumnsFromJson(outputs->dump(), source + ", outputs"));
  MILL_ASSIGN_OR_RETURN(info.metadata.learner, TextMember(own, source, "learner"));
  MILL_ASSIGN_OR_RETURN(info.metadata.params, TextMap(own, source, "params"));
  MILL_RETURN_IF_ERROR(ReadMetrics(own, source, info.metadata.metrics));
  const auto seed = own.find("seed");
  if (seed == own.end() || !seed->is_number_unsigned()) {
    return base::DataLoss(source + ": \"seed\" is missing or no unsigned integer");
  }
  info.metadata.seed = seed->get<std::uint64_t>();
  MILL_ASSIGN_OR_RETURN(const std::string hash, TextMember(own, source, "training_set_hash"));
  MILL_ASSIGN_OR_RETURN(info.metadata.training_set_hash, base::ParseContentHash(hash));
  MILL_ASSIGN_OR_RETURN(const auto views, TextMap(own, source, "views"));
  for (const auto& [view, view_hash] : views) {
    MILL_ASSIGN_OR_RETURN(info.metadata.view_hashes[view], base::ParseContentHash(view_hash));
  }
  return info;
}

Result<std::vector<ColumnSpec>> ReadInputs(const fs::path& dir) {
  const std::string source = (dir / kModelFile).string();
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(dir / kModelFile));
  MILL_ASSIGN_OR_RETURN(const base::YamlNode root, base::YamlNode::Parse(text, source));
  const auto signature = root.Find("signature");
  const auto inputs = signature ? signature->Find("inputs") : std::nullopt;
  if (!inputs || inputs->kind() != base::YamlNode::Kind::kScalar) {
    return base::DataLoss(source + ": signature.inputs is missing")
        .Hint("the file is truncated or was edited; save the model again");
  }
  return ColumnsFromJson(inputs->text(), source + ", signature.inputs");
}

Result<std::shared_ptr<const Estimator>> ParseNative(std::string_view kind, std::string_view bytes) {
  if (kind == "lightgbm") {
    return ParseLightGbm(bytes);
  }
  if (kind == "xgboost") {
    return ParseXgboost(bytes);
  }
  if (kind == "random_forest") {
    return ParseRandomForest(bytes);
  }
  if (kind == "logistic_regression") {
    return ParseLogisticRegression(bytes);
  }
  return base::Unimplemented("model kind \"" + std::string(kind) +
                             "\"; this program reads lightgbm, xgboost, random_forest and logistic_regression");
}

}  // namespace

Result<double> OnnxDifference(const Estimator& estimator, std::string_view onnx_bytes, std::span<const double> rows) {
  const std::size_t n_features = estimator.n_features();
  if (rows.size() % n_features != 0) {
    return base::InvalidArgument(std::to_string(rows.size()) + " values are no whole number of rows of " +
                                 std::to_string(n_features) + " features");
  }
  MILL_ASSIGN_OR_RETURN(const auto session, internal::OnnxSession::Load(onnx_bytes));
  const std::size_t n_rows = rows.size() / n_features;
  if (n_rows == 0) {
    return 0.0;
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<double> foreign, session.RunColumns(rows, n_rows));
  if (foreign.size() != n_rows) {
    return base::Internal("ONNX Runtime answered " + std::to_string(foreign.size()) + " values for " +
                          std::to_string(n_rows) + " rows");
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
    return base::InvalidArgument("saving \"" + dir.string() + "\": " + std::to_string(info.sample_rows.size()) +
                                 " sample values are no whole number of rows of " + std::to_string(n_features) +
                                 " features");
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

Result<Model> LoadModel(const fs::path& dir) {
  const std::string doing = "loading the model \"" + dir.string() + "\"";
  const auto load = [&]() -> Result<Model> {
    Signature signature;
    MILL_ASSIGN_OR_RETURN(signature.inputs, ReadInputs(dir));
    MILL_ASSIGN_OR_RETURN(OwnInfo own, ReadOwn(dir));
    signature.outputs = std::move(own.outputs);
    std::string native;
    for (const auto& [name, hash] : own.file_hashes) {
      MILL_ASSIGN_OR_RETURN(std::string bytes, base::ReadFile(dir / name));
      if (base::Sha256Hex(bytes) != hash) {
        return base::DataLoss("\"" + (dir / name).string() + "\": its " + std::to_string(bytes.size()) +
                              " bytes do not match the SHA-256 in " + kOwnFile)
            .Hint("the file is truncated or was changed; copy it again, or train the model again");
      }
      if (name == own.native_file) {
        native = std::move(bytes);
      }
    }
    MILL_ASSIGN_OR_RETURN(std::shared_ptr<const Estimator> estimator, ParseNative(own.kind, native));
    return Model::Make(std::move(signature), std::move(estimator), std::move(own.metadata));
  };
  return load().With(doing);
}

}  // namespace millrace::models
