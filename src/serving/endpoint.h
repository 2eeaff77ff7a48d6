// SPDX-License-Identifier: Apache-2.0
// Endpoints of a server: each shows one snapshot, which is swapped whole while requests run.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"
#include "base/result.h"
#include "serving/endpoint_spec.h"
#include "serving/snapshot.h"

namespace millrace::serving {

/// A name under which predictions are asked for. Thread-safe.
class Endpoint {
 public:
  explicit Endpoint(EndpointSpec spec) : spec_(std::move(spec)) {}

  const std::string& name() const { return spec_.name; }
  const EndpointSpec& spec() const { return spec_; }

  /// The snapshot that answers now; keep the pointer for one request. Null until a version could be
  /// loaded.
  std::shared_ptr<const Snapshot> Current() const MILL_EXCLUDES(mutex_);
  /// Requests that hold the former snapshot finish with it.
  void Swap(std::shared_ptr<const Snapshot> next) MILL_EXCLUDES(mutex_);
  /// Why there is no snapshot, or why the last refresh failed; empty when all is well.
  std::string problem() const MILL_EXCLUDES(mutex_);
  void SetProblem(std::string problem) MILL_EXCLUDES(mutex_);

  /// Rows scored since the server started.
  std::uint64_t rows_scored() const { return rows_scored_.load(std::memory_order_relaxed); }
  void CountRows(std::size_t n) { rows_scored_.fetch_add(n, std::memory_order_relaxed); }

 private:
  const EndpointSpec spec_;
  std::atomic<std::uint64_t> rows_scored_{0};
  // A mutex held for one pointer copy, not std::atomic<std::shared_ptr>: GCC 12 ends its atomic's
  // load with a relaxed unlock, which ThreadSanitizer rightly reports, and it spins in user space
  // as well.
  mutable base::Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ MILL_GUARDED_BY(mutex_);
  std::string problem_ MILL_GUARDED_BY(mutex_) = "no version has been loaded yet";
};

/// All endpoints of a server, sorted by name. Thread-safe.
class EndpointSet {
 public:
  using List = std::vector<std::shared_ptr<Endpoint>>;

  /// The endpoint of that name, or null.
  std::shared_ptr<Endpoint> Find(std::string_view name) const;
  /// The only endpoint; null where there is none or more than one.
  std::shared_ptr<Endpoint> Only() const;
  std::shared_ptr<const List> All() const MILL_EXCLUDES(mutex_);
  /// Takes over the declared endpoints: unchanged ones keep their snapshot, new ones start without,
  /// others go.
  void Apply(const std::vector<EndpointSpec>& specs) MILL_EXCLUDES(mutex_);

 private:
  mutable base::Mutex mutex_;
  std::shared_ptr<const List> list_ MILL_GUARDED_BY(mutex_) = std::make_shared<const List>();
};

/// Who answers now: fulfilled by `app` over the registry. Thread-safe.
class Resolver {
 public:
  virtual ~Resolver() = default;
  /// The endpoints to be served.
  virtual Result<std::vector<EndpointSpec>> Endpoints() = 0;
  /// The version that an alias of a registered model names; kNotFound while there is none.
  virtual Result<ModelVersion> Resolve(const std::string& model, const std::string& alias) = 0;
  virtual Result<models::Model> Load(const ModelVersion& version) = 0;
};

/// Keeps an EndpointSet equal to what a Resolver says.
class Refresher {
 public:
  struct Options {
    /// Time between two looks; new champions and features show within it.
    std::chrono::milliseconds interval{1000};
  };

  /// All arguments outlive the refresher; `store` may be null where no endpoint has a key. The
  /// context gives the logger.
  Refresher(const Context& context, EndpointSet& endpoints, Resolver& resolver,
            const features::OnlineStore* store, Options options);
  ~Refresher();
  Refresher(const Refresher&) = delete;
  Refresher& operator=(const Refresher&) = delete;

  /// Looks once, in the calling thread. An endpoint that cannot be refreshed keeps its snapshot and
  /// states its problem; the error returned is that of the endpoint list itself.
  Result<void> RefreshOnce();
  /// Starts looking every interval in a thread of its own, until destruction.
  void Start();

 private:
  void RefreshEndpoint(Endpoint& endpoint);

  Context context_;
  EndpointSet& endpoints_;
  Resolver& resolver_;
  const features::OnlineStore* store_;
  Options options_;
  base::Mutex refresh_mutex_;
  std::jthread thread_;
};

}  // namespace millrace::serving
