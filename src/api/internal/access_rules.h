// SPDX-License-Identifier: Apache-2.0
// What each route needs, as one table: the place to look where access control is in question.
#pragma once

#include <cstdint>
#include <string_view>

#include "tracking/access.h"

namespace millrace::api::internal {

/// What a request is about, and where it says so.
enum class AccessSubject : std::uint8_t {
  /// Nothing: anybody may, without a name too.
  kOpen,
  /// Nothing: every user may.
  kSignedIn,
  /// Everything: only administrators may.
  kAdmin,
  /// The user named by `field`, who may.
  kUser,
  /// A user who is to be made: who manages a workspace may.
  kNewUser,
  /// The role in role_id, or of the permission in role_permission_id, or a new one in `workspace`:
  /// who manages its workspace may.
  kRole,
  /// The same: whoever has a role in its workspace may.
  kRoleSeen,
  /// The roles of the workspaces in `workspace`: whoever has a role in each may, and administrators
  /// all.
  kRoles,
  /// The roles of the user in `username`: themselves may, and who manages a workspace of theirs.
  kRolesOfUser,
  /// The experiment whose id is in `field`; "0" where that is unset.
  kExperiment,
  /// The same with all that is in it.
  kWholeExperiment,
  /// A run, or a logged model, that is to be made in that experiment.
  kNewRun,
  kNewLoggedModel,
  /// The traces of that experiment that are to be deleted, with their assessments.
  kDeletedTraces,
  /// The experiment whose name is in `field`.
  kExperimentName,
  /// The experiments whose ids are in the list `field`.
  kExperiments,
  /// The place where an experiment that is to be made keeps its artifacts: not one that belongs to
  /// another experiment.
  kNewExperiment,
  /// The run whose id is in run_id or run_uuid: its experiment must be readable, and what was given
  /// on runs counts before what was given on that. So it is with logged models, traces,
  /// assessments and versions.
  kRun,
  /// The same, and the logged models whose ids the request names.
  kRunAndModels,
  /// The same, and the traces whose ids are in the list `field`, which must be readable.
  kRunAndTraces,
  /// The same, always in the query.
  kRunOfQuery,
  /// The runs whose ids are in the list `field`.
  kRuns,
  /// The logged model whose id is the first parameter of the path.
  kLoggedModel,
  /// The registered model, or prompt, whose name is in `field`.
  kRegisteredModel,
  /// The same with all its versions.
  kWholeModel,
  /// One that is to be made.
  kNewModel,
  /// A version of the model or prompt whose name is in `field`.
  kVersion,
  /// The same, which is only looked at.
  kVersionSeen,
  /// The same, the name always in the query.
  kVersionOfQuery,
  /// The model or prompt, and that its versions are readable.
  kAlias,
  /// The registered model behind the endpoint that the path names, or behind the only one; where
  /// there is no such endpoint, nothing.
  kEndpoint,
  /// The registered model of a version that is to be made, and what the version is made from.
  kNewVersion,
  /// The experiment with whose id a path of artifacts begins: the path's parameter, or `field`.
  kArtifacts,
  /// The experiments whose ids are in the list `field`: all of them.
  kAllExperiments,
  /// The experiments of `locations`: all of them.
  kLocations,
  /// The experiment of the trace whose id is the first parameter of the path.
  kTrace,
  /// The same, in `field`.
  kTraceOfField,
  /// An assessment of that trace; one that is to be made.
  kAssessment,
  kNewAssessment,
  /// The traces whose ids are in the list `field`.
  kTraces,
  /// The experiment of a trace that is to be made, and that of the trace where it is there already.
  kNewTrace,
  /// The experiments whose ids are in the list `field`: all of them, and at least one.
  kSomeExperiments,
  /// The experiments of the evaluation dataset whose id is the first parameter of the path: all of
  /// them, and at least one.
  kEvaluationDataset,
  /// The same, and those of kSomeExperiments.
  kEvaluationDatasetAndExperiments,
  /// The experiment in experiment_id, or those of kSomeExperiments; without a `field`, no others.
  kOneOrSomeExperiments,
  /// The experiment of the issue whose id is the first parameter of the path.
  kIssue,
  /// The experiments of the scorers whose ids are in the list `field`.
  kScorers,
  /// The scorer in experiment_id and name; one that is to be made, in an experiment; one, or one
  /// version of it, that is to be deleted.
  kScorer,
  kNewScorer,
  kDeletedScorer,
  /// The experiment in the header field X-MLflow-Experiment-Id.
  kExperimentOfHeader,
  /// The resource named by the fields resource_type and resource_id.
  kResource,
  /// What the user in `username` may do with it: themselves may ask, and who manages the workspace.
  kResourceOfUser
};

/// What else a permitted request brings about.
enum class AccessEffect : std::uint8_t {
  kNothing,
  /// Its sender may manage the experiment, or the model, that it made.
  kOwnExperiment,
  kOwnModel,
  kOwnScorer,
  /// Permissions go with the model's name, or with the model.
  kRenameModel,
  kForgetModel,
  kForgetScorer,
  /// Experiments, models, versions or scorers that its sender may not read are left out of the
  /// reply.
  kFilterExperiments,
  kFilterModels,
  kFilterVersions,
  kFilterScorers
};

struct AccessRule {
  std::string_view method;
  /// The route's pattern without "/api/2.0", "/ajax-api/3.0", ...
  std::string_view pattern;
  AccessSubject subject = AccessSubject::kAdmin;
  tracking::Permission needed = tracking::Permission::kNone;
  std::string_view field = {};
  AccessEffect effect = AccessEffect::kNothing;
  /// Of a search in experiments: what it finds, where that may be denied.
  tracking::ResourceKind part = tracking::ResourceKind::kWorkspace;
};

/// Null for a route that is not in the table: only administrators may use it.
const AccessRule* FindAccessRule(std::string_view method, std::string_view pattern);

}  // namespace millrace::api::internal
