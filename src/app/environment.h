// SPDX-License-Identifier: Apache-2.0
// Everything that a command works with, opened in the right order and closed in the reverse:
// settings, pools, workspace, stores.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/context.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "cli/actions.h"
#include "cli/settings.h"
#include "features/online.h"
#include "learners/registry.h"
#include "store/artifacts.h"
#include "store/key_value.h"
#include "store/lock.h"
#include "store/metadata.h"
#include "store/workspace.h"
#include "tracking/access.h"
#include "tracking/registry.h"
#include "tracking/store.h"
#include "tracking/traces.h"

namespace millrace::app {

/// Who runs this process, for the audit log: MILLRACE_USER, or the name of its user.
std::string UserName();
/// A variable of this process's environment.
std::optional<std::string> ReadVariable(const std::string& name);

/// One process's view of a project and its workspace.
class Environment {
 public:
  /// Resolves project and settings and opens the workspace.
  /// @param create  makes the workspace where there is none; otherwise kNotFound says which command
  /// makes it.
  static Result<std::unique_ptr<Environment>> Open(const cli::Invocation& invocation, bool create,
                                                   std::stop_token stop = {});
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  /// A context with this process's clock, logger, pool, progress and seed.
  Context MakeContext() const;
  const cli::Settings& settings() const { return settings_; }
  int threads() const { return threads_; }
  /// None where the command runs outside a project.
  const std::optional<std::filesystem::path>& project_root() const { return project_root_; }
  const learners::LearnerRegistry& learners() const { return learners_; }
  store::Workspace& workspace() { return *workspace_; }
  store::Metadata& metadata() { return *metadata_; }
  tracking::TrackingStore& tracking() { return *tracking_; }
  tracking::Registry& registry() { return *registry_; }
  /// Where artifacts are kept; opened by the first call, which may ask an object store.
  Result<store::ArtifactStore*> Artifacts();
  tracking::TraceStore& traces() { return *traces_; }
  /// Users and permissions; opened by the first call.
  Result<tracking::Access*> Access();

  /// Becomes the one process that writes the online store, at `address` (empty: none).
  ///   - kFailedPrecondition names the process that holds the workspace.
  Result<void> HoldWorkspace(const std::string& address);
  /// Tells other processes where this one answers.
  Result<void> AnnounceAddress(const std::string& address);
  /// The online store: embedded if this process holds the workspace or may hold it, otherwise that
  /// of the holder, over HTTP.
  Result<store::KeyValue*> OnlineKeyValue();
  Result<features::OnlineStore> Online();
  /// True where the online store is that of a running server.
  bool is_online_remote() const { return online_ != nullptr && !lock_; }
  /// The same for looking only: needs no lock, so any number of processes may look at once. Without
  /// a server what it shows is that of the moment it is opened.
  Result<features::OnlineStore> OnlineForReading();

 private:
  Environment() = default;

  cli::Settings settings_;
  int threads_ = 1;
  std::stop_token stop_;
  std::optional<std::filesystem::path> project_root_;
  base::SystemClock clock_;
  std::unique_ptr<base::Logger> logger_;
  std::unique_ptr<base::Progress> progress_;
  std::unique_ptr<base::ThreadPool> cpu_;
  learners::LearnerRegistry learners_;
  std::unique_ptr<store::Workspace> workspace_;
  std::unique_ptr<store::Metadata> metadata_;
  std::unique_ptr<store::ArtifactStore> artifacts_;
  std::unique_ptr<tracking::TrackingStore> tracking_;
  std::unique_ptr<tracking::Registry> registry_;
  std::unique_ptr<tracking::TraceStore> traces_;
  std::unique_ptr<tracking::Access> access_;
  std::optional<store::WorkspaceLock> lock_;
  std::unique_ptr<store::KeyValue> online_;
  std::unique_ptr<store::KeyValue> online_for_reading_;
};

/// Settings from flags, environment and the project's millrace.yaml.
Result<cli::Settings> LoadSettings(const cli::Invocation& invocation,
                                   std::optional<std::filesystem::path>& project_root);

/// The workspace that the settings mean. A relative folder of the flag or the environment is meant
/// from here, that of millrace.yaml from the project; without one it is .millrace in the project.
std::filesystem::path WorkspacePath(const cli::Settings& settings,
                                    const std::optional<std::filesystem::path>& project_root);

}  // namespace millrace::app
