// SPDX-License-Identifier: Apache-2.0
// An MLflow tracking server as a source of transfers.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "app/internal/transfer_forms.h"
#include "app/internal/transfer_rest.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

namespace millrace::app::internal {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr int kPage = 1000;
constexpr const char* kIsPrompt = "tags.`mlflow.prompt.is_prompt` = 'true'";

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
  explicit RestSource(Rest rest) : rest_(std::move(rest)), genai_(MakeRestGenaiSource(rest_)) {}

  GenaiSource& genai() override { return *genai_; }

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
    for (const std::string& filter : {std::string(), std::string(kIsPrompt)}) {
      std::string token;
      do {
        MILL_ASSIGN_OR_RETURN(const Json page,
                              rest_.Get("registered-models/search?max_results=1000&filter=" +
                                        UrlEncode(filter) + "&page_token=" + UrlEncode(token)));
        for (const Json& item : ListOf(page, "registered_models")) {
          MILL_ASSIGN_OR_RETURN(TransferModel model, ModelFrom(item, filter));
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

  // @param filter  kIsPrompt for a prompt: versions too are left out unless asked for
  Result<TransferModel> ModelFrom(const Json& item, const std::string& filter) {
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
                    UrlEncode("name = '" + name + "'" + (filter.empty() ? "" : " AND " + filter)) +
                    "&page_token=" + UrlEncode(token)));
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
  std::unique_ptr<GenaiSource> genai_;
};

}  // namespace

Result<std::unique_ptr<TransferSource>> OpenRestSource(const std::string& url) {
  MILL_ASSIGN_OR_RETURN(Rest rest, Rest::Connect(url));
  return std::unique_ptr<TransferSource>(std::make_unique<RestSource>(std::move(rest)));
}

}  // namespace millrace::app::internal
