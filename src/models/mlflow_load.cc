// SPDX-License-Identifier: Apache-2.0
// Reads model directories back: inputs from MLmodel, everything else from millrace.json, and checks
// each recorded hash.
#include <cmath>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "base/yaml.h"
#include "models/internal/mlflow_files.h"
#include "models/lightgbm.h"
#include "models/logistic_regression.h"
#include "models/mlflow_layout.h"
#include "models/random_forest.h"
#include "models/xgboost.h"

namespace millrace::models {

namespace {

namespace fs = std::filesystem;
using internal::kModelFile;
using internal::kOwnFile;
using nlohmann::json;

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

Result<std::map<std::string, std::string>> TextMap(const json& own, const std::string& source,
                                                   const char* key) {
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

Result<void> ReadMetrics(const json& own, const std::string& source,
                         std::map<std::string, double>& metrics) {
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
    return base::Unimplemented(source + ": format_version " + version->dump() +
                               ", this program reads up to " +
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
    return base::DataLoss(source + ": " + parsed.error().message())
        .Hint("the file is truncated or was edited; save the model again");
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
    return base::DataLoss(source + ": \"files\" does not name the native file \"" +
                          info.native_file + "\"");
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

Result<std::shared_ptr<const Estimator>> ParseNative(std::string_view kind,
                                                     std::string_view bytes) {
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
  return base::Unimplemented(
      "model kind \"" + std::string(kind) +
      "\"; this program reads lightgbm, xgboost, random_forest and logistic_regression");
}

}  // namespace

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
        return base::DataLoss("\"" + (dir / name).string() + "\": its " +
                              std::to_string(bytes.size()) + " bytes do not match the SHA-256 in " +
                              kOwnFile)
            .Hint("the file is truncated or was changed; copy it again, or train the model again");
      }
      if (name == own.native_file) {
        native = std::move(bytes);
      }
    }
    MILL_ASSIGN_OR_RETURN(std::shared_ptr<const Estimator> estimator,
                          ParseNative(own.kind, native));
    return Model::Make(std::move(signature), std::move(estimator), std::move(own.metadata));
  };
  return load().With(doing);
}

}  // namespace millrace::models
