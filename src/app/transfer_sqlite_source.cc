// SPDX-License-Identifier: Apache-2.0
// MLflow's SQLite database as a source of transfers (tables of MLflow 3.17:
// mlflow/store/tracking/dbmodels/models.py and mlflow/store/model_registry/dbmodels/models.py;
// older ones lack some columns and tables).
#include <cmath>

#include "app/internal/transfer_forms.h"
#include "app/internal/transfer_sqlite.h"
#include "store/metadata.h"

namespace millrace::app::internal {
namespace {

namespace fs = std::filesystem;
using store::Row;
using store::Value;

class SqliteSource final : public TransferSource {
 public:
  explicit SqliteSource(std::unique_ptr<store::Metadata> database)
      : database_(std::move(database)), genai_(MakeSqliteGenaiSource(*database_)) {}

  /// Which of the later tables there are.
  Result<void> Look() {
    MILL_ASSIGN_OR_RETURN(const bool has_runs, database_->HasTable("runs"));
    MILL_ASSIGN_OR_RETURN(const bool has_version, database_->HasTable("alembic_version"));
    if (!has_runs || !has_version) {
      return base::InvalidArgument("the database holds no tables of MLflow")
          .Hint("name the file that `mlflow server --backend-store-uri sqlite:///FILE` uses");
    }
    MILL_ASSIGN_OR_RETURN(has_models_, database_->HasTable("logged_models"));
    MILL_ASSIGN_OR_RETURN(has_datasets_, database_->HasTable("datasets"));
    MILL_ASSIGN_OR_RETURN(has_aliases_, database_->HasTable("registered_model_aliases"));
    return {};
  }

  Result<std::vector<tracking::Experiment>> Experiments() override {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_->Query("SELECT experiment_id, name, artifact_location, lifecycle_stage, "
                         "creation_time, last_update_time FROM experiments ORDER BY "
                         "experiment_id"));
    std::vector<tracking::Experiment> experiments;
    for (const Row& row : rows) {
      tracking::Experiment experiment;
      experiment.id = std::to_string(Int(row[0]));
      experiment.name = Text(row[1]);
      experiment.artifact_location = Text(row[2]);
      experiment.lifecycle = LifecycleOf(row[3]);
      experiment.creation_time_ms = Int(row[4]);
      experiment.last_update_time_ms = Int(row[5]);
      MILL_ASSIGN_OR_RETURN(
          experiment.tags,
          Pairs("SELECT key, value FROM experiment_tags WHERE experiment_id = ?", {row[0]}));
      experiments.push_back(std::move(experiment));
    }
    return experiments;
  }

  Result<void> ForEachRun(const tracking::Experiment& experiment,
                          const std::function<Result<void>(TransferRun)>& take) override {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_->Query("SELECT run_uuid, name, user_id, status, start_time, end_time, "
                         "artifact_uri, lifecycle_stage FROM runs WHERE experiment_id = ? ORDER BY "
                         "start_time, run_uuid",
                         {std::stoll(experiment.id)}));
    for (const Row& row : rows) {
      TransferRun read;
      tracking::RunInfo& info = read.run.info;
      info.run_id = Text(row[0]);
      info.run_name = Text(row[1]);
      info.experiment_id = experiment.id;
      info.user_id = Text(row[2]);
      MILL_ASSIGN_OR_RETURN(info.status, tracking::ParseRunStatus(Text(row[3])));
      info.start_time_ms = Int(row[4]);
      info.end_time_ms = MaybeInt(row[5]);
      info.artifact_uri = Text(row[6]);
      info.lifecycle = LifecycleOf(row[7]);
      MILL_RETURN_IF_ERROR(ReadData(read).With("run " + info.run_id));
      MILL_RETURN_IF_ERROR(take(std::move(read)));
    }
    return {};
  }

  Result<std::vector<tracking::LoggedModel>> LoggedModels(
      const tracking::Experiment& experiment) override {
    std::vector<tracking::LoggedModel> models;
    if (!has_models_) {
      return models;
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_->Query("SELECT model_id, name, source_run_id, artifact_location, model_type, "
                         "status, creation_timestamp_ms, last_updated_timestamp_ms FROM "
                         "logged_models WHERE experiment_id = ? AND lifecycle_stage = 'active' "
                         "ORDER BY creation_timestamp_ms, model_id",
                         {std::stoll(experiment.id)}));
    for (const Row& row : rows) {
      tracking::LoggedModel model;
      model.model_id = Text(row[0]);
      model.experiment_id = experiment.id;
      model.name = Text(row[1]);
      model.source_run_id = Text(row[2]);
      model.artifact_location = Text(row[3]);
      model.model_type = Text(row[4]);
      model.status = static_cast<tracking::LoggedModelStatus>(Int(row[5]));
      model.creation_time_ms = Int(row[6]);
      model.last_update_time_ms = Int(row[7]);
      MILL_ASSIGN_OR_RETURN(model.params,
                            Pairs("SELECT param_key, param_value FROM logged_model_params WHERE "
                                  "model_id = ?",
                                  {row[0]}));
      MILL_ASSIGN_OR_RETURN(
          model.tags,
          Pairs("SELECT tag_key, tag_value FROM logged_model_tags WHERE model_id = ?", {row[0]}));
      MILL_RETURN_IF_ERROR(ReadModelMetrics(model));
      models.push_back(std::move(model));
    }
    return models;
  }

  Result<std::vector<TransferModel>> Models() override {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_->Query("SELECT name, description, creation_time, last_updated_time FROM "
                         "registered_models ORDER BY name"));
    std::vector<TransferModel> models;
    for (const Row& row : rows) {
      TransferModel read;
      read.model.name = Text(row[0]);
      read.model.description = Text(row[1]);
      read.model.creation_time_ms = Int(row[2]);
      read.model.last_update_time_ms = Int(row[3]);
      MILL_ASSIGN_OR_RETURN(
          read.model.tags,
          Pairs("SELECT key, value FROM registered_model_tags WHERE name = ?", {row[0]}));
      if (has_aliases_) {
        MILL_ASSIGN_OR_RETURN(
            const std::vector<Row> aliases,
            database_->Query("SELECT alias, version FROM registered_model_aliases WHERE name = ?",
                             {row[0]}));
        for (const Row& alias : aliases) {
          read.model.aliases[Text(alias[0])] = Int(alias[1]);
        }
      }
      MILL_RETURN_IF_ERROR(ReadVersions(read));
      models.push_back(std::move(read));
    }
    return models;
  }

  Result<std::vector<std::string>> Files(const std::string& location) override {
    return LocalFiles(location);
  }
  Result<fs::path> Fetch(const std::string& location, const std::string& path,
                         const fs::path&) override {
    return LocalFetch(location, path);
  }
  GenaiSource& genai() override { return *genai_; }

  Result<std::uint64_t> CountRuns(const tracking::Experiment& experiment) override {
    MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                          database_->Query("SELECT COUNT(*) FROM runs WHERE experiment_id = ?",
                                           {std::stoll(experiment.id)}));
    return static_cast<std::uint64_t>(Int(rows[0][0]));
  }

 private:
  Result<tracking::Tags> Pairs(std::string_view sql, std::initializer_list<Value> params) {
    return internal::Pairs(*database_, sql, params);
  }

  Result<void> ReadData(TransferRun& read) {
    const Value id = read.run.info.run_id;
    MILL_ASSIGN_OR_RETURN(read.run.params,
                          Pairs("SELECT key, value FROM params WHERE run_uuid = ?", {id}));
    MILL_ASSIGN_OR_RETURN(read.run.tags,
                          Pairs("SELECT key, value FROM tags WHERE run_uuid = ?", {id}));
    MILL_RETURN_IF_ERROR(database_->ForEach(
        "SELECT key, timestamp, step, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY key, "
        "timestamp, step, value",
        {id}, [&](const store::RowView& row) -> Result<void> {
          const std::string_view key = store::TextOr(row[0], "");
          if (read.histories.empty() || read.histories.back().first != key) {
            read.histories.emplace_back(std::string(key), std::vector<tracking::MetricPoint>());
          }
          const bool is_nan = store::IntOr(row[4], 0) != 0;
          read.histories.back().second.push_back(
              {store::IntOr(row[1], 0), store::IntOr(row[2], 0),
               is_nan ? std::nan("") : store::DoubleOr(row[3], 0)});
          return {};
        }));
    return has_datasets_ ? ReadInputs(read.run, id) : Result<void>();
  }

  Result<void> ReadInputs(tracking::Run& run, const Value& id) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_->Query("SELECT i.input_uuid, d.name, d.digest, d.dataset_source_type, "
                         "d.dataset_source, d.dataset_schema, d.dataset_profile FROM inputs i JOIN "
                         "datasets d ON d.dataset_uuid = i.source_id WHERE i.source_type = "
                         "'DATASET' AND i.destination_type = 'RUN' AND i.destination_id = ?",
                         {id}));
    for (const Row& row : rows) {
      tracking::DatasetInput input;
      input.dataset = {Text(row[1]), Text(row[2]),      Text(row[3]),
                       Text(row[4]), MaybeText(row[5]), MaybeText(row[6])};
      MILL_ASSIGN_OR_RETURN(
          input.tags, Pairs("SELECT name, value FROM input_tags WHERE input_uuid = ?", {row[0]}));
      run.dataset_inputs.push_back(std::move(input));
    }
    if (!has_models_) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> models,
        database_->Query("SELECT source_type, destination_id, step FROM inputs WHERE source_id = ? "
                         "AND source_type IN ('RUN_INPUT', 'RUN_OUTPUT') ORDER BY step, "
                         "destination_id",
                         {id}));
    for (const Row& row : models) {
      if (Text(row[0]) == "RUN_INPUT") {
        run.model_inputs.push_back({Text(row[1])});
      } else {
        run.outputs.push_back({Text(row[1]), Int(row[2])});
      }
    }
    return {};
  }

  Result<void> ReadModelMetrics(tracking::LoggedModel& model) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_->Query("SELECT metric_name, metric_value, metric_timestamp_ms, metric_step, "
                         "run_id, dataset_name, dataset_digest FROM logged_model_metrics WHERE "
                         "model_id = ? ORDER BY metric_name, metric_timestamp_ms, metric_step",
                         {model.model_id}));
    for (const Row& row : rows) {
      tracking::LoggedModelMetric metric;
      metric.metric.key = Text(row[0]);
      metric.metric.value = store::IsNull(row[1]) ? std::nan("") : store::DoubleOr(row[1], 0);
      metric.metric.timestamp_ms = Int(row[2]);
      metric.metric.step = Int(row[3]);
      metric.metric.model_id = model.model_id;
      metric.run_id = Text(row[4]);
      metric.metric.dataset_name = Text(row[5]);
      metric.metric.dataset_digest = Text(row[6]);
      model.metrics.push_back(std::move(metric));
    }
    return {};
  }

  Result<void> ReadVersions(TransferModel& read) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> rows,
        database_->Query("SELECT version, source, storage_location, run_id, description, "
                         "current_stage, creation_time, last_updated_time FROM model_versions "
                         "WHERE name = ? AND current_stage <> 'Deleted_Internal' ORDER BY version",
                         {read.model.name}));
    for (const Row& row : rows) {
      tracking::ModelVersion version;
      version.name = read.model.name;
      version.version = Int(row[0]);
      version.source = Text(row[1]);
      version.storage_location = Text(row[2]);
      version.run_id = Text(row[3]);
      version.description = Text(row[4]);
      version.stage = Text(row[5]);
      version.creation_time_ms = Int(row[6]);
      version.last_update_time_ms = Int(row[7]);
      MILL_ASSIGN_OR_RETURN(version.tags,
                            Pairs("SELECT key, value FROM model_version_tags WHERE name = ? AND "
                                  "version = ?",
                                  {read.model.name, row[0]}));
      read.versions.push_back(std::move(version));
    }
    return {};
  }

  std::unique_ptr<store::Metadata> database_;
  std::unique_ptr<GenaiSource> genai_;
  bool has_models_ = false;
  bool has_datasets_ = false;
  bool has_aliases_ = false;
};

}  // namespace

Result<std::unique_ptr<TransferSource>> OpenSqliteSource(const fs::path& file) {
  MILL_ASSIGN_OR_RETURN(auto database, store::OpenSqlite(file, {.is_read_only = true}));
  auto source = std::make_unique<SqliteSource>(std::move(database));
  MILL_RETURN_IF_ERROR(source->Look().With("reading \"" + file.string() + "\""));
  return std::unique_ptr<TransferSource>(std::move(source));
}

}  // namespace millrace::app::internal
