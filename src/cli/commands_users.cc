// SPDX-License-Identifier: Apache-2.0
// `millrace users` and `millrace roles`: who may use `serve` where access control is on, and for
// what.
#include "cli/internal/builder.h"
#include "cli/password_prompt.h"

namespace millrace::cli::internal {

void Builder::AddUsers() {
  CLI::App* group = AddGroup("users", "Make users, give them permissions and tokens");
  const auto add = [&](const char* name, const char* sentence, const char* example,
                       Command command) {
    CLI::App* app = Add(*group, name, sentence, example, std::move(command));
    app->add_option("NAME", parsed_.name, "Name of the user")->required();
    return app;
  };
  CLI::App* create =
      add("create", "Make a user; the password is asked for, or read from standard input",
          "  millrace users create ann --admin\n"
          "  pass show millrace/ann | millrace users create ann",
          [this]() -> Result<void> {
            MILL_ASSIGN_OR_RETURN(parsed_.user.password, ReadNewPassword());
            parsed_.user.username = parsed_.name;
            return Show(actions_.UsersCreate(parsed_.invocation, parsed_.user));
          });
  create->add_flag("--admin", parsed_.user.is_admin, "May do everything");
  AddProject(create);
  AddProject(Add(*group, "list", "List the users", "  millrace users list",
                 [this] { return Show(actions_.UsersList(parsed_.invocation)); }));
  AddProject(add("password", "Set a user's password, asked for or read from standard input",
                 "  millrace users password ann", [this]() -> Result<void> {
                   MILL_ASSIGN_OR_RETURN(const std::string password, ReadNewPassword());
                   return Show(actions_.UsersPassword(parsed_.invocation, parsed_.name, password));
                 }));
  CLI::App* admin =
      add("admin", "Make a user an administrator, or one no more",
          "  millrace users admin ann\n  millrace users admin ann --revoke", [this] {
            return Show(actions_.UsersAdmin(parsed_.invocation, parsed_.name, !parsed_.is_revoked));
          });
  admin->add_flag("--revoke", parsed_.is_revoked, "No longer an administrator");
  AddProject(admin);
  AddProject(add("delete", "Delete a user with their tokens and permissions",
                 "  millrace users delete ann",
                 [this] { return Show(actions_.UsersDelete(parsed_.invocation, parsed_.name)); }));
  CLI::App* grant = add("grant", "Give a user a permission on an experiment, a model or a prompt",
                        "  millrace users grant ann EDIT --experiment 3\n"
                        "  millrace users grant ann DENY --model churn",
                        [this] {
                          parsed_.grant.name = parsed_.name;
                          return Show(actions_.UsersGrant(parsed_.invocation, parsed_.grant));
                        });
  grant
      ->add_option("PERMISSION", parsed_.grant.permission,
                   "READ, USE, EDIT, MANAGE, DENY or NO_PERMISSIONS")
      ->required();
  AddResourceOptions(grant);
  AddResourceOptions(add("revoke", "Take back a permission that a user was given directly",
                         "  millrace users revoke ann --experiment 3", [this] {
                           parsed_.grant.name = parsed_.name;
                           return Show(actions_.UsersRevoke(parsed_.invocation, parsed_.grant));
                         }));
  AddProject(add("permissions", "Show what a user was given, directly and by roles",
                 "  millrace users permissions ann", [this] {
                   return Show(actions_.UsersPermissions(parsed_.invocation, parsed_.name));
                 }));
  CLI::App* token =
      add("token", "Make a token for a user's programs; it is shown once",
          "  export MLFLOW_TRACKING_TOKEN=$(millrace users token ann --days 90)", [this] {
            parsed_.token.username = parsed_.name;
            return Show(actions_.UsersToken(parsed_.invocation, parsed_.token));
          });
  token->add_option("--label", parsed_.token.name, "What it is for");
  token->add_option("--days", parsed_.token.days, "How long it lives (default: until deleted)")
      ->check(CLI::Range(1, 36'500));
  AddProject(token);
}

void Builder::AddResourceOptions(CLI::App* app) {
  app->add_option("--experiment", parsed_.grant.experiment_id, "Id of the experiment");
  app->add_option("--model", parsed_.grant.model, "Name of the registered model");
  app->add_option("--prompt", parsed_.grant.prompt, "Name of the prompt");
  app->add_option("--every", parsed_.grant.every,
                  "All of a type: experiment, registered_model, prompt, scorer; or of parts, which "
                  "count before what they belong to: run, trace, assessment, logged_model, "
                  "registered_model_version, prompt_version, scorer_version; or workspace "
                  "(MANAGE: everything, and roles)");
  AddProjectFlag(app);
}

void Builder::AddRoles() {
  CLI::App* group = AddGroup("roles", "Make roles, give them permissions and to users");
  const auto add = [&](const char* name, const char* sentence, const char* example,
                       Command command) {
    CLI::App* app = Add(*group, name, sentence, example, std::move(command));
    app->add_option("ROLE", parsed_.name, "Name of the role")->required();
    return app;
  };
  AddProject(Add(*group, "list", "List the roles with their permissions and users",
                 "  millrace roles list",
                 [this] { return Show(actions_.RolesList(parsed_.invocation)); }));
  CLI::App* create = add(
      "create", "Make a role, which may nothing yet",
      "  millrace roles create editors --description \"who train\"", [this] {
        return Show(actions_.RolesCreate(parsed_.invocation, parsed_.name, parsed_.description));
      });
  create->add_option("--description", parsed_.description, "What it is for");
  AddProject(create);
  AddProject(add("delete", "Delete a role; nobody has it any more",
                 "  millrace roles delete editors",
                 [this] { return Show(actions_.RolesDelete(parsed_.invocation, parsed_.name)); }));
  CLI::App* grant = add("grant", "Give a role a permission, or change the one that it has",
                        "  millrace roles grant editors EDIT --every experiment\n"
                        "  millrace roles grant editors DENY --model payroll",
                        [this] {
                          parsed_.grant.name = parsed_.name;
                          return Show(actions_.RolesGrant(parsed_.invocation, parsed_.grant));
                        });
  grant
      ->add_option("PERMISSION", parsed_.grant.permission,
                   "READ, USE, EDIT, MANAGE or DENY, which wins over all others")
      ->required();
  AddResourceOptions(grant);
  AddResourceOptions(add("revoke", "Take a permission from a role",
                         "  millrace roles revoke editors --every experiment", [this] {
                           parsed_.grant.name = parsed_.name;
                           return Show(actions_.RolesRevoke(parsed_.invocation, parsed_.grant));
                         }));
  CLI::App* assign =
      add("assign", "Give a user a role", "  millrace roles assign editors ann", [this] {
        return Show(actions_.RolesAssign(parsed_.invocation, parsed_.name, parsed_.new_name));
      });
  CLI::App* unassign =
      add("unassign", "Take a role from a user", "  millrace roles unassign editors ann", [this] {
        return Show(actions_.RolesUnassign(parsed_.invocation, parsed_.name, parsed_.new_name));
      });
  for (CLI::App* app : {assign, unassign}) {
    app->add_option("USER", parsed_.new_name, "Name of the user")->required();
    AddProjectFlag(app);
  }
}

}  // namespace millrace::cli::internal
