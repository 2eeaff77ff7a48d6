// SPDX-License-Identifier: Apache-2.0
// An MLflow tracking server, spoken to as its own client does (REST 2.0 and the artifact proxy).
#include <algorithm>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "app/internal/transfer_forms.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "net/http_client.h"

namespace millrace::app::internal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::string_view kProxyScheme = "mlflow-artifacts:";
constexpr int kPage = 1000;

std::string TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

// Numbers may come as texts (int64 in proto JSON).
std::int64_t IntOf(const Json& json, const char* key, std::int64_t fallback = 0) {
  const auto found = json.find(key);
  if (found == json.end()) {
    return fallback;
  }
  if (found->is_number()) {
    return found->get<std::int64_t>();
  }
  return found->is_string() ? std::strtoll(found->get<std::string>().c_str(), nullptr, 10)
                            : fallback;
}

double DoubleOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) {
    return 0;
  }
  if (found->is_number()) {
    return found->get<double>();
  }
  const std::string text = found->is_string() ? found->get<std::string>() : "";
  return text == "NaN" ? std::nan("") : std::strtod(text.c_str(), nullptr);
}

const Json& ListOf(const Json& json, const char* key) {
  static const Json empty = Json::array();
  const auto found = json.find(key);
  return found != json.end() && found->is_array() ? *found : empty;
}

tracking::Tags PairsOf(const Json& json, const char* key) {
  tracking::Tags pairs;
  for (const Json& pair : ListOf(json, key)) {
    pairs[TextOf(pair, "key")] = TextOf(pair, "value");
  }
  return pairs;
}

Json ListFrom(const tracking::Tags& pairs) {
  Json list = Json::array();
  for (const auto& [key, value] : pairs) {
    list.push_back({{"key", key}, {"value", value}});
  }
  return list;
}

tracking::LifecycleStage LifecycleOf(const Json& json) {
  return TextOf(json, "lifecycle_stage") == "deleted" ? tracking::LifecycleStage::kDeleted
                                                      : tracking::LifecycleStage::kActive;
}

/// Calls with the errors of the server as errors of ours.
class Rest {
 public:
  explicit Rest(net::HttpClient client) : client_(std::move(client)) {}

  Result<Json> Call(std::string_view method, const std::string& path, const Json& body) {
    const std::string target = "/api/2.0/mlflow/" + path;
    MILL_ASSIGN_OR_RETURN(const net::ClientResponse response,
                          client_.Send(method, target, method == "GET" ? "" : body.dump(),
                                       {{"Content-Type", "application/json"}}));
    MILL_RETURN_IF_ERROR(Check(response, std::string(method) + " " + target));
    return base::ParseJson(response.body, target);
  }
  Result<Json> Get(const std::string& path) { return Call("GET", path, {}); }
  Result<Json> Post(const std::string& path, const Json& body) { return Call("POST", path, body); }

  Result<std::string> Bytes(const std::string& target) {
    MILL_ASSIGN_OR_RETURN(net::ClientResponse response, client_.Get(target));
    MILL_RETURN_IF_ERROR(Check(response, "GET " + target));
    return std::move(response.body);
  }
  Result<void> Put(const std::string& target, std::string_view bytes) {
    MILL_ASSIGN_OR_RETURN(
        const net::ClientResponse response,
        client_.Send("PUT", target, bytes, {{"Content-Type", "application/octet-stream"}}));
    return Check(response, "PUT " + target);
  }

 private:
  static Result<void> Check(const net::ClientResponse& response, const std::string& what) {
    if (response.status >= 200 && response.status < 300) {
      return {};
    }
    std::string message = response.body.substr(0, 500);
    std::string code;
    if (const auto json = base::ParseJson(response.body, "answer");
        json.ok() && json->is_object()) {
      message = TextOf(*json, "message");
      code = TextOf(*json, "error_code");
    }
    const std::string text =
        "the server answers " + std::to_string(response.status) + " to " + what + ": " + message;
    if (code == "RESOURCE_ALREADY_EXISTS") {
      return base::AlreadyExists(text);
    }
    if (response.status == 404) {
      return base::NotFound(text);
    }
    if (response.status == 401 || response.status == 403) {
      return Error(base::ErrorCode::kPermissionDenied, text);
    }
    return response.status >= 500 ? base::Unavailable(text) : base::InvalidArgument(text);
  }

  net::HttpClient client_;
};

// The path below the proxy's root of "mlflow-artifacts:/0/run/artifacts" or
// "mlflow-artifacts://host/0/run/artifacts".
std::string ProxyPath(const std::string& location) {
  std::string path = location.substr(kProxyScheme.size());
  if (path.starts_with("//")) {
    const std::size_t slash = path.find('/', 2);
    path = slash == std::string::npos ? "" : path.substr(slash);
  }
  path.erase(0, path.find_first_not_of('/'));
  return path;
}

std::string ProxyTarget(const std::string& path) {
  return "/api/2.0/mlflow-artifacts/artifacts/" + UrlEncode(path);
}

tracking::Run RunFrom(const Json& json) {
  tracking::Run run;
  const Json& info = json.at("info");
  const Json data = json.value("data", Json::object());
  run.info.run_id = TextOf(info, "run_id");
  run.info.run_name = TextOf(info, "run_name");
  run.info.experiment_id = TextOf(info, "experiment_id");
  run.info.user_id = TextOf(info, "user_id");
  run.info.status = tracking::ParseRunStatus(TextOf(info, "status")).ok()
                        ? tracking::ParseRunStatus(TextOf(info, "status")).value()
                        : tracking::RunStatus::kFinished;
  run.info.start_time_ms = IntOf(info, "start_time");
  if (info.contains("end_time")) {
    run.info.end_time_ms = IntOf(info, "end_time");
  }
  run.info.artifact_uri = TextOf(info, "artifact_uri");
  run.info.lifecycle = LifecycleOf(info);
  run.params = PairsOf(data, "params");
  run.tags = PairsOf(data, "tags");
  for (const Json& metric : ListOf(data, "metrics")) {
    run.metrics[TextOf(metric, "key")] = {TextOf(metric, "key"), 0, 0, 0};
  }
  const Json inputs = json.value("inputs", Json::object());
  for (const Json& item : ListOf(inputs, "dataset_inputs")) {
    const Json dataset = item.value("dataset", Json::object());
    tracking::DatasetInput input;
    input.dataset = {TextOf(dataset, "name"),
                     TextOf(dataset, "digest"),
                     TextOf(dataset, "source_type"),
                     TextOf(dataset, "source"),
                     std::nullopt,
                     std::nullopt};
    if (dataset.contains("schema")) {
      input.dataset.schema = TextOf(dataset, "schema");
    }
    if (dataset.contains("profile")) {
      input.dataset.profile = TextOf(dataset, "profile");
    }
    input.tags = PairsOf(item, "tags");
    run.dataset_inputs.push_back(std::move(input));
  }
  for (const Json& item : ListOf(inputs, "model_inputs")) {
    run.model_inputs.push_back({TextOf(item, "model_id")});
  }
  for (const Json& item : ListOf(json.value("outputs", Json::object()), "model_outputs")) {
    run.outputs.push_back({TextOf(item, "model_id"), IntOf(item, "step")});
  }
  return run;
}

class RestSource final : public TransferSource {
 public:
  explicit RestSource(Rest rest) : rest_(std::move(rest)) {}

  Result<std::vector<tracking::Experiment>> Experiments() override {
    std::vector<tracking::Experiment> experiments;
    std::string token;
    do {
      MILL_ASSIGN_OR_RETURN(
          const Json page,
          rest_.Post("experiments/search",
                     {{"max_results", kPage}, {"view_type", "ALL"}, {"page_token", token}}));
      for (const Json& item : ListOf(page, "experiments")) {
        tracking::Experiment experiment;
        experiment.id = TextOf(item, "experiment_id");
        experiment.name = TextOf(item, "name");
        experiment.artifact_location = TextOf(item, "artifact_location");
        experiment.lifecycle = LifecycleOf(item);
        experiment.creation_time_ms = IntOf(item, "creation_time");
        experiment.last_update_time_ms = IntOf(item, "last_update_time");
        experiment.tags = PairsOf(item, "tags");
        experiments.push_back(std::move(experiment));
      }
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    // Oldest ids first, so that they are free.
    std::sort(experiments.begin(), experiments.end(), [](const auto& a, const auto& b) {
      return std::pair(a.id.size(), a.id) < std::pair(b.id.size(), b.id);
    });
    return experiments;
  }

  Result<void> ForEachRun(const tracking::Experiment& experiment,
                          const std::function<Result<void>(TransferRun)>& take) override {
    std::string token;
    do {
      MILL_ASSIGN_OR_RETURN(
          const Json page,
          rest_.Post("runs/search", {{"experiment_ids", Json::array({experiment.id})},
                                     {"run_view_type", "ALL"},
                                     {"max_results", kPage},
                                     {"page_token", token}}));
      for (const Json& item : ListOf(page, "runs")) {
        TransferRun read{RunFrom(item), {}};
        for (const auto& [key, unused] : read.run.metrics) {
          MILL_ASSIGN_OR_RETURN(auto points, History(read.run.info.run_id, key));
          read.histories.emplace_back(key, std::move(points));
        }
        MILL_RETURN_IF_ERROR(take(std::move(read)));
      }
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    return {};
  }

  Result<std::vector<tracking::LoggedModel>> LoggedModels(
      const tracking::Experiment& experiment) override {
    std::vector<tracking::LoggedModel> models;
    std::string token;
    do {
      Result<Json> page =
          rest_.Post("logged-models/search", {{"experiment_ids", Json::array({experiment.id})},
                                              {"max_results", 50},
                                              {"page_token", token}});
      if (!page.ok() && page.error().code() == base::ErrorCode::kNotFound) {
        return models;  // MLflow 2 has none.
      }
      MILL_RETURN_IF_ERROR(page);
      for (const Json& item : ListOf(*page, "models")) {
        models.push_back(LoggedModelFrom(item));
      }
      token = TextOf(*page, "next_page_token");
    } while (!token.empty());
    return models;
  }

  Result<std::vector<TransferModel>> Models() override {
    std::vector<TransferModel> models;
    // Prompts are registered models that a search leaves out unless it asks for them.
    for (const char* filter : {"", "tags.`mlflow.prompt.is_prompt` = 'true'"}) {
      std::string token;
      do {
        MILL_ASSIGN_OR_RETURN(const Json page,
                              rest_.Get("registered-models/search?max_results=1000&filter=" +
                                        UrlEncode(filter) + "&page_token=" + UrlEncode(token)));
        for (const Json& item : ListOf(page, "registered_models")) {
          MILL_ASSIGN_OR_RETURN(TransferModel model, ModelFrom(item));
          models.push_back(std::move(model));
        }
        token = TextOf(page, "next_page_token");
      } while (!token.empty());
    }
    return models;
  }

  Result<std::vector<std::string>> Files(const std::string& location) override {
    if (!location.starts_with(kProxyScheme)) {
      return LocalFiles(location);
    }
    std::vector<std::string> files;
    MILL_RETURN_IF_ERROR(List(ProxyPath(location), "", files));
    return files;
  }

  Result<fs::path> Fetch(const std::string& location, const std::string& path,
                         const fs::path& scratch) override {
    if (!location.starts_with(kProxyScheme)) {
      return LocalFetch(location, path);
    }
    MILL_ASSIGN_OR_RETURN(const std::string bytes,
                          rest_.Bytes(ProxyTarget(ProxyPath(location) + "/" + path)));
    const fs::path file = scratch / base::HashText(location + "/" + path).Hex();
    MILL_RETURN_IF_ERROR(base::WriteFileAtomic(file, bytes));
    return file;
  }

 private:
  Result<std::vector<tracking::MetricPoint>> History(const std::string& run_id,
                                                     const std::string& key) {
    std::vector<tracking::MetricPoint> points;
    std::string token;
    do {
      std::string path = "metrics/get-history?run_id=" + UrlEncode(run_id) +
                         "&run_uuid=" + UrlEncode(run_id) + "&metric_key=" + UrlEncode(key) +
                         "&max_results=25000";
      path += token.empty() ? "" : "&page_token=" + UrlEncode(token);
      MILL_ASSIGN_OR_RETURN(const Json page, rest_.Get(path));
      for (const Json& item : ListOf(page, "metrics")) {
        points.push_back({IntOf(item, "timestamp"), IntOf(item, "step"), DoubleOf(item, "value")});
      }
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    return points;
  }

  static tracking::LoggedModel LoggedModelFrom(const Json& item) {
    const Json info = item.value("info", Json::object());
    const Json data = item.value("data", Json::object());
    tracking::LoggedModel model;
    model.model_id = TextOf(info, "model_id");
    model.experiment_id = TextOf(info, "experiment_id");
    model.name = TextOf(info, "name");
    model.source_run_id = TextOf(info, "source_run_id");
    model.artifact_location = TextOf(info, "artifact_uri");
    model.model_type = TextOf(info, "model_type");
    const std::string status = TextOf(info, "status");
    for (const auto known :
         {tracking::LoggedModelStatus::kPending, tracking::LoggedModelStatus::kReady,
          tracking::LoggedModelStatus::kUploadFailed}) {
      model.status = status == tracking::LoggedModelStatusName(known) ? known : model.status;
    }
    model.creation_time_ms = IntOf(info, "creation_timestamp_ms");
    model.last_update_time_ms = IntOf(info, "last_updated_timestamp_ms");
    model.tags = PairsOf(info, "tags");
    model.params = PairsOf(data, "params");
    for (const Json& item_metric : ListOf(data, "metrics")) {
      model.metrics.push_back(
          {{TextOf(item_metric, "key"), DoubleOf(item_metric, "value"),
            IntOf(item_metric, "timestamp"), IntOf(item_metric, "step"), model.model_id,
            TextOf(item_metric, "dataset_name"), TextOf(item_metric, "dataset_digest")},
           TextOf(item_metric, "run_id")});
    }
    return model;
  }

  Result<TransferModel> ModelFrom(const Json& item) {
    TransferModel read;
    read.model.name = TextOf(item, "name");
    read.model.description = TextOf(item, "description");
    read.model.creation_time_ms = IntOf(item, "creation_timestamp");
    read.model.last_update_time_ms = IntOf(item, "last_updated_timestamp");
    read.model.tags = PairsOf(item, "tags");
    for (const Json& alias : ListOf(item, "aliases")) {
      read.model.aliases[TextOf(alias, "alias")] = IntOf(alias, "version");
    }
    std::string token;
    std::string name = read.model.name;
    for (std::size_t at = 0; (at = name.find('\'', at)) != std::string::npos; at += 2) {
      name.replace(at, 1, "\\'");
    }
    do {
      MILL_ASSIGN_OR_RETURN(
          const Json page,
          rest_.Get("model-versions/search?max_results=1000&filter=" +
                    UrlEncode("name = '" + name + "'") + "&page_token=" + UrlEncode(token)));
      for (const Json& found : ListOf(page, "model_versions")) {
        tracking::ModelVersion version;
        version.name = read.model.name;
        version.version = IntOf(found, "version");
        version.source = TextOf(found, "source");
        version.run_id = TextOf(found, "run_id");
        version.description = TextOf(found, "description");
        version.stage = TextOf(found, "current_stage");
        version.creation_time_ms = IntOf(found, "creation_timestamp");
        version.last_update_time_ms = IntOf(found, "last_updated_timestamp");
        version.tags = PairsOf(found, "tags");
        MILL_ASSIGN_OR_RETURN(
            const Json uri,
            rest_.Get("model-versions/get-download-uri?name=" + UrlEncode(version.name) +
                      "&version=" + std::to_string(version.version)));
        version.storage_location = TextOf(uri, "artifact_uri");
        read.versions.push_back(std::move(version));
      }
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    std::sort(read.versions.begin(), read.versions.end(),
              [](const auto& a, const auto& b) { return a.version < b.version; });
    return read;
  }

  Result<void> List(const std::string& root, const std::string& below,
                    std::vector<std::string>& files) {
    const std::string path = below.empty() ? root : root + "/" + below;
    MILL_ASSIGN_OR_RETURN(
        const std::string text,
        rest_.Bytes("/api/2.0/mlflow-artifacts/artifacts?path=" + UrlEncode(path)));
    MILL_ASSIGN_OR_RETURN(const Json page, base::ParseJson(text, "list of artifacts"));
    for (const Json& item : ListOf(page, "files")) {
      const std::string name =
          below.empty() ? TextOf(item, "path") : below + "/" + TextOf(item, "path");
      if (item.value("is_dir", false)) {
        MILL_RETURN_IF_ERROR(List(root, name, files));
      } else {
        files.push_back(name);
      }
    }
    return {};
  }

  Rest rest_;
};

// A server gives ids itself: runs and models get new ones, and the old ones are tags.
class RestSink final : public TransferSink {
 public:
  explicit RestSink(Rest rest) : rest_(std::move(rest)) {}

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
    const Json info = made.at("model").at("info");
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
    if (!made.ok()) {
      // A second transfer finds the model with its versions.
      return made.error().code() == base::ErrorCode::kAlreadyExists ? Result<void>()
                                                                    : Result<void>(made.error());
    }
    std::map<std::int64_t, std::string> numbers;
    for (const tracking::ModelVersion& version : model.versions) {
      MILL_RETURN_IF_ERROR(PutVersion(version, numbers));
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
  std::map<std::string, std::string> new_runs_;
  std::map<std::string, std::string> new_models_;
};

Result<Rest> Connect(const std::string& url) {
  net::ClientOptions options;
  options.request_timeout = std::chrono::minutes(5);
  options.max_body_bytes = std::size_t{4} << 30;
  MILL_ASSIGN_OR_RETURN(net::HttpClient client, net::HttpClient::Make(url, options));
  return Rest(std::move(client));
}

}  // namespace

Result<std::unique_ptr<TransferSource>> OpenRestSource(const std::string& url) {
  MILL_ASSIGN_OR_RETURN(Rest rest, Connect(url));
  return std::unique_ptr<TransferSource>(std::make_unique<RestSource>(std::move(rest)));
}

Result<std::unique_ptr<TransferSink>> OpenRestSink(const std::string& url) {
  MILL_ASSIGN_OR_RETURN(Rest rest, Connect(url));
  return std::unique_ptr<TransferSink>(std::make_unique<RestSink>(std::move(rest)));
}

}  // namespace millrace::app::internal
