// SPDX-License-Identifier: Apache-2.0
// MLflow's SQLite database as a sink of transfers (tables as in transfer_sqlite_source.cc).
#include <cmath>
#include <system_error>
#include <tuple>

#include "app/internal/transfer_forms.h"
#include "app/internal/transfer_sqlite.h"
#include "base/file.h"
#include "base/ids.h"
#include "store/metadata.h"

namespace millrace::app::internal {
namespace {

namespace fs = std::filesystem;
using store::Row;
using store::Value;

// Writes into a database that MLflow made, so that its tables are those of the user's version. Rows
// that others name are updated, never replaced: replacing one deletes or empties those others.
class SqliteSink final : public TransferSink {
 public:
  explicit SqliteSink(std::unique_ptr<store::Metadata> database)
      : database_(std::move(database)), genai_(MakeSqliteGenaiSink(*database_)) {}

  Result<void> Look() {
    MILL_ASSIGN_OR_RETURN(const bool has_models, database_->HasTable("logged_models"));
    if (!has_models) {
      return base::FailedPrecondition("it has no tables of MLflow 3")
          .Hint(
              "let MLflow make them: MLFLOW_TRACKING_URI=sqlite:///FILE mlflow experiments "
              "search");
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_->Query("SELECT artifact_location FROM experiments WHERE experiment_id = 0"));
    const fs::path default_location = rows.empty() ? fs::path() : fs::path(Text(rows[0][0]));
    artifact_root_ = default_location.parent_path();
    return {};
  }

  Result<tracking::Experiment> PutExperiment(const tracking::Experiment& experiment) override {
    MILL_ASSIGN_OR_RETURN(auto transaction, store::Transaction::Begin(*database_));
    tracking::Experiment there = experiment;
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> same_name,
        database_->Query("SELECT experiment_id, artifact_location FROM experiments WHERE name = ?",
                         {experiment.name}));
    if (!same_name.empty()) {
      there.id = std::to_string(Int(same_name[0][0]));
      there.artifact_location = Text(same_name[0][1]);
    } else {
      MILL_ASSIGN_OR_RETURN(there.id, FreeId(experiment.id));
      there.artifact_location = (artifact_root_ / there.id).string();
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, "
          "creation_time, last_update_time) VALUES (?, ?, ?, 'active', ?, ?)",
          {std::stoll(there.id), experiment.name, there.artifact_location,
           experiment.creation_time_ms, experiment.last_update_time_ms}));
    }
    if (there.id != experiment.id) {
      there.tags[kOldExperimentTag] = experiment.id;
    }
    for (const auto& [key, value] : there.tags) {
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR REPLACE INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?)",
          {std::stoll(there.id), key, value}));
    }
    MILL_RETURN_IF_ERROR(transaction.Commit());
    return there;
  }

  Result<std::string> PutRun(const tracking::Experiment& there, const TransferRun& run) override {
    const tracking::RunInfo& info = run.run.info;
    const std::string artifacts = there.artifact_location + "/" + info.run_id + "/artifacts";
    MILL_ASSIGN_OR_RETURN(auto transaction, store::Transaction::Begin(*database_));
    MILL_RETURN_IF_ERROR(database_->Execute(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, "
        "user_id, status, start_time, end_time, source_version, lifecycle_stage, "
        "artifact_uri, experiment_id, deleted_time) VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, "
        "?, '', ?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name, "
        "source_type = excluded.source_type, source_name = excluded.source_name, "
        "entry_point_name = excluded.entry_point_name, user_id = excluded.user_id, status = "
        "excluded.status, start_time = excluded.start_time, end_time = excluded.end_time, "
        "source_version = excluded.source_version, lifecycle_stage = "
        "excluded.lifecycle_stage, artifact_uri = excluded.artifact_uri, experiment_id = "
        "excluded.experiment_id, deleted_time = excluded.deleted_time",
        {info.run_id, info.run_name, info.user_id,
         std::string(tracking::RunStatusName(info.status)), info.start_time_ms,
         OrNull(info.end_time_ms), std::string(tracking::LifecycleName(info.lifecycle)), artifacts,
         std::stoll(there.id),
         info.lifecycle == tracking::LifecycleStage::kDeleted ? Value{info.start_time_ms}
                                                              : Value{}}));
    for (const auto& [table, pairs] :
         {std::pair{"params", &run.run.params}, std::pair{"tags", &run.run.tags}}) {
      for (const auto& [key, value] : *pairs) {
        MILL_RETURN_IF_ERROR(database_->Execute("INSERT OR REPLACE INTO " + std::string(table) +
                                                    " (run_uuid, key, value) VALUES (?, ?, ?)",
                                                {info.run_id, key, value}));
      }
    }
    for (const auto& [name, points] : run.histories) {
      MILL_RETURN_IF_ERROR(PutHistory(info.run_id, name, points));
    }
    MILL_RETURN_IF_ERROR(PutInputs(there, run.run));
    MILL_RETURN_IF_ERROR(transaction.Commit());
    return artifacts;
  }

  Result<std::string> PutLoggedModel(const tracking::Experiment& there,
                                     const tracking::LoggedModel& model) override {
    const std::string artifacts =
        there.artifact_location + "/models/" + model.model_id + "/artifacts";
    const Value experiment = std::int64_t{std::stoll(there.id)};
    MILL_ASSIGN_OR_RETURN(auto transaction, store::Transaction::Begin(*database_));
    MILL_RETURN_IF_ERROR(database_->Execute(
        "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location, "
        "creation_timestamp_ms, last_updated_timestamp_ms, status, lifecycle_stage, "
        "model_type, source_run_id) VALUES (?, ?, ?, ?, ?, ?, ?, 'active', ?, ?) ON CONFLICT "
        "DO UPDATE SET experiment_id = excluded.experiment_id, name = "
        "excluded.name, artifact_location = excluded.artifact_location, creation_timestamp_ms "
        "= excluded.creation_timestamp_ms, last_updated_timestamp_ms = "
        "excluded.last_updated_timestamp_ms, status = excluded.status, lifecycle_stage = "
        "excluded.lifecycle_stage, model_type = excluded.model_type, source_run_id = "
        "excluded.source_run_id",
        {model.model_id, experiment, model.name, artifacts, model.creation_time_ms,
         model.last_update_time_ms, static_cast<std::int64_t>(model.status),
         OrNull(model.model_type), OrNull(model.source_run_id)}));
    for (const auto& [key, value] : model.params) {
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR REPLACE INTO logged_model_params (model_id, experiment_id, param_key, "
          "param_value) VALUES (?, ?, ?, ?)",
          {model.model_id, experiment, key, value}));
    }
    for (const auto& [key, value] : model.tags) {
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR REPLACE INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value) "
          "VALUES (?, ?, ?, ?)",
          {model.model_id, experiment, key, value}));
    }
    for (const tracking::LoggedModelMetric& logged : model.metrics) {
      const tracking::Metric& metric = logged.metric;
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR REPLACE INTO logged_model_metrics (model_id, metric_name, "
          "metric_timestamp_ms, metric_step, metric_value, experiment_id, run_id, dataset_name, "
          "dataset_digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
          {model.model_id, metric.key, metric.timestamp_ms, metric.step,
           std::isnan(metric.value) ? Value{} : Value{metric.value}, experiment, logged.run_id,
           OrNull(metric.dataset_name), OrNull(metric.dataset_digest)}));
    }
    MILL_RETURN_IF_ERROR(transaction.Commit());
    return artifacts;
  }

  Result<void> PutModel(const TransferModel& model) override {
    MILL_ASSIGN_OR_RETURN(auto transaction, store::Transaction::Begin(*database_));
    const std::string& name = model.model.name;
    MILL_RETURN_IF_ERROR(database_->Execute(
        "INSERT INTO registered_models (name, creation_time, last_updated_time, description) "
        "VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET creation_time = "
        "excluded.creation_time, last_updated_time = excluded.last_updated_time, description "
        "= excluded.description",
        {name, model.model.creation_time_ms, model.model.last_update_time_ms,
         OrNull(model.model.description)}));
    for (const auto& [key, value] : model.model.tags) {
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR REPLACE INTO registered_model_tags (name, key, value) VALUES (?, ?, ?)",
          {name, key, value}));
    }
    for (const tracking::ModelVersion& version : model.versions) {
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT INTO model_versions (name, version, creation_time, last_updated_time, "
          "description, current_stage, source, run_id, status, storage_location) VALUES (?, ?, "
          "?, ?, ?, ?, ?, ?, 'READY', ?) ON CONFLICT DO UPDATE SET "
          "creation_time = excluded.creation_time, last_updated_time = "
          "excluded.last_updated_time, description = excluded.description, current_stage = "
          "excluded.current_stage, source = excluded.source, run_id = excluded.run_id, status = "
          "excluded.status, storage_location = excluded.storage_location",
          {name, version.version, version.creation_time_ms, version.last_update_time_ms,
           OrNull(version.description), version.stage, version.source, OrNull(version.run_id),
           OrNull(version.storage_location)}));
      for (const auto& [key, value] : version.tags) {
        MILL_RETURN_IF_ERROR(database_->Execute(
            "INSERT OR REPLACE INTO model_version_tags (name, version, key, value) VALUES (?, ?, "
            "?, ?)",
            {name, version.version, key, value}));
      }
    }
    for (const auto& [alias, version] : model.model.aliases) {
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR REPLACE INTO registered_model_aliases (name, alias, version) VALUES (?, ?, ?)",
          {name, alias, version}));
    }
    return transaction.Commit();
  }

  GenaiSink& genai() override { return *genai_; }

  Result<void> PutFile(const std::string& location, const std::string& path,
                       const fs::path& file) override {
    const std::optional<fs::path> folder = LocalFolder(location);
    if (!folder) {
      return base::FailedPrecondition("the experiment's artifacts lie at \"" + location +
                                      "\", which cannot be written from here")
          .Hint("export to the running `mlflow server` instead");
    }
    return PutLocalFile(*folder, path, file);
  }

  Result<void> Finish(const tracking::Experiment& there, bool is_deleted) override {
    return is_deleted ? database_->Execute(
                            "UPDATE experiments SET lifecycle_stage = 'deleted' "
                            "WHERE experiment_id = ?",
                            {std::stoll(there.id)})
                      : Result<void>();
  }

 private:
  Result<std::string> FreeId(const std::string& wanted) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> taken,
        database_->Query("SELECT (SELECT COUNT(*) FROM experiments WHERE experiment_id = ?), "
                         "(SELECT MAX(experiment_id) FROM experiments)",
                         {std::stoll(wanted)}));
    return Int(taken[0][0]) == 0 ? wanted : std::to_string(Int(taken[0][1]) + 1);
  }

  Result<void> PutHistory(const std::string& run_id, const std::string& name,
                          const std::vector<tracking::MetricPoint>& points) {
    const tracking::MetricPoint* latest = nullptr;
    for (const tracking::MetricPoint& point : points) {
      const bool is_nan = std::isnan(point.value);
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR IGNORE INTO metrics (run_uuid, key, value, timestamp, step, is_nan) VALUES "
          "(?, ?, ?, ?, ?, ?)",
          {run_id, name, is_nan ? 0.0 : point.value, point.timestamp_ms, point.step,
           std::int64_t{is_nan}}));
      const auto key = [](const tracking::MetricPoint& p) {
        return std::tuple(p.step, p.timestamp_ms, std::isnan(p.value) ? 0.0 : p.value);
      };
      latest = latest == nullptr || key(point) > key(*latest) ? &point : latest;
    }
    if (latest == nullptr) {
      return {};
    }
    const bool is_nan = std::isnan(latest->value);
    return database_->Execute(
        "INSERT OR REPLACE INTO latest_metrics (run_uuid, key, value, timestamp, step, is_nan) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        {run_id, name, is_nan ? 0.0 : latest->value, latest->timestamp_ms, latest->step,
         std::int64_t{is_nan}});
  }

  Result<void> PutInputs(const tracking::Experiment& there, const tracking::Run& run) {
    for (const tracking::DatasetInput& input : run.dataset_inputs) {
      const tracking::Dataset& data = input.dataset;
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR IGNORE INTO datasets (dataset_uuid, experiment_id, name, digest, "
          "dataset_source_type, dataset_source, dataset_schema, dataset_profile) VALUES (?, ?, ?, "
          "?, ?, ?, ?, ?)",
          {base::NewRunId(), std::stoll(there.id), data.name, data.digest, data.source_type,
           data.source, OrNull(data.schema), OrNull(data.profile)}));
      MILL_ASSIGN_OR_RETURN(
          const std::vector<Row> dataset,
          database_->Query("SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? "
                           "AND digest = ?",
                           {std::stoll(there.id), data.name, data.digest}));
      MILL_ASSIGN_OR_RETURN(const std::string input_id,
                            PutEdge("DATASET", Text(dataset[0][0]), "RUN", run.info.run_id, 0));
      for (const auto& [key, value] : input.tags) {
        MILL_RETURN_IF_ERROR(database_->Execute(
            "INSERT OR REPLACE INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?)",
            {input_id, key, value}));
      }
    }
    for (const tracking::ModelInput& input : run.model_inputs) {
      MILL_RETURN_IF_ERROR(PutEdge("RUN_INPUT", run.info.run_id, "MODEL_INPUT", input.model_id, 0));
    }
    for (const tracking::ModelOutput& output : run.outputs) {
      MILL_RETURN_IF_ERROR(
          PutEdge("RUN_OUTPUT", run.info.run_id, "MODEL_OUTPUT", output.model_id, output.step));
    }
    return {};
  }

  // The id of the row of `inputs` that joins the two, made if there is none.
  Result<std::string> PutEdge(const std::string& source_type, const std::string& source_id,
                              const std::string& destination_type,
                              const std::string& destination_id, std::int64_t step) {
    MILL_RETURN_IF_ERROR(database_->Execute(
        "INSERT OR IGNORE INTO inputs (input_uuid, source_type, source_id, destination_type, "
        "destination_id, step) VALUES (?, ?, ?, ?, ?, ?)",
        {base::NewRunId(), source_type, source_id, destination_type, destination_id, step}));
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_->Query("SELECT input_uuid FROM inputs WHERE source_type = ? AND source_id = ? "
                         "AND destination_type = ? AND destination_id = ?",
                         {source_type, source_id, destination_type, destination_id}));
    return Text(rows[0][0]);
  }

  std::unique_ptr<store::Metadata> database_;
  std::unique_ptr<GenaiSink> genai_;
  fs::path artifact_root_;
};

}  // namespace

Result<std::unique_ptr<TransferSink>> OpenSqliteSink(const fs::path& file) {
  std::error_code code;
  if (!fs::is_regular_file(file, code)) {
    return base::NotFound("the database \"" + file.string() + "\" does not exist")
        .Hint("let MLflow make it: MLFLOW_TRACKING_URI=sqlite:///" + file.string() +
              " mlflow experiments search");
  }
  MILL_ASSIGN_OR_RETURN(auto database, store::OpenSqlite(file));
  auto sink = std::make_unique<SqliteSink>(std::move(database));
  MILL_RETURN_IF_ERROR(sink->Look().With("writing \"" + file.string() + "\""));
  return std::unique_ptr<TransferSink>(std::move(sink));
}

}  // namespace millrace::app::internal
