// SPDX-License-Identifier: Apache-2.0
// Traces, assessments, issues, scorers, evaluation datasets and webhooks of this program's own
// store, as source and sink of transfers.
#include <algorithm>
#include <iterator>

#include "app/internal/transfer_forms.h"
#include "app/webhook_sender.h"

namespace millrace::app::internal {
namespace {

constexpr int kPage = 1000;

/// The stores that Environment does not open itself.
struct Stores {
  static Result<std::unique_ptr<Stores>> Open(Environment& environment) {
    MILL_ASSIGN_OR_RETURN(const tracking::WebhookOptions options, ReadWebhookOptions(ReadVariable));
    auto stores = std::make_unique<Stores>(environment, options);
    store::Metadata& metadata = environment.metadata();
    tracking::TrackingStore& tracking = environment.tracking();
    MILL_ASSIGN_OR_RETURN(stores->issues,
                          tracking::Issues::Open(tracking, metadata, stores->clock));
    MILL_ASSIGN_OR_RETURN(stores->scorers,
                          tracking::Scorers::Open(tracking, metadata, stores->clock));
    MILL_ASSIGN_OR_RETURN(stores->datasets,
                          tracking::EvaluationDatasets::Open(tracking, metadata, stores->clock));
    MILL_ASSIGN_OR_RETURN(stores->webhooks, tracking::Webhooks::Open(metadata, stores->clock,
                                                                     stores->sender, options));
    return stores;
  }
  Stores(Environment& environment, const tracking::WebhookOptions& options)
      : traces(environment.traces()), metadata(environment.metadata()), sender(options) {}

  tracking::TraceStore& traces;
  store::Metadata& metadata;
  base::SystemClock clock;
  HttpWebhookSender sender;
  std::unique_ptr<tracking::Issues> issues;
  std::unique_ptr<tracking::Scorers> scorers;
  std::unique_ptr<tracking::EvaluationDatasets> datasets;
  std::unique_ptr<tracking::Webhooks> webhooks;
};

class WorkspaceGenaiSource final : public GenaiSource {
 public:
  explicit WorkspaceGenaiSource(std::unique_ptr<Stores> stores) : stores_(std::move(stores)) {}

  Result<void> ForEachTrace(const tracking::Experiment& experiment,
                            const std::function<Result<void>(TransferTrace)>& take) override {
    tracking::TraceSearch search;
    search.experiment_ids = {experiment.id};
    search.order_by = {"timestamp_ms ASC"};
    search.max_results = kPage;
    do {
      MILL_ASSIGN_OR_RETURN(const auto page, stores_->traces.Search(search));
      for (const tracking::TraceInfo& info : page.items) {
        MILL_ASSIGN_OR_RETURN(tracking::Trace read,
                              stores_->traces.Get(info.trace_id, /*allow_partial=*/true));
        TransferTrace trace{std::move(read.info), std::move(read.spans), {}};
        MILL_ASSIGN_OR_RETURN(trace.links,
                              tracking::ReadTraceLinks(stores_->metadata, info.trace_id));
        MILL_RETURN_IF_ERROR(take(std::move(trace)));
      }
      search.page_token = page.next_page_token;
    } while (!search.page_token.empty());
    return {};
  }

  Result<std::vector<tracking::Issue>> Issues(const tracking::Experiment& experiment) override {
    std::vector<tracking::Issue> issues;
    tracking::IssueSearch search;
    search.experiment_id = experiment.id;
    search.max_results = kPage;
    do {
      MILL_ASSIGN_OR_RETURN(auto page, stores_->issues->Search(search));
      std::move(page.items.begin(), page.items.end(), std::back_inserter(issues));
      search.page_token = page.next_page_token;
    } while (!search.page_token.empty());
    return issues;
  }

  Result<std::vector<tracking::ScorerVersion>> Scorers(
      const tracking::Experiment& experiment) override {
    return stores_->scorers->AllVersions(experiment.id);
  }

  Result<void> ForEachDataset(const std::function<Result<void>(TransferDataset)>& take) override {
    tracking::EvaluationDatasetSearch search;
    search.order_by = {"created_time ASC"};
    search.max_results = kPage;
    do {
      MILL_ASSIGN_OR_RETURN(const auto page, stores_->datasets->Search(search));
      for (const tracking::EvaluationDataset& dataset : page.items) {
        TransferDataset read{dataset, {}, {}};
        MILL_ASSIGN_OR_RETURN(read.experiment_ids,
                              stores_->datasets->ExperimentIds(dataset.dataset_id));
        std::string token;
        do {
          MILL_ASSIGN_OR_RETURN(auto records,
                                stores_->datasets->Records(dataset.dataset_id, kPage, token));
          for (tracking::EvaluationRecord& record : records.items) {
            read.records.push_back({std::move(record), ""});
          }
          token = records.next_page_token;
        } while (!token.empty());
        MILL_RETURN_IF_ERROR(take(std::move(read)));
      }
      search.page_token = page.next_page_token;
    } while (!search.page_token.empty());
    return {};
  }

  Result<std::vector<tracking::Webhook>> Webhooks() override {
    std::vector<tracking::Webhook> webhooks;
    std::string token;
    do {
      MILL_ASSIGN_OR_RETURN(auto page, stores_->webhooks->List(kPage, token));
      std::move(page.items.begin(), page.items.end(), std::back_inserter(webhooks));
      token = page.next_page_token;
    } while (!token.empty());
    std::reverse(webhooks.begin(), webhooks.end());
    if (!webhooks.empty()) {
      Skip("secrets of webhooks", "they stay where they are; set them anew",
           static_cast<std::int64_t>(webhooks.size()));
    }
    return webhooks;
  }

 private:
  std::unique_ptr<Stores> stores_;
};

class WorkspaceGenaiSink final : public GenaiSink {
 public:
  explicit WorkspaceGenaiSink(std::unique_ptr<Stores> stores) : stores_(std::move(stores)) {}

  Result<std::optional<std::string>> PutTrace(const tracking::Experiment& there,
                                              const TransferTrace& trace) override {
    // The spans first: what they say of the trace is then replaced by what the other store says.
    MILL_RETURN_IF_ERROR(stores_->traces.LogSpans(there.id, trace.spans, {}));
    tracking::TraceInfo info = trace.info;
    info.experiment_id = there.id;
    MILL_ASSIGN_OR_RETURN(const tracking::TraceInfo made,
                          stores_->traces.Start(info, /*is_final=*/false));
    // One that replaces another, in the order in which they were made, leaves only itself valid.
    for (const tracking::Assessment& assessment : info.assessments) {
      const bool has_other = std::any_of(
          info.assessments.begin(), info.assessments.end(),
          [&](const auto& other) { return assessment.overrides == other.assessment_id; });
      if (has_other) {
        MILL_RETURN_IF_ERROR(stores_->traces.CreateAssessment(assessment));
      }
    }
    for (const std::string& run : trace.links.run_ids) {
      const Result<void> linked = stores_->traces.LinkToRun({info.trace_id}, run);
      if (!linked.ok() && linked.error().code() == base::ErrorCode::kNotFound) {
        Skip("links of traces to runs", "the run is no longer there", 1);
        continue;
      }
      MILL_RETURN_IF_ERROR(linked);
    }
    MILL_RETURN_IF_ERROR(stores_->traces.LinkPrompts(info.trace_id, trace.links.prompts));
    return std::optional(made.tags.at("mlflow.artifactLocation"));
  }

  Result<bool> PutIssue(const tracking::Experiment& there, const tracking::Issue& issue) override {
    tracking::Issue moved = issue;
    moved.experiment_id = there.id;
    MILL_RETURN_IF_ERROR(stores_->issues->Import(moved));
    return true;
  }

  Result<bool> PutScorer(const tracking::Experiment& there,
                         const std::vector<tracking::ScorerVersion>& versions) override {
    for (tracking::ScorerVersion version : versions) {
      version.experiment_id = there.id;
      MILL_RETURN_IF_ERROR(stores_->scorers->Import(version));
    }
    return true;
  }

  Result<bool> PutDataset(const TransferDataset& dataset) override {
    MILL_RETURN_IF_ERROR(
        stores_->datasets->Import(dataset.dataset, dataset.experiment_ids, dataset.records));
    return true;
  }

  Result<bool> PutWebhook(const tracking::Webhook& webhook) override {
    const Result<void> made = stores_->webhooks->Import(webhook);
    if (!made.ok() && made.error().code() == base::ErrorCode::kInvalidArgument) {
      Skip("webhook \"" + webhook.name + "\"", made.error().message(), 1);
      return false;
    }
    MILL_RETURN_IF_ERROR(made);
    return true;
  }

 private:
  std::unique_ptr<Stores> stores_;
};

}  // namespace

Result<std::unique_ptr<GenaiSource>> MakeWorkspaceGenaiSource(Environment& environment) {
  MILL_ASSIGN_OR_RETURN(auto stores, Stores::Open(environment));
  return std::unique_ptr<GenaiSource>(std::make_unique<WorkspaceGenaiSource>(std::move(stores)));
}

Result<std::unique_ptr<GenaiSink>> MakeWorkspaceGenaiSink(Environment& environment) {
  MILL_ASSIGN_OR_RETURN(auto stores, Stores::Open(environment));
  return std::unique_ptr<GenaiSink>(std::make_unique<WorkspaceGenaiSink>(std::move(stores)));
}

}  // namespace millrace::app::internal
