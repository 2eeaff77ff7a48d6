// SPDX-License-Identifier: Apache-2.0
// The commands of the command line, fulfilled: opens what a command needs and calls it.
#pragma once

#include <stop_token>

#include "cli/actions.h"

namespace millrace::app {

class AppActions final : public cli::Actions {
 public:
  /// @param stop  asked by a signal; long commands end in order.
  explicit AppActions(std::stop_token stop) : stop_(std::move(stop)) {}

  Result<cli::Document> Init(const std::filesystem::path& dir) override;
  Result<void> Run(const cli::Invocation& invocation, const cli::RunOptions& options,
                   cli::RunListener& listener, cli::RunReport& report) override;
  Result<cli::Document> Validate(const cli::Invocation& invocation) override;
  Result<void> Serve(const cli::Invocation& invocation, const cli::ServeOptions& options) override;
  Result<cli::Document> Predict(const cli::Invocation& invocation,
                                const cli::PredictOptions& options) override;
  Result<cli::Document> FeaturesShow(const cli::Invocation& invocation, const std::string& view,
                                     const std::vector<std::string>& keys) override;
  Result<cli::Document> RunsList(const cli::Invocation& invocation,
                                 const cli::RunsListOptions& options) override;
  Result<cli::Document> RunsShow(const cli::Invocation& invocation,
                                 const std::string& run_id) override;
  Result<cli::Document> RunsCompare(const cli::Invocation& invocation,
                                    const cli::RunsCompareOptions& options) override;
  Result<void> RunsWatch(
      const cli::Invocation& invocation, const cli::RunsWatchOptions& options,
      const std::function<void(const cli::Document& frame, bool is_last)>& on_frame) override;
  Result<cli::Document> RunsTag(const cli::Invocation& invocation, const std::string& run_id,
                                const cli::TagChanges& changes) override;
  Result<cli::Document> RunsDelete(const cli::Invocation& invocation,
                                   const std::vector<std::string>& run_ids) override;
  Result<cli::Document> RunsRestore(const cli::Invocation& invocation,
                                    const std::vector<std::string>& run_ids) override;
  Result<cli::Document> ExperimentsList(const cli::Invocation& invocation,
                                        bool is_deleted) override;
  Result<cli::Document> ExperimentsShow(const cli::Invocation& invocation,
                                        const std::string& experiment) override;
  Result<cli::Document> ExperimentsCreate(const cli::Invocation& invocation,
                                          const std::string& name) override;
  Result<cli::Document> ExperimentsRename(const cli::Invocation& invocation,
                                          const std::string& experiment,
                                          const std::string& new_name) override;
  Result<cli::Document> ExperimentsTag(const cli::Invocation& invocation,
                                       const std::string& experiment,
                                       const cli::TagChanges& changes) override;
  Result<cli::Document> ExperimentsDelete(const cli::Invocation& invocation,
                                          const std::string& experiment) override;
  Result<cli::Document> ExperimentsRestore(const cli::Invocation& invocation,
                                           const std::string& experiment) override;
  Result<cli::Document> ModelsList(const cli::Invocation& invocation) override;
  Result<cli::Document> ModelsShow(const cli::Invocation& invocation,
                                   const std::string& name) override;
  Result<cli::Document> ModelsRegister(const cli::Invocation& invocation,
                                       const cli::ModelsOptions& options) override;
  Result<cli::Document> ModelsPromote(const cli::Invocation& invocation,
                                      const cli::ModelsOptions& options) override;
  Result<cli::Document> ModelsAlias(const cli::Invocation& invocation,
                                    const cli::ModelsOptions& options) override;
  Result<cli::Document> ModelsGates(const cli::Invocation& invocation,
                                    const cli::ModelsOptions& options) override;
  Result<cli::Document> ModelsApprove(const cli::Invocation& invocation,
                                      const cli::ModelsOptions& options) override;
  Result<cli::Document> ModelsCard(const cli::Invocation& invocation,
                                   const cli::ModelsOptions& options) override;
  Result<cli::Document> ModelsDiff(const cli::Invocation& invocation,
                                   const cli::ModelsOptions& options) override;
  Result<cli::Document> ModelsLineage(const cli::Invocation& invocation,
                                      const cli::ModelsOptions& options) override;
  Result<cli::Document> ModelsAudit(const cli::Invocation& invocation,
                                    const cli::ModelsOptions& options) override;
  Result<cli::Document> ImportMlflow(const cli::Invocation& invocation, const std::string& from,
                                     bool is_dry_run) override;
  Result<cli::Document> ExportMlflow(const cli::Invocation& invocation, const std::string& to,
                                     bool is_dry_run) override;
  Result<cli::Document> CollectGarbage(const cli::Invocation& invocation,
                                       const cli::GarbageOptions& options) override;
  Result<cli::Document> UsersCreate(const cli::Invocation& invocation,
                                    const cli::UserCreation& user) override;
  Result<cli::Document> UsersList(const cli::Invocation& invocation) override;
  Result<cli::Document> UsersPassword(const cli::Invocation& invocation,
                                      const std::string& username,
                                      const std::string& password) override;
  Result<cli::Document> UsersAdmin(const cli::Invocation& invocation, const std::string& username,
                                   bool is_admin) override;
  Result<cli::Document> UsersDelete(const cli::Invocation& invocation,
                                    const std::string& username) override;
  Result<cli::Document> UsersGrant(const cli::Invocation& invocation,
                                   const cli::AccessGrant& grant) override;
  Result<cli::Document> UsersRevoke(const cli::Invocation& invocation,
                                    const cli::AccessGrant& grant) override;
  Result<cli::Document> UsersPermissions(const cli::Invocation& invocation,
                                         const std::string& username) override;
  Result<cli::Document> RolesList(const cli::Invocation& invocation) override;
  Result<cli::Document> RolesCreate(const cli::Invocation& invocation, const std::string& role,
                                    const std::string& description) override;
  Result<cli::Document> RolesDelete(const cli::Invocation& invocation,
                                    const std::string& role) override;
  Result<cli::Document> RolesGrant(const cli::Invocation& invocation,
                                   const cli::AccessGrant& grant) override;
  Result<cli::Document> RolesRevoke(const cli::Invocation& invocation,
                                    const cli::AccessGrant& grant) override;
  Result<cli::Document> RolesAssign(const cli::Invocation& invocation, const std::string& role,
                                    const std::string& username) override;
  Result<cli::Document> RolesUnassign(const cli::Invocation& invocation, const std::string& role,
                                      const std::string& username) override;
  Result<cli::Document> UsersToken(const cli::Invocation& invocation,
                                   const cli::UserToken& token) override;
  Result<cli::Document> ConfigShow(const cli::Invocation& invocation) override;
  Result<cli::Document> Doctor(const cli::Invocation& invocation) override;
  Result<cli::Document> Schema(const std::string& kind) override;
  cli::Document Version() override;

 private:
  std::stop_token stop_;
};

}  // namespace millrace::app
