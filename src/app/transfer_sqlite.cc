// SPDX-License-Identifier: Apache-2.0
// MLflow's SQLite database (tables of MLflow 3.17: mlflow/store/tracking/dbmodels/models.py and
// mlflow/store/model_registry/dbmodels/models.py; older ones lack some columns and tables).
#include <cmath>
#include <system_error>
#include <tuple>

#include "app/internal/transfer_forms.h"
#include "base/file.h"
#include "base/ids.h"
#include "store/metadata.h"

namespace millrace::app::internal {
namespace {

namespace fs = std::filesystem;
using store::Row;
using store::Value;

std::string Text(const Value& value) {
  return store::TextOr(value, "");
}
std::int64_t Int(const Value& value) {
  return store::IntOr(value, 0);
}
std::optional<std::int64_t> MaybeInt(const Value& value) {
  return store::IsNull(value) ? std::nullopt : std::optional(Int(value));
}
std::optional<std::string> MaybeText(const Value& value) {
  return store::IsNull(value) ? std::nullopt : std::optional(Text(value));
}
Value OrNull(const std::string& text) {
  return text.empty() ? Value{} : Value{text};
}
Value OrNull(const std::optional<std::string>& text) {
  return text ? Value{*text} : Value{};
}
Value OrNull(const std::optional<std::int64_t>& number) {
  return number ? Value{*number} : Value{};
}
tracking::LifecycleStage LifecycleOf(const Value& value) {
  return Text(value) == "deleted" ? tracking::LifecycleStage::kDeleted
                                  : tracking::LifecycleStage::kActive;
}

class SqliteSource final : public TransferSource {
 public:
  explicit SqliteSource(std::unique_ptr<store::Metadata> database)
      : database_(std::move(database)) {}

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

 private:
  Result<tracking::Tags> Pairs(std::string_view sql, std::initializer_list<Value> params) {
    MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows, database_->Query(sql, params));
    tracking::Tags pairs;
    for (const Row& row : rows) {
      pairs[Text(row[0])] = Text(row[1]);
    }
    return pairs;
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
  bool has_models_ = false;
  bool has_datasets_ = false;
  bool has_aliases_ = false;
};

// Writes into a database that MLflow made, so that its tables are those of the user's version.
class SqliteSink final : public TransferSink {
 public:
  explicit SqliteSink(std::unique_ptr<store::Metadata> database) : database_(std::move(database)) {}

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
        "INSERT OR REPLACE INTO runs (run_uuid, name, source_type, source_name, entry_point_name, "
        "user_id, status, start_time, end_time, source_version, lifecycle_stage, artifact_uri, "
        "experiment_id, deleted_time) VALUES (?, ?, 'UNKNOWN', '', '', ?, ?, ?, ?, '', ?, ?, ?, ?)",
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
        "INSERT OR REPLACE INTO logged_models (model_id, experiment_id, name, artifact_location, "
        "creation_timestamp_ms, last_updated_timestamp_ms, status, lifecycle_stage, model_type, "
        "source_run_id) VALUES (?, ?, ?, ?, ?, ?, ?, 'active', ?, ?)",
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
        "INSERT OR REPLACE INTO registered_models (name, creation_time, last_updated_time, "
        "description) VALUES (?, ?, ?, ?)",
        {name, model.model.creation_time_ms, model.model.last_update_time_ms,
         OrNull(model.model.description)}));
    for (const auto& [key, value] : model.model.tags) {
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR REPLACE INTO registered_model_tags (name, key, value) VALUES (?, ?, ?)",
          {name, key, value}));
    }
    for (const tracking::ModelVersion& version : model.versions) {
      MILL_RETURN_IF_ERROR(database_->Execute(
          "INSERT OR REPLACE INTO model_versions (name, version, creation_time, "
          "last_updated_time, description, current_stage, source, run_id, status, "
          "storage_location) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'READY', ?)",
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

Result<std::unique_ptr<TransferSource>> OpenSqliteSource(const fs::path& file) {
  MILL_ASSIGN_OR_RETURN(auto database, store::OpenSqlite(file, {.is_read_only = true}));
  auto source = std::make_unique<SqliteSource>(std::move(database));
  MILL_RETURN_IF_ERROR(source->Look().With("reading \"" + file.string() + "\""));
  return std::unique_ptr<TransferSource>(std::move(source));
}

}  // namespace millrace::app::internal
