// SPDX-License-Identifier: Apache-2.0
// Creates the tables of tracking and registry.
#include "tracking/internal/schema.h"

#include <vector>

namespace millrace::tracking::internal {
namespace {

// Wide enough for MLflow's search grammar: one row per metric, parameter and tag, the latest
// metrics in a table of their own, and an index for each order in which lists are shown. Numbers of
// statuses: types.h.
constexpr std::string_view kTracking = R"sql(
CREATE TABLE experiments (
  experiment_id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  artifact_location TEXT NOT NULL,
  lifecycle_stage TEXT NOT NULL,
  creation_time INTEGER NOT NULL,
  last_update_time INTEGER NOT NULL);
CREATE TABLE experiment_tags (
  experiment_id INTEGER NOT NULL REFERENCES experiments(experiment_id),
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (experiment_id, key));
CREATE TABLE runs (
  run_id TEXT PRIMARY KEY,
  experiment_id INTEGER NOT NULL REFERENCES experiments(experiment_id),
  name TEXT NOT NULL,
  user_id TEXT NOT NULL,
  status INTEGER NOT NULL,
  start_time INTEGER NOT NULL,
  end_time INTEGER,
  artifact_uri TEXT NOT NULL,
  lifecycle_stage TEXT NOT NULL,
  idempotency_key TEXT UNIQUE);
CREATE INDEX runs_by_start ON runs (experiment_id, lifecycle_stage, start_time DESC, run_id);
CREATE TABLE params (
  run_id TEXT NOT NULL REFERENCES runs(run_id),
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run_id, key));
CREATE INDEX params_by_key ON params (key);
CREATE TABLE tags (
  run_id TEXT NOT NULL REFERENCES runs(run_id),
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (run_id, key));
CREATE INDEX tags_by_key ON tags (key);
CREATE TABLE metrics (
  run_id TEXT NOT NULL REFERENCES runs(run_id),
  key TEXT NOT NULL, value REAL NOT NULL, timestamp INTEGER NOT NULL, step INTEGER NOT NULL, is_nan INTEGER NOT NULL,
  PRIMARY KEY (run_id, key, timestamp, step, value, is_nan));
CREATE TABLE latest_metrics (
  run_id TEXT NOT NULL REFERENCES runs(run_id),
  key TEXT NOT NULL, value REAL NOT NULL, timestamp INTEGER NOT NULL, step INTEGER NOT NULL, is_nan INTEGER NOT NULL,
  PRIMARY KEY (run_id, key));
CREATE INDEX latest_metrics_by_key ON latest_metrics (key, value);
CREATE TABLE logged_models (
  model_id TEXT PRIMARY KEY,
  experiment_id INTEGER NOT NULL REFERENCES experiments(experiment_id),
  name TEXT NOT NULL,
  source_run_id TEXT NOT NULL,
  artifact_location TEXT NOT NULL,
  model_type TEXT NOT NULL,
  status INTEGER NOT NULL,
  creation_time INTEGER NOT NULL,
  last_update_time INTEGER NOT NULL,
  idempotency_key TEXT UNIQUE);
CREATE INDEX logged_models_by_creation ON logged_models (experiment_id, creation_time DESC, model_id);
CREATE TABLE logged_model_params (
  model_id TEXT NOT NULL REFERENCES logged_models(model_id),
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (model_id, key));
CREATE TABLE logged_model_tags (
  model_id TEXT NOT NULL REFERENCES logged_models(model_id),
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (model_id, key));
CREATE TABLE run_outputs (
  run_id TEXT NOT NULL REFERENCES runs(run_id),
  model_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (run_id, model_id, step));
)sql";

// `last_version` only rises, so that the number of a deleted version never returns.
constexpr std::string_view kRegistry = R"sql(
CREATE TABLE registered_models (
  name TEXT PRIMARY KEY,
  description TEXT NOT NULL,
  creation_time INTEGER NOT NULL,
  last_updated_time INTEGER NOT NULL,
  last_version INTEGER NOT NULL);
CREATE TABLE registered_model_tags (
  name TEXT NOT NULL REFERENCES registered_models(name) ON UPDATE CASCADE ON DELETE CASCADE,
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (name, key));
CREATE TABLE model_versions (
  name TEXT NOT NULL REFERENCES registered_models(name) ON UPDATE CASCADE ON DELETE CASCADE,
  version INTEGER NOT NULL,
  source TEXT NOT NULL,
  storage_location TEXT NOT NULL,
  run_id TEXT NOT NULL,
  model_id TEXT NOT NULL,
  description TEXT NOT NULL,
  stage TEXT NOT NULL,
  creation_time INTEGER NOT NULL,
  last_updated_time INTEGER NOT NULL,
  idempotency_key TEXT UNIQUE,
  PRIMARY KEY (name, version));
CREATE INDEX model_versions_by_run ON model_versions (run_id);
CREATE TABLE model_version_tags (
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  key TEXT NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (name, version, key),
  FOREIGN KEY (name, version) REFERENCES model_versions(name, version) ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE registered_model_aliases (
  name TEXT NOT NULL,
  alias TEXT NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (name, alias),
  FOREIGN KEY (name, version) REFERENCES model_versions(name, version) ON UPDATE CASCADE ON DELETE CASCADE);
CREATE INDEX registered_model_aliases_by_version ON registered_model_aliases (name, version);
)sql";

// Version 2: links to runs elsewhere, approvals, and the audit log (tracking/audit.h), whose head
// is the one row that all appends lock.
constexpr std::string_view kRegistry2 = R"sql(
ALTER TABLE model_versions ADD COLUMN run_link TEXT NOT NULL DEFAULT '';
CREATE TABLE approvals (
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  approver TEXT NOT NULL,
  time INTEGER NOT NULL,
  reason TEXT NOT NULL,
  evidence TEXT NOT NULL,
  PRIMARY KEY (name, version, approver),
  FOREIGN KEY (name, version) REFERENCES model_versions(name, version) ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE audit_log (
  number INTEGER PRIMARY KEY,
  time INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  details TEXT NOT NULL,
  evidence TEXT NOT NULL,
  previous_hash TEXT NOT NULL,
  hash TEXT NOT NULL);
CREATE INDEX audit_log_by_object ON audit_log (object, number);
CREATE TABLE audit_head (
  id INTEGER PRIMARY KEY,
  number INTEGER NOT NULL,
  hash TEXT NOT NULL);
INSERT INTO audit_head (id, number, hash) VALUES (1, 0, '');
)sql";

}  // namespace

Result<void> MigrateAll(store::Metadata& metadata) {
  const std::vector<store::Migration> migrations = {{"tracking", 1, std::string(kTracking)},
                                                    {"registry", 1, std::string(kRegistry)},
                                                    {"registry", 2, std::string(kRegistry2)}};
  return metadata.Migrate(migrations);
}

Result<Tags> ReadPairs(store::Metadata& metadata, std::string_view table, std::string_view column,
                       const store::Value& id) {
  const std::string sql = "SELECT key, value FROM " + std::string(table) + " WHERE " +
                          std::string(column) + " = ? ORDER BY key";
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows, metadata.Query(sql, {id}));
  Tags pairs;
  for (const store::Row& row : rows) {
    pairs.emplace_hint(pairs.end(), Text(row[0]), Text(row[1]));
  }
  return pairs;
}

std::string Marks(std::size_t n) {
  std::string marks;
  for (std::size_t i = 0; i < n; ++i) {
    marks += i == 0 ? "?" : ", ?";
  }
  return marks;
}

}  // namespace millrace::tracking::internal
