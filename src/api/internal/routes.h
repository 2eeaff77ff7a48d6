// SPDX-License-Identifier: Apache-2.0
// The groups of routes; each adds its handlers to the router.
#pragma once

#include "api/metrics.h"
#include "api/router.h"
#include "api/server_api.h"

namespace millrace::api::internal {

/// /health, /ping, /version, /ready, /metrics. The metrics outlive the router.
void AddHealthRoutes(const ApiParts& parts, const Metrics& metrics, Router& router);
/// /invocations, /endpoints/{name}/invocations.
void AddScoringRoutes(const ApiParts& parts, Router& router);
/// /v2...
void AddInferenceRoutes(const ApiParts& parts, Router& router);
/// /api/2.0/millrace/online/...
void AddOnlineRoutes(store::KeyValue& store, Router& router);

/// GET /, server-info, ui-telemetry.
void AddServerRoutes(Router& router);

}  // namespace millrace::api::internal
