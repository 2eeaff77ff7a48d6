// SPDX-License-Identifier: Apache-2.0
// Evaluation datasets and their records, as MLflow's clients expect them.
#include "tracking/evaluation_datasets.h"

#include "tracking/internal/test_store.h"

namespace millrace::tracking {
namespace {

using internal::Failure;
using Ids = std::vector<std::string>;

class EvaluationDatasetsTest : public internal::StoreTest {
 protected:
  EvaluationDatasetsTest()
      : datasets_(EvaluationDatasets::Open(tracking(), *opened_->metadata, clock()).value()) {}
  ~EvaluationDatasetsTest() override { datasets_.reset(); }

  std::string Make(const std::string& name, const Tags& tags = {},
                   const std::vector<std::string>& experiments = {}) {
    clock().Advance(base::Duration{1'000});
    return datasets_->Create(name, tags, experiments).value().dataset_id;
  }
  Ids Found(const std::string& filter, const Ids& order = {}, const Ids& experiments = {}) {
    Ids names;
    const auto page =
        datasets_->Search({.experiment_ids = experiments, .filter = filter, .order_by = order});
    if (!page.ok()) {
      ADD_FAILURE() << page.error().ToString();
      return names;
    }
    for (const EvaluationDataset& dataset : page->items) {
      names.push_back(dataset.name);
    }
    return names;
  }
  static NewEvaluationRecord Record(const std::string& inputs) {
    NewEvaluationRecord record;
    record.inputs = {{"\"q\"", inputs}};
    record.canonical_inputs = "{\"q\": " + inputs + "}";
    return record;
  }
  std::unique_ptr<EvaluationDatasets> datasets_;
};

MILL_ON_EVERY_DATABASE(EvaluationDatasetsTest);

TEST_P(EvaluationDatasetsTest, ADatasetHasIdDigestTagsAndWhoMadeIt) {
  const EvaluationDataset made =
      datasets_->Create("d", {{"a", "b"}, {"mlflow.user", "eva"}}, {"0"}).value();
  EXPECT_TRUE(made.dataset_id.starts_with("d-"));
  EXPECT_EQ(made.dataset_id.size(), 34U);
  EXPECT_EQ(made.digest.size(), 8U);
  EXPECT_EQ(made.created_by, "eva");
  const EvaluationDataset read = datasets_->Get(made.dataset_id).value();
  EXPECT_EQ(read.name, "d");
  EXPECT_EQ(read.tags, made.tags);
  EXPECT_EQ(read.created_time_ms, 1'700'000'000'123);
  EXPECT_FALSE(read.schema.has_value());
  EXPECT_EQ(datasets_->ExperimentIds(made.dataset_id).value(), Ids{"0"});
  EXPECT_EQ(Failure(datasets_->Create("d", {}, {"77"}), ErrorCode::kNotFound),
            "No Experiment with id=77 exists");
}

TEST_P(EvaluationDatasetsTest, DeletingTakesTheRecordsAlong) {
  const std::string id = Make("d", {{"a", "b"}}, {"0"});
  const NewEvaluationRecord record = Record("1");
  ASSERT_TRUE(datasets_->UpsertRecords(id, std::span(&record, 1)).ok());
  ASSERT_TRUE(datasets_->Delete(id).ok());
  EXPECT_EQ(Failure(datasets_->Get(id), ErrorCode::kNotFound),
            "Evaluation dataset with id '" + id + "' not found");
  EXPECT_TRUE(datasets_->Records(id, 10, "")->items.empty());
  EXPECT_TRUE(datasets_->Delete(id).ok()) << "again";
}

TEST_P(EvaluationDatasetsTest, TagsAreMergedAndDeleted) {
  const std::string id = Make("d", {{"a", "1"}, {"b", "2"}});
  ASSERT_TRUE(datasets_->SetTags(id, {{"b", "3"}, {"c", "4"}}).ok());
  ASSERT_TRUE(datasets_->DeleteTag(id, "a").ok());
  ASSERT_TRUE(datasets_->DeleteTag(id, "nothing").ok());
  EXPECT_EQ(datasets_->Get(id)->tags, (Tags{{"b", "3"}, {"c", "4"}}));
  EXPECT_EQ(Failure(datasets_->SetTags("d-x", {}), ErrorCode::kNotFound),
            "Could not find evaluation dataset with ID d-x");
}

TEST_P(EvaluationDatasetsTest, ExperimentsAreAddedAndRemoved) {
  const std::string one = tracking().CreateExperiment("one")->id;
  const std::string id = Make("d", {}, {"0"});
  ASSERT_TRUE(datasets_->AddToExperiments(id, {one, "0"}).ok());
  EXPECT_EQ(datasets_->ExperimentIds(id).value(), (Ids{"0", one}));
  ASSERT_TRUE(datasets_->RemoveFromExperiments(id, {"0", "55"}).ok());
  EXPECT_EQ(datasets_->ExperimentIds(id).value(), Ids{one});
  EXPECT_EQ(Failure(datasets_->AddToExperiments("d-x", {one}), ErrorCode::kNotFound),
            "Dataset 'd-x' not found");
  EXPECT_EQ(Failure(datasets_->AddToExperiments(id, {"55"}), ErrorCode::kNotFound),
            "No Experiment with id=55 exists");
}

TEST_P(EvaluationDatasetsTest, SearchFiltersOrdersAndPages) {
  const std::string one = tracking().CreateExperiment("one")->id;
  Make("b", {{"team", "ml"}}, {"0"});
  Make("a", {{"team", "data"}, {"mlflow.user", "eva"}}, {"0", one});
  Make("C", {{"team", "ml"}}, {one});
  EXPECT_EQ(Found(""), (Ids{"C", "a", "b"})) << "newest first";
  EXPECT_EQ(Found("", {}, {"0"}), (Ids{"a", "b"}));
  EXPECT_EQ(Found("", {"name ASC"}), (Ids{"C", "a", "b"}));
  EXPECT_EQ(Found("tags.team = 'ml'"), (Ids{"C", "b"}));
  EXPECT_EQ(Found("tags.team != 'ml' AND name LIKE 'a%'"), Ids{"a"});
  EXPECT_EQ(Found("name ILIKE 'c'"), Ids{"C"});
  EXPECT_EQ(Found("name IN ('a', 'b')", {"created_time ASC"}), (Ids{"b", "a"}));
  EXPECT_EQ(Found("created_by = 'eva'"), Ids{"a"});
  EXPECT_EQ(Found("created_time > 1700000000124"), (Ids{"C", "a"}));
  const auto first = datasets_->Search({.max_results = 2}).value();
  ASSERT_EQ(first.items.size(), 2U);
  EXPECT_EQ(first.items[0].tags.at("team"), "ml");
  const auto second =
      datasets_->Search({.page_token = first.next_page_token, .max_results = 2}).value();
  ASSERT_EQ(second.items.size(), 1U);
  EXPECT_EQ(second.items[0].name, "b");
  EXPECT_EQ(second.next_page_token, "");
}

TEST_P(EvaluationDatasetsTest, WrongFiltersAreRefusedInMlflowsWords) {
  const auto message = [&](const std::string& filter, const Ids& order = {}) {
    return Failure(datasets_->Search({.filter = filter, .order_by = order}),
                   ErrorCode::kInvalidArgument);
  };
  EXPECT_TRUE(message("digest = 'x'").starts_with("Invalid attribute key 'digest' specified."));
  EXPECT_EQ(message("params.a = 'x'"), "Invalid identifier token 'params' specified");
  EXPECT_EQ(message("tags.a > 'x'"), "Invalid comparator for tag: >");
  EXPECT_EQ(message("created_by IN ('x')"),
            "Only ['name'] attributes support comparison with a list of quoted string values.");
  EXPECT_EQ(message("created_time LIKE 5"), "Invalid comparator for numeric attribute: LIKE");
  EXPECT_EQ(message("created_time = 1.5"),
            "Invalid value for numeric attribute 'created_time': '1.5'");
  EXPECT_TRUE(message("", {"created_by"}).starts_with("Invalid attribute key 'created_by'"));
}

TEST_P(EvaluationDatasetsTest, ARecordWithTheSameInputsIsMerged) {
  const std::string id = Make("d");
  NewEvaluationRecord first = Record("\"x\"");
  first.expectations = {{"\"a\"", "1"}, {"\"b\"", "{\"c\": [1, \"}\"]}"}};
  first.has_expectations = true;
  first.tags = {{"\"t\"", "\"1\""}};
  first.source = RecordSource{.type = "TRACE", .id = "tr-1", .data = "{\"trace_id\": \"tr-1\"}"};
  first.user = "eva";
  const std::vector<NewEvaluationRecord> two = {first, Record("2")};
  UpsertCounts counts = datasets_->UpsertRecords(id, two).value();
  EXPECT_EQ(counts.n_inserted, 2);
  EXPECT_EQ(counts.n_updated, 0);
  const std::string digest = datasets_->Get(id)->digest;

  clock().Advance(base::Duration{5'000'000});
  NewEvaluationRecord change = Record("\"x\"");
  change.expectations = {{"\"b\"", "NaN"}, {"\"n\"", "1e400"}};
  change.has_expectations = true;
  change.has_outputs = true;
  change.outputs = "\"answer\"";
  const std::vector<NewEvaluationRecord> again = {change, Record("3"), Record("3")};
  counts = datasets_->UpsertRecords(id, again).value();
  EXPECT_EQ(counts.n_inserted, 1);
  EXPECT_EQ(counts.n_updated, 2) << "the second 3 is the first again";

  const auto records = datasets_->Records(id, 10, "").value().items;
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0].inputs, "{\"q\": \"x\"}");
  EXPECT_EQ(records[0].expectations, "{\"a\": 1, \"b\": NaN, \"n\": 1e400}");
  EXPECT_EQ(records[0].outputs, "\"answer\"");
  EXPECT_EQ(records[0].tags, "{\"t\": \"1\"}");
  EXPECT_EQ(records[0].source->id, "tr-1");
  EXPECT_EQ(records[0].created_by, "eva");
  EXPECT_LT(records[0].created_time_ms, records[0].last_update_time_ms);
  EXPECT_EQ(records[1].outputs, "{}") << "as in MLflow";
  EXPECT_FALSE(records[1].expectations.has_value());
  const EvaluationDataset dataset = datasets_->Get(id).value();
  EXPECT_NE(dataset.digest, digest);
  EXPECT_EQ(dataset.profile, "{\"num_records\": 3}");
  EXPECT_EQ(dataset.schema,
            "{\"expectations\":{\"a\":\"integer\",\"b\":\"object\",\"n\":\"float\"},\"inputs\":{"
            "\"q\":\"string\"},\"outputs\":\"string\",\"version\":\"1.0\"}");
}

TEST_P(EvaluationDatasetsTest, RecordsComeInPagesThatDeletionsDoNotShift) {
  const std::string id = Make("d");
  std::vector<NewEvaluationRecord> records;
  for (int i = 0; i < 5; ++i) {
    records.push_back(Record(std::to_string(i)));
  }
  ASSERT_TRUE(datasets_->UpsertRecords(id, records).ok());
  const auto first = datasets_->Records(id, 2, "").value();
  ASSERT_EQ(first.items.size(), 2U);
  EXPECT_EQ(datasets_->DeleteRecords(id, {first.items[0].record_id, "dr-x"}).value(), 1);
  const auto second = datasets_->Records(id, 2, first.next_page_token).value();
  ASSERT_EQ(second.items.size(), 2U);
  EXPECT_EQ(second.items[0].inputs, "{\"q\": 2}");
  EXPECT_EQ(datasets_->Get(id)->profile, "{\"num_records\": 4}");
  EXPECT_EQ(Failure(datasets_->UpsertRecords("d-x", records), ErrorCode::kNotFound),
            "Evaluation dataset with id 'd-x' not found");
}

}  // namespace
}  // namespace millrace::tracking
