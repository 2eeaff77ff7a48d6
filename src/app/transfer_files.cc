// SPDX-License-Identifier: Apache-2.0
// MLflow's file store (mlruns): one folder an experiment, one a run, one file a metric, parameter
// and tag. Layout: mlflow/store/tracking/file_store.py and
// mlflow/store/model_registry/file_store.py of MLflow 2.22 and 3.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <system_error>

#include <nlohmann/json.hpp>

#include "app/internal/transfer_forms.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/number_format.h"
#include "base/yaml.h"

namespace millrace::app::internal {
namespace {

namespace fs = std::filesystem;
using base::YamlNode;
using Json = nlohmann::json;

std::string TextOf(const YamlNode& node, std::string_view key) {
  const std::optional<YamlNode> found = node.Find(key);
  return found && !found->IsNull() ? found->text() : "";
}

std::optional<std::int64_t> IntOf(const YamlNode& node, std::string_view key) {
  const std::optional<YamlNode> found = node.Find(key);
  if (!found || found->IsNull()) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  const std::string& text = found->text();
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc() ? std::optional(number) : std::nullopt;
}

tracking::LifecycleStage LifecycleOf(const YamlNode& node) {
  return TextOf(node, "lifecycle_stage") == "deleted" ? tracking::LifecycleStage::kDeleted
                                                      : tracking::LifecycleStage::kActive;
}

bool HasMeta(const fs::path& folder) {
  std::error_code code;
  return fs::is_regular_file(folder / "meta.yaml", code);
}

Result<YamlNode> ReadMeta(const fs::path& folder) {
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(folder / "meta.yaml"));
  return YamlNode::Parse(text, (folder / "meta.yaml").string());
}

// Folders with a meta.yaml, by name.
Result<std::vector<fs::path>> FoldersIn(const fs::path& folder) {
  std::vector<fs::path> folders;
  std::error_code code;
  if (!fs::is_directory(folder, code)) {
    return folders;
  }
  for (fs::directory_iterator it(folder, code), end; !code && it != end; it.increment(code)) {
    if (HasMeta(it->path())) {
      folders.push_back(it->path());
    }
  }
  if (code) {
    return base::FromErrno(code.value(), "listing", folder.string());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

// One file a key, slashes of the key as folders.
Result<tracking::Tags> ReadPairs(const fs::path& folder) {
  tracking::Tags pairs;
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> names, FilesBelow(folder));
  for (const std::string& name : names) {
    MILL_ASSIGN_OR_RETURN(pairs[name], base::ReadFile(folder / name));
  }
  return pairs;
}

// "timestamp value step", the step missing in the oldest files; further fields name a data set.
Result<std::vector<tracking::MetricPoint>> ReadHistory(const fs::path& file) {
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file));
  std::vector<tracking::MetricPoint> points;
  std::size_t line_number = 0;
  for (std::size_t at = 0; at < text.size(); ++line_number) {
    const std::size_t stop = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, stop - at);
    at = stop + 1;
    if (line.empty()) {
      continue;
    }
    tracking::MetricPoint point;
    char value[64] = {};
    long long timestamp = 0;
    long long step = 0;
    const int n = std::sscanf(line.c_str(), "%lld %63s %lld", &timestamp, value, &step);
    char* end = nullptr;
    point.value = std::strtod(value, &end);
    if (n < 2 || end == value || *end != '\0') {
      return base::DataLoss("\"" + file.string() + "\", line " + std::to_string(line_number + 1) +
                            ": \"" + line.substr(0, 100) +
                            "\" is no metric value; wanted: timestamp value step");
    }
    point.timestamp_ms = timestamp;
    point.step = step;
    points.push_back(point);
  }
  return points;
}

class FilesSource final : public TransferSource {
 public:
  explicit FilesSource(fs::path root) : root_(std::move(root)) {}

  Result<std::vector<tracking::Experiment>> Experiments() override {
    std::vector<tracking::Experiment> experiments;
    for (const fs::path& parent : {root_, root_ / ".trash"}) {
      MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> folders, FoldersIn(parent));
      for (const fs::path& folder : folders) {
        MILL_ASSIGN_OR_RETURN(const YamlNode meta, ReadMeta(folder));
        if (!meta.Find("experiment_id")) {
          continue;
        }
        tracking::Experiment experiment;
        experiment.id = TextOf(meta, "experiment_id");
        experiment.name = TextOf(meta, "name");
        experiment.artifact_location = TextOf(meta, "artifact_location");
        experiment.lifecycle = LifecycleOf(meta);
        experiment.creation_time_ms = IntOf(meta, "creation_time").value_or(0);
        experiment.last_update_time_ms = IntOf(meta, "last_update_time").value_or(0);
        MILL_ASSIGN_OR_RETURN(experiment.tags, ReadPairs(folder / "tags"));
        folders_[experiment.id] = folder;
        experiments.push_back(std::move(experiment));
      }
    }
    if (experiments.empty()) {
      return base::NotFound("the folder \"" + root_.string() + "\" holds no MLflow experiment")
          .Hint("name the folder mlruns itself");
    }
    return experiments;
  }

  Result<void> ForEachRun(const tracking::Experiment& experiment,
                          const std::function<Result<void>(TransferRun)>& take) override {
    const fs::path folder = folders_.at(experiment.id);
    MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> runs, FoldersIn(folder));
    for (const fs::path& run_folder : runs) {
      MILL_ASSIGN_OR_RETURN(const YamlNode meta, ReadMeta(run_folder));
      if (!meta.Find("run_id") && !meta.Find("run_uuid")) {
        continue;
      }
      MILL_ASSIGN_OR_RETURN(TransferRun run, ReadRun(folder, run_folder, meta));
      MILL_RETURN_IF_ERROR(take(std::move(run)));
    }
    return {};
  }

  Result<std::vector<tracking::LoggedModel>> LoggedModels(
      const tracking::Experiment& experiment) override {
    std::vector<tracking::LoggedModel> models;
    MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> folders,
                          FoldersIn(folders_.at(experiment.id) / "models"));
    for (const fs::path& folder : folders) {
      MILL_ASSIGN_OR_RETURN(const YamlNode meta, ReadMeta(folder));
      if (LifecycleOf(meta) == tracking::LifecycleStage::kDeleted) {
        continue;
      }
      tracking::LoggedModel model;
      model.model_id = TextOf(meta, "model_id");
      model.experiment_id = experiment.id;
      model.name = TextOf(meta, "name");
      model.source_run_id = TextOf(meta, "source_run_id");
      model.artifact_location = Nearest(TextOf(meta, "artifact_location"), folder / "artifacts");
      model.model_type = TextOf(meta, "model_type");
      model.status = static_cast<tracking::LoggedModelStatus>(IntOf(meta, "status").value_or(2));
      model.creation_time_ms = IntOf(meta, "creation_timestamp").value_or(0);
      model.last_update_time_ms = IntOf(meta, "last_updated_timestamp").value_or(0);
      MILL_ASSIGN_OR_RETURN(model.params, ReadPairs(folder / "params"));
      MILL_ASSIGN_OR_RETURN(model.tags, ReadPairs(folder / "tags"));
      models.push_back(std::move(model));
    }
    return models;
  }

  Result<std::vector<TransferModel>> Models() override {
    std::vector<TransferModel> models;
    MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> folders, FoldersIn(root_ / "models"));
    for (const fs::path& folder : folders) {
      MILL_ASSIGN_OR_RETURN(TransferModel model, ReadModel(folder));
      models.push_back(std::move(model));
    }
    return models;
  }

  Result<std::vector<std::string>> Files(const std::string& location) override {
    return LocalFiles(location);
  }
  Result<fs::path> Fetch(const std::string& location, const std::string& path,
                         const fs::path&) override {
    return LocalFetch(location, path);
  }

 private:
  // A store that was moved or copied still has its artifacts beside its meta.yaml.
  static std::string Nearest(const std::string& location, const fs::path& beside) {
    const std::optional<fs::path> folder = LocalFolder(location);
    std::error_code code;
    return folder && !fs::is_directory(*folder, code) ? beside.string() : location;
  }

  static Result<TransferRun> ReadRun(const fs::path& experiment, const fs::path& folder,
                                     const YamlNode& meta) {
    TransferRun read;
    tracking::RunInfo& info = read.run.info;
    info.run_id = TextOf(meta, meta.Find("run_id") ? "run_id" : "run_uuid");
    info.run_name = TextOf(meta, "run_name");
    info.experiment_id = TextOf(meta, "experiment_id");
    info.user_id = TextOf(meta, "user_id");
    info.status = static_cast<tracking::RunStatus>(
        std::clamp<std::int64_t>(IntOf(meta, "status").value_or(3), 1, 5));
    info.start_time_ms = IntOf(meta, "start_time").value_or(0);
    info.end_time_ms = IntOf(meta, "end_time");
    info.artifact_uri = Nearest(TextOf(meta, "artifact_uri"), folder / "artifacts");
    info.lifecycle = LifecycleOf(meta);
    MILL_ASSIGN_OR_RETURN(read.run.params, ReadPairs(folder / "params"));
    MILL_ASSIGN_OR_RETURN(read.run.tags, ReadPairs(folder / "tags"));
    MILL_ASSIGN_OR_RETURN(const std::vector<std::string> metrics, FilesBelow(folder / "metrics"));
    for (const std::string& name : metrics) {
      MILL_ASSIGN_OR_RETURN(auto points, ReadHistory(folder / "metrics" / name));
      read.histories.emplace_back(name, std::move(points));
    }
    MILL_RETURN_IF_ERROR(ReadInputs(experiment, folder, read.run));
    return read;
  }

  static Result<void> ReadInputs(const fs::path& experiment, const fs::path& folder,
                                 tracking::Run& run) {
    MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> inputs, FoldersIn(folder / "inputs"));
    for (const fs::path& input_folder : inputs) {
      MILL_ASSIGN_OR_RETURN(const YamlNode meta, ReadMeta(input_folder));
      const std::string source_id = TextOf(meta, "source_id");
      if (TextOf(meta, "source_type") != "DATASET") {
        run.model_inputs.push_back({source_id});
        continue;
      }
      MILL_ASSIGN_OR_RETURN(const YamlNode data, ReadMeta(experiment / "datasets" / source_id));
      tracking::DatasetInput input;
      input.dataset = {TextOf(data, "name"),   TextOf(data, "digest"), TextOf(data, "source_type"),
                       TextOf(data, "source"), std::nullopt,           std::nullopt};
      for (const auto& [key, field] :
           {std::pair{"schema", &input.dataset.schema}, {"profile", &input.dataset.profile}}) {
        const std::optional<YamlNode> found = data.Find(key);
        if (found && !found->IsNull()) {
          *field = found->text();
        }
      }
      if (const std::optional<YamlNode> tags = meta.Find("tags")) {
        for (const auto& [key, value] : tags->entries()) {
          input.tags[key.text()] = value.text();
        }
      }
      run.dataset_inputs.push_back(std::move(input));
    }
    MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> outputs, FoldersIn(folder / "outputs"));
    for (const fs::path& output_folder : outputs) {
      MILL_ASSIGN_OR_RETURN(const YamlNode meta, ReadMeta(output_folder));
      // MLflow's file store writes the two ends the other way round than its database.
      run.outputs.push_back({TextOf(meta, "source_id"), IntOf(meta, "step").value_or(0)});
    }
    return {};
  }

  static Result<TransferModel> ReadModel(const fs::path& folder) {
    MILL_ASSIGN_OR_RETURN(const YamlNode meta, ReadMeta(folder));
    TransferModel read;
    read.model.name = TextOf(meta, "name");
    read.model.description = TextOf(meta, "description");
    read.model.creation_time_ms = IntOf(meta, "creation_timestamp").value_or(0);
    read.model.last_update_time_ms = IntOf(meta, "last_updated_timestamp").value_or(0);
    MILL_ASSIGN_OR_RETURN(read.model.tags, ReadPairs(folder / "tags"));
    MILL_ASSIGN_OR_RETURN(const tracking::Tags aliases, ReadPairs(folder / "aliases"));
    for (const auto& [alias, version] : aliases) {
      read.model.aliases[alias] = std::strtoll(version.c_str(), nullptr, 10);
    }
    MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> versions, FoldersIn(folder));
    for (const fs::path& version_folder : versions) {
      MILL_ASSIGN_OR_RETURN(const YamlNode node, ReadMeta(version_folder));
      tracking::ModelVersion version;
      version.name = read.model.name;
      version.version = IntOf(node, "version").value_or(0);
      version.source = TextOf(node, "source");
      version.storage_location = TextOf(node, "storage_location");
      version.run_id = TextOf(node, "run_id");
      version.description = TextOf(node, "description");
      version.stage = TextOf(node, "current_stage");
      version.creation_time_ms = IntOf(node, "creation_timestamp").value_or(0);
      version.last_update_time_ms = IntOf(node, "last_updated_timestamp").value_or(0);
      MILL_ASSIGN_OR_RETURN(version.tags, ReadPairs(version_folder / "tags"));
      if (version.version > 0 && version.stage != "Deleted_Internal") {
        read.versions.push_back(std::move(version));
      }
    }
    std::sort(read.versions.begin(), read.versions.end(),
              [](const auto& a, const auto& b) { return a.version < b.version; });
    return read;
  }

  fs::path root_;
  std::map<std::string, fs::path> folders_;
};

// ---- the other direction ----

// YAML of scalars; a JSON text is a YAML scalar.
Result<void> WriteMeta(const fs::path& folder, const Json& fields) {
  std::string text;
  for (const auto& [key, value] : fields.items()) {
    text += key + ": " + value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return base::WriteFileAtomic(folder / "meta.yaml", text);
}

Result<void> WritePairs(const fs::path& folder, const tracking::Tags& pairs) {
  for (const auto& [key, value] : pairs) {
    MILL_RETURN_IF_ERROR(base::WriteFileAtomic(folder / key, value));
  }
  return {};
}

Json OrNull(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

std::string_view StageText(tracking::LifecycleStage stage) {
  return tracking::LifecycleName(stage);
}

class FilesSink final : public TransferSink {
 public:
  explicit FilesSink(fs::path root) : root_(std::move(root)) {}

  Result<tracking::Experiment> PutExperiment(const tracking::Experiment& experiment) override {
    tracking::Experiment there = experiment;
    there.artifact_location = (root_ / experiment.id).string();
    const fs::path folder = root_ / experiment.id;
    there.lifecycle = tracking::LifecycleStage::kActive;
    MILL_RETURN_IF_ERROR(WriteExperiment(folder, there));
    MILL_RETURN_IF_ERROR(WritePairs(folder / "tags", experiment.tags));
    return there;
  }

  Result<std::string> PutRun(const tracking::Experiment& there, const TransferRun& run) override {
    const tracking::RunInfo& info = run.run.info;
    const fs::path folder = root_ / there.id / info.run_id;
    const fs::path artifacts = folder / "artifacts";
    // MLflow takes a folder for a run only if all four are there.
    for (const char* name : {"artifacts", "metrics", "params", "tags"}) {
      MILL_RETURN_IF_ERROR(base::MakeDirectories(folder / name));
    }
    MILL_RETURN_IF_ERROR(WritePairs(folder / "params", run.run.params));
    MILL_RETURN_IF_ERROR(WritePairs(folder / "tags", run.run.tags));
    for (const auto& [name, points] : run.histories) {
      std::string text;
      for (const tracking::MetricPoint& point : points) {
        const std::string value = std::isnan(point.value) ? "nan" : base::FormatDouble(point.value);
        text += std::to_string(point.timestamp_ms) + " " + value + " " +
                std::to_string(point.step) + "\n";
      }
      MILL_RETURN_IF_ERROR(base::WriteFileAtomic(folder / "metrics" / name, text));
    }
    MILL_RETURN_IF_ERROR(WriteInputs(there, folder, run.run));
    Json meta = {{"artifact_uri", artifacts.string()},
                 {"end_time", info.end_time_ms ? Json(*info.end_time_ms) : Json()},
                 {"entry_point_name", ""},
                 {"experiment_id", there.id},
                 {"lifecycle_stage", StageText(info.lifecycle)},
                 {"run_id", info.run_id},
                 {"run_name", info.run_name},
                 {"run_uuid", info.run_id},
                 {"source_name", ""},
                 {"source_type", 4},
                 {"source_version", ""},
                 {"start_time", info.start_time_ms},
                 {"status", static_cast<int>(info.status)},
                 {"tags", Json::array()},
                 {"user_id", info.user_id}};
    // Last: a folder without it is no run yet.
    MILL_RETURN_IF_ERROR(WriteMeta(folder, meta));
    return artifacts.string();
  }

  Result<std::string> PutLoggedModel(const tracking::Experiment& there,
                                     const tracking::LoggedModel& model) override {
    const fs::path folder = root_ / there.id / "models" / model.model_id;
    const std::string artifacts = (folder / "artifacts").string();
    MILL_RETURN_IF_ERROR(base::MakeDirectories(artifacts));
    MILL_RETURN_IF_ERROR(WritePairs(folder / "params", model.params));
    MILL_RETURN_IF_ERROR(WritePairs(folder / "tags", model.tags));
    MILL_RETURN_IF_ERROR(WriteMeta(folder, {{"artifact_location", artifacts},
                                            {"creation_timestamp", model.creation_time_ms},
                                            {"experiment_id", there.id},
                                            {"last_updated_timestamp", model.last_update_time_ms},
                                            {"lifecycle_stage", "active"},
                                            {"model_id", model.model_id},
                                            {"model_type", OrNull(model.model_type)},
                                            {"name", model.name},
                                            {"source_run_id", OrNull(model.source_run_id)},
                                            {"status", static_cast<int>(model.status)},
                                            {"status_message", nullptr}}));
    return artifacts;
  }

  Result<void> PutModel(const TransferModel& model) override {
    const fs::path folder = root_ / "models" / model.model.name;
    for (const auto& [alias, version] : model.model.aliases) {
      MILL_RETURN_IF_ERROR(
          base::WriteFileAtomic(folder / "aliases" / alias, std::to_string(version)));
    }
    MILL_RETURN_IF_ERROR(WritePairs(folder / "tags", model.model.tags));
    for (const tracking::ModelVersion& version : model.versions) {
      const fs::path there = folder / ("version-" + std::to_string(version.version));
      MILL_RETURN_IF_ERROR(WritePairs(there / "tags", version.tags));
      MILL_RETURN_IF_ERROR(
          WriteMeta(there, {{"aliases", version.aliases},
                            {"creation_timestamp", version.creation_time_ms},
                            {"current_stage", version.stage},
                            {"description", OrNull(version.description)},
                            {"last_updated_timestamp", version.last_update_time_ms},
                            {"name", version.name},
                            {"run_id", OrNull(version.run_id)},
                            {"run_link", nullptr},
                            {"source", version.source},
                            {"status", "READY"},
                            {"status_message", nullptr},
                            {"storage_location", version.storage_location},
                            {"user_id", nullptr},
                            {"version", version.version}}));
    }
    return WriteMeta(folder, {{"aliases", model.model.aliases},
                              {"creation_timestamp", model.model.creation_time_ms},
                              {"description", OrNull(model.model.description)},
                              {"last_updated_timestamp", model.model.last_update_time_ms},
                              {"name", model.model.name}});
  }

  Result<void> PutFile(const std::string& location, const std::string& path,
                       const fs::path& file) override {
    return PutLocalFile(location, path, file);
  }

  Result<void> Finish(const tracking::Experiment& there, bool is_deleted) override {
    if (!is_deleted) {
      return {};
    }
    tracking::Experiment gone = there;
    gone.lifecycle = tracking::LifecycleStage::kDeleted;
    MILL_RETURN_IF_ERROR(WriteExperiment(root_ / there.id, gone));
    MILL_RETURN_IF_ERROR(base::MakeDirectories(root_ / ".trash"));
    std::error_code code;
    fs::rename(root_ / there.id, root_ / ".trash" / there.id, code);
    if (code) {
      return base::FromErrno(code.value(), "moving to .trash", (root_ / there.id).string());
    }
    return {};
  }

 private:
  static Result<void> WriteExperiment(const fs::path& folder,
                                      const tracking::Experiment& experiment) {
    return WriteMeta(folder, {{"artifact_location", experiment.artifact_location},
                              {"creation_time", experiment.creation_time_ms},
                              {"experiment_id", experiment.id},
                              {"last_update_time", experiment.last_update_time_ms},
                              {"lifecycle_stage", StageText(experiment.lifecycle)},
                              {"name", experiment.name}});
  }

  // Ids that MLflow makes the same way are not needed, only ones that stay the same.
  static std::string IdOf(const std::string& text) { return base::HashText(text).Hex(); }

  Result<void> WriteInputs(const tracking::Experiment& there, const fs::path& folder,
                           const tracking::Run& run) {
    for (const tracking::DatasetInput& input : run.dataset_inputs) {
      const tracking::Dataset& data = input.dataset;
      const std::string id = IdOf(data.name + "\n" + data.digest);
      MILL_RETURN_IF_ERROR(WriteMeta(root_ / there.id / "datasets" / id,
                                     {{"digest", data.digest},
                                      {"name", data.name},
                                      {"profile", data.profile ? Json(*data.profile) : Json()},
                                      {"schema", data.schema ? Json(*data.schema) : Json()},
                                      {"source", data.source},
                                      {"source_type", data.source_type}}));
      MILL_RETURN_IF_ERROR(WriteMeta(folder / "inputs" / IdOf(id + run.info.run_id),
                                     {{"destination_id", run.info.run_id},
                                      {"destination_type", "RUN"},
                                      {"source_id", id},
                                      {"source_type", "DATASET"},
                                      {"tags", input.tags}}));
    }
    for (const tracking::ModelInput& input : run.model_inputs) {
      MILL_RETURN_IF_ERROR(
          WriteMeta(folder / "inputs" / input.model_id, {{"destination_id", run.info.run_id},
                                                         {"destination_type", "RUN"},
                                                         {"source_id", input.model_id},
                                                         {"source_type", "MODEL"},
                                                         {"tags", Json::object()}}));
    }
    for (const tracking::ModelOutput& output : run.outputs) {
      MILL_RETURN_IF_ERROR(
          WriteMeta(folder / "outputs" / output.model_id, {{"destination_id", run.info.run_id},
                                                           {"destination_type", "MODEL_OUTPUT"},
                                                           {"source_id", output.model_id},
                                                           {"source_type", "RUN_OUTPUT"},
                                                           {"step", output.step},
                                                           {"tags", Json::object()}}));
    }
    return {};
  }

  fs::path root_;
};

}  // namespace

std::unique_ptr<TransferSource> OpenFilesSource(const fs::path& root) {
  return std::make_unique<FilesSource>(root);
}

Result<std::unique_ptr<TransferSink>> OpenFilesSink(const fs::path& root) {
  const fs::path absolute = fs::absolute(root).lexically_normal();
  std::error_code code;
  if (fs::exists(absolute, code) && !fs::is_directory(absolute, code)) {
    return base::InvalidArgument("\"" + absolute.string() + "\" is no folder");
  }
  MILL_RETURN_IF_ERROR(base::MakeDirectories(absolute));
  return std::unique_ptr<TransferSink>(std::make_unique<FilesSink>(absolute));
}

}  // namespace millrace::app::internal
