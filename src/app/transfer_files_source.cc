// SPDX-License-Identifier: Apache-2.0
// MLflow's file store (mlruns) as a source of transfers: one folder an experiment, one a run, one
// file a metric, parameter and tag. Layout: mlflow/store/tracking/file_store.py and
// mlflow/store/model_registry/file_store.py of MLflow 2.22 and 3.
#include <algorithm>
#include <charconv>
#include <map>
#include <system_error>

#include "app/internal/transfer_files.h"
#include "app/internal/transfer_forms.h"

namespace millrace::app::internal {

namespace fs = std::filesystem;
using base::YamlNode;

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

Result<tracking::Tags> ReadPairs(const fs::path& folder) {
  tracking::Tags pairs;
  MILL_ASSIGN_OR_RETURN(const std::vector<std::string> names, FilesBelow(folder));
  for (const std::string& name : names) {
    MILL_ASSIGN_OR_RETURN(pairs[name], base::ReadFile(folder / name));
  }
  return pairs;
}

std::string NearestFolder(const std::string& location, const fs::path& beside) {
  const std::optional<fs::path> folder = LocalFolder(location);
  std::error_code code;
  return folder && !fs::is_directory(*folder, code) ? beside.string() : location;
}

namespace {

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
  explicit FilesSource(fs::path root)
      : root_(std::move(root)), genai_(MakeFilesGenaiSource(folders_)) {}

  GenaiSource& genai() override { return *genai_; }

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
      model.artifact_location =
          NearestFolder(TextOf(meta, "artifact_location"), folder / "artifacts");
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
    info.artifact_uri = NearestFolder(TextOf(meta, "artifact_uri"), folder / "artifacts");
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
  std::unique_ptr<GenaiSource> genai_;
};

}  // namespace

std::unique_ptr<TransferSource> OpenFilesSource(const fs::path& root) {
  return std::make_unique<FilesSource>(root);
}

}  // namespace millrace::app::internal
