// SPDX-License-Identifier: Apache-2.0
// Searches inside spans: what digests answer, what only the spans can tell, and how digests stay
// true.
#include <string>
#include <vector>

#include "tracking/internal/test_store.h"
#include "tracking/internal/trace_rows.h"
#include "tracking/traces.h"

namespace millrace::tracking {
namespace {

using internal::Failure;
using Ids = std::vector<std::string>;

class TraceSearchTest : public internal::StoreTest {
 protected:
  ~TraceSearchTest() override { traces_.reset(); }

  void Open() { traces_ = TraceStore::Open(*opened_->metadata, clock()).value(); }
  static Span MakeSpan(const std::string& trace_id, const std::string& span_id,
                       const std::string& attributes) {
    return {.trace_id = trace_id,
            .span_id = span_id,
            .parent_id = "",
            .name = "span-" + span_id,
            .type = "TOOL",
            .status = "OK",
            .start_time_ns = 1'000'000'000,
            .end_time_ns = 1'500'000'000,
            .content = "{\"attributes\": " + attributes + "}"};
  }
  void Log(const Span& span, const std::string& experiment = "0") {
    const Result<void> logged = traces_->LogSpans(experiment, std::span(&span, 1), {});
    EXPECT_TRUE(logged.ok()) << logged.error().ToString();
  }
  Ids Found(const std::string& filter, const std::string& experiment = "0",
            const std::vector<std::string>& order = {"request_id"}) {
    Ids ids;
    const auto page =
        traces_->Search({.experiment_ids = {experiment}, .filter = filter, .order_by = order});
    EXPECT_TRUE(page.ok()) << page.error().ToString();
    for (const TraceInfo& info : page.ok() ? page->items : std::vector<TraceInfo>()) {
      ids.push_back(info.trace_id);
    }
    return ids;
  }
  std::int64_t CountRows(const std::string& table) {
    return store::IntOr(opened_->metadata->Query("SELECT COUNT(*) FROM " + table, {}).value()[0][0],
                        -1);
  }

  std::unique_ptr<TraceStore> traces_;
};

MILL_ON_EVERY_DATABASE(TraceSearchTest);

TEST_P(TraceSearchTest, LongAndStrangeValuesAreAskedOfTheSpans) {
  Open();
  const std::string words(500, 'w');
  Log(MakeSpan("tr-1", "a", "{\"long\": \"\\\"" + words + " end\\\"\", \"n\": \"1\"}"));
  Log(MakeSpan("tr-2", "b", R"({"long": "\"short end\"", "n": "2"})"));
  Log(MakeSpan("tr-3", "c", R"({"long": "\"line\\nend\"", "odd\u001dkey": "\"x\""})"));
  EXPECT_EQ(Found("span.attributes.long LIKE '%end'"), (Ids{"tr-1", "tr-2", "tr-3"}));
  EXPECT_EQ(Found("span.attributes.long LIKE 'w%end' AND span.attributes.n = '1'"), Ids{"tr-1"});
  EXPECT_EQ(Found("span.attributes.long LIKE 'w%end' AND span.attributes.n = '2'"), Ids{});
  EXPECT_EQ(Found("span.attributes.long ILIKE 'LINE%END'"), Ids{"tr-3"});
  EXPECT_EQ(Found("span.attributes.long != 'short end'"), (Ids{"tr-1", "tr-3"}));
  EXPECT_EQ(Found("span.attributes.none != 'x'"), Ids{});
  EXPECT_EQ(Found("span.attributes.mlflow.spanType = 'TOOL'"), (Ids{"tr-1", "tr-2", "tr-3"}));
}

TEST_P(TraceSearchTest, SpansWithManyAttributesAreFoundByEach) {
  Open();
  std::string attributes;
  for (int i = 0; i < 200; ++i) {
    attributes +=
        (i == 0 ? "{\"k" : ", \"k") + std::to_string(i) + "\": \"" + std::to_string(i) + "\"";
  }
  Log(MakeSpan("tr-1", "a", attributes + "}"));
  EXPECT_EQ(Found("span.attributes.k199 = '199'"), Ids{"tr-1"});
  EXPECT_EQ(Found("span.attributes.k7 = '7' AND span.attributes.k99 = '99'"), Ids{"tr-1"});
  EXPECT_EQ(Found("span.attributes.k200 = '200'"), Ids{});
}

TEST_P(TraceSearchTest, ASpanWithoutATypeMatchesNoFilterOnTypes) {
  Open();
  Span span = MakeSpan("tr-1", "a", "{}");
  span.type = "";
  Log(span);
  EXPECT_EQ(Found("span.type != 'LLM'"), Ids{});
  EXPECT_EQ(Found("span.type LIKE '%'"), Ids{});
  EXPECT_EQ(Found("span.name = 'span-a'"), Ids{"tr-1"});
}

TEST_P(TraceSearchTest, ASpanThatComesAgainReplacesWhatItSaid) {
  Open();
  Log(MakeSpan("tr-1", "a", R"({"k": "\"old\""})"));
  Log(MakeSpan("tr-1", "b", R"({"k": "\"other\""})"));
  Log(MakeSpan("tr-1", "a", R"({"k": "\"new\""})"));
  EXPECT_EQ(Found("span.attributes.k = 'old'"), Ids{});
  EXPECT_EQ(Found("span.attributes.k = 'new'"), Ids{"tr-1"});
  EXPECT_EQ(Found("span.attributes.k = 'other'"), Ids{"tr-1"});
}

TEST_P(TraceSearchTest, SpansOfATraceStayInItsExperiment) {
  Open();
  const std::string other = tracking().CreateExperiment("other").value().id;
  Log(MakeSpan("tr-1", "a", "{}"));
  Log(MakeSpan("tr-1", "b", "{}"), other);
  EXPECT_EQ(traces_->GetInfo("tr-1")->experiment_id, "0");
  EXPECT_EQ(Found("span.name = 'span-b'"), Ids{"tr-1"});
  EXPECT_EQ(Found("span.name = 'span-b'", other), Ids{});
  TraceInfo info;
  info.trace_id = "tr-1";
  info.experiment_id = other;
  ASSERT_TRUE(traces_->Start(info, true).ok());
  EXPECT_EQ(Found("span.name = 'span-b'", other), Ids{"tr-1"})
      << "the client says where it belongs";
  EXPECT_EQ(Found("span.name = 'span-b'"), Ids{});
  EXPECT_EQ(traces_->Delete({.experiment_id = other, .trace_ids = {"tr-1"}}).value(), 1);
  EXPECT_EQ(CountRows("trace_digests"), 0);
}

TEST_P(TraceSearchTest, TracesOfTheFirstVersionAreFoundByTheirSpans) {
  store::Metadata& metadata = *opened_->metadata;
  ASSERT_TRUE(internal::MigrateTracesToVersionOne(metadata).ok());
  for (const char* id : {"tr-1", "tr-2"}) {
    const std::string sql =
        "INSERT INTO traces (trace_id, experiment_id, timestamp_ms, state) VALUES ('" +
        std::string(id) + "', 0, 1, 'OK')";
    ASSERT_TRUE(metadata.Execute(sql).ok());
  }
  ASSERT_TRUE(metadata
                  .Execute("INSERT INTO trace_spans (trace_id, span_id, parent_id, name, type, "
                           "status, start_time_ns, end_time_ns, content) VALUES ('tr-1', 'a', '', "
                           "'old', 'LLM', 'OK', 1, 2, '{\"attributes\": {\"k\": \"\\\"v\\\"\"}}')")
                  .ok());
  Open();
  EXPECT_EQ(Found("span.name = 'old' AND span.attributes.k = 'v'"), Ids{"tr-1"});
  EXPECT_EQ(CountRows("trace_undigested"), 0);
  EXPECT_EQ(CountRows("trace_digests"), 1);
}

TEST_P(TraceSearchTest, JudgementsOfASessionHoldForItsTraces) {
  Open();
  for (const std::string id : {"tr-1", "tr-2", "tr-3"}) {
    TraceInfo info;
    info.trace_id = id;
    info.experiment_id = "0";
    info.metadata["mlflow.trace.session"] = id == "tr-3" ? "s2" : "s1";
    ASSERT_TRUE(traces_->Start(info, true).ok());
  }
  Assessment judged;
  judged.trace_id = "tr-1";
  judged.name = "good";
  judged.kind = "feedback";
  judged.body = R"({"value": [1, "x"]})";
  ASSERT_TRUE(traces_->CreateAssessment(judged).ok());
  EXPECT_EQ(Found("feedback.good = '[1, \"x\"]'"), Ids{"tr-1"});
  judged.metadata["mlflow.trace.session"] = "s1";
  ASSERT_TRUE(traces_->CreateAssessment(judged).ok());
  EXPECT_EQ(Found("feedback.good = '[1, \"x\"]'"), (Ids{"tr-1", "tr-2"}));
  EXPECT_EQ(Found("feedback.good IS NOT NULL"), (Ids{"tr-1", "tr-2"}));
  EXPECT_EQ(Found("feedback.good IS NULL"), Ids{"tr-3"});
}

TEST_P(TraceSearchTest, NumbersOfJudgementsAreEqualHoweverTheyAreWritten) {
  Open();
  TraceInfo info;
  info.trace_id = "tr-1";
  info.experiment_id = "0";
  ASSERT_TRUE(traces_->Start(info, true).ok());
  Assessment judged;
  judged.trace_id = "tr-1";
  judged.name = "stars";
  judged.kind = "feedback";
  judged.body = R"({"value": 5.0})";
  ASSERT_TRUE(traces_->CreateAssessment(judged).ok());
  for (const std::string text : {"5", "5.0", "5e0"}) {
    EXPECT_EQ(Found("feedback.stars = '" + text + "'"), Ids{"tr-1"}) << text;
    EXPECT_EQ(Found("feedback.stars != '" + text + "'"), Ids{}) << text;
  }
  EXPECT_EQ(Found("feedback.stars != '4'"), Ids{"tr-1"});
  EXPECT_EQ(Found("feedback.stars = '5x'"), Ids{});
}

TEST_P(TraceSearchTest, PagesOfSpanSearchesFollowEachOther) {
  Open();
  Ids newest;
  for (int i = 0; i < 25; ++i) {
    Span span = MakeSpan("tr-" + std::to_string(100 + i), "a", "{}");
    span.start_time_ns = (1 + i) * 1'000'000LL;
    span.name = i % 5 == 0 ? "rare" : "common";
    Log(span);
    if (span.name == "rare") {
      newest.insert(newest.begin(), span.trace_id);
    }
  }
  Ids ids;
  std::string token;
  do {
    const auto page = traces_
                          ->Search({.experiment_ids = {"0"},
                                    .filter = "span.name = 'rare'",
                                    .page_token = token,
                                    .max_results = 2})
                          .value();
    for (const TraceInfo& info : page.items) {
      ids.push_back(info.trace_id);
    }
    token = page.next_page_token;
  } while (!token.empty());
  EXPECT_EQ(ids, newest);
  EXPECT_EQ(Found("span.name = 'rare'", "0", {"timestamp ASC"}),
            Ids(newest.rbegin(), newest.rend()));
  EXPECT_EQ(Found("span.name = 'rare' AND timestamp_ms > 10 AND timestamp_ms < '20'"),
            (Ids{"tr-110", "tr-115"}));
}

TEST_P(TraceSearchTest, PromptsAreComparedByEqualityAlone) {
  Open();
  EXPECT_EQ(Failure(traces_->Search({.experiment_ids = {"0"}, .filter = "prompt LIKE 'p/%'"}),
                    ErrorCode::kInvalidArgument),
            "Invalid comparator 'LIKE' for prompts filter. Only '=' is supported with format: "
            "prompt = \"name/version\"");
}

}  // namespace
}  // namespace millrace::tracking
