// SPDX-License-Identifier: Apache-2.0
// Registered models, their immutable versions, aliases and tags over the metadata database, with
// MLflow's semantics.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tracking/gates.h"
#include "tracking/types.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

/// What RegisterVersion and CreateVersion take.
struct VersionRequest {
  std::string name = {};
  /// "models:/m-<id>", "models:/<name>/<version>", "runs:/<run id>/<path>", a URI or a path.
  std::string source = {};
  /// The folder with the MLmodel file; empty: the artifact location of `model_id`.
  std::string storage_location = {};
  /// Empty: taken from the logged model.
  std::string run_id = {};
  std::string model_id = {};
  std::string description = {};
  /// A page about the run elsewhere; kept as it is.
  std::string run_link = {};
  Tags tags = {};
  /// Not empty: a second RegisterVersion with the same key returns the first version unchanged, so
  /// that a step repeated after a crash makes no second version. A deleted version gives its key
  /// back.
  std::string idempotency_key = {};
};

/// A search as MLflow's clients write it: filter and order_by in MLflow's grammar (search.h).
struct RegistrySearch {
  std::string filter = {};
  std::vector<std::string> order_by = {};
  /// Empty: the first page.
  std::string page_token = {};
  int max_results = 100;
};

struct RegistryOptions {
  /// Not empty: CreateVersion refuses a source in which this pattern (PCRE2) is not found.
  std::string source_pattern = {};
  /// CreateVersion takes runs:/ and mlflow-artifacts: sources that do not belong to the run or the
  /// logged model that the request names, as MLflow did before 3.17.
  bool takes_sources_of_others = false;
  /// Looks at the files of a version that CreateVersion is about to make, which an error refuses;
  /// null: none is looked at. Called from any thread.
  std::function<Result<void>(const ModelVersion&)> check_files = nullptr;
};

/// A registered model with this tag set to "true" is a prompt: searches leave it out unless asked.
inline constexpr std::string_view kIsPromptTag = "mlflow.prompt.is_prompt";

/// Somebody's consent to a version.
struct Approval {
  std::string approver;
  std::int64_t time_ms = 0;
  std::string reason;
  /// Where the reason can be looked up: a link, a ticket, a file.
  std::string evidence;
};

/// What Promote takes: either `alias` or `stage`.
struct Promotion {
  std::string name = {};
  std::int64_t version = 0;
  std::string alias = {};
  std::string stage = {};
  /// Moves other versions of that stage to Archived.
  bool archive_existing_versions = false;
  /// What the gates said.
  GateDecision decision = {};
  /// Not empty: promotes although a gate failed or approvals are missing, and says why.
  std::string override_reason = {};
  std::string evidence = {};
};

/// The alias that endpoints follow, and the stage of the same meaning: a model with gates gives
/// them to no version that does not pass.
inline constexpr std::string_view kChampionAlias = "champion";
inline constexpr std::string_view kProductionStage = "Production";

/// Models and versions. Thread-safe; several processes may hold one on the same database. Each call
/// is one transaction; each change is also an entry of the audit log (audit.h) and, where a webhook
/// asks for it, a delivery (webhooks.h), in the same transaction. A version is immutable but for
/// its description, tags, aliases and stage. Errors of every call:
///   - kNotFound: "Registered Model with name=N not found", "Model Version (name=N, version=V) not
///   found"
///   - kInvalidArgument: a name that is blank or holds '/' or ':', an alias outside [\w-]{1,255},
///   "latest" or "v<digits>"
class Registry {
 public:
  /// Migrates the tables (those of TrackingStore too). The references outlive the registry.
  static Result<std::unique_ptr<Registry>> Open(store::Metadata& metadata, const base::Clock& clock,
                                                const RegistryOptions& options = {});
  Registry(store::Metadata& metadata, const base::Clock& clock, RegistryOptions options = {})
      : metadata_(metadata), clock_(clock), options_(std::move(options)) {}
  /// The same registry, whose changes the audit log records as done by `actor` (a user's name).
  Registry As(std::string actor) const;

  /// kAlreadyExists: "Registered Model (name=N) already exists.", "Prompt (name=N) already exists."
  Result<RegisteredModel> CreateModel(const std::string& name, const std::string& description = "",
                                      const Tags& tags = {});
  /// The model of that name, made if there is none.
  Result<RegisteredModel> EnsureModel(const std::string& name);
  Result<RegisteredModel> GetModel(const std::string& name);
  /// By name; prompts too.
  Result<std::vector<RegisteredModel>> ListModels();
  /// By name unless ordered otherwise; max_results up to 1000. Prompts only where the filter asks
  /// for them.
  Result<Page<RegisteredModel>> SearchModels(const RegistrySearch& search);
  /// Versions, aliases and tags go along.
  Result<RegisteredModel> RenameModel(const std::string& name, const std::string& new_name);
  Result<RegisteredModel> UpdateModel(const std::string& name, const std::string& description);
  /// For good, with all versions.
  Result<void> DeleteModel(const std::string& name);
  Result<void> SetModelTag(const std::string& name, const std::string& key,
                           const std::string& value);
  Result<void> DeleteModelTag(const std::string& name, const std::string& key);

  /// Takes in a model of another registry with its version numbers, times, stages, tags and
  /// aliases, in one transaction; versions that are there already stay as they are. Noted in the
  /// audit log; no webhook hears of it.
  Result<void> ImportModel(const RegisteredModel& model, const std::vector<ModelVersion>& versions);

  /// A new version from a caller of this program, who may name any source: the greatest number
  /// ever used plus one. The model must exist.
  Result<ModelVersion> RegisterVersion(const VersionRequest& request);
  /// The same for a client, as MLflow does it: resolves models:/ sources (run and logged model from
  /// the version that is copied), notes the version on its logged model, and refuses, as
  /// kInvalidArgument, a local path outside the folder of the run or logged model named, ".." under
  /// any percent-encoding, files of another run, and what RegistryOptions forbids.
  Result<ModelVersion> CreateVersion(const VersionRequest& request);
  Result<ModelVersion> GetVersion(const std::string& name, std::int64_t version);
  Result<std::optional<ModelVersion>> FindVersionByKey(const std::string& idempotency_key);
  /// Newest first.
  Result<std::vector<ModelVersion>> ListVersions(const std::string& name);
  /// Newest first unless ordered otherwise; max_results up to 200,000. Without aliases, and prompts
  /// only where the filter asks for them, as in MLflow.
  Result<Page<ModelVersion>> SearchVersions(const RegistrySearch& search);
  /// The newest version of each stage, or of the stages named (any letter case).
  Result<std::vector<ModelVersion>> LatestVersions(const std::string& name,
                                                   const std::vector<std::string>& stages = {});
  /// Where a client finds the files of a version.
  Result<std::string> DownloadUri(const std::string& name, std::int64_t version);
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
  /// "latest": the version with the greatest number. kInvalidArgument if the model has no such
  /// alias, as MLflow says it; kNotFound if there is no such model.
  Result<ModelVersion> GetByAlias(const std::string& name, const std::string& alias);
  /// Records the consent of this registry's actor (As); giving it again changes reason and
  /// evidence.
  ///   - kInvalidArgument without an actor or a reason
  Result<void> Approve(const std::string& name, std::int64_t version, const std::string& reason,
                       const std::string& evidence = "");
  /// Takes it back; kNotFound if the actor gave none.
  Result<void> WithdrawApproval(const std::string& name, std::int64_t version,
                                const std::string& reason);
  /// Oldest first.
  Result<std::vector<Approval>> Approvals(const std::string& name, std::int64_t version);
  /// What a version must show before it gets the alias champion or the stage Production, whoever
  /// asks; empty: nothing. The model must exist.
  Result<void> SetGates(const std::string& name, const std::optional<GateSpec>& gates);
  Result<std::optional<GateSpec>> Gates(const std::string& name);
  /// Sets the alias or the stage, and records the gates' sentences, the approvals and, where one
  /// was needed, the reason of the override.
  ///   - kFailedPrecondition without a reason where a gate failed or approvals are missing: the
  ///   message says which
  Result<ModelVersion> Promote(const Promotion& promotion);

  /// The same as GetByAlias, but empty if the model or the alias does not exist.
  Result<std::optional<ModelVersion>> FindByAlias(const std::string& name,
                                                  const std::string& alias);

 private:
  std::int64_t NowMs() const;
  /// Without asking for approvals.
  Result<void> PutAlias(const std::string& name, const std::string& alias, std::int64_t version);
  Result<ModelVersion> PutStage(const std::string& name, std::int64_t version,
                                const std::string& stage, bool archive_existing_versions);
  /// kFailedPrecondition names the approvals that are missing.
  Result<void> CheckApprovals(const std::string& name, std::int64_t version);
  /// kFailedPrecondition names the gates that failed by what was recorded, and missing approvals;
  /// a refusal is an entry of the audit log.
  Result<void> CheckPromotion(const std::string& name, std::int64_t version, const std::string& to);
  /// What a gate was judged by stays as it is.
  Result<void> CheckEvidence(const ModelVersion& version, const std::string& key,
                             const std::string& value);

  store::Metadata& metadata_;
  const base::Clock& clock_;
  RegistryOptions options_;
  std::string actor_;
};

}  // namespace millrace::tracking
