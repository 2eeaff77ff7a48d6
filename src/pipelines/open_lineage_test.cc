// SPDX-License-Identifier: Apache-2.0
// OpenLineage events of a run: form, order, data sets with their versions.
#include "pipelines/open_lineage.h"

#include <set>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "pipelines/graph.h"

namespace millrace::pipelines {
namespace {

using Json = nlohmann::json;

class Events final : public LineageSink {
 public:
  void Emit(const std::string& event) override { all.push_back(Json::parse(event)); }
  std::vector<Json> all;
};

class Quiet final : public RunObserver {
 public:
  void OnStepStart(const StepInfo&) override { ++n_started; }
  void OnStepEnd(const StepReport&) override { ++n_ended; }
  int n_started = 0;
  int n_ended = 0;
};

Graph Sample() {
  Graph graph("train");
  StepInfo first{"ingest.t", "ingest", 1, "", {}, {{"table.t", "t.parquet"}}, {}};
  StepInfo second{"features.v", "features", 1, "", {"table.t"}, {{"view.v", "v.parquet"}}, {}};
  const auto nothing = [](const StepContext&, StepResult&) -> Result<void> { return {}; };
  EXPECT_TRUE(graph.Add(MakeStep(first, nothing)).ok());
  EXPECT_TRUE(graph.Add(MakeStep(second, nothing)).ok());
  return graph;
}

TEST(OpenLineage, StepsAreRunsOfJobsWithTheirData) {
  const Graph graph = Sample();
  Events events;
  Quiet next;
  const base::ManualClock clock{Timestamp{1'700'000'000'123'456}};
  LineageOptions options{"churn", "train", "urn:millrace:1.0.0", {{"table.t", "transactions"}}};
  LineageObserver observer(options, graph, events, clock, next);
  const StepInfo& first = graph.steps()[0]->info();
  const StepInfo& second = graph.steps()[1]->info();
  observer.OnStepStart(first);
  StepReport report;
  report.name = first.name;
  report.status = StepStatus::kRan;
  report.result.rows = 7;
  report.outputs = {{"table.t", "/x/t.parquet", base::HashText("t")}};
  observer.OnStepEnd(report);
  observer.OnStepStart(second);
  StepReport failed;
  failed.name = second.name;
  failed.status = StepStatus::kFailed;
  failed.error = base::InvalidArgument("no such column");
  observer.OnStepEnd(failed);
  StepReport skipped;
  skipped.name = "later";
  observer.OnStepEnd(skipped);
  observer.OnPipelineEnd(false);
  EXPECT_EQ(next.n_started, 2);
  EXPECT_EQ(next.n_ended, 3);

  std::vector<std::string> told;
  for (const Json& event : events.all) {
    told.push_back(event.at("eventType").get<std::string>() + " " +
                   event.at("job").at("name").get<std::string>());
    EXPECT_EQ(event.at("schemaURL"),
              "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent");
    EXPECT_EQ(event.at("eventTime"), "2023-11-14T22:13:20.123456Z");
    EXPECT_EQ(event.at("run").at("runId").get<std::string>().size(), 36U);
  }
  EXPECT_THAT(
      told, testing::ElementsAre("START train", "START train.ingest.t", "COMPLETE train.ingest.t",
                                 "START train.features.v", "FAIL train.features.v", "FAIL train"));
  const Json& done = events.all[2];
  EXPECT_EQ(done.at("run").at("runId"), events.all[1].at("run").at("runId"));
  EXPECT_EQ(done.at("run").at("facets").at("parent").at("run").at("runId"),
            events.all[0].at("run").at("runId"));
  EXPECT_EQ(done.at("outputs")[0].at("name"), "transactions");
  EXPECT_EQ(done.at("outputs")[0].at("facets").at("version").at("datasetVersion"),
            base::HashText("t").Hex());
  EXPECT_EQ(done.at("outputs")[0].at("outputFacets").at("outputStatistics").at("rowCount"), 7);
  const Json& broken = events.all[4];
  EXPECT_EQ(broken.at("inputs")[0].at("facets").at("version").at("datasetVersion"),
            base::HashText("t").Hex());
  EXPECT_THAT(broken.at("run").at("facets").at("errorMessage").at("message").get<std::string>(),
              testing::HasSubstr("no such column"));
}

}  // namespace
}  // namespace millrace::pipelines
