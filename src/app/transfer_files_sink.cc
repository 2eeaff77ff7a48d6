// SPDX-License-Identifier: Apache-2.0
// MLflow's file store (mlruns) as a sink of transfers; layout as in transfer_files_source.cc.
#include <cmath>
#include <system_error>

#include <nlohmann/json.hpp>

#include "app/internal/transfer_files.h"
#include "app/internal/transfer_forms.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/number_format.h"

namespace millrace::app::internal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

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
  explicit FilesSink(fs::path root) : root_(std::move(root)), genai_(MakeFilesGenaiSink()) {}

  GenaiSink& genai() override { return *genai_; }

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
  std::unique_ptr<GenaiSink> genai_;
};

}  // namespace

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
