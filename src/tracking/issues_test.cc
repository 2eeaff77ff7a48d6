// SPDX-License-Identifier: Apache-2.0
// Issues, as MLflow's clients expect them.
#include "tracking/issues.h"

#include "tracking/internal/test_store.h"
#include "tracking/traces.h"

namespace millrace::tracking {
namespace {

using internal::Failure;
using Names = std::vector<std::string>;

class IssuesTest : public internal::StoreTest {
 protected:
  IssuesTest()
      : traces_(TraceStore::Open(*opened_->metadata, clock()).value()),
        issues_(Issues::Open(tracking(), *opened_->metadata, clock()).value()) {}
  ~IssuesTest() override {
    issues_.reset();
    traces_.reset();
  }

  static Issue Named(const std::string& name, const std::string& severity = "") {
    Issue issue;
    issue.experiment_id = "0";
    issue.name = name;
    issue.description = "it is " + name;
    issue.severity = severity;
    return issue;
  }
  std::string Make(const Issue& issue) {
    clock().Advance(base::Duration{1'000});
    return issues_->Create(issue).value().issue_id;
  }
  Names Found(const IssueSearch& search) {
    Names names;
    const auto page = issues_->Search(search);
    if (!page.ok()) {
      ADD_FAILURE() << page.error().ToString();
      return names;
    }
    for (const Issue& issue : page->items) {
      names.push_back(issue.name);
    }
    return names;
  }
  std::unique_ptr<TraceStore> traces_;
  std::unique_ptr<Issues> issues_;
};

MILL_ON_EVERY_DATABASE(IssuesTest);

TEST_P(IssuesTest, AnIssueIsMadeReadAndChanged) {
  Issue wanted = Named("slow", "low");
  wanted.root_causes = {"disk", "net"};
  wanted.categories = {"latency"};
  wanted.source_run_id = NewRun();
  wanted.created_by = "eva";
  const Issue made = issues_->Create(wanted).value();
  EXPECT_TRUE(made.issue_id.starts_with("iss-"));
  const Issue read = issues_->Get(made.issue_id).value();
  EXPECT_EQ(read.root_causes, wanted.root_causes);
  EXPECT_EQ(read.categories, wanted.categories);
  EXPECT_EQ(read.source_run_id, wanted.source_run_id);
  EXPECT_EQ(read.status, "pending");
  EXPECT_EQ(read.created_by, "eva");
  EXPECT_FALSE(read.trace_count.has_value());
  clock().Advance(base::Duration{5'000});
  const Issue changed =
      issues_->Update(made.issue_id, {.name = "slower", .status = "resolved", .severity = "high"})
          .value();
  EXPECT_EQ(changed.name, "slower");
  EXPECT_EQ(changed.description, wanted.description);
  EXPECT_EQ(issues_->Get(made.issue_id)->severity, "high");
  EXPECT_GT(changed.last_update_time_ms, changed.created_time_ms);
}

TEST_P(IssuesTest, WhatIsWrongIsRefused) {
  Issue issue = Named("x");
  issue.status = "open";
  EXPECT_EQ(Failure(issues_->Create(issue), ErrorCode::kInvalidArgument),
            "'open' is not a valid IssueStatus");
  EXPECT_EQ(Failure(issues_->Create(Named("x", "huge")), ErrorCode::kInvalidArgument),
            "'huge' is not a valid IssueSeverity");
  issue = Named("x");
  issue.experiment_id = "77";
  EXPECT_EQ(Failure(issues_->Create(issue), ErrorCode::kNotFound),
            "No Experiment with id=77 exists");
  issue = Named("x");
  issue.source_run_id = "none";
  EXPECT_EQ(Failure(issues_->Create(issue), ErrorCode::kNotFound), "Run with id=none not found");
  EXPECT_EQ(Failure(issues_->Get("iss-x"), ErrorCode::kNotFound),
            "Issue with ID 'iss-x' not found");
  EXPECT_FALSE(issues_->Update("iss-x", {}).ok());
}

TEST_P(IssuesTest, TheSeverestComeFirstThenTheNewest) {
  Make(Named("old", "low"));
  Make(Named("new", "low"));
  Make(Named("high", "high"));
  Make(Named("none"));
  Make(Named("no issue", "not_an_issue"));
  EXPECT_EQ(Found({}), (Names{"high", "new", "old", "no issue", "none"}));
  EXPECT_EQ(Found({.experiment_id = "5"}), Names{});
  const auto first = issues_->Search({.max_results = 2}).value();
  EXPECT_EQ(Found({.page_token = first.next_page_token, .max_results = 2}),
            (Names{"old", "no issue"}));
}

TEST_P(IssuesTest, FiltersAskForStatusAndRun) {
  Issue from_run = Named("a");
  from_run.source_run_id = NewRun();
  Make(from_run);
  const std::string b = Make(Named("b"));
  ASSERT_TRUE(issues_->Update(b, {.status = "resolved"}).ok());
  EXPECT_EQ(Found({.filter = "status = 'resolved'"}), Names{"b"});
  EXPECT_EQ(Found({.filter = "status != resolved"}), Names{"a"}) << "quotes need not be";
  EXPECT_EQ(
      Found({.filter = "source_run_id = '" + from_run.source_run_id + "' AND status = 'pending'"}),
      Names{"a"});
  EXPECT_EQ(Found({.filter = "source_run_id != 'x'"}), Names{"a"}) << "b has none";
  const auto message = [&](const std::string& filter) {
    return Failure(issues_->Search({.filter = filter}), ErrorCode::kInvalidArgument);
  };
  EXPECT_EQ(message("name = 'a'"),
            "Invalid filter field 'name'. Supported fields: {'source_run_id', 'status'}");
  EXPECT_EQ(message("status LIKE 'a'"),
            "Invalid comparator 'LIKE'. Supported comparators: {'!=', '='}");
}

TEST_P(IssuesTest, TracesThatShowItAreCounted) {
  const std::string rare = Make(Named("rare"));
  const std::string often = Make(Named("often"));
  Make(Named("never"));
  for (const auto& [trace, issue] : std::vector<std::pair<std::string, std::string>>{
           {"tr-1", often}, {"tr-2", often}, {"tr-2", often}, {"tr-1", rare}}) {
    TraceInfo info;
    info.trace_id = trace;
    info.experiment_id = "0";
    ASSERT_TRUE(traces_->Start(info, true).ok());
    Assessment assessment;
    assessment.trace_id = trace;
    assessment.name = issue;
    assessment.kind = "issue";
    assessment.body = "{}";
    ASSERT_TRUE(traces_->CreateAssessment(assessment).ok());
  }
  const auto page = issues_->Search({.wants_trace_count = true}).value();
  ASSERT_EQ(page.items.size(), 3U);
  EXPECT_EQ(page.items[0].name, "often");
  EXPECT_EQ(page.items[0].trace_count, 2);
  EXPECT_EQ(page.items[1].trace_count, 1);
  EXPECT_EQ(page.items[2].trace_count, 0);
}

}  // namespace
}  // namespace millrace::tracking
