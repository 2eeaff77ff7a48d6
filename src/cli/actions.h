// SPDX-License-Identifier: Apache-2.0
// What the command line asks of the program; `app` fulfils it.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/document.h"
#include "cli/settings.h"

namespace millrace::cli {

/// What every command knows: the project and the settings given as flags.
struct Invocation {
  /// The folder of the project; empty where none was named (then the current folder, if it has a
  /// millrace.yaml).
  std::filesystem::path project;
  Values flags;
  bool as_json = false;
};

struct RunOptions {
  std::optional<std::string> pipeline;  ///< none: the project's only pipeline
  bool fail_on_gate = false;
  bool no_cache = false;
};

/// A stage as shown and as `run --json` prints it.
struct StageReport {
  std::string name;
  std::string status;  ///< "ran", "cached" or "failed"
  double seconds = 0;
  std::int64_t rows = 0;
  std::map<std::string, double> metrics;
  std::vector<std::string> outputs;
  std::vector<TextTable> tables;
  std::vector<std::string> notes;
};

struct RunReport {
  std::string pipeline;
  std::string status;  ///< "ran", "cached" or "failed"
  double seconds = 0;
  std::vector<StageReport> stages;
  std::string run_id;
  std::string model_name;
  int model_version = 0;
  std::vector<std::string> aliases;
  bool gate_failed = false;
  std::vector<std::string> next_commands;
};

/// Hears of stages as they pass, in their order.
class RunListener {
 public:
  virtual ~RunListener() = default;
  virtual void OnStageStart(std::string_view name) = 0;
  virtual void OnStageEnd(const StageReport& stage) = 0;
};

struct ServeOptions {
  /// Lets everybody who reaches the address do everything.
  bool is_insecure = false;
  /// Called once with "http://HOST:PORT" when requests are answered.
  std::function<void(const std::string& address)> on_ready;
};

struct UserCreation {
  std::string username;
  std::string password;
  bool is_admin = false;
};

/// A permission for a user or a role.
struct AccessGrant {
  /// Of the user or the role.
  std::string name;
  /// MLflow's word; empty where it is to be taken back.
  std::string permission;
  /// One of these is set; `every` is a type of resources ("experiment").
  std::string experiment_id;
  std::string model;
  std::string prompt;
  std::string every;
};

struct UserToken {
  std::string username;
  std::string name;
  /// 0: until it is deleted.
  int days = 0;
};

struct PredictOptions {
  std::string endpoint;                        ///< empty: the only one
  std::vector<std::string> keys;               ///< entity keys, completed from the online store
  std::optional<std::filesystem::path> input;  ///< CSV or Parquet with full rows or keys
  std::optional<std::filesystem::path> output;
};

struct RunsListOptions {
  /// Name or id; empty: all experiments.
  std::string experiment;
  /// MLflow's grammar: "metrics.auc > 0.9 and params.learner = 'lightgbm'".
  std::string filter;
  /// "metrics.auc DESC".
  std::vector<std::string> order_by;
  /// "metrics.auc", "params.learner", "tags.team"; empty: the most common ones.
  std::vector<std::string> columns;
  int limit = 100;
  bool is_deleted = false;
};

struct RunsCompareOptions {
  std::vector<std::string> run_ids;
  /// Charts of these metrics; empty: of all that have a history in any of the runs, at most 4.
  std::vector<std::string> metrics;
  /// Writes the charts as SVG or PNG, by the name's ending.
  std::optional<std::filesystem::path> plot;
};

struct RunsWatchOptions {
  std::string run_id;
  std::vector<std::string> metrics;
  double interval_s = 1;
  /// Shows the run as it is and ends.
  bool once = false;
};

struct TagChanges {
  /// "key=value".
  std::vector<std::string> set;
  std::vector<std::string> remove;
};

struct GarbageOptions {
  /// Only runs deleted at least this long ago.
  std::chrono::milliseconds older_than{0};
  /// Without it nothing is removed.
  bool is_meant = false;
};

/// What the commands of `models` take; each uses some of it.
struct ModelsOptions {
  std::string name;
  std::int64_t version = 0;
  std::int64_t other_version = 0;
  std::string alias;
  std::string stage;
  std::string source;
  std::string run_id;
  std::string description;
  std::string reason;
  std::string override_reason;
  std::string evidence;
  /// Who does it; empty: the user who runs the command.
  std::string by;
  bool is_delete = false;
  std::optional<double> minimum_auc;
  std::optional<bool> better_than_champion;
  std::optional<int> approvals;
  std::optional<std::filesystem::path> output;
  bool is_verify = false;
  std::string head;
  int limit = 100;
};

/// Every command that needs the whole program. Errors reach the user as they are.
class Actions {
 public:
  virtual ~Actions() = default;

  virtual Result<Document> Init(const std::filesystem::path& dir) = 0;
  /// The report is filled as far as the run came, also when it fails.
  virtual Result<void> Run(const Invocation& invocation, const RunOptions& options,
                           RunListener& listener, RunReport& report) = 0;
  virtual Result<Document> Validate(const Invocation& invocation) = 0;
  /// Serves until a signal asks it to stop.
  virtual Result<void> Serve(const Invocation& invocation, const ServeOptions& options) = 0;
  virtual Result<Document> Predict(const Invocation& invocation, const PredictOptions& options) = 0;
  virtual Result<Document> FeaturesShow(const Invocation& invocation, const std::string& view,
                                        const std::vector<std::string>& keys) = 0;
  virtual Result<Document> RunsList(const Invocation& invocation,
                                    const RunsListOptions& options) = 0;
  virtual Result<Document> RunsShow(const Invocation& invocation, const std::string& run_id) = 0;
  virtual Result<Document> RunsCompare(const Invocation& invocation,
                                       const RunsCompareOptions& options) = 0;
  /// Calls `on_frame` with the state of the run every interval until it has ended or a signal asks
  /// to stop; the last call has `is_last`.
  virtual Result<void> RunsWatch(
      const Invocation& invocation, const RunsWatchOptions& options,
      const std::function<void(const Document& frame, bool is_last)>& on_frame) = 0;
  virtual Result<Document> RunsTag(const Invocation& invocation, const std::string& run_id,
                                   const TagChanges& changes) = 0;
  virtual Result<Document> RunsDelete(const Invocation& invocation,
                                      const std::vector<std::string>& run_ids) = 0;
  virtual Result<Document> RunsRestore(const Invocation& invocation,
                                       const std::vector<std::string>& run_ids) = 0;
  virtual Result<Document> ExperimentsList(const Invocation& invocation, bool is_deleted) = 0;
  /// Experiments are named by name or id.
  virtual Result<Document> ExperimentsShow(const Invocation& invocation,
                                           const std::string& experiment) = 0;
  virtual Result<Document> ExperimentsCreate(const Invocation& invocation,
                                             const std::string& name) = 0;
  virtual Result<Document> ExperimentsRename(const Invocation& invocation,
                                             const std::string& experiment,
                                             const std::string& new_name) = 0;
  virtual Result<Document> ExperimentsTag(const Invocation& invocation,
                                          const std::string& experiment,
                                          const TagChanges& changes) = 0;
  virtual Result<Document> ExperimentsDelete(const Invocation& invocation,
                                             const std::string& experiment) = 0;
  virtual Result<Document> ExperimentsRestore(const Invocation& invocation,
                                              const std::string& experiment) = 0;
  virtual Result<Document> ModelsList(const Invocation& invocation) = 0;
  virtual Result<Document> ModelsShow(const Invocation& invocation, const std::string& name) = 0;
  virtual Result<Document> ModelsRegister(const Invocation& invocation,
                                          const ModelsOptions& options) = 0;
  virtual Result<Document> ModelsPromote(const Invocation& invocation,
                                         const ModelsOptions& options) = 0;
  virtual Result<Document> ModelsAlias(const Invocation& invocation,
                                       const ModelsOptions& options) = 0;
  virtual Result<Document> ModelsGates(const Invocation& invocation,
                                       const ModelsOptions& options) = 0;
  virtual Result<Document> ModelsApprove(const Invocation& invocation,
                                         const ModelsOptions& options) = 0;
  virtual Result<Document> ModelsCard(const Invocation& invocation,
                                      const ModelsOptions& options) = 0;
  virtual Result<Document> ModelsDiff(const Invocation& invocation,
                                      const ModelsOptions& options) = 0;
  virtual Result<Document> ModelsLineage(const Invocation& invocation,
                                         const ModelsOptions& options) = 0;
  virtual Result<Document> ModelsAudit(const Invocation& invocation,
                                       const ModelsOptions& options) = 0;
  /// Copies everything of an MLflow store into the workspace, which is made if there is none; as a
  /// dry run, only counts it.
  virtual Result<Document> ImportMlflow(const Invocation& invocation, const std::string& from,
                                        bool is_dry_run) = 0;
  /// Copies everything of the workspace into an MLflow store; as a dry run, only counts it.
  virtual Result<Document> ExportMlflow(const Invocation& invocation, const std::string& to,
                                        bool is_dry_run) = 0;
  /// Deleted runs, their artifacts and bytes that nothing names: listed, or removed for good.
  virtual Result<Document> CollectGarbage(const Invocation& invocation,
                                          const GarbageOptions& options) = 0;
  /// Makes the workspace where there is none.
  virtual Result<Document> UsersCreate(const Invocation& invocation, const UserCreation& user) = 0;
  virtual Result<Document> UsersList(const Invocation& invocation) = 0;
  virtual Result<Document> UsersPassword(const Invocation& invocation, const std::string& username,
                                         const std::string& password) = 0;
  virtual Result<Document> UsersAdmin(const Invocation& invocation, const std::string& username,
                                      bool is_admin) = 0;
  virtual Result<Document> UsersDelete(const Invocation& invocation,
                                       const std::string& username) = 0;
  virtual Result<Document> UsersGrant(const Invocation& invocation, const AccessGrant& grant) = 0;
  virtual Result<Document> UsersRevoke(const Invocation& invocation, const AccessGrant& grant) = 0;
  /// What a user was given, directly and by roles.
  virtual Result<Document> UsersPermissions(const Invocation& invocation,
                                            const std::string& username) = 0;
  virtual Result<Document> RolesList(const Invocation& invocation) = 0;
  virtual Result<Document> RolesCreate(const Invocation& invocation, const std::string& role,
                                       const std::string& description) = 0;
  virtual Result<Document> RolesDelete(const Invocation& invocation, const std::string& role) = 0;
  virtual Result<Document> RolesGrant(const Invocation& invocation, const AccessGrant& grant) = 0;
  virtual Result<Document> RolesRevoke(const Invocation& invocation, const AccessGrant& grant) = 0;
  virtual Result<Document> RolesAssign(const Invocation& invocation, const std::string& role,
                                       const std::string& username) = 0;
  virtual Result<Document> RolesUnassign(const Invocation& invocation, const std::string& role,
                                         const std::string& username) = 0;
  /// The answer shows the token; nothing shows it again.
  virtual Result<Document> UsersToken(const Invocation& invocation, const UserToken& token) = 0;
  virtual Result<Document> ConfigShow(const Invocation& invocation) = 0;
  virtual Result<Document> Doctor(const Invocation& invocation) = 0;
  /// The JSON Schema of one kind of project file, or, without a kind, the list of kinds.
  virtual Result<Document> Schema(const std::string& kind) = 0;
  virtual Document Version() = 0;
};

}  // namespace millrace::cli
