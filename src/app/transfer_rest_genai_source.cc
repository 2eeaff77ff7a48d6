// SPDX-License-Identifier: Apache-2.0
// Traces, assessments, issues, scorers, evaluation datasets and webhooks of an MLflow tracking
// server, each as far as the server has it.
#include <algorithm>
#include <cctype>
#include <map>

#include "api/exchange.h"
#include "app/internal/transfer_rest.h"
#include "base/json.h"

namespace millrace::app::internal {
namespace {

using Json = nlohmann::json;

constexpr int kPage = 500;

std::vector<std::string> TextsOf(const Json& json, const char* key) {
  std::vector<std::string> texts;
  for (const Json& item : ListOf(json, key)) {
    texts.push_back(item.is_string() ? item.get<std::string>() : item.dump());
  }
  return texts;
}

std::optional<std::string> TextIfAny(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? std::optional(found->get<std::string>())
                                                   : std::nullopt;
}

class RestGenaiSource final : public GenaiSource {
 public:
  explicit RestGenaiSource(Rest& rest) : rest_(rest) {}

  Result<void> ForEachTrace(const tracking::Experiment& experiment,
                            const std::function<Result<void>(TransferTrace)>& take) override {
    const Json where = Json::array({Json{
        {"type", "MLFLOW_EXPERIMENT"}, {"mlflow_experiment", {{"experiment_id", experiment.id}}}}});
    std::map<std::string, std::vector<std::string>> runs_of;
    bool knows_runs = false;
    return Pages("traces", "/api/3.0/mlflow/traces/search",
                 {{"locations", where}, {"order_by", Json::array({"timestamp_ms ASC"})}},
                 [&](const Json& page) -> Result<void> {
                   if (!knows_runs && !ListOf(page, "traces").empty()) {
                     MILL_ASSIGN_OR_RETURN(runs_of, RunsOfTraces(experiment, where));
                     knows_runs = true;
                   }
                   for (const Json& item : ListOf(page, "traces")) {
                     MILL_ASSIGN_OR_RETURN(TransferTrace trace, TraceFrom(item));
                     trace.info.experiment_id = experiment.id;
                     trace.links.run_ids = runs_of[trace.info.trace_id];
                     MILL_RETURN_IF_ERROR(take(std::move(trace)));
                   }
                   return {};
                 });
  }

  Result<std::vector<tracking::Issue>> Issues(const tracking::Experiment& experiment) override {
    std::vector<tracking::Issue> issues;
    MILL_RETURN_IF_ERROR(Pages("issues", "/api/3.0/mlflow/issues/search",
                               {{"experiment_id", experiment.id}},
                               [&](const Json& page) -> Result<void> {
                                 for (const Json& item : ListOf(page, "issues")) {
                                   issues.push_back(IssueFrom(item, experiment.id));
                                 }
                                 return {};
                               }));
    return issues;
  }

  Result<std::vector<tracking::ScorerVersion>> Scorers(
      const tracking::Experiment& experiment) override {
    std::vector<tracking::ScorerVersion> scorers;
    if (experiment.lifecycle == tracking::LifecycleStage::kDeleted) {
      Skip("scorers of deleted experiments", "a server does not show them", 0);
      return scorers;
    }
    const std::string at = "?experiment_id=" + UrlEncode(experiment.id);
    const Result<Json> newest = rest_.Get("/api/3.0/mlflow/scorers/list" + at);
    if (IsLacking(newest, "scorers")) {
      return scorers;
    }
    MILL_RETURN_IF_ERROR(newest);
    for (const Json& one : ListOf(*newest, "scorers")) {
      const std::string name = TextOf(one, "scorer_name");
      MILL_ASSIGN_OR_RETURN(const Json versions, rest_.Get("/api/3.0/mlflow/scorers/versions" + at +
                                                           "&name=" + UrlEncode(name)));
      for (const Json& item : ListOf(versions, "scorers")) {
        scorers.push_back({TextOf(item, "scorer_id"), experiment.id, name,
                           IntOf(item, "scorer_version"), TextOf(item, "serialized_scorer"),
                           IntOf(item, "creation_time")});
      }
    }
    std::stable_sort(scorers.begin(), scorers.end(), [](const auto& a, const auto& b) {
      return std::tie(a.name, a.version) < std::tie(b.name, b.version);
    });
    return scorers;
  }

  Result<void> ForEachDataset(const std::function<Result<void>(TransferDataset)>& take) override {
    return Pages("evaluation datasets", "/api/3.0/mlflow/datasets/search",
                 {{"order_by", Json::array({"created_time ASC"})}},
                 [&](const Json& page) -> Result<void> {
                   for (const Json& item : ListOf(page, "datasets")) {
                     MILL_ASSIGN_OR_RETURN(TransferDataset dataset, DatasetFrom(item));
                     MILL_RETURN_IF_ERROR(take(std::move(dataset)));
                   }
                   return {};
                 });
  }

  Result<std::vector<tracking::Webhook>> Webhooks() override {
    std::vector<tracking::Webhook> webhooks;
    std::string token;
    do {
      const Result<Json> page =
          rest_.Get("webhooks?max_results=100&page_token=" + UrlEncode(token));
      if (IsLacking(page, "webhooks")) {
        return webhooks;
      }
      MILL_RETURN_IF_ERROR(page);
      for (const Json& item : ListOf(*page, "webhooks")) {
        webhooks.push_back(WebhookFrom(item));
      }
      token = TextOf(*page, "next_page_token");
    } while (!token.empty());
    std::reverse(webhooks.begin(), webhooks.end());
    if (!webhooks.empty()) {
      Skip("secrets of webhooks", "a server never tells them",
           static_cast<std::int64_t>(webhooks.size()));
    }
    return webhooks;
  }

 private:
  // True for a server that does not know such things, which is told.
  bool IsLacking(const Result<Json>& answer, const std::string& what) {
    const bool is_lacking =
        !answer.ok() && (answer.error().code() == base::ErrorCode::kNotFound ||
                         answer.error().code() == base::ErrorCode::kUnimplemented);
    if (is_lacking) {
      Skip(what, "the server has none: " + answer.error().message().substr(0, 100), 0);
    }
    return is_lacking;
  }

  Result<void> Pages(const std::string& what, const std::string& path, Json body,
                     const std::function<Result<void>(const Json&)>& take) {
    body["max_results"] = kPage;
    std::string token;
    do {
      if (!token.empty()) {
        body["page_token"] = token;
      }
      const Result<Json> page = rest_.Post(path, body);
      if (IsLacking(page, what)) {
        return {};
      }
      MILL_RETURN_IF_ERROR(page);
      MILL_RETURN_IF_ERROR(take(*page));
      token = TextOf(*page, "next_page_token");
    } while (!token.empty());
    return {};
  }

  // Links are no part of a trace's answer: each run is asked for its traces.
  Result<std::map<std::string, std::vector<std::string>>> RunsOfTraces(
      const tracking::Experiment& experiment, const Json& where) {
    std::map<std::string, std::vector<std::string>> runs_of;
    std::string token;
    do {
      MILL_ASSIGN_OR_RETURN(
          const Json page,
          rest_.Post("runs/search", {{"experiment_ids", Json::array({experiment.id})},
                                     {"run_view_type", "ALL"},
                                     {"max_results", 1000},
                                     {"page_token", token}}));
      for (const Json& item : ListOf(page, "runs")) {
        const std::string run = TextOf(item.value("info", Json::object()), "run_id");
        MILL_RETURN_IF_ERROR(
            Pages("links of traces", "/api/3.0/mlflow/traces/search",
                  {{"locations", where}, {"filter", "attributes.run_id = '" + run + "'"}},
                  [&](const Json& traces) -> Result<void> {
                    for (const Json& trace : ListOf(traces, "traces")) {
                      // Traces that the run itself made say so.
                      const Json metadata = trace.value("trace_metadata", Json::object());
                      if (TextOf(metadata, "mlflow.sourceRun") != run) {
                        runs_of[TextOf(trace, "trace_id")].push_back(run);
                      }
                    }
                    return {};
                  }));
      }
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    return runs_of;
  }

  Result<TransferTrace> TraceFrom(const Json& item) {
    TransferTrace trace;
    MILL_ASSIGN_OR_RETURN(trace.info, api::ReadTraceInfo(item));
    if (const auto linked = trace.info.tags.find("mlflow.linkedPrompts");
        linked != trace.info.tags.end()) {
      const auto prompts = base::ParseJson(linked->second, linked->first);
      for (const Json& prompt : prompts.ok() ? *prompts : Json::array()) {
        trace.links.prompts.push_back(TextOf(prompt, "name") + "/" + TextOf(prompt, "version"));
      }
    }
    const auto place = trace.info.tags.find("mlflow.trace.spansLocation");
    if (place == trace.info.tags.end() || place->second != "TRACKING_STORE") {
      return trace;  // its spans are one of its files
    }
    MILL_ASSIGN_OR_RETURN(const std::string text,
                          rest_.Bytes("/ajax-api/2.0/mlflow/get-trace-artifact?request_id=" +
                                      UrlEncode(trace.info.trace_id)));
    MILL_ASSIGN_OR_RETURN(const Json data, base::ParseJson(text, "spans"));
    for (const Json& span : ListOf(data, "spans")) {
      MILL_ASSIGN_OR_RETURN(tracking::Span read, api::ReadKeptSpan(span));
      read.trace_id = trace.info.trace_id;
      trace.spans.push_back(std::move(read));
    }
    return trace;
  }

  static tracking::Issue IssueFrom(const Json& item, const std::string& experiment_id) {
    return {.issue_id = TextOf(item, "issue_id"),
            .experiment_id = experiment_id,
            .name = TextOf(item, "name"),
            .description = TextOf(item, "description"),
            .status = TextOf(item, "status"),
            .severity = TextOf(item, "severity"),
            .root_causes = TextsOf(item, "root_causes"),
            .categories = TextsOf(item, "categories"),
            .source_run_id = TextOf(item, "source_run_id"),
            .created_by = TextOf(item, "created_by"),
            .created_time_ms = IntOf(item, "created_timestamp"),
            .last_update_time_ms = IntOf(item, "last_updated_timestamp"),
            .trace_count = {}};
  }

  Result<TransferDataset> DatasetFrom(const Json& item) {
    TransferDataset read;
    read.dataset = {.dataset_id = TextOf(item, "dataset_id"),
                    .name = TextOf(item, "name"),
                    .digest = TextOf(item, "digest"),
                    .created_time_ms = IntOf(item, "created_time"),
                    .last_update_time_ms = IntOf(item, "last_update_time"),
                    .tags = {},
                    .schema = TextIfAny(item, "schema"),
                    .profile = TextIfAny(item, "profile"),
                    .created_by = TextIfAny(item, "created_by"),
                    .last_updated_by = TextIfAny(item, "last_updated_by")};
    const std::string tag_text = TextOf(item, "tags");
    MILL_ASSIGN_OR_RETURN(const Json tags,
                          base::ParseJson(tag_text.empty() ? "{}" : tag_text, "tags"));
    for (const auto& [key, value] : tags.items()) {
      read.dataset.tags[key] = value.is_string() ? value.get<std::string>() : value.dump();
    }
    const std::string path = "/api/3.0/mlflow/datasets/" + UrlEncode(read.dataset.dataset_id);
    MILL_ASSIGN_OR_RETURN(const Json experiments, rest_.Get(path + "/experiment-ids"));
    read.experiment_ids = TextsOf(experiments, "experiment_ids");
    std::string token;
    do {
      std::string next = path + "/records?max_results=" + std::to_string(kPage);
      next += token.empty() ? "" : "&page_token=" + UrlEncode(token);
      MILL_ASSIGN_OR_RETURN(const Json page, rest_.Get(next));
      const std::string text = TextOf(page, "records");
      MILL_ASSIGN_OR_RETURN(auto records, api::ReadImportedRecords(text.empty() ? "[]" : text));
      std::move(records.begin(), records.end(), std::back_inserter(read.records));
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    return read;
  }

  static tracking::Webhook WebhookFrom(const Json& item) {
    const auto lower = [](std::string text) {
      std::transform(text.begin(), text.end(), text.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      return text;
    };
    tracking::Webhook webhook;
    webhook.webhook_id = TextOf(item, "webhook_id");
    webhook.name = TextOf(item, "name");
    webhook.url = TextOf(item, "url");
    webhook.description = TextOf(item, "description");
    webhook.is_active = TextOf(item, "status") == "ACTIVE";
    webhook.creation_time_ms = IntOf(item, "creation_timestamp");
    webhook.last_update_time_ms = IntOf(item, "last_updated_timestamp");
    for (const Json& event : ListOf(item, "events")) {
      webhook.events.push_back({lower(TextOf(event, "entity")), lower(TextOf(event, "action"))});
    }
    return webhook;
  }

  Rest& rest_;
};

}  // namespace

std::unique_ptr<GenaiSource> MakeRestGenaiSource(Rest& rest) {
  return std::make_unique<RestGenaiSource>(rest);
}

}  // namespace millrace::app::internal
