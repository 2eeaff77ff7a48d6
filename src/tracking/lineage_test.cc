// SPDX-License-Identifier: Apache-2.0
// Lineage: from table to endpoint, whoever logged the run.
#include "tracking/lineage.h"

#include <gmock/gmock.h>

namespace millrace::tracking {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

LineageGraph Sample() {
  ModelVersion version;
  version.name = "churn";
  version.version = 3;
  version.aliases = {"champion"};
  tracking::Run run;
  run.info.run_id = "0123456789abcdef0123456789abcdef";
  run.info.run_name = "quiet-mill-1";
  run.dataset_inputs = {
      TableInput("transactions", "aaaa"),
      FeaturesInput("customer_activity", "bbbb", {"transactions"}, {"n_orders", "n_<items>"}),
      TrainingSetInput("churn training set", "cccc", {"customer_activity", "transactions"})};
  const std::vector<std::pair<std::string, std::string>> endpoints = {{"churn", "champion"}};
  return BuildLineage(version, run, endpoints);
}

TEST(Lineage, GoesFromTableToEndpoint) {
  EXPECT_THAT(
      LineageLines(Sample()),
      ElementsAre(
          "table transactions (aaaa) -> features customer_activity (bbbb, 2 features)",
          "features customer_activity (bbbb, 2 features) -> training set churn training set (cccc)",
          "table transactions (aaaa) -> training set churn training set (cccc)",
          "training set churn training set (cccc) -> run 01234567 (quiet-mill-1)",
          "run 01234567 (quiet-mill-1) -> version churn/3 (@champion)",
          "version churn/3 (@champion) -> endpoint churn (@champion)"));
}

TEST(Lineage, DataSetsOfOthersAreTables) {
  ModelVersion version;
  version.name = "m";
  version.version = 1;
  tracking::Run run;
  run.info.run_id = "0123456789abcdef0123456789abcdef";
  DatasetInput input;
  input.dataset = {"iris", "d1g35t", "http", "{\"url\": \"x\"}", {}, {}};
  run.dataset_inputs = {input};
  EXPECT_THAT(LineageLines(BuildLineage(version, run, {})),
              ElementsAre("table iris (d1g35t) -> run 01234567", "run 01234567 -> version m/1"));
  EXPECT_TRUE(BuildLineage(version, {}, {}).edges.empty());
}

TEST(Lineage, FeaturesAreKept) {
  EXPECT_THAT(FeaturesOf(FeaturesInput("v", "d", {"t"}, {"a", "b"}).dataset),
              ElementsAre("a", "b"));
  EXPECT_TRUE(FeaturesOf(TableInput("t", "d").dataset).empty());
}

TEST(Lineage, PicturesNameEveryNode) {
  const LineageGraph graph = Sample();
  const std::string svg = LineageSvg(graph);
  const std::string dot = LineageDot(graph);
  for (const LineageNode& node : graph.nodes) {
    EXPECT_THAT(svg, HasSubstr(node.name));
    EXPECT_THAT(dot, HasSubstr(node.name));
  }
  EXPECT_THAT(dot, HasSubstr("n0 -> n1;"));
  ModelVersion strange;
  strange.name = "<script>\"";
  EXPECT_THAT(LineageSvg(BuildLineage(strange, {}, {})), Not(HasSubstr("<script>")));
}

}  // namespace
}  // namespace millrace::tracking
