// SPDX-License-Identifier: Apache-2.0
// May they? Requests about experiments and what belongs to one: runs, artifacts, logged models,
// traces, evaluation datasets, issues, scorers.
#include <algorithm>
#include <cctype>
#include <utility>

#include "api/internal/access_guard.h"
#include "tracking/artifact_uri.h"

namespace millrace::api::internal {

namespace {

using tracking::Permission;
using tracking::ResourceKind;
using Decision = std::optional<bool>;

// What cannot be reached without its experiment.
constexpr ResourceKind kPartsOfExperiments[] = {
    ResourceKind::kRun,          ResourceKind::kTrace,       ResourceKind::kLoggedModel,
    ResourceKind::kAssessment,   ResourceKind::kReviewQueue, ResourceKind::kScorer,
    ResourceKind::kScorerVersion};

std::string FromQuery(const net::Request& request, std::string_view name) {
  for (auto& [key, value] : ParseQuery(request.query())) {
    if (key == name) {
      return std::move(value);
    }
  }
  return {};
}

std::string ExperimentIn(const Message& in, std::string_view field) {
  return in.Has(field) ? in.Text(field) : "0";
}

/// "mlflow_experiment": {"experiment_id": "7"}; another kind of place is not one of ours.
std::string ExperimentOfLocation(const std::optional<Object>& location) {
  const auto experiment =
      location ? location->ObjectIfSet("mlflow_experiment") : std::optional<Object>();
  return experiment ? experiment->Text("experiment_id") : "0";
}

/// Whose artifacts lie at "7/abc/artifacts/model", "7/models/m-1/..." or "7/traces/tr-1/..." of
/// experiment 7; nothing for the experiment's own.
std::vector<ResourceKind> PartsOfPath(std::string_view path, bool is_deleted) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (slash != 0) {
      parts.push_back(path.substr(0, slash));
    }
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  if (parts.size() < 2) {
    return is_deleted
               ? std::vector{ResourceKind::kRun, ResourceKind::kTrace, ResourceKind::kLoggedModel}
               : std::vector<ResourceKind>();
  }
  if (parts[1] == "models") {
    return {ResourceKind::kLoggedModel};
  }
  if (parts[1] == "traces") {
    return {ResourceKind::kTrace};
  }
  const bool is_run_id =
      parts[1].size() == 32 && std::all_of(parts[1].begin(), parts[1].end(), [](unsigned char c) {
        return std::isdigit(c) != 0 || (c >= 'a' && c <= 'f');
      });
  const bool is_run = is_run_id || (parts.size() > 2 && parts[2] == "artifacts");
  return is_run || is_deleted ? std::vector{ResourceKind::kRun} : std::vector<ResourceKind>();
}

}  // namespace

std::optional<std::string> ExperimentOfPath(std::string_view path) {
  const std::string_view id = path.substr(0, path.find('/'));
  if (id.empty() ||
      !std::all_of(id.begin(), id.end(), [](unsigned char c) { return std::isdigit(c) != 0; })) {
    return std::nullopt;
  }
  for (std::string_view rest = path; !rest.empty();) {
    const std::size_t slash = rest.find('/');
    if (rest.substr(0, slash) == "..") {
      return std::nullopt;
    }
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  }
  return std::string(id);
}

bool IsHandedOut(std::string_view uri) {
  return tracking::IsLocalLocation(uri) || uri.starts_with("mlflow-artifacts:") ||
         uri.starts_with("http:") || uri.starts_with("https:");
}

Result<bool> AccessGuard::MayReadRun(const Question& question, const std::string& run_id) const {
  MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfRun(run_id));
  return question.MayOnPartOf(id, ResourceKind::kRun, Permission::kRead);
}

Result<bool> AccessGuard::MayReadLoggedModel(const Question& question,
                                             const std::string& model_id) const {
  MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfLoggedModel(model_id));
  return question.MayOnPartOf(id, ResourceKind::kLoggedModel, Permission::kRead);
}

// Metrics may be written on logged models of other experiments, inputs and outputs name them.
Result<bool> AccessGuard::MayOnModelsNamed(const Question& question, const Message& in) const {
  std::vector<std::string> ids;
  const auto add = [&ids](const std::string& id) {
    if (!id.empty() && (ids.empty() || ids.back() != id)) {
      ids.push_back(id);
    }
  };
  add(in.Text("model_id"));
  for (const std::string_view list : {"metrics", "models"}) {
    for (const Object& item : in.Objects(list)) {
      add(item.Text("model_id"));
    }
  }
  for (const std::string& model_id : ids) {
    const Result<std::string> id = access_.ExperimentOfLoggedModel(model_id);
    if (!id.ok() && id.error().code() == ErrorCode::kNotFound) {
      return false;
    }
    if (!id.ok()) {
      return id.error();
    }
    if (!question.MayOnPartOf(*id, ResourceKind::kLoggedModel, Permission::kEdit)) {
      return false;
    }
  }
  return true;
}

Result<Decision> AccessGuard::MayOnRuns(const Question& question) const {
  const AccessRule& rule = question.rule;
  const auto on_run = [&](const std::string& run_id) -> Result<Decision> {
    MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfRun(run_id));
    return Decision(question.MayOnPartOf(id, ResourceKind::kRun, rule.needed));
  };
  switch (rule.subject) {
    case AccessSubject::kRunOfQuery: {
      const std::string run_id = FromQuery(question.request.http, "run_id");
      return on_run(run_id.empty() ? FromQuery(question.request.http, "run_uuid") : run_id);
    }
    case AccessSubject::kLoggedModel: {
      MILL_ASSIGN_OR_RETURN(const std::string id,
                            access_.ExperimentOfLoggedModel(question.request.params.at(0)));
      return Decision(question.MayOnPartOf(id, ResourceKind::kLoggedModel, rule.needed));
    }
    case AccessSubject::kRun:
    case AccessSubject::kRunAndModels:
    case AccessSubject::kRunAndTraces:
    case AccessSubject::kRuns:
    case AccessSubject::kExperiment:
    case AccessSubject::kExperimentName:
    case AccessSubject::kWholeExperiment:
    case AccessSubject::kNewExperiment:
    case AccessSubject::kNewRun:
    case AccessSubject::kNewLoggedModel:
      break;
    default:
      return Decision();
  }
  MILL_ASSIGN_OR_RETURN(const Message in, question.Read());
  switch (rule.subject) {
    case AccessSubject::kRun:
      return on_run(in.RunId());
    case AccessSubject::kRunAndModels: {
      MILL_ASSIGN_OR_RETURN(const Decision may, on_run(in.RunId()));
      MILL_ASSIGN_OR_RETURN(const bool may_on_models, MayOnModelsNamed(question, in));
      return Decision(*may && may_on_models);
    }
    case AccessSubject::kRunAndTraces: {
      MILL_ASSIGN_OR_RETURN(const Decision may, on_run(in.RunId()));
      MILL_ASSIGN_OR_RETURN(const bool may_read,
                            MayOnTraceIds(question, in.Texts(rule.field), Permission::kRead));
      return Decision(*may && may_read);
    }
    case AccessSubject::kRuns:
      for (const std::string& run_id : in.Texts(rule.field)) {
        const Result<Decision> may = on_run(run_id);
        if (!may.ok() && may.error().code() == ErrorCode::kNotFound) {
          continue;  // the handler knows what to say of a run that is not there
        }
        if (!may.ok() || !**may) {
          return may;
        }
      }
      return Decision(true);
    case AccessSubject::kExperimentName: {
      MILL_ASSIGN_OR_RETURN(const std::string id, access_.ExperimentOfName(in.Text(rule.field)));
      return Decision(question.MayOnExperiment(id, rule.needed));
    }
    case AccessSubject::kNewExperiment:
      // Its runs would otherwise open the folder of another experiment to who makes it.
      return Decision(
          !question.IsDenied(ResourceKind::kExperiment) &&
          (in.Text("artifact_location").empty() || !IsHandedOut(in.Text("artifact_location"))));
    default:
      break;
  }
  const bool may = question.MayOnExperiment(ExperimentIn(in, rule.field), rule.needed);
  if (rule.subject == AccessSubject::kNewRun) {
    return Decision(may && !question.IsDenied(ResourceKind::kRun));
  }
  if (rule.subject == AccessSubject::kWholeExperiment) {
    return Decision(may &&
                    std::all_of(std::begin(kPartsOfExperiments), std::end(kPartsOfExperiments),
                                [&](ResourceKind part) { return question.MayDeleteParts(part); }));
  }
  if (rule.subject == AccessSubject::kNewLoggedModel) {
    if (!may || question.IsDenied(ResourceKind::kLoggedModel)) {
      return Decision(false);
    }
    const std::string run_id = in.Text("source_run_id");
    // Where the run is not there the handler knows what to say.
    const Result<bool> may_read =
        run_id.empty() ? Result<bool>(true) : MayReadRun(question, run_id);
    return !may_read.ok() && may_read.error().code() == ErrorCode::kNotFound
               ? Result<Decision>(true)
           : may_read.ok() ? Result<Decision>(*may_read)
                           : Result<Decision>(may_read.error());
  }
  return Decision(may);
}

Result<Decision> AccessGuard::MayOnArtifacts(const Question& question) const {
  const AccessRule& rule = question.rule;
  if (rule.subject != AccessSubject::kArtifacts) {
    return Decision();
  }
  std::string path;
  if (!question.request.params.empty()) {
    path = PercentDecode(question.request.params.back());
  } else {
    MILL_ASSIGN_OR_RETURN(const Message in, question.Read());
    path = in.Text(rule.field);
  }
  const auto id = ExperimentOfPath(path);
  if (!id) {
    return Decision(false);
  }
  const std::vector<ResourceKind> parts = PartsOfPath(path, rule.needed == Permission::kManage);
  if (parts.empty()) {
    return Decision(question.MayOnExperiment(*id, rule.needed));
  }
  return Decision(std::all_of(parts.begin(), parts.end(), [&](ResourceKind part) {
    return question.MayOnPartOf(*id, part, rule.needed);
  }));
}

Result<bool> AccessGuard::MayOnTraceIds(const Question& question,
                                        const std::vector<std::string>& ids,
                                        Permission needed) const {
  for (const std::string& trace_id : ids) {
    const Result<std::string> id = access_.ExperimentOfTrace(trace_id);
    if (!id.ok() && id.error().code() != ErrorCode::kNotFound) {
      return id.error();
    }
    // Of one that is not there the handler knows what to say.
    if (id.ok() && !question.MayOnPartOf(*id, ResourceKind::kTrace, needed)) {
      return false;
    }
  }
  return true;
}

Result<Decision> AccessGuard::MayOnTraces(const Question& question) const {
  const AccessRule& rule = question.rule;
  const auto on_all = [&](const std::vector<std::string>& experiments) {
    return Decision(std::all_of(experiments.begin(), experiments.end(), [&](const std::string& id) {
      return question.MayOnPartOf(id, ResourceKind::kTrace, rule.needed);
    }));
  };
  const auto may_make = [&](const std::string& experiment) {
    return question.MayOnExperiment(experiment, rule.needed) &&
           !question.IsDenied(ResourceKind::kTrace);
  };
  switch (rule.subject) {
    case AccessSubject::kExperimentOfHeader: {
      const std::string id(question.request.http.Header("X-MLflow-Experiment-Id"));
      return Decision(may_make(id.empty() ? "0" : id));
    }
    case AccessSubject::kTrace:
    case AccessSubject::kAssessment:
    case AccessSubject::kNewAssessment: {
      MILL_ASSIGN_OR_RETURN(const std::string id,
                            access_.ExperimentOfTrace(question.request.params.at(0)));
      if (rule.subject == AccessSubject::kTrace) {
        return on_all({id});
      }
      const bool may_read = question.MayOnPartOf(id, ResourceKind::kTrace, Permission::kRead);
      if (rule.subject == AccessSubject::kNewAssessment) {
        // Either gives it: what was given on traces never takes from who may edit the experiment.
        return Decision(may_read && !question.IsDenied(ResourceKind::kAssessment) &&
                        (question.MayOnExperiment(id, rule.needed) ||
                         (question.grants.HasOwn(ResourceKind::kTrace) &&
                          question.May(tracking::GrantSet::Every(ResourceKind::kTrace)))));
      }
      // Without a permission on assessments EDIT on the experiment is enough to delete one.
      const Permission needed = question.grants.HasOwn(ResourceKind::kAssessment)
                                    ? rule.needed
                                    : std::min(rule.needed, Permission::kEdit);
      return Decision(may_read && question.MayOnPartOf(id, ResourceKind::kAssessment, needed));
    }
    case AccessSubject::kAllExperiments:
    case AccessSubject::kLocations:
    case AccessSubject::kTraceOfField:
    case AccessSubject::kTraces:
    case AccessSubject::kNewTrace:
    case AccessSubject::kDeletedTraces:
      break;
    default:
      return Decision();
  }
  MILL_ASSIGN_OR_RETURN(const Message in, question.Read());
  std::vector<std::string> experiments;
  Result<bool> may = true;
  switch (rule.subject) {
    case AccessSubject::kAllExperiments:
      return on_all(in.Texts(rule.field));
    case AccessSubject::kLocations:
      for (const Object& location : in.Objects("locations")) {
        experiments.push_back(ExperimentOfLocation(location));
      }
      return on_all(experiments);
    case AccessSubject::kDeletedTraces: {
      const std::string id = ExperimentIn(in, rule.field);
      const bool has_own = question.grants.HasOwn(ResourceKind::kAssessment);
      return Decision(question.MayOnPartOf(id, ResourceKind::kTrace, rule.needed) &&
                      question.MayOnPartOf(id, ResourceKind::kAssessment,
                                           has_own ? rule.needed : Permission::kEdit));
    }
    case AccessSubject::kTraceOfField:
      may = MayOnTraceIds(question, {in.Text(rule.field)}, rule.needed);
      break;
    case AccessSubject::kTraces:
      may = MayOnTraceIds(question, in.Texts(rule.field), rule.needed);
      break;
    default: {
      const auto trace = in.ObjectIfSet("trace");
      const auto info = trace ? trace->ObjectIfSet("trace_info") : std::nullopt;
      const std::string id =
          trace ? ExperimentOfLocation(info ? info->ObjectIfSet("trace_location") : std::nullopt)
                : ExperimentIn(in, "experiment_id");
      const bool has_assessments = info && !info->Objects("assessments").empty();
      if (!may_make(id) || (has_assessments && question.IsDenied(ResourceKind::kAssessment))) {
        return Decision(false);
      }
      may = MayOnTraceIds(question, {info ? info->Text("trace_id") : ""}, rule.needed);
    }
  }
  return may.ok() ? Result<Decision>(*may) : Result<Decision>(may.error());
}

Result<Decision> AccessGuard::MayOnEvaluation(const Question& question) const {
  const AccessRule& rule = question.rule;
  const auto on_all = [&](const std::vector<std::string>& experiments) {
    return std::all_of(experiments.begin(), experiments.end(), [&](const std::string& id) {
      return question.MayOnExperiment(id, rule.needed);
    });
  };
  const auto on_some = [&](const std::vector<std::string>& experiments) {
    return !experiments.empty() && on_all(experiments);
  };
  switch (rule.subject) {
    case AccessSubject::kIssue: {
      MILL_ASSIGN_OR_RETURN(const std::string id,
                            access_.ExperimentOfIssue(question.request.params.at(0)));
      return Decision(on_all({id}));
    }
    case AccessSubject::kEvaluationDataset:
    case AccessSubject::kEvaluationDatasetAndExperiments: {
      MILL_ASSIGN_OR_RETURN(const auto experiments,
                            access_.ExperimentsOfEvaluationDataset(question.request.params.at(0)));
      if (!on_some(experiments) || rule.subject == AccessSubject::kEvaluationDataset) {
        return Decision(on_some(experiments));
      }
      break;
    }
    case AccessSubject::kSomeExperiments:
    case AccessSubject::kOneOrSomeExperiments:
    case AccessSubject::kScorers:
    case AccessSubject::kScorer:
    case AccessSubject::kNewScorer:
    case AccessSubject::kDeletedScorer:
      break;
    default:
      return Decision();
  }
  MILL_ASSIGN_OR_RETURN(const Message in, question.Read());
  const std::string experiment = in.Text("experiment_id");
  const tracking::Resource scorer{ResourceKind::kScorer,
                                  tracking::ScorerResourceId(experiment, in.Text("name"))};
  switch (rule.subject) {
    case AccessSubject::kNewScorer:
      return Decision(question.MayOnExperiment(experiment, rule.needed) &&
                      question.May(scorer, Permission::kNone) &&
                      !question.IsDenied(ResourceKind::kScorerVersion));
    case AccessSubject::kScorer:
      return Decision(question.MayOnExperiment(experiment, Permission::kRead) &&
                      question.MayOnPart(ResourceKind::kScorerVersion, scorer, rule.needed));
    case AccessSubject::kDeletedScorer:
      return Decision(question.MayOnExperiment(experiment, Permission::kRead) &&
                      (in.Has("version") || question.May(scorer)) &&
                      question.MayOnPart(ResourceKind::kScorerVersion, scorer, rule.needed));
    case AccessSubject::kScorers: {
      std::vector<std::string> experiments;
      for (const std::string& scorer_id : in.Texts(rule.field)) {
        Result<std::string> id = access_.ExperimentOfScorer(scorer_id);
        if (id.ok()) {
          experiments.push_back(*std::move(id));
        } else if (id.error().code() != ErrorCode::kNotFound) {
          return id.error();  // one that is not there is left out of the reply
        }
      }
      return Decision(on_all(experiments));
    }
    case AccessSubject::kOneOrSomeExperiments:
      if (!experiment.empty()) {
        return Decision(on_all({experiment}));
      }
      if (rule.effect == AccessEffect::kFilterScorers) {
        return Decision(true);
      }
      break;
    default:
      break;
  }
  return Decision(!rule.field.empty() && on_some(in.Texts(rule.field)));
}

}  // namespace millrace::api::internal
