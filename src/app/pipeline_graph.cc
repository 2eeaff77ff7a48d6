// SPDX-License-Identifier: Apache-2.0
// The graph of one pipeline: which step reads what, what it writes, and what its result depends on.
#include "app/pipeline_graph.h"

#include <algorithm>
#include <set>

#include "app/artifact_files.h"
#include "app/deployments.h"
#include "app/evaluate_groups.h"
#include "app/internal/step_params.h"
#include "app/registration.h"
#include "app/stages.h"
#include "app/stages_serve.h"
#include "app/step_result.h"
#include "base/number_format.h"
#include "features/label.h"

namespace millrace::app {
namespace {

using internal::CostParams;
using internal::Params;
using internal::SplitParams;
using internal::SuiteParams;
using pipelines::StepContext;
using pipelines::StepInfo;
using pipelines::StepResult;

/// Wraps a stage function: its output becomes the step's result, also when it fails half way.
template <typename F>
pipelines::StepFunction Wrap(F function) {
  return [function = std::move(function)](const StepContext& step,
                                          StepResult& result) -> Result<void> {
    Result<StageOutput> output = function(step);
    if (!output.ok()) {
      return std::move(output).error();
    }
    result = ToStepResult(*output);
    return {};
  };
}

/// Shared with the steps that it makes: they outlive the building and read its lists.
class GraphBuilder : public std::enable_shared_from_this<GraphBuilder> {
 public:
  explicit GraphBuilder(const PipelineParts& parts)
      : parts_(parts), training_(*parts.training), graph_(parts.pipeline->name.value) {}

  Result<pipelines::Graph> Build() {
    const std::vector<std::pair<std::string, Result<void> (GraphBuilder::*)()>> stages = {
        {"ingest", &GraphBuilder::AddIngest},     {"validate", &GraphBuilder::AddValidate},
        {"features", &GraphBuilder::AddFeatures}, {"label", &GraphBuilder::AddLabel},
        {"train", &GraphBuilder::AddTrain},       {"evaluate", &GraphBuilder::AddEvaluate},
        {"register", &GraphBuilder::AddRegister}, {"deploy", &GraphBuilder::AddDeploy},
        {"score", &GraphBuilder::AddScore},       {"monitor", &GraphBuilder::AddMonitor}};
    for (std::size_t i = 0; i < parts_.pipeline->stages.size(); ++i) {
      MILL_RETURN_IF_ERROR((this->*stages[i].second)());
    }
    return std::move(graph_);
  }

 private:
  /// The artifact with a table's rows. A source that is read directly gets a step that writes it as
  /// one Parquet file.
  static std::string TableArtifact(const std::string& table) { return "table." + table; }

  Result<void> AddIngest() {
    for (const auto& [name, source] : parts_.project->sources.sources) {
      MILL_ASSIGN_OR_RETURN(const auto files, data::FindSourceFiles(source, parts_.project->root));
      for (std::size_t i = 0; i < files.size(); ++i) {
        const std::string artifact = "source." + name.value + "." + std::to_string(i);
        source_files_[name.value].push_back(artifact);
        MILL_RETURN_IF_ERROR(graph_.AddInput(artifact, files[i]));
      }
    }
    for (const data::SqlTable& table : parts_.project->tables) {
      MILL_RETURN_IF_ERROR(AddTable(table));
    }
    return {};
  }

  Result<void> AddTable(const data::SqlTable& table) {
    StepInfo info{"ingest." + table.name,
                  "ingest",
                  1,
                  table.sql,
                  {},
                  {{TableArtifact(table.name), table.name + ".parquet"}},
                  {}};
    std::map<std::string, std::vector<std::string>> reads;
    for (const std::string& name : table.depends) {
      const auto source = source_files_.find(name);
      reads[name] = source != source_files_.end() ? source->second
                                                  : std::vector<std::string>{TableArtifact(name)};
      info.inputs.insert(info.inputs.end(), reads[name].begin(), reads[name].end());
    }
    return graph_.Add(
        MakeStep(std::move(info), Wrap([self = shared_from_this(), this, &table,
                                        reads](const StepContext& step) -> Result<StageOutput> {
                   data::DuckDbOptions options;
                   options.threads = parts_.environment->threads();
                   MILL_ASSIGN_OR_RETURN(const auto engine, data::OpenDuckDb(options));
                   for (const auto& [name, artifacts] : reads) {
                     std::vector<std::filesystem::path> files;
                     for (const std::string& artifact : artifacts) {
                       files.push_back(step.Input(artifact));
                     }
                     MILL_RETURN_IF_ERROR(engine->AddFiles(name, files));
                   }
                   return ComputeSqlTable(step.context(), *engine, table, step.output_dir());
                 })));
  }

  Result<void> AddValidate() {
    for (const quality::Suite& suite : parts_.project->suites) {
      const std::string artifact = "validation." + suite.table.value;
      StepInfo info{"validate." + suite.table.value,
                    "validate",
                    1,
                    SuiteParams(suite),
                    {TableArtifact(suite.table.value)},
                    {{artifact, "validation.json"}},
                    {}};
      validations_.push_back(artifact);
      // A failed gate still shows its table, so the output is converted before the error is looked
      // at.
      const auto run = [&suite](const StepContext& step, StepResult& result) -> Result<void> {
        StageOutput output;
        Result<void> checked =
            CheckQuality(step.context(), suite, step.Input(TableArtifact(suite.table.value)),
                         step.output_dir(), output);
        result = ToStepResult(output);
        return checked;
      };
      MILL_RETURN_IF_ERROR(graph_.Add(MakeStep(std::move(info), run)));
    }
    return {};
  }

  Result<void> AddFeatures() {
    MILL_ASSIGN_OR_RETURN(std::vector<std::int64_t> as_of,
                          features::AsOfTimes(training_.label.as_of));
    if (parts_.endpoint->as_of &&
        std::find(as_of.begin(), as_of.end(), parts_.endpoint->as_of->micros) == as_of.end()) {
      as_of.push_back(parts_.endpoint->as_of->micros);
    }
    std::string times;
    for (const std::int64_t time : as_of) {
      times += std::to_string(time) + " ";
    }
    for (const features::ViewPlan* plan : parts_.PublishedPlans()) {
      StepInfo info{"features." + plan->name,
                    "features",
                    1,
                    Params({plan->hash.Hex(), times}),
                    {TableArtifact(plan->source)},
                    {{"view." + plan->name, plan->name + ".parquet"}},
                    ValidateSteps()};
      MILL_RETURN_IF_ERROR(graph_.Add(MakeStep(
          std::move(info), Wrap([plan, as_of](const StepContext& step) {
            return ComputeView(step.context(), *plan, step.Input(TableArtifact(plan->source)),
                               as_of, step.output_dir());
          }))));
    }
    return {};
  }
  /// Nothing is computed from data that did not pass its checks.
  std::vector<std::string> ValidateSteps() const {
    std::vector<std::string> steps;
    for (const quality::Suite& suite : parts_.project->suites) {
      steps.push_back("validate." + suite.table.value);
    }
    return steps;
  }

  Result<void> AddLabel() {
    const features::LabelSpec& label = training_.label;
    const std::string source = TableArtifact(label.source.value);
    StepInfo labels{
        "label.labels",
        "label",
        1,
        Params({label.name, label.key.value, label.time.value,
                base::FormatTimestamp(label.as_of.from), base::FormatTimestamp(label.as_of.to),
                label.as_of.every, label.population.value, label.positive.value, label.censored,
                SplitParams(training_.split)}),
        {source},
        {{"labels", "labels.parquet"}},
        ValidateSteps()};
    MILL_RETURN_IF_ERROR(graph_.Add(MakeStep(
        std::move(labels), Wrap([self = shared_from_this(), this, source](const StepContext& step) {
          return MakeLabels(step.context(), training_, step.Input(source), step.output_dir());
        }))));
    StepInfo set{"label.training_set",
                 "label",
                 1,
                 label.key.value,
                 {"labels"},
                 {{"training_set", "training_set.parquet"}},
                 {}};
    for (const features::ViewPlan* plan : parts_.TrainingPlans()) {
      set.params += Params({plan->name, plan->hash.Hex()});
      if (std::find(set.inputs.begin(), set.inputs.end(), TableArtifact(plan->source)) ==
          set.inputs.end()) {
        set.inputs.push_back(TableArtifact(plan->source));
      }
    }
    return graph_.Add(
        MakeStep(std::move(set), Wrap([self = shared_from_this(), this](const StepContext& step) {
                   return JoinTrainingSet(step.context(), training_, step.Input("labels"),
                                          ViewFiles(step), step.output_dir());
                 })));
  }
  std::vector<ViewFile> ViewFiles(const StepContext& step) const {
    std::vector<ViewFile> views;
    for (const features::ViewPlan* plan : parts_.TrainingPlans()) {
      views.push_back({plan, step.Input(TableArtifact(plan->source))});
    }
    return views;
  }

  Result<void> AddTrain() {
    std::vector<std::string> features;
    for (const features::ViewPlan* plan : parts_.TrainingPlans()) {
      const std::vector<std::string> names = plan->ColumnNames();
      features.insert(features.end(), names.begin(), names.end());
    }
    for (const auto& [name, params] : training_.learners) {
      MILL_RETURN_IF_ERROR(AddLearner(name.value, name.value, features, trained_));
    }
    for (const auto& [name, baseline] : training_.baselines) {
      std::vector<std::string> few;
      for (const auto& feature : baseline.features) {
        few.push_back(feature.value);
      }
      MILL_RETURN_IF_ERROR(AddLearner(std::string(kBaselinePrefix) + name.value,
                                      baseline.learner.value, few, baselines_));
    }
    StepInfo info{"train.choose",
                  "train",
                  1,
                  Params({training_.choose, training_.label.name, CostParams(training_.costs)}),
                  {"training_set"},
                  {{"choice", "choice.json"}},
                  {}};
    info.inputs.insert(info.inputs.end(), trained_.begin(), trained_.end());
    return graph_.Add(
        MakeStep(std::move(info), Wrap([self = shared_from_this(), this](const StepContext& step) {
                   return ChooseLearner(step.context(), training_, TrainedDirs(step, trained_),
                                        step.Input("training_set"), step.output_dir());
                 })));
  }

  Result<void> AddLearner(const std::string& shown_as, const std::string& learner_name,
                          const std::vector<std::string>& features,
                          std::vector<std::string>& artifacts) {
    MILL_ASSIGN_OR_RETURN(const learners::Learner* learner,
                          parts_.environment->learners().Find(learner_name));
    const auto declared =
        std::find_if(training_.learners.begin(), training_.learners.end(),
                     [&](const auto& entry) { return entry.first.value == learner_name; });
    MILL_ASSIGN_OR_RETURN(const learners::Params given, ReadLearnerParams(declared->second));
    MILL_ASSIGN_OR_RETURN(const learners::Params params,
                          learners::CheckParams(learner->info(), given));
    std::vector<std::string> texts = {shown_as, training_.label.name};
    for (const auto& [name, value] : params) {
      texts.push_back(name + "=" + learners::ParamText(value));
    }
    texts.insert(texts.end(), features.begin(), features.end());
    artifacts.push_back("trained." + shown_as);
    StepInfo info{"train." + shown_as,           "train", 1, Params(texts), {"training_set"},
                  {{artifacts.back(), "model"}}, {}};
    return graph_.Add(MakeStep(
        std::move(info), Wrap([self = shared_from_this(), this, learner, params, shown_as,
                               features](const StepContext& step) {
          return TrainLearner(step.context(), *learner, params, shown_as, training_.label.name,
                              features, step.Input("training_set"), step.output_dir() / "model");
        })));
  }
  static std::vector<TrainedDir> TrainedDirs(const StepContext& step,
                                             const std::vector<std::string>& artifacts) {
    std::vector<TrainedDir> dirs;
    for (const std::string& artifact : artifacts) {
      dirs.push_back({artifact.substr(artifact.find('.') + 1), step.Input(artifact)});
    }
    return dirs;
  }

  Result<void> AddEvaluate() {
    StepInfo info{"evaluate.test",
                  "evaluate",
                  3,
                  "",
                  {"training_set", "choice"},
                  {{"evaluation", "evaluation"}},
                  {}};
    info.params =
        Params({parts_.project->file.name, parts_.project->file.description, training_.description,
                training_.label.name, CostParams(training_.costs),
                base::ConfigType<evaluation::EvaluationSpec>::ToJson(training_.evaluation)});
    for (const features::ViewPlan* plan : parts_.TrainingPlans()) {
      info.params += Params({plan->name, plan->hash.Hex()});
    }
    for (const auto* list : {&trained_, &baselines_, &validations_}) {
      info.inputs.insert(info.inputs.end(), list->begin(), list->end());
    }
    for (const std::string& table : TablesOfGroups(training_.evaluation)) {
      info.inputs.push_back(TableArtifact(table));
    }
    return graph_.Add(
        MakeStep(std::move(info), Wrap([self = shared_from_this(), this](const StepContext& step) {
                   EvaluationInputs inputs{TrainedDirs(step, trained_),
                                           TrainedDirs(step, baselines_),
                                           step.Input("choice"),
                                           step.Input("training_set"),
                                           {},
                                           parts_.TrainingPlans(),
                                           {}};
                   for (const std::string& table : TablesOfGroups(training_.evaluation)) {
                     inputs.tables[table] = step.Input(TableArtifact(table));
                   }
                   for (const std::string& validation : validations_) {
                     inputs.validations.push_back(step.Input(validation));
                   }
                   return Evaluate(step.context(), *parts_.project, training_, inputs,
                                   step.output_dir() / "evaluation");
                 })));
  }

  Result<void> AddRegister() {
    StepInfo info{"register.model",
                  "register",
                  3,
                  "",
                  {"training_set", "labels", "choice", "evaluation"},
                  {{"registered", "registered.json"}},
                  {}};
    info.params =
        Params({parts_.project->file.name, training_.name.value,
                base::ConfigType<std::optional<tracking::GateSpec>>::ToJson(training_.gates)});
    info.inputs.insert(info.inputs.end(), trained_.begin(), trained_.end());
    for (const features::ViewPlan* plan : parts_.TrainingPlans()) {
      if (std::find(info.inputs.begin(), info.inputs.end(), TableArtifact(plan->source)) ==
          info.inputs.end()) {
        info.inputs.push_back(TableArtifact(plan->source));
      }
    }
    const auto run =
        Wrap([self = shared_from_this(), this](const StepContext& step) -> Result<StageOutput> {
          RegistrationInputs inputs{TrainedDirs(step, trained_), step.Input("choice"),
                                    step.Input("training_set"),  step.Input("labels"),
                                    step.Input("evaluation"),    ViewFiles(step),
                                    step.idempotency_key()};
          StageOutput output;
          auto registered = RegisterModel(step.context(), *parts_.environment, *parts_.project,
                                          training_, inputs, step.output_dir(), output);
          if (!registered.ok()) {
            return std::move(registered).error();
          }
          return output;
        });
    const auto still_holds = [self = shared_from_this(), this](const StepContext& step,
                                                               const StepResult&) -> Result<bool> {
      MILL_ASSIGN_OR_RETURN(const Registered registered,
                            ReadRegistered(step.output_dir() / "registered.json"));
      const auto version =
          parts_.environment->registry().GetVersion(registered.model, registered.version);
      return version.ok() &&
             std::all_of(registered.model_locations.begin(), registered.model_locations.end(),
                         [this](const auto& entry) {
                           const auto is_there =
                               HasArtifact(*parts_.environment, entry.second, "MLmodel");
                           return is_there.ok() && *is_there;
                         });
    };
    return graph_.Add(MakeStep(std::move(info), run, still_holds));
  }

  Result<void> AddDeploy() {
    const serving::EndpointSpec& endpoint = *parts_.endpoint;
    std::vector<std::string> texts = {endpoint.name, endpoint.model, endpoint.alias, endpoint.key,
                                      base::FormatTimestamp(*endpoint.as_of)};
    texts.insert(texts.end(), endpoint.views.begin(), endpoint.views.end());
    StepInfo info{"deploy.endpoint", "deploy", 1,
                  Params(texts),     {},       {{"deployed", "deployed.json"}},
                  {"register.model"}};
    for (const features::ViewPlan* plan : parts_.PublishedPlans()) {
      info.params += Params({plan->name, plan->hash.Hex()});
      info.inputs.push_back("view." + plan->name);
    }
    const auto run = Wrap([self = shared_from_this(), this, &endpoint](const StepContext& step) {
      std::vector<ViewValues> views;
      for (const features::ViewPlan* plan : parts_.PublishedPlans()) {
        views.push_back({plan, step.Input("view." + plan->name)});
      }
      return Deploy(step.context(), *parts_.environment, endpoint, views, step.output_dir());
    });
    const auto still_holds = [self = shared_from_this(), this, &endpoint](
                                 const StepContext&, const StepResult&) -> Result<bool> {
      MILL_ASSIGN_OR_RETURN(const auto deployed, ListDeployments(parts_.environment->metadata()));
      if (std::none_of(deployed.begin(), deployed.end(),
                       [&](const auto& spec) { return spec.name == endpoint.name; })) {
        return false;
      }
      MILL_ASSIGN_OR_RETURN(const features::OnlineStore online, parts_.environment->Online());
      for (const features::ViewPlan* plan : parts_.PublishedPlans()) {
        MILL_ASSIGN_OR_RETURN(const auto view, online.FindView(plan->hash));
        if (!view || view->as_of != *endpoint.as_of) {
          return false;
        }
      }
      return true;
    };
    return graph_.Add(MakeStep(std::move(info), run, still_holds));
  }

  /// What was computed for one champion does not hold for the next.
  pipelines::HoldsFunction HoldsForChampion() const {
    return [self = shared_from_this(), this](const StepContext&,
                                             const StepResult& cached) -> Result<bool> {
      MILL_ASSIGN_OR_RETURN(const Champion champion,
                            LoadChampion(*parts_.environment, *parts_.endpoint));
      return ToStageOutput(cached).champion == champion.version.model_id;
    };
  }

  Result<void> AddScore() {
    const serving::EndpointSpec& endpoint = *parts_.endpoint;
    StepInfo info{"score.endpoint",
                  "score",
                  1,
                  Params({endpoint.name, std::to_string(parts_.pipeline->requests)}),
                  {"deployed"},
                  {{"scores", "scores.parquet"}},
                  {"register.model"}};
    return graph_.Add(
        MakeStep(std::move(info),
                 Wrap([self = shared_from_this(), this, &endpoint](const StepContext& step) {
                   return Score(step.context(), *parts_.environment, endpoint,
                                parts_.pipeline->requests, step.output_dir());
                 }),
                 HoldsForChampion()));
  }

  Result<void> AddMonitor() {
    const monitoring::MonitorSpec& monitor = *parts_.monitor;
    const monitoring::DriftThresholds& limits = monitor.thresholds;
    std::vector<std::string> texts = monitor.columns;
    for (const double limit :
         {limits.psi.warn, limits.psi.drift, limits.wasserstein.warn, limits.wasserstein.drift,
          limits.ks.warn, limits.ks.drift, limits.ks_p_value, limits.missing.warn,
          limits.missing.drift, static_cast<double>(limits.votes),
          static_cast<double>(monitor.minimum_rows)}) {
      texts.push_back(base::FormatDouble(limit));
    }
    StepInfo info{"monitor.drift",
                  "monitor",
                  1,
                  Params(texts),
                  {"scores", "evaluation"},
                  {{"drift", "drift.json"}, {"report", "report.html"}, {"drift_plots", "plots"}},
                  {"register.model"}};
    return graph_.Add(MakeStep(
        std::move(info), Wrap([self = shared_from_this(), this, &monitor](const StepContext& step) {
          return Monitor(step.context(), *parts_.environment, *parts_.endpoint, monitor,
                         step.Input("scores"), step.Input("evaluation") / "evaluation.html",
                         step.output_dir());
        }),
        HoldsForChampion()));
  }

  const PipelineParts& parts_;
  const TrainingSpec& training_;
  pipelines::Graph graph_;
  std::map<std::string, std::vector<std::string>> source_files_;
  std::vector<std::string> validations_;
  std::vector<std::string> trained_;
  std::vector<std::string> baselines_;
};

}  // namespace

Result<pipelines::Graph> MakeGraph(const PipelineParts& parts) {
  return std::make_shared<GraphBuilder>(parts)->Build();
}

}  // namespace millrace::app
