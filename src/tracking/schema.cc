// SPDX-License-Identifier: Apache-2.0
// Creates the tables of tracking and registry.
#include "tracking/internal/schema.h"

#include <algorithm>
#include <array>
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

// Version 2: runs and keys as small integers (a latest metric is 30 bytes instead of 100), change
// numbers for readers that keep copies, inputs, metrics of logged models, a journal for points.
// Each transaction raises the counter `change`, which also says which records of the journal count
// (docs/design/tracking.md). A row's `change` is the counter's value after the write that touched
// it last; 0 with a run that is as it was made, which readers find by its greater key: what most
// writes touch is few pages. Without secondary indexes on params, tags and latest_metrics: search
// reads whole columns (RunIndex), everything else asks by run. Keys come from `counters`, so that
// the key of an erased run never returns. Points of version 1 stay in metrics_1 until the store
// that keeps points now has taken them (TrackingStore::Open). `metrics` and `latest_metrics` are
// used where points are in the database. Artifacts of version 1 lie where mlflow-artifacts: leads.
constexpr std::string_view kTracking2 = R"sql(
CREATE TABLE counters (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE names (name_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
ALTER TABLE runs RENAME TO runs_1;
ALTER TABLE params RENAME TO params_1;
ALTER TABLE tags RENAME TO tags_1;
ALTER TABLE metrics RENAME TO metrics_1;
ALTER TABLE latest_metrics RENAME TO latest_metrics_1;
ALTER TABLE run_outputs RENAME TO run_outputs_1;
DROP INDEX runs_by_start;
DROP INDEX params_by_key;
DROP INDEX tags_by_key;
DROP INDEX latest_metrics_by_key;
CREATE TABLE runs (
  run_key INTEGER PRIMARY KEY,
  run_id TEXT NOT NULL UNIQUE,
  experiment_id INTEGER NOT NULL REFERENCES experiments(experiment_id),
  name TEXT NOT NULL,
  user_id TEXT NOT NULL,
  status INTEGER NOT NULL,
  start_time INTEGER NOT NULL,
  end_time INTEGER,
  artifact_uri TEXT NOT NULL,
  lifecycle_stage TEXT NOT NULL,
  deleted_time INTEGER,
  idempotency_key TEXT,
  change INTEGER NOT NULL);
CREATE UNIQUE INDEX runs_by_idempotency_key ON runs (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX runs_by_experiment ON runs (experiment_id);
CREATE INDEX runs_by_change ON runs (change) WHERE change > 0;
CREATE TABLE params (
  run_key INTEGER NOT NULL REFERENCES runs(run_key),
  name_id INTEGER NOT NULL REFERENCES names(name_id),
  value TEXT NOT NULL,
  PRIMARY KEY (run_key, name_id)) WITHOUT ROWID;
CREATE TABLE tags (
  run_key INTEGER NOT NULL REFERENCES runs(run_key),
  name_id INTEGER NOT NULL REFERENCES names(name_id),
  value TEXT NOT NULL,
  PRIMARY KEY (run_key, name_id)) WITHOUT ROWID;
CREATE TABLE latest_metrics (
  run_key INTEGER NOT NULL REFERENCES runs(run_key),
  name_id INTEGER NOT NULL REFERENCES names(name_id),
  value REAL NOT NULL,
  timestamp INTEGER NOT NULL,
  step INTEGER NOT NULL,
  is_nan INTEGER NOT NULL,
  change INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run_key, name_id)) WITHOUT ROWID;
CREATE INDEX latest_metrics_by_change ON latest_metrics (change) WHERE change > 0;
CREATE TABLE metrics (
  run_key INTEGER NOT NULL,
  name_id INTEGER NOT NULL,
  timestamp INTEGER NOT NULL,
  step INTEGER NOT NULL,
  value REAL NOT NULL,
  is_nan INTEGER NOT NULL,
  PRIMARY KEY (run_key, name_id, timestamp, step, value, is_nan)) WITHOUT ROWID;
CREATE TABLE run_outputs (
  run_key INTEGER NOT NULL REFERENCES runs(run_key),
  model_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (run_key, model_id, step));
CREATE TABLE run_model_inputs (
  run_key INTEGER NOT NULL REFERENCES runs(run_key),
  model_id TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (run_key, model_id));
CREATE TABLE datasets (
  dataset_key INTEGER PRIMARY KEY,
  experiment_id INTEGER NOT NULL REFERENCES experiments(experiment_id),
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  source_type TEXT NOT NULL,
  source TEXT NOT NULL,
  schema TEXT,
  profile TEXT,
  UNIQUE (experiment_id, name, digest));
CREATE TABLE dataset_inputs (
  run_key INTEGER NOT NULL REFERENCES runs(run_key),
  dataset_key INTEGER NOT NULL REFERENCES datasets(dataset_key),
  position INTEGER NOT NULL,
  PRIMARY KEY (run_key, dataset_key));
CREATE INDEX dataset_inputs_by_dataset ON dataset_inputs (dataset_key);
CREATE TABLE dataset_input_tags (
  run_key INTEGER NOT NULL,
  dataset_key INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (run_key, dataset_key, key),
  FOREIGN KEY (run_key, dataset_key) REFERENCES dataset_inputs(run_key, dataset_key) ON DELETE CASCADE);
CREATE TABLE logged_model_metrics (
  model_id TEXT NOT NULL REFERENCES logged_models(model_id),
  key TEXT NOT NULL,
  timestamp INTEGER NOT NULL,
  step INTEGER NOT NULL,
  value REAL NOT NULL,
  is_nan INTEGER NOT NULL,
  run_id TEXT NOT NULL,
  dataset_name TEXT NOT NULL,
  dataset_digest TEXT NOT NULL,
  PRIMARY KEY (model_id, key, timestamp, step, value, is_nan, run_id, dataset_name, dataset_digest));
CREATE INDEX logged_model_metrics_by_run ON logged_model_metrics (run_id);
ALTER TABLE logged_models ADD COLUMN lifecycle_stage TEXT NOT NULL DEFAULT 'active';
INSERT INTO names (name)
  SELECT key FROM params_1 UNION SELECT key FROM tags_1 UNION SELECT key FROM metrics_1;
INSERT INTO runs (run_id, experiment_id, name, user_id, status, start_time, end_time, artifact_uri,
                  lifecycle_stage, idempotency_key, change)
  SELECT run_id, experiment_id, name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage,
         idempotency_key, 0 FROM runs_1 ORDER BY start_time, run_id;
INSERT INTO params (run_key, name_id, value)
  SELECT runs.run_key, names.name_id, params_1.value
  FROM params_1 JOIN runs ON runs.run_id = params_1.run_id JOIN names ON names.name = params_1.key;
INSERT INTO tags (run_key, name_id, value)
  SELECT runs.run_key, names.name_id, tags_1.value
  FROM tags_1 JOIN runs ON runs.run_id = tags_1.run_id JOIN names ON names.name = tags_1.key;
INSERT INTO run_outputs (run_key, model_id, step, position)
  SELECT runs.run_key, o.model_id, o.step, o.position FROM run_outputs_1 o JOIN runs ON runs.run_id = o.run_id;
DROP TABLE params_1;
DROP TABLE tags_1;
DROP TABLE latest_metrics_1;
DROP TABLE run_outputs_1;
UPDATE experiments SET artifact_location = 'mlflow-artifacts:/' || experiment_id;
UPDATE runs SET artifact_uri = 'mlflow-artifacts:/' || experiment_id || '/' || run_id || '/artifacts';
UPDATE logged_models
  SET artifact_location = 'mlflow-artifacts:/' || experiment_id || '/models/' || model_id || '/artifacts';
INSERT INTO counters (name, number) SELECT 'run_key', COALESCE(MAX(run_key), 0) FROM runs;
INSERT INTO counters (name, number) SELECT 'name_id', COALESCE(MAX(name_id), 0) FROM names;
INSERT INTO counters (name, number) VALUES ('dataset_key', 0);
INSERT INTO counters (name, number) VALUES ('change', 1);
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

// Version 3: webhooks, and what they are still to be told (tracking/webhooks.h). A delivery stays
// until it is acknowledged; state 'failed': given up.
constexpr std::string_view kRegistry3 = R"sql(
CREATE TABLE webhooks (
  webhook_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  url TEXT NOT NULL,
  description TEXT NOT NULL,
  secret TEXT NOT NULL,
  status TEXT NOT NULL,
  creation_time INTEGER NOT NULL,
  last_updated_time INTEGER NOT NULL);
CREATE TABLE webhook_events (
  webhook_id TEXT NOT NULL REFERENCES webhooks(webhook_id) ON DELETE CASCADE,
  event TEXT NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (webhook_id, event));
CREATE INDEX webhook_events_by_event ON webhook_events (event);
CREATE TABLE webhook_deliveries (
  delivery_id TEXT PRIMARY KEY,
  webhook_id TEXT NOT NULL REFERENCES webhooks(webhook_id) ON DELETE CASCADE,
  event TEXT NOT NULL,
  body TEXT NOT NULL,
  creation_time INTEGER NOT NULL,
  state TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  next_attempt INTEGER NOT NULL,
  last_error TEXT NOT NULL);
CREATE INDEX webhook_deliveries_by_time ON webhook_deliveries (state, next_attempt);
)sql";

constexpr std::string_view kRegistry4 = R"sql(
ALTER TABLE registered_models ADD COLUMN required_approvals INTEGER NOT NULL DEFAULT 0;
)sql";

// Version 5: what a version must show before it is promoted (GateSpec as JSON); null: nothing.
constexpr std::string_view kRegistry5 = R"sql(
ALTER TABLE registered_models ADD COLUMN gates TEXT;
)sql";

}  // namespace

Result<void> MigrateAll(store::Metadata& metadata) {
  const std::vector<store::Migration> migrations = {
      {"tracking", 1, std::string(kTracking)},  {"tracking", 2, std::string(kTracking2)},
      {"registry", 1, std::string(kRegistry)},  {"registry", 2, std::string(kRegistry2)},
      {"registry", 3, std::string(kRegistry3)}, {"registry", 4, std::string(kRegistry4)},
      {"registry", 5, std::string(kRegistry5)}};
  return metadata.Migrate(migrations);
}

Result<void> MigrateToVersionOne(store::Metadata& metadata) {
  const std::vector<store::Migration> migrations = {{"tracking", 1, std::string(kTracking)}};
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

namespace {

template <typename Key>
Result<void> ForSomeKeys(store::Metadata& metadata, std::span<const Key> keys,
                         std::string_view head, std::string_view tail,
                         const store::RowFunction& take) {
  // Few sizes, filled up with the first key, so that the statements stay prepared.
  constexpr std::array<std::size_t, 4> kSizes = {1, 8, 64, 512};
  for (std::size_t begin = 0; begin < keys.size();) {
    const std::size_t n = std::min(keys.size() - begin, kSizes.back());
    const std::size_t size = *std::lower_bound(kSizes.begin(), kSizes.end(), n);
    std::vector<store::Value> values(size, store::Value(keys[begin]));
    for (std::size_t i = 0; i < n; ++i) {
      values[i] = keys[begin + i];
    }
    const std::string sql = std::string(head) + "(" + Marks(size) + ")" + std::string(tail);
    MILL_RETURN_IF_ERROR(metadata.ForEach(sql, values, take));
    begin += n;
  }
  return {};
}

}  // namespace

Result<void> ForKeys(store::Metadata& metadata, std::span<const std::int64_t> keys,
                     std::string_view head, std::string_view tail, const store::RowFunction& take) {
  return ForSomeKeys(metadata, keys, head, tail, take);
}

Result<void> ForKeys(store::Metadata& metadata, std::span<const std::string> keys,
                     std::string_view head, std::string_view tail, const store::RowFunction& take) {
  return ForSomeKeys(metadata, keys, head, tail, take);
}

Result<std::int64_t> ReadNumber(store::Metadata& metadata, std::string_view counter) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("SELECT number FROM counters WHERE name = ?", {std::string(counter)}));
  return rows.empty() ? 0 : Int(rows[0][0]);
}

Result<std::int64_t> NextNumber(store::Metadata& metadata, std::string_view counter) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("UPDATE counters SET number = number + 1 WHERE name = ? RETURNING number",
                     {std::string(counter)}));
  MILL_CHECK_EQ(rows.size(), 1U);
  return Int(rows[0][0]);
}

}  // namespace millrace::tracking::internal
