// SPDX-License-Identifier: Apache-2.0
// What each route needs, as one table. Which permission an action needs is MLflow's choice
// (mlflow/server/auth): deleting needs MANAGE, changing EDIT, looking READ.
#include "api/internal/access_rules.h"

#include <cctype>
#include <string>
#include <unordered_map>

#include "api/internal/switched_off.h"
#include "base/check.h"

namespace millrace::api::internal {

namespace {

using enum AccessSubject;
using enum AccessEffect;
using enum tracking::Permission;

constexpr AccessRule kRules[] = {
    // What says nothing about anybody's work.
    {"GET", "/", kOpen},
    {"GET", "/health", kOpen},
    {"GET", "/ping", kOpen},
    {"GET", "/ready", kOpen},
    {"GET", "/api/openapi.yaml", kOpen},
    {"GET", "/version", kOpen},
    {"GET", "/v2", kOpen},
    {"GET", "/v2/", kOpen},
    {"GET", "/v2/health/live", kOpen},
    {"GET", "/v2/health/ready", kOpen},
    {"GET", "/mlflow/server-info", kOpen},
    {"GET", "/mlflow/ui-telemetry", kOpen},
    {"POST", "/mlflow/ui-telemetry", kOpen},
    // Other programs of this machine, which the handlers check; they have no user.
    {"POST", "/millrace/online/put", kOpen},
    {"POST", "/millrace/online/get", kOpen},
    {"POST", "/millrace/online/scan", kOpen},
    {"POST", "/millrace/online/drop", kOpen},

    {"GET", "/metrics", kSignedIn},
    {"POST", "/invocations", kEndpoint, kRead},
    {"POST", "/endpoints/{name}/invocations", kEndpoint, kRead},
    {"GET", "/v2/models/{model}", kEndpoint, kRead},
    {"GET", "/v2/models/{model}/ready", kEndpoint, kRead},
    {"POST", "/v2/models/{model}/infer", kEndpoint, kRead},
    {"GET", "/v2/models/{model}/versions/{version}", kEndpoint, kRead},
    {"GET", "/v2/models/{model}/versions/{version}/ready", kEndpoint, kRead},
    {"POST", "/v2/models/{model}/versions/{version}/infer", kEndpoint, kRead},
    // Each request behind it is asked for by itself.
    {"POST", "/graphql", kSignedIn},
    {"GET", "/graphql", kSignedIn},

    {"POST", "/mlflow/experiments/create", kNewExperiment, kNone, "", kOwnExperiment},
    {"GET", "/mlflow/experiments/search", kSignedIn, kNone, "", kFilterExperiments},
    {"POST", "/mlflow/experiments/search", kSignedIn, kNone, "", kFilterExperiments},
    {"GET", "/mlflow/experiments/get", kExperiment, kRead, "experiment_id"},
    {"GET", "/mlflow/experiments/get-by-name", kExperimentName, kRead, "experiment_name"},
    {"POST", "/mlflow/experiments/update", kExperiment, kEdit, "experiment_id"},
    {"POST", "/mlflow/experiments/delete", kWholeExperiment, kManage, "experiment_id"},
    {"POST", "/mlflow/experiments/restore", kWholeExperiment, kManage, "experiment_id"},
    {"POST", "/mlflow/experiments/set-experiment-tag", kExperiment, kEdit, "experiment_id"},
    {"POST", "/mlflow/experiments/delete-experiment-tag", kExperiment, kEdit, "experiment_id"},
    {"POST", "/mlflow/experiments/search-datasets", kExperiments, kRead, "experiment_ids", kNothing,
     tracking::ResourceKind::kRun},

    {"POST", "/mlflow/runs/create", kNewRun, kEdit, "experiment_id"},
    {"GET", "/mlflow/runs/get", kRun, kRead},
    {"POST", "/mlflow/runs/search", kExperiments, kRead, "experiment_ids", kNothing,
     tracking::ResourceKind::kRun},
    {"POST", "/mlflow/runs/update", kRun, kEdit},
    {"POST", "/mlflow/runs/delete", kRun, kManage},
    {"POST", "/mlflow/runs/restore", kRun, kManage},
    {"POST", "/mlflow/runs/log-metric", kRunAndModels, kEdit},
    {"POST", "/mlflow/runs/log-parameter", kRun, kEdit},
    {"POST", "/mlflow/runs/log-batch", kRunAndModels, kEdit},
    {"POST", "/mlflow/runs/log-inputs", kRunAndModels, kEdit},
    {"POST", "/mlflow/runs/log-model", kRun, kEdit},
    {"POST", "/mlflow/runs/outputs", kRunAndModels, kEdit},
    {"POST", "/mlflow/runs/set-tag", kRun, kEdit},
    {"POST", "/mlflow/runs/delete-tag", kRun, kEdit},
    {"POST", "/mlflow/runs/create-promptlab-run", kNewRun, kEdit, "experiment_id"},
    {"GET", "/mlflow/gateway-proxy", kSignedIn},
    {"POST", "/mlflow/gateway-proxy", kSignedIn},
    {"GET", "/mlflow/metrics/get-history", kRun, kRead},
    {"GET", "/mlflow/metrics/get-history-bulk", kRuns, kRead, "run_id"},
    {"GET", "/mlflow/metrics/get-history-bulk-interval", kRuns, kRead, "run_ids"},
    {"GET", "/millrace/metrics/plot", kRun, kRead},

    {"POST", "/mlflow/logged-models", kNewLoggedModel, kEdit, "experiment_id"},
    {"POST", "/mlflow/logged-models/search", kExperiments, kRead, "experiment_ids", kNothing,
     tracking::ResourceKind::kLoggedModel},
    {"GET", "/mlflow/logged-models/{model_id}", kLoggedModel, kRead},
    {"PATCH", "/mlflow/logged-models/{model_id}", kLoggedModel, kEdit},
    {"DELETE", "/mlflow/logged-models/{model_id}", kLoggedModel, kManage},
    {"PATCH", "/mlflow/logged-models/{model_id}/tags", kLoggedModel, kEdit},
    {"DELETE", "/mlflow/logged-models/{model_id}/tags/{key}", kLoggedModel, kManage},
    {"POST", "/mlflow/logged-models/{model_id}/params", kLoggedModel, kEdit},
    {"GET", "/mlflow/logged-models/{model_id}/artifacts/directories", kLoggedModel, kRead},

    {"POST", "/mlflow/traces", kNewTrace, kEdit},
    {"GET", "/mlflow/traces", kAllExperiments, kRead, "experiment_ids"},
    {"POST", "/mlflow/traces/search", kLocations, kRead},
    {"GET", "/mlflow/traces/get", kTraceOfField, kRead, "trace_id"},
    {"GET", "/mlflow/traces/batchGet", kTraces, kRead, "trace_ids"},
    {"POST", "/mlflow/traces/batchGetInfos", kTraces, kRead, "trace_ids"},
    {"GET", "/mlflow/traces/{trace_id}", kTrace, kRead},
    {"PATCH", "/mlflow/traces/{request_id}", kTrace, kEdit},
    {"GET", "/mlflow/traces/{request_id}/info", kTrace, kRead},
    {"PATCH", "/mlflow/traces/{trace_id}/tags", kTrace, kEdit},
    {"DELETE", "/mlflow/traces/{trace_id}/tags", kTrace, kEdit},
    {"POST", "/mlflow/traces/{trace_id}/assessments", kNewAssessment, kEdit},
    {"GET", "/mlflow/traces/{trace_id}/assessments/{assessment_id}", kAssessment, kRead},
    {"PATCH", "/mlflow/traces/{trace_id}/assessments/{assessment_id}", kAssessment, kEdit},
    {"DELETE", "/mlflow/traces/{trace_id}/assessments/{assessment_id}", kAssessment, kManage},
    {"POST", "/mlflow/traces/link-to-run", kRunAndTraces, kEdit, "trace_ids"},
    {"POST", "/mlflow/traces/link-prompts", kTraceOfField, kEdit, "trace_id"},
    {"POST", "/mlflow/traces/delete-traces", kDeletedTraces, kManage, "experiment_id"},
    {"POST", "/mlflow/traces/metrics", kAllExperiments, kRead, "experiment_ids"},
    {"POST", "/mlflow/traces/calculate-filter-correlation", kAllExperiments, kRead,
     "experiment_ids"},
    {"GET", "/mlflow/get-trace-artifact", kTraceOfField, kRead, "request_id"},
    {"POST", "/v1/traces", kExperimentOfHeader, kEdit},

    {"POST", "/mlflow/datasets/create", kSomeExperiments, kEdit, "experiment_ids"},
    {"GET", "/mlflow/datasets/search", kSomeExperiments, kRead, "experiment_ids"},
    {"POST", "/mlflow/datasets/search", kSomeExperiments, kRead, "experiment_ids"},
    {"GET", "/mlflow/datasets/{dataset_id}", kEvaluationDataset, kRead},
    {"DELETE", "/mlflow/datasets/{dataset_id}", kEvaluationDataset, kManage},
    {"PATCH", "/mlflow/datasets/{dataset_id}/tags", kEvaluationDataset, kEdit},
    {"DELETE", "/mlflow/datasets/{dataset_id}/tags/{key}", kEvaluationDataset, kEdit},
    {"POST", "/mlflow/datasets/{dataset_id}/records", kEvaluationDataset, kEdit},
    {"GET", "/mlflow/datasets/{dataset_id}/records", kEvaluationDataset, kRead},
    {"DELETE", "/mlflow/datasets/{dataset_id}/records", kEvaluationDataset, kEdit},
    {"GET", "/mlflow/datasets/{dataset_id}/experiment-ids", kEvaluationDataset, kRead},
    {"POST", "/mlflow/datasets/{dataset_id}/add-experiments", kEvaluationDatasetAndExperiments,
     kEdit, "experiment_ids"},
    {"POST", "/mlflow/datasets/{dataset_id}/remove-experiments", kEvaluationDataset, kEdit},
    {"POST", "/mlflow/issues", kExperiment, kEdit, "experiment_id"},
    {"POST", "/mlflow/issues/search", kOneOrSomeExperiments, kRead},
    {"GET", "/mlflow/issues/{issue_id}", kIssue, kRead},
    {"PATCH", "/mlflow/issues/{issue_id}", kIssue, kEdit},
    {"POST", "/mlflow/scorers/register", kNewScorer, kEdit, "", kOwnScorer},
    {"GET", "/mlflow/scorers/list", kOneOrSomeExperiments, kRead, "experiment_ids", kFilterScorers},
    {"GET", "/mlflow/scorers/versions", kScorer, kRead},
    {"GET", "/mlflow/scorers/get", kScorer, kRead},
    {"DELETE", "/mlflow/scorers/delete", kDeletedScorer, kManage, "", kForgetScorer},
    {"GET", "/mlflow/scorers/online-configs", kScorers, kRead, "scorer_ids"},
    {"PUT", "/mlflow/scorers/online-config", kExperiment, kEdit, "experiment_id"},

    {"GET", "/mlflow/artifacts/list", kRun, kRead},
    {"GET", "/mlflow-artifacts/artifacts", kArtifacts, kRead, "path"},
    {"GET", "/mlflow-artifacts/artifacts/{path...}", kArtifacts, kRead},
    {"PUT", "/mlflow-artifacts/artifacts/{path...}", kArtifacts, kEdit},
    {"DELETE", "/mlflow-artifacts/artifacts/{path...}", kArtifacts, kManage},
    // Without a folder: no experiment. Parts go to an upload whose random id only its maker knows.
    {"POST", "/mlflow-artifacts/mpu/create", kAdmin},
    {"POST", "/mlflow-artifacts/mpu/complete", kAdmin},
    {"POST", "/mlflow-artifacts/mpu/abort", kAdmin},
    {"PUT", "/mlflow-artifacts/mpu/parts/{upload_id}/{number}", kSignedIn},
    {"GET", "/mlflow-artifacts/presigned/{path...}", kArtifacts, kRead},
    {"POST", "/mlflow/artifacts/presigned-upload-url", kSignedIn},
    {"POST", "/mlflow/artifacts/presigned-download-url", kSignedIn},
    {"GET", "/get-artifact", kRunOfQuery, kRead},
    {"POST", "/mlflow/upload-artifact", kRunOfQuery, kEdit},
    {"GET", "/model-versions/get-artifact", kVersionOfQuery, kRead, "name"},
    {"GET", "/mlflow/logged-models/{model_id}/artifacts/files", kLoggedModel, kRead},
    {"POST", "/mlflow-artifacts/mpu/create/{path...}", kArtifacts, kEdit},
    {"POST", "/mlflow-artifacts/mpu/complete/{path...}", kArtifacts, kEdit},
    {"POST", "/mlflow-artifacts/mpu/abort/{path...}", kArtifacts, kEdit},

    {"POST", "/mlflow/registered-models/create", kNewModel, kNone, "", kOwnModel},
    {"GET", "/mlflow/registered-models/search", kSignedIn, kNone, "", kFilterModels},
    {"GET", "/mlflow/registered-models/get", kRegisteredModel, kRead, "name"},
    {"PATCH", "/mlflow/registered-models/update", kRegisteredModel, kEdit, "name"},
    {"POST", "/mlflow/registered-models/rename", kRegisteredModel, kEdit, "name", kRenameModel},
    {"DELETE", "/mlflow/registered-models/delete", kWholeModel, kManage, "name", kForgetModel},
    {"GET", "/mlflow/registered-models/get-latest-versions", kVersionSeen, kRead, "name"},
    {"POST", "/mlflow/registered-models/get-latest-versions", kVersionSeen, kRead, "name"},
    {"POST", "/mlflow/registered-models/set-tag", kRegisteredModel, kEdit, "name"},
    {"DELETE", "/mlflow/registered-models/delete-tag", kRegisteredModel, kEdit, "name"},
    {"GET", "/mlflow/registered-models/alias", kVersionSeen, kRead, "name"},
    {"POST", "/mlflow/registered-models/alias", kAlias, kEdit, "name"},
    {"DELETE", "/mlflow/registered-models/alias", kAlias, kManage, "name"},
    {"POST", "/mlflow/model-versions/create", kNewVersion, kEdit, "name"},
    {"GET", "/mlflow/model-versions/search", kSignedIn, kNone, "", kFilterVersions},
    {"GET", "/mlflow/model-versions/get", kVersionSeen, kRead, "name"},
    {"PATCH", "/mlflow/model-versions/update", kVersion, kEdit, "name"},
    {"DELETE", "/mlflow/model-versions/delete", kVersion, kManage, "name"},
    {"POST", "/mlflow/model-versions/transition-stage", kVersion, kEdit, "name"},
    {"GET", "/mlflow/model-versions/get-download-uri", kVersionSeen, kRead, "name"},
    {"POST", "/mlflow/model-versions/set-tag", kVersion, kEdit, "name"},
    {"DELETE", "/mlflow/model-versions/delete-tag", kVersion, kManage, "name"},

    // Webhooks tell an address of all models.
    {"POST", "/mlflow/webhooks", kAdmin},
    {"GET", "/mlflow/webhooks", kAdmin},
    {"GET", "/mlflow/webhooks/{webhook_id}", kAdmin},
    {"PATCH", "/mlflow/webhooks/{webhook_id}", kAdmin},
    {"DELETE", "/mlflow/webhooks/{webhook_id}", kAdmin},
    {"POST", "/mlflow/webhooks/{webhook_id}/test", kAdmin},

    {"POST", "/mlflow/users/create", kNewUser},
    {"GET", "/mlflow/users/list", kSignedIn},
    {"PATCH", "/mlflow/users/update-admin", kAdmin},
    {"DELETE", "/mlflow/users/delete", kAdmin},
    {"GET", "/mlflow/users/get", kUser, kNone, "username"},
    {"PATCH", "/mlflow/users/update-password", kUser, kNone, "username"},
    {"GET", "/mlflow/users/current", kSignedIn},
    {"POST", "/mlflow/users/permissions/grant", kResource, kManage},
    {"POST", "/mlflow/users/permissions/revoke", kResource, kManage},
    {"GET", "/mlflow/users/permissions/get", kResourceOfUser},
    {"GET", "/mlflow/users/permissions/list", kRolesOfUser},
    {"GET", "/mlflow/users/current/permissions", kSignedIn},
    {"GET", "/mlflow/users/roles/list", kRolesOfUser},
    {"GET", "/signup", kNewUser},
    {"POST", "/mlflow/users/create-ui", kNewUser},
    {"POST", "/mlflow/roles/create", kRole},
    {"GET", "/mlflow/roles/get", kRoleSeen},
    {"GET", "/mlflow/roles/list", kRoles},
    {"PATCH", "/mlflow/roles/update", kRole},
    {"DELETE", "/mlflow/roles/delete", kRole},
    {"POST", "/mlflow/roles/permissions/add", kRole},
    {"DELETE", "/mlflow/roles/permissions/remove", kRole},
    {"GET", "/mlflow/roles/permissions/list", kRoleSeen},
    {"PATCH", "/mlflow/roles/permissions/update", kRole},
    {"POST", "/mlflow/roles/assign", kRole},
    {"DELETE", "/mlflow/roles/unassign", kRole},
    {"GET", "/mlflow/roles/users/list", kRole},
    {"POST", "/mlflow/experiments/permissions/create", kExperiment, kManage, "experiment_id"},
    {"GET", "/mlflow/experiments/permissions/get", kExperiment, kManage, "experiment_id"},
    {"PATCH", "/mlflow/experiments/permissions/update", kExperiment, kManage, "experiment_id"},
    {"DELETE", "/mlflow/experiments/permissions/delete", kExperiment, kManage, "experiment_id"},
    {"POST", "/mlflow/registered-models/permissions/create", kRegisteredModel, kManage, "name"},
    {"GET", "/mlflow/registered-models/permissions/get", kRegisteredModel, kManage, "name"},
    {"PATCH", "/mlflow/registered-models/permissions/update", kRegisteredModel, kManage, "name"},
    {"DELETE", "/mlflow/registered-models/permissions/delete", kRegisteredModel, kManage, "name"},
    {"POST", "/millrace/tokens/create", kSignedIn},
    {"GET", "/millrace/tokens/list", kSignedIn},
    {"DELETE", "/millrace/tokens/delete", kSignedIn},
};

using RuleMap = std::unordered_map<std::string, const AccessRule*>;

RuleMap MakeMap() {
  RuleMap map;
  for (const AccessRule& rule : kRules) {
    const bool is_new =
        map.emplace(std::string(rule.method) + " " + std::string(rule.pattern), &rule).second;
    MILL_CHECK(is_new);
  }
  static constexpr AccessRule kAnyUser = {"", "", kSignedIn};
  for (const SwitchedOffRoute& route : SwitchedOffRoutes()) {
    const bool is_new =
        map.emplace(std::string(route.method) + " " + std::string(route.pattern), &kAnyUser).second;
    MILL_CHECK(is_new);
  }
  return map;
}

/// The pattern without "/api/2.0" or "/ajax-api/3.0".
std::string_view WithoutRoot(std::string_view pattern) {
  for (const std::string_view root : {"/api/", "/ajax-api/"}) {
    if (pattern.starts_with(root)) {
      const std::size_t slash = pattern.find('/', root.size());
      return slash == std::string_view::npos ? std::string_view() : pattern.substr(slash);
    }
  }
  return pattern;
}

}  // namespace

const AccessRule* FindAccessRule(std::string_view method, std::string_view pattern) {
  static const RuleMap rules = MakeMap();
  const auto found = rules.find(std::string(method == "HEAD" ? std::string_view("GET") : method) +
                                " " + std::string(WithoutRoot(pattern)));
  return found == rules.end() ? nullptr : found->second;
}

}  // namespace millrace::api::internal
