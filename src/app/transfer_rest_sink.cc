// SPDX-License-Identifier: Apache-2.0
// An MLflow tracking server as a sink of transfers.
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "app/internal/transfer_forms.h"
#include "app/internal/transfer_rest.h"
#include "base/file.h"

namespace millrace::app::internal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// A server gives ids itself: runs and models get new ones, and the old ones are tags.
class RestSink final : public TransferSink {
 public:
  explicit RestSink(Rest rest)
      : rest_(std::move(rest)), genai_(MakeRestGenaiSink(rest_, new_runs_)) {}

  GenaiSink& genai() override { return *genai_; }

  Result<tracking::Experiment> PutExperiment(const tracking::Experiment& experiment) override {
    tracking::Experiment there = experiment;
    const std::string by_name =
        "experiments/get-by-name?experiment_name=" + UrlEncode(experiment.name);
    Result<Json> found = rest_.Get(by_name);
    if (!found.ok() && found.error().code() == base::ErrorCode::kNotFound) {
      MILL_RETURN_IF_ERROR(rest_.Post("experiments/create", {{"name", experiment.name}}));
      found = rest_.Get(by_name);
    }
    MILL_RETURN_IF_ERROR(found);
    const Json json = found->value("experiment", Json::object());
    there.id = TextOf(json, "experiment_id");
    there.artifact_location = TextOf(json, "artifact_location");
    if (LifecycleOf(json) == tracking::LifecycleStage::kDeleted) {
      MILL_RETURN_IF_ERROR(rest_.Post("experiments/restore", {{"experiment_id", there.id}}));
    }
    if (there.id != experiment.id) {
      there.tags[kOldExperimentTag] = experiment.id;
    }
    for (const auto& [key, value] : there.tags) {
      MILL_RETURN_IF_ERROR(
          rest_.Post("experiments/set-experiment-tag",
                     {{"experiment_id", there.id}, {"key", key}, {"value", value}}));
    }
    return there;
  }

  Result<std::string> PutRun(const tracking::Experiment& there, const TransferRun& run) override {
    const tracking::RunInfo& info = run.run.info;
    MILL_ASSIGN_OR_RETURN(const Json earlier,
                          rest_.Post("runs/search", {{"experiment_ids", Json::array({there.id})},
                                                     {"run_view_type", "ALL"},
                                                     {"max_results", 1},
                                                     {"filter", "tags.`" + std::string(kOldRunTag) +
                                                                    "` = '" + info.run_id + "'"}}));
    Json json;
    if (!ListOf(earlier, "runs").empty()) {
      json = ListOf(earlier, "runs")[0].at("info");
      new_runs_[info.run_id] = TextOf(json, "run_id");
      if (LifecycleOf(json) == tracking::LifecycleStage::kDeleted) {
        return TextOf(json, "artifact_uri");  // complete: deleting is the last step
      }
    } else {
      tracking::Tags tags = run.run.tags;
      tags[kOldRunTag] = info.run_id;
      MILL_ASSIGN_OR_RETURN(const Json made,
                            rest_.Post("runs/create", {{"experiment_id", there.id},
                                                       {"user_id", info.user_id},
                                                       {"run_name", info.run_name},
                                                       {"start_time", info.start_time_ms},
                                                       {"tags", ListFrom(tags)}}));
      json = made.at("run").at("info");
    }
    const std::string id = TextOf(json, "run_id");
    new_runs_[info.run_id] = id;
    MILL_RETURN_IF_ERROR(PutData(id, run));
    Json update = {{"run_id", id}, {"status", tracking::RunStatusName(info.status)}};
    if (info.end_time_ms) {
      update["end_time"] = *info.end_time_ms;
    }
    MILL_RETURN_IF_ERROR(rest_.Post("runs/update", update));
    if (info.lifecycle == tracking::LifecycleStage::kDeleted) {
      MILL_RETURN_IF_ERROR(rest_.Post("runs/delete", {{"run_id", id}}));
    }
    return TextOf(json, "artifact_uri");
  }

  Result<std::string> PutLoggedModel(const tracking::Experiment& there,
                                     const tracking::LoggedModel& model) override {
    const auto run = new_runs_.find(model.source_run_id);
    MILL_ASSIGN_OR_RETURN(
        const Json earlier,
        rest_.Post("logged-models/search", {{"experiment_ids", Json::array({there.id})},
                                            {"max_results", 1},
                                            {"filter", "tags.`" + std::string(kOldModelTag) +
                                                           "` = '" + model.model_id + "'"}}));
    Json found;
    if (!ListOf(earlier, "models").empty()) {
      found = ListOf(earlier, "models")[0];
    } else {
      tracking::Tags tags = model.tags;
      tags[kOldModelTag] = model.model_id;
      MILL_ASSIGN_OR_RETURN(
          const Json made,
          rest_.Post("logged-models",
                     {{"experiment_id", there.id},
                      {"name", model.name},
                      {"model_type", model.model_type},
                      {"source_run_id", run == new_runs_.end() ? model.source_run_id : run->second},
                      {"params", ListFrom(model.params)},
                      {"tags", ListFrom(tags)}}));
      found = made.at("model");
    }
    const Json info = found.at("info");
    const std::string id = TextOf(info, "model_id");
    new_models_[model.model_id] = id;
    MILL_RETURN_IF_ERROR(
        rest_.Call("PATCH", "logged-models/" + UrlEncode(id),
                   {{"model_id", id}, {"status", tracking::LoggedModelStatusName(model.status)}}));
    if (run != new_runs_.end()) {
      MILL_RETURN_IF_ERROR(rest_.Post(
          "runs/outputs", {{"run_id", run->second},
                           {"models", Json::array({Json{{"model_id", id}, {"step", 0}}})}}));
    }
    return TextOf(info, "artifact_uri");
  }

  Result<void> PutModel(const TransferModel& model) override {
    const std::string& name = model.model.name;
    const Result<Json> made =
        rest_.Post("registered-models/create", {{"name", name},
                                                {"description", model.model.description},
                                                {"tags", ListFrom(model.model.tags)}});
    std::map<std::int64_t, std::string> numbers;
    if (!made.ok()) {
      if (made.error().code() != base::ErrorCode::kAlreadyExists) {
        return made.error();
      }
      MILL_ASSIGN_OR_RETURN(numbers, KnownVersions(name));
    }
    for (const tracking::ModelVersion& version : model.versions) {
      if (!numbers.contains(version.version)) {
        MILL_RETURN_IF_ERROR(PutVersion(version, numbers));
      }
    }
    for (const auto& [alias, version] : model.model.aliases) {
      if (numbers.contains(version)) {
        MILL_RETURN_IF_ERROR(
            rest_.Post("registered-models/alias",
                       {{"name", name}, {"alias", alias}, {"version", numbers[version]}}));
      }
    }
    return {};
  }

  Result<void> PutFile(const std::string& location, const std::string& path,
                       const fs::path& file) override {
    if (!location.starts_with(kProxyScheme)) {
      const std::optional<fs::path> folder = LocalFolder(location);
      if (!folder) {
        return base::FailedPrecondition("the server keeps artifacts at \"" + location +
                                        "\", which cannot be written from here")
            .Hint("start it with --serve-artifacts");
      }
      return PutLocalFile(*folder, path, file);
    }
    MILL_ASSIGN_OR_RETURN(const std::string bytes, base::ReadFile(file));
    return rest_.Put(ProxyTarget(ProxyPath(location) + "/" + path), bytes);
  }

  Result<void> Finish(const tracking::Experiment& there, bool is_deleted) override {
    if (is_deleted) {
      MILL_RETURN_IF_ERROR(rest_.Post("experiments/delete", {{"experiment_id", there.id}}));
    }
    return {};
  }

 private:
  static constexpr const char* kOldRunTag = "millrace.exported.run_id";
  static constexpr const char* kOldModelTag = "millrace.exported.model_id";
  static constexpr const char* kOldVersionTag = "millrace.exported.version";

  Result<void> PutData(const std::string& id, const TransferRun& run) {
    Json params = Json::array();
    const auto send_params = [&]() -> Result<void> {
      if (!params.empty()) {
        MILL_RETURN_IF_ERROR(rest_.Post("runs/log-batch", {{"run_id", id}, {"params", params}}));
        params = Json::array();
      }
      return {};
    };
    for (const auto& [key, value] : run.run.params) {
      params.push_back({{"key", key}, {"value", value}});
      if (params.size() == 100) {
        MILL_RETURN_IF_ERROR(send_params());
      }
    }
    MILL_RETURN_IF_ERROR(send_params());
    Json metrics = Json::array();
    const auto send_metrics = [&]() -> Result<void> {
      if (!metrics.empty()) {
        MILL_RETURN_IF_ERROR(rest_.Post("runs/log-batch", {{"run_id", id}, {"metrics", metrics}}));
        metrics = Json::array();
      }
      return {};
    };
    for (const auto& [key, points] : run.histories) {
      for (const tracking::MetricPoint& point : points) {
        metrics.push_back({{"key", key},
                           {"value", std::isnan(point.value) ? Json("NaN") : Json(point.value)},
                           {"timestamp", point.timestamp_ms},
                           {"step", point.step}});
        if (metrics.size() == 1000) {
          MILL_RETURN_IF_ERROR(send_metrics());
        }
      }
    }
    MILL_RETURN_IF_ERROR(send_metrics());
    Json datasets = Json::array();
    for (const tracking::DatasetInput& input : run.run.dataset_inputs) {
      Json dataset = {{"name", input.dataset.name},
                      {"digest", input.dataset.digest},
                      {"source_type", input.dataset.source_type},
                      {"source", input.dataset.source}};
      if (input.dataset.schema) {
        dataset["schema"] = *input.dataset.schema;
      }
      if (input.dataset.profile) {
        dataset["profile"] = *input.dataset.profile;
      }
      datasets.push_back({{"tags", ListFrom(input.tags)}, {"dataset", dataset}});
    }
    if (!datasets.empty()) {
      MILL_RETURN_IF_ERROR(rest_.Post("runs/log-inputs", {{"run_id", id}, {"datasets", datasets}}));
    }
    return {};
  }

  // Numbers of the versions that an earlier transfer made, by those of the source.
  Result<std::map<std::int64_t, std::string>> KnownVersions(std::string name) {
    for (std::size_t at = 0; (at = name.find('\'', at)) != std::string::npos; at += 2) {
      name.replace(at, 1, "\\'");
    }
    std::map<std::int64_t, std::string> numbers;
    std::string token;
    do {
      MILL_ASSIGN_OR_RETURN(
          const Json page,
          rest_.Get("model-versions/search?max_results=1000&filter=" +
                    UrlEncode("name = '" + name + "'") + "&page_token=" + UrlEncode(token)));
      for (const Json& found : ListOf(page, "model_versions")) {
        const tracking::Tags tags = PairsOf(found, "tags");
        if (const auto old = tags.find(kOldVersionTag); old != tags.end()) {
          numbers[std::strtoll(old->second.c_str(), nullptr, 10)] = TextOf(found, "version");
        }
      }
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    return numbers;
  }

  Result<void> PutVersion(const tracking::ModelVersion& version,
                          std::map<std::int64_t, std::string>& numbers) {
    Json body = {
        {"name", version.name},
        {"source", version.storage_location.empty() ? version.source : version.storage_location},
        {"description", version.description}};
    constexpr std::string_view kModelScheme = "models:/";
    const std::string old_model = version.source.starts_with(kModelScheme)
                                      ? version.source.substr(kModelScheme.size())
                                      : version.model_id;
    if (const auto found = new_models_.find(old_model); found != new_models_.end()) {
      body["source"] = std::string(kModelScheme) + found->second;
      body["model_id"] = found->second;
    }
    if (const auto found = new_runs_.find(version.run_id); found != new_runs_.end()) {
      body["run_id"] = found->second;
    }
    tracking::Tags tags = version.tags;
    tags[kOldVersionTag] = std::to_string(version.version);
    body["tags"] = ListFrom(tags);
    MILL_ASSIGN_OR_RETURN(const Json made, rest_.Post("model-versions/create", body));
    const std::string number = TextOf(made.at("model_version"), "version");
    numbers[version.version] = number;
    if (version.stage != "None" && !version.stage.empty()) {
      MILL_RETURN_IF_ERROR(
          rest_.Post("model-versions/transition-stage", {{"name", version.name},
                                                         {"version", number},
                                                         {"stage", version.stage},
                                                         {"archive_existing_versions", false}}));
    }
    return {};
  }

  Rest rest_;
  IdMap new_runs_;
  IdMap new_models_;
  std::unique_ptr<GenaiSink> genai_;
};

}  // namespace

Result<std::unique_ptr<TransferSink>> OpenRestSink(const std::string& url) {
  MILL_ASSIGN_OR_RETURN(Rest rest, Rest::Connect(url));
  return std::unique_ptr<TransferSink>(std::make_unique<RestSink>(std::move(rest)));
}

}  // namespace millrace::app::internal
