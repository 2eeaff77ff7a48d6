// SPDX-License-Identifier: Apache-2.0
// The register stage: run, parameters, metrics, pictures and models into the workspace; a version;
// gates; the alias `champion`.
#include "app/registration.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "app/artifact_files.h"
#include "app/deployments.h"
#include "app/json_number.h"
#include "app/model_facts.h"
#include "app/trained_model.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/number_format.h"
#include "data/parquet.h"
#include "metrics/binary.h"
#include "models/mlflow_layout.h"
#include "store/workspace.h"
#include "tracking/gates.h"
#include "tracking/lineage.h"
#include "tracking/registry.h"
#include "tracking/store.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// Registers one training; every call it makes finds what an earlier, interrupted attempt with the
/// same key made.
class Registration {
 public:
  Registration(const Context& context, Environment& environment, const Project& project,
               const TrainingSpec& training, const RegistrationInputs& inputs)
      : context_(context),
        environment_(environment),
        project_(project),
        training_(training),
        inputs_(inputs) {}

  Result<Registered> Run(StageOutput& output) {
    MILL_RETURN_IF_ERROR(Load());
    MILL_RETURN_IF_ERROR(MakeRun());
    MILL_RETURN_IF_ERROR(LogData());
    MILL_RETURN_IF_ERROR(PutRunArtifacts());
    for (const TrainedModel& model : models_) {
      MILL_RETURN_IF_ERROR(LogModel(model));
    }
    MILL_RETURN_IF_ERROR(MakeVersion());
    MILL_RETURN_IF_ERROR(PassGates(output));
    MILL_RETURN_IF_ERROR(Finish());
    output.rows = static_cast<std::int64_t>(models_.size());
    output.notes.insert(output.notes.begin(), "run " + registered_.run_id + ", model " +
                                                  registered_.model + " version " +
                                                  std::to_string(registered_.version));
    return registered_;
  }

 private:
  Result<void> Load() {
    for (const TrainedDir& dir : inputs_.trained) {
      MILL_ASSIGN_OR_RETURN(TrainedModel model, ReadTrained(dir.dir));
      models_.push_back(std::move(model));
    }
    MILL_ASSIGN_OR_RETURN(const std::string choice_text, base::ReadFile(inputs_.choice));
    MILL_ASSIGN_OR_RETURN(const Json choice, base::ParseJson(choice_text, inputs_.choice.string()));
    chosen_ = choice.value("learner", "");
    if (std::none_of(models_.begin(), models_.end(),
                     [&](const TrainedModel& model) { return model.name == chosen_; })) {
      return base::DataLoss("file \"" + inputs_.choice.string() + "\" names the learner \"" +
                            chosen_ + "\", which was not trained");
    }
    MILL_ASSIGN_OR_RETURN(const std::string metrics_text,
                          base::ReadFile(inputs_.evaluation / "metrics.json"));
    MILL_ASSIGN_OR_RETURN(const Json metrics, base::ParseJson(metrics_text, "metrics.json"));
    for (const auto& [name, value] : metrics.items()) {
      MILL_ASSIGN_OR_RETURN(metrics_[name],
                            ReadNumber(value, "metrics.json: metric \"" + name + "\""));
    }
    MILL_ASSIGN_OR_RETURN(training_set_, data::ReadParquet(context_, inputs_.training_set));
    MILL_ASSIGN_OR_RETURN(const data::Table labels, data::ReadParquet(context_, inputs_.labels));
    label_hash_ = labels.Hash().Hex();
    registered_.model = training_.name.value;
    return {};
  }

  const TrainedModel& Chosen() const {
    return *std::find_if(models_.begin(), models_.end(),
                         [&](const TrainedModel& model) { return model.name == chosen_; });
  }

  Result<void> MakeRun() {
    tracking::TrackingStore& tracking = environment_.tracking();
    MILL_ASSIGN_OR_RETURN(const tracking::Experiment experiment,
                          tracking.EnsureExperiment(project_.file.name));
    experiment_id_ = experiment.id;
    tracking::RunRequest request;
    request.experiment_id = experiment.id;
    request.idempotency_key = inputs_.idempotency_key;
    request.tags = {{"millrace.training", training_.name.value},
                    {"millrace.learner", chosen_},
                    {"millrace.label_hash", label_hash_}};
    MILL_ASSIGN_OR_RETURN(const tracking::Run run, tracking.CreateRun(request));
    registered_.run_id = run.info.run_id;
    artifact_uri_ = run.info.artifact_uri;
    std::vector<tracking::Param> params = {{"learner", chosen_},
                                           {"seed", std::to_string(context_.seed)}};
    for (const auto& [name, value] : Chosen().params) {
      params.push_back({chosen_ + "." + name, value});
    }
    // The run's own start time, so that a repeated call logs the same points and not new ones.
    std::vector<tracking::Metric> metrics;
    for (const auto& [name, value] : metrics_) {
      metrics.push_back({"test_" + name, value, run.info.start_time_ms, 0});
    }
    for (const TrainedModel& model : models_) {
      metrics.push_back({"validation_" + model.name + "_roc_auc", model.validation_auc,
                         run.info.start_time_ms, 0});
    }
    std::erase_if(metrics,
                  [&](const tracking::Metric& metric) { return run.metrics.contains(metric.key); });
    return tracking.LogBatch(registered_.run_id, metrics, params);
  }

  /// Tables, features and training set as inputs of the run: MLflow's clients see them, and the
  /// lineage of the version is made of them.
  Result<void> LogData() {
    std::vector<tracking::DatasetInput> inputs;
    std::vector<std::string> tables;
    std::vector<std::string> parts;
    for (const ViewFile& view : inputs_.views) {
      const std::string& table = view.plan->source;
      if (std::find(tables.begin(), tables.end(), table) == tables.end()) {
        MILL_ASSIGN_OR_RETURN(const ContentHash hash, base::HashFile(view.source));
        inputs.push_back(tracking::TableInput(table, hash.Hex()));
        tables.push_back(table);
      }
      inputs.push_back(tracking::FeaturesInput(view.plan->name, view.plan->hash.Hex(), {table},
                                               view.plan->ColumnNames()));
      parts.push_back(view.plan->name);
    }
    parts.push_back(training_.label.source.value);
    inputs.push_back(tracking::TrainingSetInput(training_.name.value + " training set",
                                                training_set_.Hash().Hex(), parts));
    return environment_.tracking().LogInputs(registered_.run_id, inputs);
  }

  /// Report, pictures, metrics and the project's files are artifacts of the run.
  Result<void> PutRunArtifacts() {
    MILL_RETURN_IF_ERROR(
        PutArtifacts(environment_, artifact_uri_ + "/evaluation", inputs_.evaluation));
    for (const std::string folder : {"features", "training"}) {
      MILL_RETURN_IF_ERROR(
          PutArtifacts(environment_, artifact_uri_ + "/project/" + folder, project_.root / folder));
    }
    return {};
  }

  Result<void> LogModel(const TrainedModel& trained) {
    tracking::TrackingStore& tracking = environment_.tracking();
    tracking::LoggedModelRequest request;
    request.experiment_id = experiment_id_;
    request.name = trained.name;
    request.source_run_id = registered_.run_id;
    request.params = trained.params;
    request.idempotency_key = inputs_.idempotency_key + "/" + trained.name;
    MILL_ASSIGN_OR_RETURN(const tracking::LoggedModel logged, tracking.CreateLoggedModel(request));
    registered_.model_locations[trained.name] = logged.artifact_location;
    model_ids_[trained.name] = logged.model_id;
    if (logged.status == tracking::LoggedModelStatus::kReady) {
      return {};
    }
    models::ModelMetadata metadata;
    metadata.training_set_hash = training_set_.Hash();
    for (const ViewFile& view : inputs_.views) {
      metadata.view_hashes[view.plan->name] = view.plan->hash;
    }
    metadata.seed = trained.seed;
    metadata.metrics = {{"validation_auc", trained.validation_auc},
                        {"test_auc", metrics_[trained.name + "_roc_auc"]}};
    metadata.learner = trained.learner;
    metadata.params = trained.params;
    const std::vector<std::string>& names = trained.estimator->feature_names();
    MILL_ASSIGN_OR_RETURN(const models::Model model,
                          models::Model::Make(models::DoubleSignature(names), trained.estimator,
                                              std::move(metadata)));
    MILL_ASSIGN_OR_RETURN(const SetRows test,
                          ReadSet(training_set_, "test", training_.label.name, names));
    models::SaveInfo info;
    info.run_id = registered_.run_id;
    info.model_id = logged.model_id;
    info.time = Timestamp{logged.creation_time_ms * 1000};
    info.sample_rows = test.features.values;
    // What a killed attempt left here or in the store is written over with the same bytes.
    const fs::path dir = environment_.workspace().CacheDir() / ("model-" + logged.model_id);
    Result<void> saved = models::SaveModel(model, dir, info);
    if (saved.ok()) {
      saved = PutArtifacts(environment_, logged.artifact_location, dir);
    }
    std::error_code ignored;  // what cannot be removed here is removed with the cache
    fs::remove_all(dir, ignored);
    MILL_RETURN_IF_ERROR(std::move(saved).With("saving model " + trained.name));
    const tracking::ModelOutput output{logged.model_id, 0};
    MILL_RETURN_IF_ERROR(tracking.LogOutputs(registered_.run_id, {&output, 1}));
    auto finalized =
        tracking.FinalizeLoggedModel(logged.model_id, tracking::LoggedModelStatus::kReady);
    return finalized.ok() ? Result<void>() : Result<void>(std::move(finalized).error());
  }

  Result<void> MakeVersion() {
    tracking::Registry& registry = environment_.registry();
    auto model = registry.EnsureModel(training_.name.value);
    if (!model.ok()) {
      return std::move(model).error();
    }
    tracking::VersionRequest request;
    request.name = training_.name.value;
    request.source = "models:/" + model_ids_[chosen_];
    request.run_id = registered_.run_id;
    request.model_id = model_ids_[chosen_];
    request.tags = {{std::string(tracking::kTestAucTag), base::FormatDouble(metrics_["roc_auc"])},
                    {std::string(tracking::kLabelHashTag), label_hash_},
                    {"learner", chosen_}};
    request.idempotency_key = inputs_.idempotency_key;
    MILL_ASSIGN_OR_RETURN(const fs::path folder,
                          FetchArtifacts(environment_, registered_.model_locations[chosen_]));
    MILL_RETURN_IF_ERROR(CheckSignatureAndExample(folder));
    MILL_ASSIGN_OR_RETURN(const tracking::ModelVersion version, registry.RegisterVersion(request));
    registered_.version = version.version;
    return {};
  }

  Result<void> PassGates(StageOutput& output) {
    tracking::Registry& registry = environment_.registry();
    MILL_ASSIGN_OR_RETURN(const auto champion,
                          registry.FindByAlias(training_.name.value, kChampion));
    const tracking::TestScore candidate{registered_.version, metrics_["roc_auc"], label_hash_};
    std::optional<tracking::TestScore> reigning;
    const bool is_champion = champion && champion->version == registered_.version;
    const tracking::GateSpec gates = training_.gates.value_or(tracking::GateSpec{});
    // After a crash between promotion and the record of this step the version is champion already:
    // judge it as it was judged then.
    if (champion && champion->version != registered_.version) {
      reigning = RecordedScore(*champion);
      if (tracking::NeedsRescore(gates, candidate, reigning)) {
        MILL_ASSIGN_OR_RETURN(reigning->auc, Rescore(*champion));
        reigning->label_hash = label_hash_;
        output.notes.push_back("champion version " + std::to_string(champion->version) +
                               " scored again on the new labels: test AUC " +
                               base::FormatFixed(reigning->auc, 4));
      }
    }
    MILL_ASSIGN_OR_RETURN(const tracking::GateDecision decision,
                          tracking::DecideGates(gates, candidate, reigning));
    if (training_.gates) {
      MILL_RETURN_IF_ERROR(registry.SetGates(training_.name.value, training_.gates));
    }
    tracking::Promotion promotion;
    promotion.name = training_.name.value;
    promotion.version = registered_.version;
    promotion.alias = kChampion;
    promotion.decision = decision;
    promotion.evidence = "run " + registered_.run_id;
    for (const tracking::GateCheck& check : decision.checks) {
      registered_.gates.push_back(check.sentence);
      output.notes.push_back(std::string(check.passed ? "gate passed: " : "gate FAILED: ") +
                             check.sentence);
    }
    // What holds a version back after its gates are missing approvals: no failure of the run.
    const auto promoted = decision.promote && !is_champion
                              ? registry.Promote(promotion)
                              : registry.GetVersion(promotion.name, promotion.version);
    if (!promoted.ok() && promoted.error().code() != ErrorCode::kFailedPrecondition) {
      return promoted.error();
    }
    registered_.promoted = decision.promote && promoted.ok();
    if (!promoted.ok()) {
      registered_.gates.push_back(promoted.error().message());
      output.notes.push_back("gate FAILED: " + promoted.error().message() + "; " +
                             promoted.error().hint());
    }
    if (!registered_.promoted) {
      output.notes.push_back("version " + std::to_string(registered_.version) +
                             " stays without alias; the run goes on with the champion");
      return {};
    }
    output.notes.push_back("version " + std::to_string(registered_.version) + " is now " +
                           kChampion);
    return {};
  }

  static tracking::TestScore RecordedScore(const tracking::ModelVersion& version) {
    tracking::TestScore score;
    score.version = version.version;
    const auto auc = version.tags.find("test_auc");
    const auto hash = version.tags.find("label_hash");
    if (auc != version.tags.end() && hash != version.tags.end()) {
      score.auc = std::strtod(auc->second.c_str(), nullptr);
      score.label_hash = hash->second;
    }
    return score;
  }

  /// The champion's AUC on today's test rows, with the feature definitions it was trained on.
  Result<double> Rescore(const tracking::ModelVersion& version) {
    const std::string doing =
        "scoring champion version " + std::to_string(version.version) + " again";
    auto model = LoadVersion(environment_, version);
    if (!model.ok()) {
      return std::move(model).error().With(doing);
    }
    data::Table rows = training_set_;
    std::map<std::string, ContentHash> hashes;
    for (const ViewFile& view : inputs_.views) {
      hashes[view.plan->name] = view.plan->hash;
    }
    if (hashes != model->metadata().view_hashes) {
      auto recomputed = RecomputeFeatures(version, model->metadata().view_hashes);
      if (!recomputed.ok()) {
        return std::move(recomputed).error().With(doing);
      }
      rows = std::move(*recomputed);
    }
    MILL_ASSIGN_OR_RETURN(const SetRows test, ReadSet(rows, "test", training_.label.name,
                                                      model->estimator()->feature_names()));
    return metrics::RocAuc(PredictAll(*model->estimator(), test.features), test.labels);
  }

  /// Today's label rows joined with the features as the version's run defined them.
  Result<data::Table> RecomputeFeatures(const tracking::ModelVersion& version,
                                        const std::map<std::string, ContentHash>& hashes) {
    MILL_ASSIGN_OR_RETURN(const tracking::Run run, environment_.tracking().GetRun(version.run_id));
    MILL_ASSIGN_OR_RETURN(
        const fs::path files,
        FetchArtifacts(environment_, run.info.artifact_uri + "/project/features"));
    Project old = project_;
    old.features.clear();
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(files, error)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".yaml" && extension != ".yml") {
        continue;
      }
      MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(entry.path()));
      MILL_ASSIGN_OR_RETURN(const base::YamlNode node,
                            base::YamlNode::Parse(text, entry.path().string()));
      base::ErrorList errors;
      old.features.push_back(features::FeatureFile::Declared().Read(node, errors));
      if (!errors.empty()) {
        return errors.ToError();
      }
    }
    if (error) {
      return base::FromErrno(error.value(), "reading folder", files.string());
    }
    MILL_ASSIGN_OR_RETURN(const auto engine,
                          OpenProjectEngine(context_, old, environment_.threads()));
    MILL_ASSIGN_OR_RETURN(const std::vector<features::ViewPlan> plans,
                          CompileProjectFeatures(old, *engine));
    std::vector<ViewFile> views;
    for (const auto& [name, hash] : hashes) {
      const auto plan = std::find_if(plans.begin(), plans.end(),
                                     [&](const features::ViewPlan& p) { return p.hash == hash; });
      const fs::path source = plan == plans.end() ? fs::path() : SourceFileOf(plan->source);
      if (source.empty()) {
        return base::FailedPrecondition("view \"" + name + "\" of hash " + hash.Hex() +
                                        " cannot be computed any more: its source changed")
            .Hint("give the alias champion to another version, or delete it");
      }
      views.push_back({&*plan, source});
    }
    const fs::path dir = environment_.workspace().CacheDir() / ("rescore-" + registered_.run_id);
    MILL_RETURN_IF_ERROR(base::MakeDirectories(dir));
    auto joined = JoinTrainingSet(context_, training_, inputs_.labels, views, dir);
    if (!joined.ok()) {
      return std::move(joined).error();
    }
    auto rows = data::ReadParquet(context_, dir / "training_set.parquet");
    std::error_code ignored;  // what cannot be removed here is removed with the cache
    fs::remove_all(dir, ignored);
    return rows;
  }
  /// Empty if no view of today reads that table.
  fs::path SourceFileOf(const std::string& source) const {
    for (const ViewFile& view : inputs_.views) {
      if (view.plan->source == source) {
        return view.source;
      }
    }
    return {};
  }

  Result<void> Finish() {
    tracking::RunUpdate update;
    update.status = tracking::RunStatus::kFinished;
    MILL_ASSIGN_OR_RETURN(const tracking::Run run,
                          environment_.tracking().GetRun(registered_.run_id));
    if (run.info.status == tracking::RunStatus::kFinished) {
      return {};
    }
    update.end_time_ms = context_.clock->Now().micros / 1000;
    auto updated = environment_.tracking().UpdateRun(registered_.run_id, update);
    return updated.ok() ? Result<void>() : Result<void>(std::move(updated).error());
  }

  const Context& context_;
  Environment& environment_;
  const Project& project_;
  const TrainingSpec& training_;
  const RegistrationInputs& inputs_;
  std::vector<TrainedModel> models_;
  std::string chosen_;
  std::map<std::string, double> metrics_;
  data::Table training_set_;
  std::string label_hash_;
  std::string experiment_id_;
  std::string artifact_uri_;
  std::map<std::string, std::string> model_ids_;
  Registered registered_;
};

}  // namespace

Result<Registered> RegisterModel(const Context& context, Environment& environment,
                                 const Project& project, const TrainingSpec& training,
                                 const RegistrationInputs& inputs, const fs::path& out,
                                 StageOutput& output) {
  MILL_ASSIGN_OR_RETURN(Registered registered,
                        Registration(context, environment, project, training, inputs).Run(output));
  const Json json = {{"run_id", registered.run_id},   {"model", registered.model},
                     {"version", registered.version}, {"promoted", registered.promoted},
                     {"gates", registered.gates},     {"models", registered.model_locations}};
  MILL_RETURN_IF_ERROR(base::WriteFileAtomic(out / "registered.json", base::DumpJsonPretty(json)));
  return registered;
}

Result<Registered> ReadRegistered(const fs::path& file) {
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file));
  MILL_ASSIGN_OR_RETURN(const Json json, base::ParseJson(text, file.string()));
  try {
    Registered registered;
    registered.run_id = json.at("run_id").get<std::string>();
    registered.model = json.at("model").get<std::string>();
    registered.version = json.at("version").get<std::int64_t>();
    registered.promoted = json.at("promoted").get<bool>();
    registered.gates = json.at("gates").get<std::vector<std::string>>();
    registered.model_locations = json.at("models").get<std::map<std::string, std::string>>();
    return registered;
  } catch (const Json::exception& error) {
    return base::DataLoss("file \"" + file.string() + "\": " + error.what());
  }
}

}  // namespace millrace::app
