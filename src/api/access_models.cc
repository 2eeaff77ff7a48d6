// SPDX-License-Identifier: Apache-2.0
// May they? Requests about registered models, prompts and their versions, and those to endpoints.
#include <algorithm>
#include <utility>

#include "api/internal/access_guard.h"
#include "tracking/artifact_uri.h"

namespace millrace::api::internal {

namespace {

using tracking::Permission;
using tracking::Resource;
using tracking::ResourceKind;
using Decision = std::optional<bool>;

/// Of "mlflow-artifacts:/7/models/m-1/artifacts" or "mlflow-artifacts://host:5000/7/...".
std::optional<std::string> ExperimentOfProxyUri(std::string_view uri) {
  const Result<std::string> path = tracking::ArtifactPath(uri);
  return path.ok() ? ExperimentOfPath(PercentDecode(*path)) : std::nullopt;
}

ResourceKind VersionsOf(const Resource& container) {
  return container.kind == ResourceKind::kPrompt ? ResourceKind::kPromptVersion
                                                 : ResourceKind::kRegisteredModelVersion;
}

/// What the tags of a request say that it makes; nothing where they do not say.
std::optional<ResourceKind> KindByTags(const Message& in) {
  std::optional<ResourceKind> kind;
  for (const Object& tag : in.Objects("tags")) {
    if (tag.Text("key") == "mlflow.prompt.is_prompt") {
      std::string value = tag.Text("value");
      std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
      });
      kind = value == "true" ? ResourceKind::kPrompt : ResourceKind::kRegisteredModel;
    }
  }
  return kind;
}

}  // namespace

Result<bool> AccessGuard::MayUseSource(const Question& question, const std::string& source) const {
  const auto part_after = [&source](std::string_view prefix) {
    const std::string_view rest = std::string_view(source).substr(prefix.size());
    return std::string(rest.substr(0, rest.find('/')));
  };
  if (source.starts_with("runs:/")) {
    return MayReadRun(question, part_after("runs:/"));
  }
  if (source.starts_with("models:/m-")) {
    return MayReadLoggedModel(question, part_after("models:/"));
  }
  if (source.starts_with("models:/")) {
    const std::string name = part_after("models:/");
    MILL_ASSIGN_OR_RETURN(const Resource model,
                          access_.ModelOrPrompt(name.substr(0, name.find('@'))));
    return question.May(model, Permission::kRead);
  }
  if (IsHandedOut(source) && !tracking::IsLocalLocation(source)) {
    const auto id = ExperimentOfProxyUri(source);
    return id && question.MayOnExperiment(*id, Permission::kRead);
  }
  // Places that this server does not hand out, and local ones: those lie inside the folder of a
  // run or a logged model that is named beside them.
  return true;
}

Result<bool> AccessGuard::MayMakeVersion(const Question& question, const Message& in) const {
  MILL_ASSIGN_OR_RETURN(const Resource model, access_.ModelOrPrompt(in.Text(question.rule.field)));
  if (!question.May(model) || question.IsDenied(VersionsOf(model)) ||
      // A tag that says otherwise than the model makes a version of the other kind.
      question.IsDenied(VersionsOf({KindByTags(in).value_or(model.kind), ""}))) {
    return false;
  }
  if (!in.Text("model_id").empty()) {
    MILL_ASSIGN_OR_RETURN(const bool may_read, MayReadLoggedModel(question, in.Text("model_id")));
    if (!may_read) {
      return false;
    }
  }
  if (!in.Text("run_id").empty()) {
    MILL_ASSIGN_OR_RETURN(const bool may_read, MayReadRun(question, in.Text("run_id")));
    if (!may_read) {
      return false;
    }
  }
  return MayUseSource(question, in.Text("source"));
}

Result<Decision> AccessGuard::MayOnModels(const Question& question) const {
  const AccessRule& rule = question.rule;
  const auto& params = question.request.params;
  std::string name;
  switch (rule.subject) {
    case AccessSubject::kEndpoint: {
      const auto endpoint = endpoints_ == nullptr ? nullptr
                            : params.empty()      ? endpoints_->Only()
                                                  : endpoints_->Find(params[0]);
      // The handler says what is not there. Prompts have no endpoints.
      return Decision(endpoint == nullptr ||
                      question.May({ResourceKind::kRegisteredModel, endpoint->spec().model}));
    }
    case AccessSubject::kVersionOfQuery:
      for (auto& [key, value] : ParseQuery(question.request.http.query())) {
        if (key == rule.field && name.empty()) {
          name = std::move(value);
        }
      }
      break;
    case AccessSubject::kRegisteredModel:
    case AccessSubject::kWholeModel:
    case AccessSubject::kVersion:
    case AccessSubject::kVersionSeen:
    case AccessSubject::kAlias: {
      MILL_ASSIGN_OR_RETURN(const Message in, question.Read());
      name = in.Text(rule.field);
      break;
    }
    case AccessSubject::kNewModel: {
      MILL_ASSIGN_OR_RETURN(const Message in, question.Read());
      const ResourceKind kind = KindByTags(in).value_or(ResourceKind::kRegisteredModel);
      return Decision(question.May({kind, in.Text("name")}, Permission::kNone));
    }
    case AccessSubject::kNewVersion: {
      MILL_ASSIGN_OR_RETURN(const Message in, question.Read());
      MILL_ASSIGN_OR_RETURN(const bool may, MayMakeVersion(question, in));
      return Decision(may);
    }
    default:
      return Decision();
  }
  MILL_ASSIGN_OR_RETURN(const Resource model, access_.ModelOrPrompt(name));
  const ResourceKind versions = VersionsOf(model);
  switch (rule.subject) {
    case AccessSubject::kWholeModel:
      return Decision(question.May(model) && question.MayDeleteParts(versions));
    case AccessSubject::kVersion:
      return Decision(question.MayOnPart(versions, model, rule.needed));
    case AccessSubject::kAlias:
      return Decision(question.May(model) &&
                      question.MayOnPart(versions, model, Permission::kRead));
    case AccessSubject::kVersionSeen:
    case AccessSubject::kVersionOfQuery:
      return Decision(question.May(model) && !question.IsDenied(versions));
    default:
      return Decision(question.May(model));
  }
}

}  // namespace millrace::api::internal
