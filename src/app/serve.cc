// SPDX-License-Identifier: Apache-2.0
// `millrace serve`: experiments, runs, models and the deployed endpoints of a workspace over HTTP,
// until a signal asks it to stop.
#include "app/serve.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "api/server_api.h"
#include "app/deployments.h"
#include "app/embedded_files.h"
#include "app/webhook_sender.h"
#include "base/memory.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "serving/endpoint.h"
#include "tracking/evaluation_datasets.h"
#include "tracking/issues.h"
#include "tracking/scorers.h"

namespace millrace::app {
namespace {

constexpr std::chrono::seconds kGrace{10};

void WaitForStop(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait(lock, stop, [] { return false; });
}

api::SecurityOptions SecurityOf(const cli::Settings& settings) {
  return {.is_enabled = !settings.disable_security,
          .allowed_hosts = api::SplitList(settings.allowed_hosts),
          .allowed_origins = api::SplitList(settings.cors_allowed_origins),
          .frame_options = settings.x_frame_options};
}

/// Empty where none is asked.
Result<std::string> DeploymentsTarget(const cli::Settings& settings) {
  const std::string& target = settings.deployments_target;
  if (!target.empty()) {
    const Result<net::HttpClient> client = net::HttpClient::Make(target);
    if (!client.ok()) {
      return Error(client.error()).With(settings.resolved.at("deployments_target").origin);
    }
  }
  return target;
}

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host == "[::1]" || host.starts_with("127.");
}

/// Null where everybody may do everything.
Result<tracking::Access*> OpenAccess(Environment& environment, const cli::ServeOptions& options) {
  const cli::Settings& settings = environment.settings();
  if (!settings.has_access_control) {
    if (!IsLoopback(settings.host) && !options.is_insecure) {
      return base::FailedPrecondition("serve would listen on \"" + settings.host +
                                      "\", which other machines may reach, without asking who they "
                                      "are")
          .Hint(
              "make an administrator with `millrace users create NAME --admin` and add --auth on; "
              "or add --insecure where everybody who reaches the address may do everything");
    }
    return static_cast<tracking::Access*>(nullptr);
  }
  MILL_ASSIGN_OR_RETURN(tracking::Access * access, environment.Access());
  MILL_ASSIGN_OR_RETURN(const std::vector<tracking::User> users, access->ListUsers());
  if (users.empty()) {
    return base::FailedPrecondition("access control is on, and there are no users")
        .Hint("make an administrator with: millrace users create NAME --admin");
  }
  return access;
}

/// Loads what searches read, so that the first one does not wait; the server answers meanwhile.
void WarmUp(const Context& context, tracking::TrackingStore& tracking) {
  const auto begin = std::chrono::steady_clock::now();
  const Result<void> warm = tracking.WarmUp();
  if (!warm.ok()) {
    context.logger->Warn("tracking", "not_warmed_up", {{"error", warm.error().ToString()}});
    return;
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  context.logger->Debug("tracking", "warmed_up", {{"seconds", seconds.count()}});
}

}  // namespace

Result<void> Serve(Environment& environment, const cli::ServeOptions& options,
                   const std::stop_token& stop) {
  const Context context = environment.MakeContext();
  MILL_ASSIGN_OR_RETURN(tracking::Access * access, OpenAccess(environment, options));
  MILL_RETURN_IF_ERROR(environment.HoldWorkspace(""));
  MILL_ASSIGN_OR_RETURN(store::KeyValue * key_value, environment.OnlineKeyValue());
  const features::OnlineStore online(*key_value);
  RegistryResolver resolver(environment);
  serving::EndpointSet endpoints;
  serving::Refresher refresher(context, endpoints, resolver, &online, {});
  MILL_RETURN_IF_ERROR(refresher.RefreshOnce());
  MILL_ASSIGN_OR_RETURN(const tracking::WebhookOptions webhook_options,
                        ReadWebhookOptions(ReadVariable));
  HttpWebhookSender webhook_sender(webhook_options);
  MILL_ASSIGN_OR_RETURN(const auto webhooks,
                        tracking::Webhooks::Open(environment.metadata(), *context.clock,
                                                 webhook_sender, webhook_options));
  MILL_ASSIGN_OR_RETURN(const auto evaluation_datasets,
                        tracking::EvaluationDatasets::Open(environment.tracking(),
                                                           environment.metadata(), *context.clock));
  MILL_ASSIGN_OR_RETURN(
      const auto scorers,
      tracking::Scorers::Open(environment.tracking(), environment.metadata(), *context.clock));
  MILL_ASSIGN_OR_RETURN(
      const auto issues,
      tracking::Issues::Open(environment.tracking(), environment.metadata(), *context.clock));
  // Who speaks over HTTP is not the user who runs the server.
  tracking::Registry registry = environment.registry().As("http");
  api::ApiParts parts;
  parts.endpoints = &endpoints;
  parts.online = key_value;
  parts.tracking = &environment.tracking();
  parts.registry = &registry;
  MILL_ASSIGN_OR_RETURN(parts.artifacts, environment.Artifacts());
  parts.artifact_folders = api::SplitList(environment.settings().artifact_folders);
  parts.artifact_folders.push_back(environment.settings().default_artifact_root);
  parts.refuses_long_values = !environment.settings().truncates_long_values;
  parts.webhooks = webhooks.get();
  parts.evaluation_datasets = evaluation_datasets.get();
  parts.scorers = scorers.get();
  parts.issues = issues.get();
  parts.traces = &environment.traces();
  parts.access = access;
  parts.security = SecurityOf(environment.settings());
  MILL_ASSIGN_OR_RETURN(parts.deployments_target, DeploymentsTarget(environment.settings()));
  parts.description = ApiDescription().front().bytes;
  const api::Api api(context, std::move(parts));

  net::ServerOptions server_options = api.ServerOptions();
  server_options.host = environment.settings().host;
  server_options.port = static_cast<std::uint16_t>(environment.settings().port);
  server_options.threads = environment.threads();
  MILL_ASSIGN_OR_RETURN(const auto server, net::HttpServer::Start(server_options, api.Handler()));
  MILL_RETURN_IF_ERROR(environment.AnnounceAddress(server->url()));
  refresher.Start();
  webhooks->StartDelivering();
  base::GiveBackStartMemory();
  options.on_ready(server->url());
  const std::jthread warm_up([&] { WarmUp(context, environment.tracking()); });
  WaitForStop(stop);
  server->Stop(kGrace);
  return {};
}

}  // namespace millrace::app
