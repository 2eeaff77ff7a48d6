// SPDX-License-Identifier: Apache-2.0
// Endpoints, their set, and the thread that keeps both equal to the registry.
#include "serving/endpoint.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "base/log.h"

namespace millrace::serving {

std::shared_ptr<const Snapshot> Endpoint::Current() const {
  const base::MutexLock lock(mutex_);
  return snapshot_;
}

void Endpoint::Swap(std::shared_ptr<const Snapshot> next) {
  {
    const base::MutexLock lock(mutex_);
    snapshot_.swap(next);
    problem_.clear();
  }
  // `next` is the former snapshot now; if this was its last owner it goes here, outside the lock.
}

std::string Endpoint::problem() const {
  const base::MutexLock lock(mutex_);
  return problem_;
}

void Endpoint::SetProblem(std::string problem) {
  const base::MutexLock lock(mutex_);
  problem_ = std::move(problem);
}

std::shared_ptr<const EndpointSet::List> EndpointSet::All() const {
  const base::MutexLock lock(mutex_);
  return list_;
}

std::shared_ptr<Endpoint> EndpointSet::Find(std::string_view name) const {
  const std::shared_ptr<const List> list = All();
  const auto found = std::lower_bound(
      list->begin(), list->end(), name,
      [](const auto& endpoint, std::string_view wanted) { return endpoint->name() < wanted; });
  return found != list->end() && (*found)->name() == name ? *found : nullptr;
}

std::shared_ptr<Endpoint> EndpointSet::Only() const {
  const std::shared_ptr<const List> list = All();
  return list->size() == 1 ? list->front() : nullptr;
}

void EndpointSet::Apply(const std::vector<EndpointSpec>& specs) {
  auto next = std::make_shared<List>();
  for (const EndpointSpec& spec : specs) {
    std::shared_ptr<Endpoint> kept = Find(spec.name);
    next->push_back(kept && kept->spec() == spec ? std::move(kept)
                                                 : std::make_shared<Endpoint>(spec));
  }
  std::sort(next->begin(), next->end(),
            [](const auto& a, const auto& b) { return a->name() < b->name(); });
  std::shared_ptr<const List> old = std::move(next);
  const base::MutexLock lock(mutex_);
  list_.swap(old);
}

Refresher::Refresher(const Context& context, EndpointSet& endpoints, Resolver& resolver,
                     const features::OnlineStore* store, Options options)
    : context_(context),
      endpoints_(endpoints),
      resolver_(resolver),
      store_(store),
      options_(options) {
}

Refresher::~Refresher() {
  thread_.request_stop();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Refresher::RefreshEndpoint(Endpoint& endpoint) {
  const auto fail = [&](const Error& error) {
    std::string problem = error.ToString();
    if (problem != endpoint.problem() && context_.logger != nullptr) {
      context_.logger->Warn("serving", "endpoint_not_refreshed",
                            {{"endpoint", endpoint.name()}, {"error", problem}});
    }
    endpoint.SetProblem(std::move(problem));
  };
  const Result<ModelVersion> version =
      resolver_.Resolve(endpoint.spec().model, endpoint.spec().alias);
  if (!version.ok()) {
    fail(version.error());
    return;
  }
  const std::shared_ptr<const Snapshot> current = endpoint.Current();
  const bool is_same = current && current->version() == *version;
  if (is_same && current->all_views_bound()) {
    endpoint.SetProblem("");
    return;
  }
  Result<models::Model> model =
      is_same ? Result<models::Model>(current->model()) : resolver_.Load(*version);
  if (!model.ok()) {
    fail(model.error());
    return;
  }
  Result<std::shared_ptr<const Snapshot>> next =
      Snapshot::Make(endpoint.spec(), *version, *std::move(model), store_);
  if (!next.ok()) {
    fail(next.error());
    return;
  }
  if (current && current->all_views_bound() && !(*next)->all_views_bound()) {
    // A new version is registered before the values of its views are published: until then the
    // former one goes on answering.
    fail(base::FailedPrecondition("version " + std::to_string(version->version) + " of model \"" +
                                  version->name + "\" waits for the values of its views")
             .Hint("publish them with: millrace run"));
    return;
  }
  const bool is_news = !is_same || (*next)->all_views_bound();
  endpoint.Swap(*std::move(next));
  if (is_news && context_.logger != nullptr) {
    context_.logger->Info(
        "serving", "endpoint_serves",
        {{"endpoint", endpoint.name()}, {"model", version->name}, {"version", version->version}});
  }
}

Result<void> Refresher::RefreshOnce() {
  const base::MutexLock lock(refresh_mutex_);
  MILL_ASSIGN_OR_RETURN(const std::vector<EndpointSpec> specs, resolver_.Endpoints());
  endpoints_.Apply(specs);
  for (const std::shared_ptr<Endpoint>& endpoint : *endpoints_.All()) {
    RefreshEndpoint(*endpoint);
  }
  return {};
}

void Refresher::Start() {
  thread_ = std::jthread([this](std::stop_token stop) {
    base::Mutex mutex;
    base::CondVar wake;
    std::string last_problem;
    while (!stop.stop_requested()) {
      const Result<void> refreshed = RefreshOnce();
      const std::string problem = refreshed.ok() ? "" : refreshed.error().ToString();
      if (!problem.empty() && problem != last_problem && context_.logger != nullptr) {
        context_.logger->Warn("serving", "endpoints_not_listed", {{"error", problem}});
      }
      last_problem = problem;
      std::unique_lock<base::Mutex> lock(mutex);
      wake.wait_for(lock, stop, options_.interval, [] { return false; });
    }
  });
}

}  // namespace millrace::serving
