// SPDX-License-Identifier: Apache-2.0
// The HTTP interface of `millrace serve`: every route, wired to the domain objects that app hands
// in.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/security.h"
#include "base/context.h"
#include "net/http_server.h"

namespace millrace::serving {
class EndpointSet;
}
namespace millrace::store {
class ArtifactStore;
class KeyValue;
}  // namespace millrace::store
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

namespace millrace::api {

class Metrics;
class Router;

/// What the routes work on. All pointees outlive the Api.
struct ApiParts {
  serving::EndpointSet* endpoints = nullptr;
  /// The online store, for writes that other processes hand over; null leaves those routes out.
  store::KeyValue* online = nullptr;
  /// Experiments, runs and logged models, and registered models; null leaves MLflow's REST
  /// interface out.
  tracking::TrackingStore* tracking = nullptr;
  tracking::Registry* registry = nullptr;
  /// Null leaves the artifact proxy and the views of artifacts out.
  store::ArtifactStore* artifacts = nullptr;
  /// Folders of this machine (paths or file: URIs) whose files are read and written too, for runs
  /// that keep their artifacts there.
  std::vector<std::string> artifact_folders = {};
  /// Refuses values of parameters and tags that are too long; otherwise they are cut.
  bool refuses_long_values = false;
  /// Null leaves the routes of traces out.
  tracking::TraceStore* traces = nullptr;
  /// Access control; null lets everybody do everything.
  tracking::Access* access = nullptr;
  SecurityOptions security = {};
  /// docs/api/openapi.yaml, for /api/openapi.yaml; empty leaves that route out.
  std::string_view description = {};
  /// Null leaves the routes of webhooks out.
  tracking::Webhooks* webhooks = nullptr;
  /// Null leaves their routes out.
  tracking::EvaluationDatasets* evaluation_datasets = nullptr;
  tracking::Scorers* scorers = nullptr;
  tracking::Issues* issues = nullptr;
  /// URL of MLflow's deployments server, for /gateway-proxy; empty: none is asked.
  std::string deployments_target = {};
};

/// Routes requests. Thread-safe: `Handle` may run in any number of threads.
class Api {
 public:
  Api(const Context& context, ApiParts parts);
  /// Finishes what its pool has begun; the server is stopped before.
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  /// What a server needs to serve this Api: handler, sinks, executor, error replies. The Api
  /// outlives the server.
  net::ServerOptions ServerOptions() const;
  net::Handler Handler() const;

  /// Answers any request, at once or later; never throws.
  void Handle(const net::Request& request, net::Reply reply) const;
  /// Where the request's body goes.
  net::BodyRoute RouteBody(const net::Request& head) const;
  /// The routes, for what describes them.
  const Router& router() const;
  /// What the server answers where a request never reaches a handler (413, 431, 408, 400), in the
  /// same JSON form.
  static net::Response ErrorReply(int status, std::string_view message);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::api
