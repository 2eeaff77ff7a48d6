// SPDX-License-Identifier: Apache-2.0
// `millrace users`: who may use `serve` where access control is on.
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
  CLI::App* grant = add("grant", "Give a user a permission on an experiment or a model",
                        "  millrace users grant ann EDIT --experiment 3\n"
                        "  millrace users grant ann NO_PERMISSIONS --model churn",
                        [this] {
                          parsed_.grant.username = parsed_.name;
                          return Show(actions_.UsersGrant(parsed_.invocation, parsed_.grant));
                        });
  grant
      ->add_option("PERMISSION", parsed_.grant.permission,
                   "READ, USE, EDIT, MANAGE or NO_PERMISSIONS")
      ->required();
  grant->add_option("--experiment", parsed_.grant.experiment_id, "Id of the experiment");
  grant->add_option("--model", parsed_.grant.model, "Name of the registered model");
  AddProjectFlag(grant);
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

}  // namespace millrace::cli::internal
