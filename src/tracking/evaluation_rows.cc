// SPDX-License-Identifier: Apache-2.0
// The tables of evaluation datasets, scorers and issues.
#include "tracking/internal/evaluation_rows.h"

#include "base/hash.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/trace_rows.h"

namespace millrace::tracking::internal {
namespace {

// Values of records are JSON texts as clients wrote them. `position` is the order of the records of
// one dataset.
constexpr std::string_view kEvaluation = R"sql(
CREATE TABLE evaluation_datasets (
  dataset_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  created_time INTEGER NOT NULL,
  last_update_time INTEGER NOT NULL,
  field_types TEXT,
  profile TEXT,
  created_by TEXT,
  last_updated_by TEXT);
CREATE INDEX evaluation_datasets_by_time ON evaluation_datasets (created_time DESC, dataset_id DESC);
CREATE TABLE evaluation_dataset_tags (
  dataset_id TEXT NOT NULL REFERENCES evaluation_datasets(dataset_id) ON DELETE CASCADE,
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (dataset_id, key));
CREATE TABLE evaluation_dataset_experiments (
  dataset_id TEXT NOT NULL REFERENCES evaluation_datasets(dataset_id) ON DELETE CASCADE,
  experiment_id INTEGER NOT NULL REFERENCES experiments(experiment_id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  PRIMARY KEY (dataset_id, experiment_id));
CREATE INDEX evaluation_dataset_experiments_by_experiment ON evaluation_dataset_experiments (experiment_id);
CREATE TABLE evaluation_records (
  record_id TEXT PRIMARY KEY,
  dataset_id TEXT NOT NULL REFERENCES evaluation_datasets(dataset_id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  input_hash TEXT NOT NULL,
  inputs TEXT NOT NULL,
  outputs TEXT,
  expectations TEXT,
  tags TEXT NOT NULL,
  source_type TEXT,
  source_id TEXT,
  source_data TEXT,
  created_time INTEGER NOT NULL,
  last_update_time INTEGER NOT NULL,
  created_by TEXT,
  last_updated_by TEXT,
  UNIQUE (dataset_id, input_hash));
CREATE INDEX evaluation_records_by_position ON evaluation_records (dataset_id, position);
CREATE TABLE scorers (
  scorer_id TEXT PRIMARY KEY,
  experiment_id INTEGER NOT NULL REFERENCES experiments(experiment_id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  UNIQUE (experiment_id, name));
CREATE TABLE scorer_versions (
  scorer_id TEXT NOT NULL REFERENCES scorers(scorer_id) ON DELETE CASCADE,
  version INTEGER NOT NULL,
  content TEXT NOT NULL,
  creation_time INTEGER NOT NULL,
  PRIMARY KEY (scorer_id, version));
CREATE TABLE scorer_schedules (
  scorer_id TEXT PRIMARY KEY REFERENCES scorers(scorer_id) ON DELETE CASCADE,
  schedule_id TEXT NOT NULL,
  sample_rate REAL NOT NULL,
  filter TEXT);
)sql";

// Version 2: issues. root_causes and categories are JSON lists of texts; what was not said is ''.
constexpr std::string_view kEvaluation2 = R"sql(
CREATE TABLE issues (
  issue_id TEXT PRIMARY KEY,
  experiment_id INTEGER NOT NULL REFERENCES experiments(experiment_id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  status TEXT NOT NULL,
  severity TEXT NOT NULL,
  root_causes TEXT NOT NULL,
  categories TEXT NOT NULL,
  source_run_id TEXT NOT NULL,
  created_by TEXT NOT NULL,
  created_time INTEGER NOT NULL,
  last_update_time INTEGER NOT NULL);
CREATE INDEX issues_by_experiment ON issues (experiment_id);
)sql";

}  // namespace

Result<void> MigrateEvaluation(store::Metadata& metadata) {
  const std::vector<store::Migration> migrations = {{"evaluation", 1, std::string(kEvaluation)},
                                                    {"evaluation", 2, std::string(kEvaluation2)}};
  return metadata.Migrate(migrations);
}

Result<std::vector<std::int64_t>> CheckExperiments(store::Metadata& metadata,
                                                   const std::vector<std::string>& ids) {
  std::vector<std::int64_t> numbers;
  for (const std::string& id : ids) {
    MILL_ASSIGN_OR_RETURN(const long long number, ParseExperimentId(id));
    MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                          metadata.Query("SELECT 1 FROM experiments WHERE experiment_id = ?",
                                         {std::int64_t{number}}));
    if (rows.empty()) {
      return base::NotFound("No Experiment with id=" + id + " exists");
    }
    numbers.push_back(number);
  }
  return numbers;
}

Result<std::int64_t> CheckActiveExperiment(store::Metadata& metadata, const std::string& id) {
  MILL_ASSIGN_OR_RETURN(const long long number, ParseExperimentId(id));
  MILL_RETURN_IF_ERROR(ActiveExperimentLocation(metadata, number));
  return std::int64_t{number};
}

Result<void> PutDatasetTags(store::Metadata& metadata, const std::string& dataset_id,
                            const Tags& tags) {
  for (const auto& [key, value] : tags) {
    MILL_RETURN_IF_ERROR(
        metadata.Execute("INSERT INTO evaluation_dataset_tags (dataset_id, key, value) VALUES (?, "
                         "?, ?) ON CONFLICT (dataset_id, key) DO UPDATE SET value = excluded.value",
                         {dataset_id, key, value}));
  }
  return {};
}

Result<void> LinkDataset(store::Metadata& metadata, const std::string& dataset_id,
                         const std::vector<std::int64_t>& experiments) {
  for (const std::int64_t experiment : experiments) {
    MILL_RETURN_IF_ERROR(metadata.Execute(
        "INSERT INTO evaluation_dataset_experiments (dataset_id, experiment_id, position) SELECT "
        "?, ?, COALESCE(MAX(position), 0) + 1 FROM evaluation_dataset_experiments WHERE dataset_id "
        "= ? ON CONFLICT (dataset_id, experiment_id) DO NOTHING",
        {dataset_id, experiment, dataset_id}));
  }
  return {};
}

std::string EvaluationDigest(const std::string& name, std::int64_t time_ms) {
  return base::Sha256Hex(name + ":" + std::to_string(time_ms)).substr(0, 8);
}

}  // namespace millrace::tracking::internal
