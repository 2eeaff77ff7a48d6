// SPDX-License-Identifier: Apache-2.0
// Traces, assessments, issues, scorers, evaluation datasets and webhooks into an MLflow tracking
// server. Traces keep their ids; a server gives all others itself.
#include <algorithm>
#include <cctype>

#include "api/exchange.h"
#include "app/internal/transfer_rest.h"
#include "base/json.h"

namespace millrace::app::internal {
namespace {

using Json = nlohmann::json;

constexpr const char* kOldDatasetTag = "millrace.exported.dataset_id";
constexpr const char* kSourceRun = "mlflow.sourceRun";
constexpr std::size_t kMostRecords = 500;

class RestGenaiSink final : public GenaiSink {
 public:
  RestGenaiSink(Rest& rest, const IdMap& new_runs) : rest_(rest), new_runs_(new_runs) {}

  Result<std::optional<std::string>> PutTrace(const tracking::Experiment& there,
                                              const TransferTrace& trace) override {
    MILL_RETURN_IF_ERROR(PutSpans(there, trace));
    tracking::TraceInfo info = trace.info;
    info.experiment_id = there.id;
    info.assessments.clear();
    info.tags.erase("mlflow.artifactLocation");
    if (const auto run = info.metadata.find(kSourceRun); run != info.metadata.end()) {
      run->second = NewRun(run->second);
    }
    MILL_ASSIGN_OR_RETURN(const Json made,
                          rest_.Post("/api/3.0/mlflow/traces",
                                     {{"trace", {{"trace_info", api::TraceInfoJson(info)}}}}));
    MILL_RETURN_IF_ERROR(PutAssessments(trace.info));
    for (const std::string& run : trace.links.run_ids) {
      MILL_RETURN_IF_ERROR(
          rest_.Post("traces/link-to-run",
                     {{"trace_ids", Json::array({info.trace_id})}, {"run_id", NewRun(run)}}));
    }
    if (!trace.links.prompts.empty()) {
      MILL_RETURN_IF_ERROR(LinkPrompts(info.trace_id, trace.links.prompts));
    }
    const Json answer = made.value("trace", Json::object()).value("trace_info", Json::object());
    return std::optional(TextOf(answer.value("tags", Json::object()), "mlflow.artifactLocation"));
  }

  Result<bool> PutIssue(const tracking::Experiment& there, const tracking::Issue& issue) override {
    std::string token;
    do {
      MILL_ASSIGN_OR_RETURN(
          const Json page,
          rest_.Post("/api/3.0/mlflow/issues/search",
                     {{"experiment_id", there.id}, {"max_results", 500}, {"page_token", token}}));
      for (const Json& item : ListOf(page, "issues")) {
        if (TextOf(item, "name") == issue.name &&
            TextOf(item, "description") == issue.description) {
          new_issues_[issue.issue_id] = TextOf(item, "issue_id");
          return true;
        }
      }
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    Json body = {{"experiment_id", there.id},        {"name", issue.name},
                 {"description", issue.description}, {"status", issue.status},
                 {"root_causes", issue.root_causes}, {"categories", issue.categories}};
    for (const auto& [key, text] : {std::pair("severity", issue.severity),
                                    std::pair("source_run_id", NewRun(issue.source_run_id)),
                                    std::pair("created_by", issue.created_by)}) {
      if (!text.empty()) {
        body[key] = text;
      }
    }
    MILL_ASSIGN_OR_RETURN(const Json made, rest_.Post("/api/3.0/mlflow/issues", body));
    new_issues_[issue.issue_id] = TextOf(made.value("issue", Json::object()), "issue_id");
    return true;
  }

  Result<bool> PutScorer(const tracking::Experiment& there,
                         const std::vector<tracking::ScorerVersion>& versions) override {
    const std::string path =
        "/api/3.0/mlflow/scorers/versions?experiment_id=" + UrlEncode(there.id) +
        "&name=" + UrlEncode(versions[0].name);
    const Result<Json> known = rest_.Get(path);
    if (!known.ok() && known.error().code() != base::ErrorCode::kNotFound) {
      return known.error();
    }
    // A server counts versions itself: those that it has are the first ones.
    const std::size_t n_known = known.ok() ? ListOf(*known, "scorers").size() : 0;
    for (std::size_t i = n_known; i < versions.size(); ++i) {
      const Result<Json> made = rest_.Post("/api/3.0/mlflow/scorers/register",
                                           {{"experiment_id", there.id},
                                            {"name", versions[i].name},
                                            {"serialized_scorer", versions[i].serialized_scorer}});
      // MLflow's own server takes scorers that hold code only if its owner says so.
      if (!made.ok() && made.error().code() == base::ErrorCode::kInvalidArgument) {
        const std::string why = made.error().message();
        Skip("scorer versions", why.substr(0, why.find('\n')),
             static_cast<std::int64_t>(versions.size() - i));
        return false;
      }
      MILL_RETURN_IF_ERROR(made);
    }
    if (versions.back().version != static_cast<std::int64_t>(versions.size())) {
      Skip("numbers of versions of scorer \"" + versions[0].name + "\"",
           "a server counts them itself, without gaps", 0);
    }
    return true;
  }

  Result<bool> PutDataset(const TransferDataset& dataset) override {
    const tracking::EvaluationDataset& data = dataset.dataset;
    MILL_RETURN_IF_ERROR(ReadKnownDatasets());
    std::string id;
    if (const auto known = known_datasets_->find(data.dataset_id);
        known != known_datasets_->end()) {
      id = known->second;
    } else {
      tracking::Tags tags = data.tags;
      tags[kOldDatasetTag] = data.dataset_id;
      MILL_ASSIGN_OR_RETURN(const Json made, rest_.Post("/api/3.0/mlflow/datasets/create",
                                                        {{"name", data.name},
                                                         {"experiment_ids", dataset.experiment_ids},
                                                         {"tags", base::DumpJson(Json(tags))}}));
      id = TextOf(made.value("dataset", Json::object()), "dataset_id");
    }
    std::vector<tracking::EvaluationRecord> some;
    for (std::size_t i = 0; i < dataset.records.size(); ++i) {
      some.push_back(dataset.records[i].record);
      if (some.size() == kMostRecords || i + 1 == dataset.records.size()) {
        MILL_RETURN_IF_ERROR(rest_.Post("/api/3.0/mlflow/datasets/" + UrlEncode(id) + "/records",
                                        {{"records", api::NewRecordsJson(some)}}));
        some.clear();
      }
    }
    return true;
  }

  Result<bool> PutWebhook(const tracking::Webhook& webhook) override {
    std::string token;
    do {
      MILL_ASSIGN_OR_RETURN(const Json page,
                            rest_.Get("webhooks?max_results=100&page_token=" + UrlEncode(token)));
      for (const Json& item : ListOf(page, "webhooks")) {
        if (TextOf(item, "name") == webhook.name && TextOf(item, "url") == webhook.url) {
          return true;
        }
      }
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    const auto upper = [](std::string text) {
      std::transform(text.begin(), text.end(), text.begin(),
                     [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      return text;
    };
    Json events = Json::array();
    for (const tracking::WebhookEvent& event : webhook.events) {
      events.push_back({{"entity", upper(event.entity)}, {"action", upper(event.action)}});
    }
    const Result<Json> made =
        rest_.Post("webhooks", {{"name", webhook.name},
                                {"url", webhook.url},
                                {"events", events},
                                {"description", webhook.description},
                                {"status", webhook.is_active ? "ACTIVE" : "DISABLED"}});
    if (!made.ok() && made.error().code() == base::ErrorCode::kInvalidArgument) {
      Skip("webhook \"" + webhook.name + "\"", made.error().message(), 1);
      return false;
    }
    MILL_RETURN_IF_ERROR(made);
    return true;
  }

 private:
  std::string NewRun(const std::string& run_id) const {
    const auto found = new_runs_.find(run_id);
    return found == new_runs_.end() ? run_id : found->second;
  }

  // Those that an earlier export made, by their old ids. All are listed: in a filter of data sets
  // MLflow's own server takes the backticks for a part of a tag's name.
  Result<void> ReadKnownDatasets() {
    if (known_datasets_) {
      return {};
    }
    IdMap known;
    std::string token;
    do {
      MILL_ASSIGN_OR_RETURN(const Json page,
                            rest_.Post("/api/3.0/mlflow/datasets/search",
                                       {{"max_results", 500}, {"page_token", token}}));
      for (const Json& item : ListOf(page, "datasets")) {
        const auto tags = base::ParseJson(TextOf(item, "tags"), "tags");
        if (tags.ok() && tags->is_object() && tags->contains(kOldDatasetTag)) {
          known[TextOf(*tags, kOldDatasetTag)] = TextOf(item, "dataset_id");
        }
      }
      token = TextOf(page, "next_page_token");
    } while (!token.empty());
    known_datasets_ = std::move(known);
    return {};
  }

  // OpenTelemetry's ids are 32 digits; a trace with another one keeps its spans as a file.
  Result<void> PutSpans(const tracking::Experiment& there, const TransferTrace& trace) {
    if (trace.spans.empty()) {
      return {};
    }
    const std::string& id = trace.info.trace_id;
    if (!id.starts_with("tr-") || id.size() != 35) {
      Skip("spans of traces", "the trace's id is none of OpenTelemetry",
           static_cast<std::int64_t>(trace.spans.size()));
      return {};
    }
    return rest_.PostRaw(
        "/v1/traces", api::OtlpRequest(trace.spans),
        {{"Content-Type", "application/json"}, {"X-MLflow-Experiment-Id", there.id}});
  }

  // Those that are there already have the same name and time.
  Result<void> PutAssessments(const tracking::TraceInfo& info) {
    if (info.assessments.empty()) {
      return {};
    }
    const std::string path = "/api/3.0/mlflow/traces/" + UrlEncode(info.trace_id);
    MILL_ASSIGN_OR_RETURN(const Json answer, rest_.Get(path));
    MILL_ASSIGN_OR_RETURN(
        const tracking::TraceInfo known,
        api::ReadTraceInfo(
            answer.value("trace", Json::object()).value("trace_info", Json::object())));
    IdMap new_ids;
    for (tracking::Assessment assessment : info.assessments) {
      if (const auto issue = new_issues_.find(assessment.name);
          assessment.kind == "issue" && issue != new_issues_.end()) {
        assessment.name = issue->second;
      }
      const auto same =
          std::find_if(known.assessments.begin(), known.assessments.end(), [&](const auto& other) {
            return other.name == assessment.name &&
                   other.create_time_ms == assessment.create_time_ms;
          });
      if (same != known.assessments.end()) {
        new_ids[assessment.assessment_id] = same->assessment_id;
        continue;
      }
      if (assessment.overrides) {
        const auto other = new_ids.find(*assessment.overrides);
        assessment.overrides = other == new_ids.end() ? std::nullopt : std::optional(other->second);
      }
      Json body = api::AssessmentJson(assessment);
      body.erase("assessment_id");
      body.erase("valid");
      MILL_ASSIGN_OR_RETURN(const Json made,
                            rest_.Post(path + "/assessments", {{"assessment", body}}));
      new_ids[assessment.assessment_id] =
          TextOf(made.value("assessment", Json::object()), "assessment_id");
    }
    return {};
  }

  Result<void> LinkPrompts(const std::string& trace_id, const std::vector<std::string>& prompts) {
    Json list = Json::array();
    for (const std::string& prompt : prompts) {
      const std::size_t slash = prompt.rfind('/');
      list.push_back({{"name", prompt.substr(0, slash)}, {"version", prompt.substr(slash + 1)}});
    }
    MILL_RETURN_IF_ERROR(
        rest_.Post("traces/link-prompts", {{"trace_id", trace_id}, {"prompt_versions", list}}));
    return {};
  }

  Rest& rest_;
  const IdMap& new_runs_;
  IdMap new_issues_;
  std::optional<IdMap> known_datasets_;
};

}  // namespace

std::unique_ptr<GenaiSink> MakeRestGenaiSink(Rest& rest, const IdMap& new_runs) {
  return std::make_unique<RestGenaiSink>(rest, new_runs);
}

}  // namespace millrace::app::internal
