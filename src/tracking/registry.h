// SPDX-License-Identifier: Apache-2.0
// Registered models, their immutable versions, aliases and tags over the metadata database, with
// MLflow's semantics.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tracking/types.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

/// What RegisterVersion takes.
struct VersionRequest {
  std::string name = {};
  /// "models:/m-<id>" or a path.
  std::string source = {};
  /// The folder with the MLmodel file; empty: the artifact location of `model_id`.
  std::string storage_location = {};
  /// Empty: taken from the logged model.
  std::string run_id = {};
  std::string model_id = {};
  std::string description = {};
  Tags tags = {};
  /// Not empty: a second RegisterVersion with the same key returns the first version unchanged, so
  /// that a step repeated after a crash makes no second version. A deleted version gives its key
  /// back.
  std::string idempotency_key = {};
};

/// Models and versions. Thread-safe; several processes may hold one on the same database. Each call
/// is one transaction. Errors of every call:
///   - kNotFound: "Registered Model with name=N not found", "Model Version (name=N, version=V) not
///   found"
///   - kInvalidArgument: a name that is blank or holds '/' or ':', an alias outside [\w-]{1,255},
///   "latest" or "v<digits>"
class Registry {
 public:
  /// Migrates the tables (those of TrackingStore too). The references outlive the registry.
  static Result<std::unique_ptr<Registry>> Open(store::Metadata& metadata,
                                                const base::Clock& clock);
  Registry(store::Metadata& metadata, const base::Clock& clock)
      : metadata_(metadata), clock_(clock) {}

  /// kAlreadyExists: "Registered Model (name=N) already exists."
  Result<RegisteredModel> CreateModel(const std::string& name, const std::string& description = "",
                                      const Tags& tags = {});
  /// The model of that name, made if there is none.
  Result<RegisteredModel> EnsureModel(const std::string& name);
  Result<RegisteredModel> GetModel(const std::string& name);
  /// By name.
  Result<std::vector<RegisteredModel>> ListModels();
  /// Versions, aliases and tags go along.
  Result<RegisteredModel> RenameModel(const std::string& name, const std::string& new_name);
  Result<RegisteredModel> UpdateModel(const std::string& name, const std::string& description);
  /// For good, with all versions.
  Result<void> DeleteModel(const std::string& name);
  Result<void> SetModelTag(const std::string& name, const std::string& key,
                           const std::string& value);
  Result<void> DeleteModelTag(const std::string& name, const std::string& key);

  /// A new version: the greatest number ever used plus one. The model must exist.
  Result<ModelVersion> RegisterVersion(const VersionRequest& request);
  Result<ModelVersion> GetVersion(const std::string& name, std::int64_t version);
  Result<std::optional<ModelVersion>> FindVersionByKey(const std::string& idempotency_key);
  /// Newest first.
  Result<std::vector<ModelVersion>> ListVersions(const std::string& name);
  /// Only the description of a version can change.
  Result<ModelVersion> UpdateVersion(const std::string& name, std::int64_t version,
                                     const std::string& description);
  /// The number never returns; aliases to it are dropped.
  Result<void> DeleteVersion(const std::string& name, std::int64_t version);
  Result<void> SetVersionTag(const std::string& name, std::int64_t version, const std::string& key,
                             const std::string& value);
  Result<void> DeleteVersionTag(const std::string& name, std::int64_t version,
                                const std::string& key);
  /// Stages None, Staging, Production, Archived in any letter case.
  Result<ModelVersion> TransitionStage(const std::string& name, std::int64_t version,
                                       const std::string& stage, bool archive_existing_versions);

  /// Points the alias to the version, moving it if it exists.
  Result<void> SetAlias(const std::string& name, const std::string& alias, std::int64_t version);
  /// Nothing happens if the model has no such alias.
  Result<void> DeleteAlias(const std::string& name, const std::string& alias);
  /// kInvalidArgument if the model has no such alias, as MLflow says it; kNotFound if there is no
  /// such model.
  Result<ModelVersion> GetByAlias(const std::string& name, const std::string& alias);
  /// The same, but empty if the model or the alias does not exist.
  Result<std::optional<ModelVersion>> FindByAlias(const std::string& name,
                                                  const std::string& alias);

 private:
  std::int64_t NowMs() const;

  store::Metadata& metadata_;
  const base::Clock& clock_;
};

}  // namespace millrace::tracking
