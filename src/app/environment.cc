// SPDX-License-Identifier: Apache-2.0
// Everything that a command works with, opened in the right order and closed in the reverse:
// settings, pools, workspace, stores.
#include "app/environment.h"

#include <array>
#include <cstdlib>
#include <thread>
#include <unistd.h>

#include <pwd.h>

#include "api/remote_key_value.h"
#include "app/model_facts.h"
#include "app/project.h"
#include "tracking/artifact_uri.h"

namespace millrace::app {
namespace {

cli::Values FileValues(const ProjectFile& file) {
  cli::Values values;
  const auto add = [&](const char* name, const auto& value) {
    if (value) {
      if constexpr (std::is_same_v<std::decay_t<decltype(*value)>, std::string>) {
        values[name] = *value;
      } else {
        values[name] = std::to_string(*value);
      }
    }
  };
  add("seed", file.seed);
  add("workspace", file.workspace);
  add("backend_store_uri", file.backend_store_uri);
  add("artifacts_destination", file.artifacts_destination);
  add("default_artifact_root", file.default_artifact_root);
  add("deployments_target", file.deployments_target);
  add("durability", file.durability);
  add("threads", file.threads);
  add("log_level", file.log_level);
  add("host", file.host);
  add("port", file.port);
  return values;
}

}  // namespace

std::string UserName() {
  if (const auto named = ReadVariable("MILLRACE_USER")) {
    return *named;
  }
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found);
  return found == nullptr ? std::to_string(geteuid()) : std::string(found->pw_name);
}

std::optional<std::string> ReadVariable(const std::string& name) {
  const char* value = std::getenv(
      name.c_str());  // NOLINT(concurrency-mt-unsafe): nothing in this program sets variables
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::filesystem::path WorkspacePath(const cli::Settings& settings,
                                    const std::optional<std::filesystem::path>& project_root) {
  const std::filesystem::path base = project_root.value_or(std::filesystem::current_path());
  if (settings.workspace.empty()) {
    return base / ".millrace";
  }
  const bool from_file = settings.resolved.at("workspace").origin == "millrace.yaml";
  return from_file ? base / settings.workspace : std::filesystem::absolute(settings.workspace);
}

Result<cli::Settings> LoadSettings(const cli::Invocation& invocation,
                                   std::optional<std::filesystem::path>& project_root) {
  MILL_ASSIGN_OR_RETURN(project_root, FindProject(invocation.project));
  cli::Values file_values;
  if (project_root) {
    MILL_ASSIGN_OR_RETURN(const ProjectFile file, ReadProjectFile(*project_root));
    file_values = FileValues(file);
  }
  return cli::ResolveSettings(invocation.flags, ReadVariable, file_values);
}

Result<std::unique_ptr<Environment>> Environment::Open(const cli::Invocation& invocation,
                                                       bool create, std::stop_token stop) {
  auto environment = std::unique_ptr<Environment>(new Environment());
  MILL_ASSIGN_OR_RETURN(environment->settings_,
                        LoadSettings(invocation, environment->project_root_));
  const cli::Settings& settings = environment->settings_;
  environment->stop_ = std::move(stop);
  environment->threads_ = settings.threads > 0
                              ? settings.threads
                              : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  environment->logger_ = base::MakeStderrLogger(settings.log_level);
  environment->progress_ =
      invocation.as_json ? base::MakeSilentProgress() : base::MakeTerminalProgress();
  environment->cpu_ = std::make_unique<base::ThreadPool>("cpu", environment->threads_);
  MILL_RETURN_IF_ERROR(learners::RegisterBuiltinLearners(environment->learners_));
  MILL_ASSIGN_OR_RETURN(
      store::Workspace workspace,
      store::Workspace::Open(WorkspacePath(settings, environment->project_root_), create));
  environment->workspace_ = std::make_unique<store::Workspace>(std::move(workspace));
  const store::Durability durability =
      settings.is_durable_on_disk ? store::Durability::kDisk : store::Durability::kProcess;
  MILL_ASSIGN_OR_RETURN(environment->metadata_,
                        store::OpenMetadata(settings.backend_store_uri,
                                            environment->workspace_->MetadataPath(), durability));
  MILL_ASSIGN_OR_RETURN(
      environment->tracking_,
      tracking::TrackingStore::Open(
          *environment->metadata_, *environment->workspace_, environment->clock_,
          {.durability = durability,
           .artifact_root = tracking::AbsoluteLocation(settings.default_artifact_root)}));
  const std::string pattern = "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX";
  tracking::RegistryOptions options = {.source_pattern = ReadVariable(pattern).value_or(""),
                                       .takes_sources_of_others = settings.takes_sources_of_others};
  if (settings.requires_signature) {
    options.check_files = [opened = environment.get()](const tracking::ModelVersion& version) {
      return CheckVersionFiles(*opened, version);
    };
  }
  MILL_ASSIGN_OR_RETURN(
      environment->registry_,
      tracking::Registry::Open(*environment->metadata_, environment->clock_, std::move(options)));
  MILL_ASSIGN_OR_RETURN(environment->traces_,
                        tracking::TraceStore::Open(*environment->metadata_, environment->clock_));
  environment->registry_ =
      std::make_unique<tracking::Registry>(environment->registry_->As(UserName()));
  return environment;
}

Result<store::ArtifactStore*> Environment::Artifacts() {
  if (artifacts_ == nullptr) {
    MILL_ASSIGN_OR_RETURN(
        artifacts_, store::OpenArtifacts(*workspace_, settings_.artifacts_destination, *metadata_));
  }
  return artifacts_.get();
}

Environment::~Environment() = default;

Context Environment::MakeContext() const {
  Context context;
  context.stop = stop_;
  context.logger = logger_.get();
  context.clock = &clock_;
  context.progress = progress_.get();
  context.cpu = cpu_.get();
  context.seed = settings_.seed;
  return context;
}

Result<tracking::Access*> Environment::Access() {
  if (access_ == nullptr) {
    tracking::AccessOptions options;
    MILL_ASSIGN_OR_RETURN(options.default_permission,
                          tracking::ParsePermission(settings_.default_permission));
    MILL_ASSIGN_OR_RETURN(access_, tracking::Access::Open(*metadata_, clock_, options));
  }
  return access_.get();
}

Result<void> Environment::HoldWorkspace(const std::string& address) {
  if (lock_) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(store::WorkspaceLock lock,
                        store::WorkspaceLock::TryAcquire(*workspace_, address));
  lock_ = std::move(lock);
  return {};
}

Result<void> Environment::AnnounceAddress(const std::string& address) {
  return lock_->SetAddress(address);
}

Result<store::KeyValue*> Environment::OnlineKeyValue() {
  if (online_ != nullptr) {
    return online_.get();
  }
  const Result<void> held = HoldWorkspace("");
  if (held.ok()) {
    MILL_ASSIGN_OR_RETURN(online_, store::OpenRocksDbLate(workspace_->OnlineDir()));
    return online_.get();
  }
  MILL_ASSIGN_OR_RETURN(const auto holder, store::WorkspaceLock::ReadHolder(*workspace_));
  if (!holder || holder->address.empty()) {
    return Error(held.error());
  }
  MILL_ASSIGN_OR_RETURN(online_, api::OpenRemoteKeyValue(holder->address));
  return online_.get();
}

Result<features::OnlineStore> Environment::Online() {
  MILL_ASSIGN_OR_RETURN(store::KeyValue * key_value, OnlineKeyValue());
  return features::OnlineStore(*key_value);
}

Result<features::OnlineStore> Environment::OnlineForReading() {
  if (online_ != nullptr) {
    return features::OnlineStore(*online_);
  }
  if (online_for_reading_ == nullptr) {
    MILL_ASSIGN_OR_RETURN(const auto holder, store::WorkspaceLock::ReadHolder(*workspace_));
    if (holder && !holder->address.empty()) {
      MILL_ASSIGN_OR_RETURN(online_for_reading_, api::OpenRemoteKeyValue(holder->address));
    } else if (store::HasRocksDb(workspace_->OnlineDir())) {
      MILL_ASSIGN_OR_RETURN(online_for_reading_,
                            store::OpenRocksDb(workspace_->OnlineDir(), /*read_only=*/true));
    } else {
      online_for_reading_ = store::MakeMemoryKeyValue();  // nothing was ever published
    }
  }
  return features::OnlineStore(*online_for_reading_);
}

}  // namespace millrace::app
