// SPDX-License-Identifier: Apache-2.0
// Traces, spans and assessments, as MLflow's clients expect them.
#include "tracking/traces.h"

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;

class TraceStoreTest : public internal::StoreTest {
 protected:
  TraceStoreTest() : traces_(TraceStore::Open(*opened_->metadata, clock()).value()) {}
  ~TraceStoreTest() override { traces_.reset(); }

  static Span MakeSpan(const std::string& trace_id, const std::string& span_id,
                       const std::string& parent_id, const std::string& attributes = "{}") {
    return {.trace_id = trace_id,
            .span_id = span_id,
            .parent_id = parent_id,
            .name = "span-" + span_id,
            .type = "TOOL",
            .status = "OK",
            .start_time_ns = 1'000'000'000,
            .end_time_ns = 1'500'000'000,
            .content = "{\"attributes\": " + attributes + "}"};
  }
  TraceInfo Info(const std::string& trace_id) {
    TraceInfo info;
    info.trace_id = trace_id;
    info.experiment_id = "0";
    info.request_time_ms = 2000;
    info.state = "OK";
    return info;
  }
  std::vector<std::string> Found(const std::string& filter,
                                 const std::vector<std::string>& order = {}) {
    std::vector<std::string> ids;
    const auto page =
        traces_->Search({.experiment_ids = {"0"}, .filter = filter, .order_by = order});
    if (!page.ok()) {
      ADD_FAILURE() << page.error().ToString();
      return ids;
    }
    for (const TraceInfo& info : page->items) {
      ids.push_back(info.trace_id);
    }
    return ids;
  }
  using Ids = std::vector<std::string>;
  std::unique_ptr<TraceStore> traces_;
};

MILL_ON_EVERY_DATABASE(TraceStoreTest);

TEST_P(TraceStoreTest, SpansMakeATraceAndTheClientCompletesIt) {
  const Span child = MakeSpan("tr-1", "b", "a");
  ASSERT_TRUE(traces_->LogSpans("0", std::span(&child, 1), {{"service.name", "shop"}}).ok());
  TraceInfo info = traces_->GetInfo("tr-1").value();
  EXPECT_EQ(info.state, "IN_PROGRESS");
  EXPECT_EQ(info.request_time_ms, 1000);
  EXPECT_EQ(info.execution_time_ms, 500);
  EXPECT_EQ(info.tags.at("service.name"), "shop");
  EXPECT_EQ(info.tags.at("mlflow.trace.spansLocation"), "TRACKING_STORE");
  EXPECT_TRUE(info.tags.at("mlflow.artifactLocation").ends_with("/traces/tr-1/artifacts"));

  const Span root = MakeSpan("tr-1", "a", "", R"({"mlflow.spanInputs": "{\"q\": 1}"})");
  ASSERT_TRUE(traces_->LogSpans("0", std::span(&root, 1), {}).ok());
  info = traces_->GetInfo("tr-1").value();
  EXPECT_EQ(info.state, "OK");
  EXPECT_EQ(info.request_preview, "{\"q\": 1}");

  TraceInfo own = Info("tr-1");
  own.metadata["mlflow.trace.sizeStats"] = "{\"num_spans\": 2}";
  EXPECT_EQ(traces_->Start(own, true)->request_time_ms, 2000);
  ASSERT_TRUE(traces_->LogSpans("0", std::span(&root, 1), {}).ok());
  EXPECT_EQ(traces_->GetInfo("tr-1")->request_time_ms, 2000) << "the client's word stays";
  const Trace trace = traces_->Get("tr-1", false).value();
  ASSERT_EQ(trace.spans.size(), 2U);
  EXPECT_EQ(trace.spans[0].span_id, "a") << "roots first";
}

TEST_P(TraceStoreTest, AnIncompleteTraceIsGivenOnlyWhenAskedFor) {
  TraceInfo info = Info("tr-1");
  info.metadata["mlflow.trace.sizeStats"] = "{\"num_spans\": 2}";
  ASSERT_TRUE(traces_->Start(info, true).ok());
  EXPECT_EQ(Failure(traces_->Get("tr-1", false), ErrorCode::kNotFound),
            "Trace with ID tr-1 is not fully exported yet, please try again later.");
  const Span root = MakeSpan("tr-1", "a", "");
  ASSERT_TRUE(traces_->LogSpans("0", std::span(&root, 1), {}).ok());
  EXPECT_FALSE(traces_->Get("tr-1", false).ok());
  EXPECT_EQ(traces_->Get("tr-1", true)->spans.size(), 1U);
  EXPECT_TRUE(traces_->GetMany({"tr-1"})->empty());
  const Span child = MakeSpan("tr-1", "b", "a");
  ASSERT_TRUE(traces_->LogSpans("0", std::span(&child, 1), {}).ok());
  EXPECT_EQ(traces_->GetMany({"tr-2", "tr-1"})->size(), 1U);
  EXPECT_TRUE(traces_->GetMany({"tr-1"}, std::vector<std::string>{"7"})->empty());
}

TEST_P(TraceStoreTest, TokensOfParentsStandForTheirChildren) {
  const std::string usage =
      R"({"mlflow.chat.tokenUsage": "{\"input_tokens\": 5, \"total_tokens\": 9}"})";
  const std::vector<Span> spans = {MakeSpan("tr-1", "a", ""), MakeSpan("tr-1", "b", "a", usage),
                                   MakeSpan("tr-1", "c", "b", usage),
                                   MakeSpan("tr-1", "d", "a", usage)};
  ASSERT_TRUE(traces_->LogSpans("0", spans, {}).ok());
  EXPECT_EQ(traces_->GetInfo("tr-1")->metadata.at("mlflow.trace.tokenUsage"),
            R"({"input_tokens":10,"total_tokens":18})");
}

TEST_P(TraceStoreTest, SpanConditionsHoldForOneSpan) {
  Span llm = MakeSpan("tr-1", "a", "", R"({"model": "\"gpt\"", "n": "5"})");
  llm.type = "LLM";
  const Span tool = MakeSpan("tr-1", "b", "a");
  ASSERT_TRUE(traces_->LogSpans("0", std::vector<Span>{llm, tool}, {}).ok());
  EXPECT_EQ(Found("span.type = 'LLM' AND span.name = 'span-a'"), Ids{"tr-1"});
  EXPECT_EQ(Found("span.type = 'LLM' AND span.name = 'span-b'"), Ids{});
  EXPECT_EQ(Found("span.attributes.model = 'gpt'"), Ids{"tr-1"});
  EXPECT_EQ(Found("span.attributes.n = '5' AND span.attributes.model LIKE 'g%'"), Ids{"tr-1"});
  EXPECT_EQ(Found("span.attributes.none != 'x'"), Ids{});
  EXPECT_EQ(Found("trace.text LIKE '%gpt%'"), Ids{"tr-1"});
}

TEST_P(TraceStoreTest, FiltersOrdersAndPages) {
  for (const std::string id : {"tr-1", "tr-2", "tr-3"}) {
    TraceInfo info = Info(id);
    info.request_time_ms = 1000 + id.back();
    info.tags["k"] = id == "tr-2" ? "x" : "y";
    ASSERT_TRUE(traces_->Start(info, true).ok());
  }
  EXPECT_EQ(Found(""), (Ids{"tr-3", "tr-2", "tr-1"}));
  EXPECT_EQ(Found("", {"timestamp ASC"}), (Ids{"tr-1", "tr-2", "tr-3"}));
  EXPECT_EQ(Found("tags.k = 'y'"), (Ids{"tr-3", "tr-1"}));
  EXPECT_EQ(Found("", {"tags.k"}), (Ids{"tr-2", "tr-3", "tr-1"}));
  const auto page = traces_->Search({.experiment_ids = {"0"}, .max_results = 2}).value();
  EXPECT_EQ(
      traces_
          ->Search({.experiment_ids = {"0"}, .page_token = page.next_page_token, .max_results = 2})
          ->items[0]
          .trace_id,
      "tr-1");
  EXPECT_TRUE(traces_->Search({})->items.empty());
  Failure(traces_->Search({.experiment_ids = {"0"}, .filter = "foo = 'x'"}),
          ErrorCode::kInvalidArgument);
}

TEST_P(TraceStoreTest, AssessmentsAreFoundByValue) {
  ASSERT_TRUE(traces_->Start(Info("tr-1"), true).ok());
  Assessment good;
  good.trace_id = "tr-1";
  good.name = "good";
  good.kind = "feedback";
  good.body = R"({"value":"yes"})";
  const std::string first = traces_->CreateAssessment(good)->assessment_id;
  EXPECT_EQ(Found("feedback.good = 'yes'"), Ids{"tr-1"});
  EXPECT_EQ(Found("feedback.good != 'yes'"), Ids{});
  good.body = R"({"value":0.5})";
  good.overrides = first;
  const std::string second = traces_->CreateAssessment(good)->assessment_id;
  EXPECT_EQ(Found("feedback.good = 'yes'"), Ids{}) << "replaced";
  EXPECT_EQ(Found("feedback.good > 0.4"), Ids{"tr-1"});
  ASSERT_TRUE(traces_->DeleteAssessment("tr-1", second).ok());
  EXPECT_EQ(Found("feedback.good = 'yes'"), Ids{"tr-1"});
  EXPECT_EQ(Failure(traces_->GetAssessment("tr-1", second), ErrorCode::kNotFound),
            "Assessment with ID '" + second + "' not found for trace 'tr-1'");
  Failure(
      traces_->UpdateAssessment("tr-1", first, {.kind_and_body = std::pair("expectation", "{}")}),
      ErrorCode::kInvalidArgument);
  good.overrides = "a-nothing";
  Failure(traces_->CreateAssessment(good), ErrorCode::kNotFound);
  EXPECT_EQ(traces_->GetInfo("tr-1")->assessments.size(), 1U) << "a failed one leaves nothing";
}

TEST_P(TraceStoreTest, DeletesThoseNamedOrTheOldest) {
  for (const std::string id : {"tr-1", "tr-2", "tr-3"}) {
    TraceInfo info = Info(id);
    info.request_time_ms = id.back();
    ASSERT_TRUE(traces_->Start(info, true).ok());
  }
  EXPECT_EQ(traces_->Delete({.experiment_id = "0", .trace_ids = {"tr-3", "x"}}).value(), 1);
  EXPECT_EQ(
      traces_->Delete({.experiment_id = "0", .max_timestamp_ms = 100, .max_traces = 1}).value(), 1);
  EXPECT_EQ(Found(""), Ids{"tr-2"});
  Failure(traces_->Delete({.experiment_id = "0"}), ErrorCode::kInvalidArgument);
  Failure(traces_->Delete({.experiment_id = "0", .max_timestamp_ms = 1, .max_traces = 0}),
          ErrorCode::kInvalidArgument);
}

TEST_P(TraceStoreTest, LinksToRunsAndPromptsAreFound) {
  ASSERT_TRUE(traces_->Start(Info("tr-1"), true).ok());
  const std::string run = NewRun();
  ASSERT_TRUE(traces_->LinkToRun({"tr-1"}, run).ok());
  ASSERT_TRUE(traces_->LinkToRun({"tr-1"}, run).ok());
  EXPECT_EQ(Found("run_id = '" + run + "'"), Ids{"tr-1"});
  Failure(traces_->LinkToRun({"tr-1"}, "nothing"), ErrorCode::kNotFound);
  Failure(traces_->LinkToRun(std::vector<std::string>(101, "x"), run), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(traces_->LinkPrompts("tr-1", {"p/1"}).ok());
  EXPECT_EQ(Found("prompt = 'p/1'"), Ids{"tr-1"});
  EXPECT_EQ(Found("prompt = 'p/2'"), Ids{});
}

TEST_P(TraceStoreTest, ErrorsSayWhatMlflowSays) {
  EXPECT_EQ(Failure(traces_->GetInfo("tr-9"), ErrorCode::kNotFound),
            "Trace with ID 'tr-9' not found.");
  Failure(traces_->SetTag("tr-9", "a", "b"), ErrorCode::kNotFound);
  TraceInfo info = Info("tr-1");
  info.experiment_id = "77";
  EXPECT_EQ(Failure(traces_->Start(info, true), ErrorCode::kNotFound),
            "No Experiment with id=77 exists");
  ASSERT_TRUE(traces_->Start(Info("tr-1"), true).ok());
  EXPECT_EQ(Failure(traces_->DeleteTag("tr-1", "a"), ErrorCode::kNotFound),
            "No trace tag with key 'a' for trace with ID 'tr-1'");
}

TEST_P(TraceStoreTest, EndCompletesWhatAnOlderClientBegan) {
  TraceInfo info = Info("");
  info.state = "IN_PROGRESS";
  info.tags["a"] = "1";
  const std::string id = traces_->Start(info, false)->trace_id;
  const TraceInfo ended = traces_->End(id, 2500, "OK", {{"m", "2"}}, {{"b", "3"}}).value();
  EXPECT_EQ(ended.execution_time_ms, 500);
  EXPECT_EQ(ended.state, "OK");
  EXPECT_EQ(ended.tags.at("a") + ended.tags.at("b") + ended.metadata.at("m"), "132");
}

}  // namespace
}  // namespace millrace::tracking
