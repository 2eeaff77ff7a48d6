// SPDX-License-Identifier: Apache-2.0
// What another store held arrives with its ids and times, and a second time changes nothing.
#include "tracking/evaluation_datasets.h"
#include "tracking/internal/test_store.h"
#include "tracking/issues.h"
#include "tracking/scorers.h"
#include "tracking/trace_links.h"
#include "tracking/traces.h"

namespace millrace::tracking {
namespace {

class EvaluationImportTest : public internal::StoreTest {
 protected:
  store::Metadata& metadata() { return *opened_->metadata; }

  static ImportedRecord Record(const std::string& id, const std::string& inputs) {
    ImportedRecord imported;
    imported.record.record_id = id;
    imported.record.inputs = inputs;
    imported.record.outputs = "[1, 2.0]";
    imported.record.tags = "{}";
    imported.record.source = RecordSource{.type = "HUMAN", .id = {}, .data = "{}"};
    imported.record.created_time_ms = 5;
    imported.record.last_update_time_ms = 6;
    imported.record.created_by = "ada";
    imported.canonical_inputs = inputs;
    return imported;
  }
};

MILL_ON_EVERY_DATABASE(EvaluationImportTest);

TEST_P(EvaluationImportTest, ADatasetKeepsIdsTimesAndTheOrderOfItsRecords) {
  const auto datasets = EvaluationDatasets::Open(tracking(), metadata(), clock()).value();
  EvaluationDataset dataset;
  dataset.dataset_id = "d-1";
  dataset.name = "questions";
  dataset.digest = "abcd";
  dataset.created_time_ms = 3;
  dataset.last_update_time_ms = 4;
  dataset.tags = {{"a", "b"}};
  dataset.profile = "{\"num_records\": 2}";
  const std::vector<ImportedRecord> records = {Record("dr-2", "{\"q\": 2}"),
                                               Record("dr-1", "{\"q\": 1}")};
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(datasets->Import(dataset, {"0"}, records).ok());
  }
  const EvaluationDataset read = datasets->Get("d-1").value();
  EXPECT_EQ(read.digest, "abcd");
  EXPECT_EQ(read.last_update_time_ms, 4);
  EXPECT_EQ(read.tags, dataset.tags);
  EXPECT_EQ(datasets->ExperimentIds("d-1").value(), std::vector<std::string>{"0"});
  const auto page = datasets->Records("d-1", 10, "").value();
  ASSERT_EQ(page.items.size(), 2U);
  EXPECT_EQ(page.items[0].record_id, "dr-2");
  EXPECT_EQ(page.items[1].outputs, "[1, 2.0]");
  EXPECT_EQ(page.items[1].last_update_time_ms, 6);
  EXPECT_EQ(page.items[1].created_by, "ada");
  EXPECT_EQ(page.items[1].source->type, "HUMAN");
}

TEST_P(EvaluationImportTest, WhatWasMissingOfADatasetIsAdded) {
  const auto datasets = EvaluationDatasets::Open(tracking(), metadata(), clock()).value();
  EvaluationDataset dataset;
  dataset.dataset_id = "d-1";
  const std::vector<ImportedRecord> records = {Record("dr-1", "{\"q\": 1}"),
                                               Record("dr-2", "{\"q\": 2}")};
  ASSERT_TRUE(datasets->Import(dataset, {}, std::span(records).first(1)).ok());
  ASSERT_TRUE(datasets->Import(dataset, {"0"}, records).ok());
  EXPECT_EQ(datasets->Records("d-1", 10, "").value().items.size(), 2U);
  EXPECT_EQ(datasets->ExperimentIds("d-1").value(), std::vector<std::string>{"0"});
  EXPECT_EQ(datasets->Import(dataset, {"77"}, {}).error().code(), ErrorCode::kNotFound);
}

TEST_P(EvaluationImportTest, AnIssueKeepsItsIdAndWhatWasChangedHereStays) {
  const auto traces = TraceStore::Open(metadata(), clock()).value();
  const auto issues = Issues::Open(tracking(), metadata(), clock()).value();
  Issue issue;
  issue.issue_id = "iss-1";
  issue.experiment_id = "0";
  issue.name = "slow";
  issue.severity = "high";
  issue.root_causes = {"network"};
  issue.created_time_ms = 7;
  ASSERT_TRUE(issues->Import(issue).ok());
  ASSERT_TRUE(issues->Update("iss-1", {.status = "resolved"}).ok());
  ASSERT_TRUE(issues->Import(issue).ok());
  const Issue read = issues->Get("iss-1").value();
  EXPECT_EQ(read.status, "resolved");
  EXPECT_EQ(read.created_time_ms, 7);
  EXPECT_EQ(read.root_causes, issue.root_causes);
}

TEST_P(EvaluationImportTest, AScorerKeepsTheNumbersOfItsVersionsAlsoInADeletedExperiment) {
  const auto scorers = Scorers::Open(tracking(), metadata(), clock()).value();
  const std::string experiment = tracking().CreateExperiment("judged").value().id;
  for (int i = 0; i < 2; ++i) {
    for (const std::int64_t version : {1, 3}) {
      ASSERT_TRUE(scorers->Import({"s-1", experiment, "polite", version, "{}", 9}).ok());
    }
  }
  ASSERT_TRUE(tracking().DeleteExperiment(experiment).ok());
  const auto all = scorers->AllVersions(experiment).value();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[1].version, 3);
  EXPECT_EQ(all[1].scorer_id, "s-1");
  EXPECT_EQ(all[1].creation_time_ms, 9);
}

TEST_P(EvaluationImportTest, LinksOfATraceAreRead) {
  const auto traces = TraceStore::Open(metadata(), clock()).value();
  TraceInfo info;
  info.trace_id = "tr-1";
  info.experiment_id = "0";
  ASSERT_TRUE(traces->Start(info, false).ok());
  const std::string run = NewRun();
  ASSERT_TRUE(traces->LinkToRun({"tr-1"}, run).ok());
  ASSERT_TRUE(traces->LinkPrompts("tr-1", {"greeting/2"}).ok());
  const TraceLinks links = ReadTraceLinks(metadata(), "tr-1").value();
  EXPECT_EQ(links.run_ids, std::vector<std::string>{run});
  EXPECT_EQ(links.prompts, std::vector<std::string>{"greeting/2"});
}

}  // namespace
}  // namespace millrace::tracking
