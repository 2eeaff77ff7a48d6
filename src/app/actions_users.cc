// SPDX-License-Identifier: Apache-2.0
// The commands of `millrace users`, fulfilled.
#include <nlohmann/json.hpp>

#include "app/app_actions.h"
#include "app/environment.h"
#include "base/json.h"
#include "tracking/access.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;

/// Opens users and permissions, and asks them.
template <typename F>
Result<cli::Document> AskAccess(const cli::Invocation& invocation, bool create, F question) {
  MILL_ASSIGN_OR_RETURN(const auto environment, Environment::Open(invocation, create));
  MILL_ASSIGN_OR_RETURN(tracking::Access * access, environment->Access());
  return question(*environment, *access);
}

Json ToJson(const tracking::User& user) {
  return {{"id", user.id}, {"username", user.username}, {"is_admin", user.is_admin}};
}

cli::Document Line(std::string line, const Json& json) {
  cli::Document document;
  document.lines.push_back(std::move(line));
  document.json = base::DumpJson(json);
  return document;
}

/// The experiment or model, which exists.
Result<tracking::Resource> ResourceOf(Environment& environment, const cli::UserGrant& grant) {
  if (grant.experiment_id.empty() == grant.model.empty()) {
    return base::InvalidArgument("users grant needs one of --experiment and --model");
  }
  if (!grant.experiment_id.empty()) {
    MILL_ASSIGN_OR_RETURN(const auto experiment,
                          environment.tracking().GetExperiment(grant.experiment_id));
    return tracking::Resource{tracking::ResourceKind::kExperiment, experiment.id};
  }
  MILL_ASSIGN_OR_RETURN(const auto model, environment.registry().GetModel(grant.model));
  return tracking::Resource{tracking::ResourceKind::kRegisteredModel, model.name};
}

}  // namespace

Result<cli::Document> AppActions::UsersCreate(const cli::Invocation& invocation,
                                              const cli::UserCreation& user) {
  return AskAccess(
      invocation, /*create=*/true,
      [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
        MILL_ASSIGN_OR_RETURN(const tracking::User made,
                              access.CreateUser(user.username, user.password, user.is_admin));
        return Line((made.is_admin ? "administrator " : "user ") + made.username + " made",
                    ToJson(made));
      });
}

Result<cli::Document> AppActions::UsersList(const cli::Invocation& invocation) {
  return AskAccess(invocation, /*create=*/false,
                   [](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_ASSIGN_OR_RETURN(const auto users, access.ListUsers());
                     cli::Document document;
                     cli::TextTable table{"", {"user", "administrator"}, {}};
                     Json json = Json::array();
                     for (const tracking::User& user : users) {
                       table.rows.push_back({user.username, user.is_admin ? "yes" : ""});
                       json.push_back(ToJson(user));
                     }
                     if (users.empty()) {
                       document.lines.emplace_back(
                           "no users yet; make one with: millrace users create NAME --admin");
                     } else {
                       document.tables.push_back(std::move(table));
                     }
                     document.json = base::DumpJson(json);
                     return document;
                   });
}

Result<cli::Document> AppActions::UsersPassword(const cli::Invocation& invocation,
                                                const std::string& username,
                                                const std::string& password) {
  return AskAccess(invocation, /*create=*/false,
                   [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_RETURN_IF_ERROR(access.SetPassword(username, password));
                     return Line("password of " + username + " set", {{"username", username}});
                   });
}

Result<cli::Document> AppActions::UsersAdmin(const cli::Invocation& invocation,
                                             const std::string& username, bool is_admin) {
  return AskAccess(invocation, /*create=*/false,
                   [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_RETURN_IF_ERROR(access.SetAdmin(username, is_admin));
                     MILL_ASSIGN_OR_RETURN(const tracking::User user, access.GetUser(username));
                     return Line(
                         username + (is_admin ? " is an administrator" : " is no administrator"),
                         ToJson(user));
                   });
}

Result<cli::Document> AppActions::UsersDelete(const cli::Invocation& invocation,
                                              const std::string& username) {
  return AskAccess(invocation, /*create=*/false,
                   [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
                     MILL_RETURN_IF_ERROR(access.DeleteUser(username));
                     return Line("user " + username + " deleted", {{"username", username}});
                   });
}

Result<cli::Document> AppActions::UsersGrant(const cli::Invocation& invocation,
                                             const cli::UserGrant& grant) {
  return AskAccess(
      invocation, /*create=*/false,
      [&](Environment& environment, tracking::Access& access) -> Result<cli::Document> {
        MILL_ASSIGN_OR_RETURN(const tracking::Resource resource, ResourceOf(environment, grant));
        MILL_ASSIGN_OR_RETURN(const tracking::Permission permission,
                              tracking::ParsePermission(grant.permission));
        MILL_RETURN_IF_ERROR(access.PutGrant(grant.username, resource, permission));
        const bool is_experiment = resource.kind == tracking::ResourceKind::kExperiment;
        return Line(grant.username + " has " + grant.permission + " on " +
                        (is_experiment ? "experiment " : "model ") + resource.id,
                    {{"username", grant.username},
                     {"resource_type", is_experiment ? "experiment" : "registered_model"},
                     {"resource_id", resource.id},
                     {"permission", grant.permission}});
      });
}

Result<cli::Document> AppActions::UsersToken(const cli::Invocation& invocation,
                                             const cli::UserToken& token) {
  return AskAccess(
      invocation, /*create=*/false,
      [&](Environment&, tracking::Access& access) -> Result<cli::Document> {
        std::optional<std::chrono::seconds> lifetime;
        if (token.days > 0) {
          lifetime = std::chrono::hours(24) * token.days;
        }
        MILL_ASSIGN_OR_RETURN(const tracking::NewToken made,
                              access.CreateToken(token.username, token.name, lifetime));
        // Nothing but the token, so that a shell can take it.
        return Line(made.secret, {{"token_id", made.token.id}, {"secret", made.secret}});
      });
}

}  // namespace millrace::app
