// SPDX-License-Identifier: Apache-2.0
// The groups of routes; each adds its handlers to the router.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "api/metrics.h"
#include "api/router.h"
#include "api/server_api.h"
#include "base/result.h"

namespace millrace::store {
class ArtifactStore;
}
namespace millrace::tracking {
class Access;
class EvaluationDatasets;
class Issues;
class Registry;
class Scorers;
class TraceStore;
class TrackingStore;
class Webhooks;
}  // namespace millrace::tracking

namespace millrace::api::internal {

class ArtifactPlaces;
class Message;

/// /health, /ping, /version, /ready, /metrics. The metrics outlive the router.
void AddHealthRoutes(const ApiParts& parts, const Metrics& metrics, Router& router);
/// /invocations, /endpoints/{name}/invocations.
void AddScoringRoutes(const ApiParts& parts, Router& router);
/// /v2...
void AddInferenceRoutes(const ApiParts& parts, Router& router);
/// /api/2.0/millrace/online/...
void AddOnlineRoutes(store::KeyValue& store, Router& router);

/// GET /, /api/openapi.yaml, server-info, ui-telemetry.
void AddServerRoutes(const ApiParts& parts, Router& router);

// MLflow's REST interface, under /api/2.0/mlflow and /ajax-api/2.0/mlflow. The stores outlive the
// router.

/// /experiments/...
void AddExperimentRoutes(tracking::TrackingStore& store, Router& router);
/// /runs/{create,update,delete,restore,get,search,delete-tag}.
void AddRunRoutes(tracking::TrackingStore& store, Router& router);
/// /runs/{log-metric,log-parameter,set-tag,log-batch,log-inputs,outputs,log-model}.
void AddLoggingRoutes(tracking::TrackingStore& store, bool refuses_long_values, Router& router);
/// /metrics/..., and /api/2.0/millrace/metrics/plot.
void AddMetricRoutes(tracking::TrackingStore& store, Router& router);
/// /logged-models...
void AddLoggedModelRoutes(tracking::TrackingStore& store, Router& router);
/// /traces/... of both protocols, and OpenTelemetry's /v1/traces.
void AddTraceRoutes(tracking::TraceStore& store, Router& router);
/// /api/3.0/mlflow/traces/{metrics,calculate-filter-correlation}.
void AddTraceMetricRoutes(tracking::TraceStore& store, Router& router);
/// /api/3.0/mlflow/datasets/...
void AddEvaluationRoutes(tracking::EvaluationDatasets& datasets, Router& router);
/// /api/3.0/mlflow/scorers/...
void AddScorerRoutes(tracking::Scorers& scorers, Router& router);
/// /api/3.0/mlflow/issues...
void AddIssueRoutes(tracking::Issues& issues, Router& router);
/// /registered-models/...
void AddRegistryRoutes(tracking::Registry& registry, Router& router);
/// /model-versions/...
void AddVersionRoutes(tracking::Registry& registry, Router& router);
/// /api/2.0/mlflow-artifacts/...
void AddArtifactRoutes(store::ArtifactStore& store, Router& router);
/// /artifacts/..., /logged-models/{id}/artifacts/..., /get-artifact, /model-versions/get-artifact,
/// upload-artifact. Without a registry, not those of its versions.
void AddArtifactViews(const ArtifactPlaces& places, tracking::TrackingStore& tracking,
                      tracking::Registry* registry, Router& router);
/// /runs/create-promptlab-run.
void AddPromptlabRoutes(tracking::TrackingStore& store, const ArtifactPlaces& places,
                        Router& router);
/// /gateway-proxy: with a target, "http[s]://host[:port]", the requests that MLflow allows go
/// there.
void AddGatewayProxyRoutes(std::string_view deployments_target, Router& router);
/// Answers a request as if a client had sent it.
using RequestAnswer = std::function<net::Response(const net::Request&)>;
/// /graphql: each request behind it is answered by `answer_request`, with the rights of the one
/// before it.
void AddGraphqlRoutes(Router& router, const RequestAnswer& answer_request);
/// /users/..., /experiments/permissions/..., /registered-models/permissions/..., and
/// /api/2.0/millrace/tokens/...
void AddAccessRoutes(tracking::Access& access, Router& router);
/// /api/3.0/mlflow/roles/..., users/roles/..., users/permissions/..., and the list of users.
void AddRoleRoutes(tracking::Access& access, Router& router);
/// /signup, and where its form goes.
void AddSignupRoutes(tracking::Access& access, Router& router);
/// kInvalidArgument in MLflow's words for a password that is too short to be given over HTTP.
Result<void> CheckNewPassword(std::string_view password);
/// The registry as the sender of a request, for the audit log.
tracking::Registry AsSender(const tracking::Registry& registry, const Message& in);
/// The number of a version; kInvalidArgument in MLflow's words.
Result<std::int64_t> ReadVersion(std::string_view text);

/// /api/2.0/mlflow/webhooks...
void AddWebhookRoutes(tracking::Webhooks& webhooks, Router& router);

}  // namespace millrace::api::internal
