// SPDX-License-Identifier: Apache-2.0
// Which action a command line calls, and with which exit status it ends.
#include "cli/command_line.h"

#include <cstdio>
#include <memory>

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

/// Notes what was asked and answers what the test says.
class RecordingActions final : public Actions {
 public:
  std::string called;
  Invocation invocation;
  RunOptions run;
  PredictOptions predict;
  RunsListOptions runs_list;
  ModelsOptions models;
  std::vector<std::string> names;
  std::optional<Error> error;
  bool gate_failed = false;

  Result<Document> Init(const std::filesystem::path& dir) override {
    return Answer("init " + dir.string(), {});
  }
  Result<void> Run(const Invocation& asked, const RunOptions& options, RunListener&,
                   RunReport& report) override {
    called = "run";
    invocation = asked;
    run = options;
    report.gate_failed = gate_failed;
    report.model_name = "churn";
    if (error) {
      return *error;
    }
    return {};
  }
  Result<Document> UsersCreate(const Invocation& asked, const UserCreation& user) override {
    return Answer(
        "users create " + user.username + " " + user.password + (user.is_admin ? " admin" : ""),
        asked);
  }
  Result<Document> UsersList(const Invocation& asked) override {
    return Answer("users list", asked);
  }
  Result<Document> UsersPassword(const Invocation& asked, const std::string& username,
                                 const std::string& password) override {
    return Answer("users password " + username + " " + password, asked);
  }
  Result<Document> UsersAdmin(const Invocation& asked, const std::string& username,
                              bool is_admin) override {
    return Answer("users admin " + username + (is_admin ? " yes" : " no"), asked);
  }
  Result<Document> UsersDelete(const Invocation& asked, const std::string& username) override {
    return Answer("users delete " + username, asked);
  }
  Result<Document> UsersGrant(const Invocation& asked, const AccessGrant& grant) override {
    return Answer("users grant " + TextOf(grant), asked);
  }
  Result<Document> UsersRevoke(const Invocation& asked, const AccessGrant& grant) override {
    return Answer("users revoke " + TextOf(grant), asked);
  }
  Result<Document> UsersPermissions(const Invocation& asked, const std::string& name) override {
    return Answer("users permissions " + name, asked);
  }
  Result<Document> RolesList(const Invocation& asked) override {
    return Answer("roles list", asked);
  }
  Result<Document> RolesCreate(const Invocation& asked, const std::string& role,
                               const std::string& description) override {
    return Answer("roles create " + role + " " + description, asked);
  }
  Result<Document> RolesDelete(const Invocation& asked, const std::string& role) override {
    return Answer("roles delete " + role, asked);
  }
  Result<Document> RolesGrant(const Invocation& asked, const AccessGrant& grant) override {
    return Answer("roles grant " + TextOf(grant), asked);
  }
  Result<Document> RolesRevoke(const Invocation& asked, const AccessGrant& grant) override {
    return Answer("roles revoke " + TextOf(grant), asked);
  }
  Result<Document> RolesAssign(const Invocation& asked, const std::string& role,
                               const std::string& username) override {
    return Answer("roles assign " + role + " " + username, asked);
  }
  Result<Document> RolesUnassign(const Invocation& asked, const std::string& role,
                                 const std::string& username) override {
    return Answer("roles unassign " + role + " " + username, asked);
  }
  static std::string TextOf(const AccessGrant& grant) {
    return grant.name + " " + grant.permission + " " + grant.experiment_id + grant.model +
           grant.prompt + grant.every;
  }
  Result<Document> UsersToken(const Invocation& asked, const UserToken& token) override {
    return Answer(
        "users token " + token.username + " " + token.name + " " + std::to_string(token.days),
        asked);
  }
  Result<Document> Validate(const Invocation& asked) override { return Answer("validate", asked); }
  Result<void> Serve(const Invocation& asked, const ServeOptions&) override {
    called = "serve";
    invocation = asked;
    return {};
  }
  Result<Document> Predict(const Invocation& asked, const PredictOptions& options) override {
    predict = options;
    return Answer("predict", asked);
  }
  Result<Document> FeaturesShow(const Invocation& asked, const std::string& view,
                                const std::vector<std::string>& keys) override {
    names = keys;
    return Answer("features show " + view, asked);
  }
  Result<Document> RunsList(const Invocation& asked, const RunsListOptions& options) override {
    runs_list = options;
    return Answer("runs list", asked);
  }
  Result<Document> RunsShow(const Invocation& asked, const std::string& id) override {
    return Answer("runs show " + id, asked);
  }
  Result<Document> RunsCompare(const Invocation& asked,
                               const RunsCompareOptions& options) override {
    names = options.run_ids;
    return Answer("runs compare", asked);
  }
  Result<void> RunsWatch(const Invocation& asked, const RunsWatchOptions& options,
                         const std::function<void(const Document&, bool)>& on_frame) override {
    on_frame(Document{{}, {"first"}, "1"}, false);
    on_frame(Document{{}, {"second"}, "2"}, true);
    names = options.metrics;
    return Discard(Answer("runs watch " + options.run_id, asked));
  }
  Result<Document> RunsTag(const Invocation& asked, const std::string& id,
                           const TagChanges& changes) override {
    names = changes.set;
    names.insert(names.end(), changes.remove.begin(), changes.remove.end());
    return Answer("runs tag " + id, asked);
  }
  Result<Document> RunsDelete(const Invocation& asked,
                              const std::vector<std::string>& ids) override {
    names = ids;
    return Answer("runs delete", asked);
  }
  Result<Document> RunsRestore(const Invocation& asked,
                               const std::vector<std::string>& ids) override {
    names = ids;
    return Answer("runs restore", asked);
  }
  Result<Document> ExperimentsList(const Invocation& asked, bool is_deleted) override {
    return Answer(is_deleted ? "experiments list deleted" : "experiments list", asked);
  }
  Result<Document> ExperimentsShow(const Invocation& asked, const std::string& name) override {
    return Answer("experiments show " + name, asked);
  }
  Result<Document> ExperimentsCreate(const Invocation& asked, const std::string& name) override {
    return Answer("experiments create " + name, asked);
  }
  Result<Document> ExperimentsRename(const Invocation& asked, const std::string& name,
                                     const std::string& new_name) override {
    return Answer("experiments rename " + name + " " + new_name, asked);
  }
  Result<Document> ExperimentsTag(const Invocation& asked, const std::string& name,
                                  const TagChanges& changes) override {
    names = changes.set;
    return Answer("experiments tag " + name, asked);
  }
  Result<Document> ExperimentsDelete(const Invocation& asked, const std::string& name) override {
    return Answer("experiments delete " + name, asked);
  }
  Result<Document> ExperimentsRestore(const Invocation& asked, const std::string& name) override {
    return Answer("experiments restore " + name, asked);
  }
  Result<Document> ModelsList(const Invocation& asked) override {
    return Answer("models list", asked);
  }
  Result<Document> ModelsShow(const Invocation& asked, const std::string& name) override {
    return Answer("models show " + name, asked);
  }
  Result<Document> ModelsRegister(const Invocation& asked, const ModelsOptions& options) override {
    models = options;
    return Answer("models register", asked);
  }
  Result<Document> ModelsPromote(const Invocation& asked, const ModelsOptions& options) override {
    models = options;
    return Answer("models promote", asked);
  }
  Result<Document> ModelsAlias(const Invocation& asked, const ModelsOptions& options) override {
    models = options;
    return Answer("models alias", asked);
  }
  Result<Document> ModelsApprove(const Invocation& asked, const ModelsOptions& options) override {
    models = options;
    return Answer("models approve", asked);
  }
  Result<Document> ModelsGates(const Invocation& asked, const ModelsOptions& options) override {
    models = options;
    return Answer("models gates", asked);
  }
  Result<Document> ModelsCard(const Invocation& asked, const ModelsOptions& options) override {
    models = options;
    return Answer("models card", asked);
  }
  Result<Document> ModelsDiff(const Invocation& asked, const ModelsOptions& options) override {
    models = options;
    return Answer("models diff", asked);
  }
  Result<Document> ModelsLineage(const Invocation& asked, const ModelsOptions& options) override {
    models = options;
    return Answer("models lineage", asked);
  }
  Result<Document> ModelsAudit(const Invocation& asked, const ModelsOptions& options) override {
    models = options;
    return Answer("models audit", asked);
  }
  Result<Document> ImportMlflow(const Invocation& asked, const std::string& from,
                                bool is_dry_run) override {
    return Answer("import mlflow " + from + (is_dry_run ? " dry" : ""), asked);
  }
  Result<Document> ExportMlflow(const Invocation& asked, const std::string& to,
                                bool is_dry_run) override {
    return Answer("export mlflow " + to + (is_dry_run ? " dry" : ""), asked);
  }
  Result<Document> CollectGarbage(const Invocation& asked, const GarbageOptions& options) override {
    return Answer(
        "gc " + std::to_string(options.older_than.count()) + (options.is_meant ? " yes" : ""),
        asked);
  }
  Result<Document> ConfigShow(const Invocation& asked) override {
    return Answer("config show", asked);
  }
  Result<Document> Doctor(const Invocation& asked) override { return Answer("doctor", asked); }
  Result<Document> Schema(const std::string& kind) override { return Answer("schema " + kind, {}); }
  Document Version() override { return {{}, {"millrace 0"}, "{}"}; }

 private:
  static Result<void> Discard(const Result<Document>& answer) {
    if (!answer.ok()) {
      return answer.error();
    }
    return {};
  }
  Result<Document> Answer(const std::string& what, const Invocation& asked) {
    called = what;
    invocation = asked;
    if (error) {
      return *error;
    }
    return Document{{}, {"text"}, "{\"json\":1}"};
  }
};

class CommandLine : public ::testing::Test {
 protected:
  int Run(const std::vector<std::string>& arguments) {
    out_.reset(std::tmpfile());
    err_.reset(std::tmpfile());
    Console console(out_.get(), err_.get());
    return RunCommandLine(arguments, actions, console);
  }
  static std::string Read(std::FILE* file) {
    std::rewind(file);
    std::string text(65536, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file));
    return text;
  }
  std::string Out() const { return Read(out_.get()); }
  std::string Err() const { return Read(err_.get()); }

  RecordingActions actions;

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> out_;
  std::unique_ptr<std::FILE, Close> err_;
};

TEST_F(CommandLine, RunTakesProjectPipelineAndSettings) {
  EXPECT_EQ(
      Run({"run", "examples/churn", "--pipeline", "train", "--threads", "2", "--fail-on-gate"}), 0);
  EXPECT_EQ(actions.called, "run");
  EXPECT_EQ(actions.invocation.project, "examples/churn");
  EXPECT_EQ(actions.run.pipeline, "train");
  EXPECT_TRUE(actions.run.fail_on_gate);
  EXPECT_EQ(actions.invocation.flags, (Values{{"threads", "2"}}));
}

TEST_F(CommandLine, AFailedGateIsExitFiveOnlyWhenAskedFor) {
  actions.gate_failed = true;
  EXPECT_EQ(Run({"run"}), 0);
  EXPECT_EQ(Run({"run", "--fail-on-gate"}), 5);
}

TEST_F(CommandLine, ErrorsBecomeExitCodesAndTextOnStandardError) {
  actions.error = base::NotFound("run \"abc\" does not exist").Hint("millrace runs list shows all");
  EXPECT_EQ(Run({"runs", "show", "abc"}), 3);
  EXPECT_EQ(Out(), "");
  EXPECT_NE(Err().find("run \"abc\" does not exist"), std::string::npos);
  EXPECT_NE(Err().find("millrace runs list shows all"), std::string::npos);
}

TEST_F(CommandLine, JsonPrintsTheMachineTextAlone) {
  EXPECT_EQ(Run({"models", "list", "--json"}), 0);
  EXPECT_EQ(Out(), "{\"json\":1}\n");
}

TEST_F(CommandLine, KeysRepeatAndProjectStaysApart) {
  EXPECT_EQ(Run({"predict", "shop", "--key", "1", "--key", "2"}), 0);
  EXPECT_EQ(actions.predict.keys, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(actions.invocation.project, "shop");
}

TEST_F(CommandLine, RunsListTakesFilterOrderAndColumns) {
  EXPECT_EQ(Run({"runs", "list", "shop", "--filter", "metrics.auc > 0.9", "--order-by",
                 "metrics.auc DESC", "--order-by", "start_time", "--column", "tags.team", "--limit",
                 "7", "--deleted"}),
            0);
  EXPECT_EQ(actions.invocation.project, "shop");
  EXPECT_EQ(actions.runs_list.filter, "metrics.auc > 0.9");
  EXPECT_EQ(actions.runs_list.order_by,
            (std::vector<std::string>{"metrics.auc DESC", "start_time"}));
  EXPECT_EQ(actions.runs_list.columns, std::vector<std::string>{"tags.team"});
  EXPECT_EQ(actions.runs_list.limit, 7);
  EXPECT_TRUE(actions.runs_list.is_deleted);
  EXPECT_EQ(Run({"runs", "list", "--limit", "0"}), 2);
}

TEST_F(CommandLine, WatchPrintsTheLastFrameWhereThereIsNoTerminal) {
  EXPECT_EQ(Run({"runs", "watch", "abcd", "--metric", "loss", "--interval", "0.5"}), 0);
  EXPECT_EQ(actions.called, "runs watch abcd");
  EXPECT_EQ(actions.names, std::vector<std::string>{"loss"});
  EXPECT_EQ(Out(), "second\n");
  EXPECT_EQ(Run({"runs", "watch", "abcd", "--once", "--json"}), 0);
  EXPECT_EQ(Out(), "2\n");
}

TEST_F(CommandLine, UsersAreGivenPermissionsAndTokens) {
  EXPECT_EQ(Run({"users", "grant", "ann", "EDIT", "--experiment", "3", "--project", "shop"}), 0);
  EXPECT_EQ(actions.called, "users grant ann EDIT 3");
  EXPECT_EQ(actions.invocation.project, "shop");
  EXPECT_EQ(Run({"users", "token", "ann", "--label", "ci", "--days", "90"}), 0);
  EXPECT_EQ(actions.called, "users token ann ci 90");
  EXPECT_EQ(Run({"users", "token", "ann", "--days", "0"}), 2);
  EXPECT_EQ(Run({"users", "admin", "ann", "--revoke"}), 0);
  EXPECT_EQ(actions.called, "users admin ann no");
  EXPECT_EQ(Run({"users", "delete", "ann", "shop"}), 0);
  EXPECT_EQ(actions.called, "users delete ann");
  EXPECT_EQ(Run({"users", "create"}), 2);
}

TEST_F(CommandLine, RolesAreGivenPermissionsAndUsers) {
  EXPECT_EQ(Run({"roles", "create", "editors", "--description", "who train"}), 0);
  EXPECT_EQ(actions.called, "roles create editors who train");
  EXPECT_EQ(Run({"roles", "grant", "editors", "EDIT", "--every", "experiment"}), 0);
  EXPECT_EQ(actions.called, "roles grant editors EDIT experiment");
  EXPECT_EQ(Run({"roles", "revoke", "editors", "--prompt", "ask"}), 0);
  EXPECT_EQ(actions.called, "roles revoke editors  ask");
  EXPECT_EQ(Run({"roles", "assign", "editors", "ann", "--project", "shop"}), 0);
  EXPECT_EQ(actions.called, "roles assign editors ann");
  EXPECT_EQ(actions.invocation.project, "shop");
  EXPECT_EQ(Run({"roles", "unassign", "editors", "ann"}), 0);
  EXPECT_EQ(Run({"roles", "delete", "editors"}), 0);
  EXPECT_EQ(Run({"roles", "list"}), 0);
  EXPECT_EQ(Run({"roles", "assign", "editors"}), 2);
  EXPECT_EQ(Run({"users", "revoke", "ann", "--model", "churn"}), 0);
  EXPECT_EQ(actions.called, "users revoke ann  churn");
  EXPECT_EQ(Run({"users", "permissions", "ann"}), 0);
}

TEST_F(CommandLine, RunsAndExperimentsAreTaggedDeletedAndRestored) {
  EXPECT_EQ(Run({"runs", "tag", "abcd", "--set", "a=b=c", "--remove", "d"}), 0);
  EXPECT_EQ(actions.called, "runs tag abcd");
  EXPECT_EQ(actions.names, (std::vector<std::string>{"a=b=c", "d"}));
  EXPECT_EQ(Run({"runs", "delete", "a", "b", "--project", "shop"}), 0);
  EXPECT_EQ(actions.called, "runs delete");
  EXPECT_EQ(actions.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(actions.invocation.project, "shop");
  EXPECT_EQ(Run({"runs", "restore", "a"}), 0);
  EXPECT_EQ(actions.called, "runs restore");
  EXPECT_EQ(Run({"experiments", "rename", "old", "new", "shop"}), 0);
  EXPECT_EQ(actions.called, "experiments rename old new");
  EXPECT_EQ(Run({"experiments", "list", "--deleted"}), 0);
  EXPECT_EQ(actions.called, "experiments list deleted");
  EXPECT_EQ(Run({"experiments", "show"}), 2);
  EXPECT_EQ(Run({"import", "mlflow", "sqlite:///a.db", "--workspace", "w"}), 0);
  EXPECT_EQ(actions.called, "import mlflow sqlite:///a.db");
  EXPECT_EQ(Run({"export", "mlflow", "./mlruns", "shop"}), 0);
  EXPECT_EQ(actions.called, "export mlflow ./mlruns");
  EXPECT_EQ(Run({"import", "mlflow", "sqlite:///a.db", "--dry-run"}), 0);
  EXPECT_EQ(actions.called, "import mlflow sqlite:///a.db dry");
  EXPECT_EQ(Run({"export", "mlflow", "./mlruns", "--dry-run"}), 0);
  EXPECT_EQ(actions.called, "export mlflow ./mlruns dry");
}

TEST_F(CommandLine, UnknownCommandsAndFlagsAreExitTwo) {
  EXPECT_EQ(Run({"fly"}), 2);
  EXPECT_EQ(Run({"run", "--fast"}), 2);
  EXPECT_EQ(Run({}), 2);
  EXPECT_EQ(actions.called, "");
}

TEST_F(CommandLine, CompletionKnowsNestedCommands) {
  EXPECT_EQ(Run({"completion", "fish"}), 0);
  EXPECT_NE(Out().find("complete -c millrace -n '__fish_seen_subcommand_from runs' -a compare"),
            std::string::npos);
}

TEST_F(CommandLine, ModelsAreGoverned) {
  EXPECT_EQ(Run({"models", "promote", "churn", "3", "--stage", "Production", "--override", "why"}),
            0);
  EXPECT_EQ(actions.called, "models promote");
  EXPECT_EQ(actions.models.name, "churn");
  EXPECT_EQ(actions.models.version, 3);
  EXPECT_EQ(actions.models.stage, "Production");
  EXPECT_EQ(actions.models.override_reason, "why");
  EXPECT_NE(Run({"models", "promote", "churn", "3", "--stage", "x", "--alias", "y"}), 0);
  EXPECT_NE(Run({"models", "approve", "churn", "3"}), 0) << "a reason is wanted";
  EXPECT_EQ(Run({"models", "approve", "churn", "3", "--reason", "good", "--by", "alice"}), 0);
  EXPECT_EQ(actions.models.by, "alice");
  EXPECT_EQ(Run({"models", "gates", "churn", "--minimum-auc", "0.7", "--better-than-champion",
                 "false", "--approvals", "2"}),
            0);
  EXPECT_EQ(actions.models.minimum_auc, 0.7);
  EXPECT_EQ(actions.models.better_than_champion, false);
  EXPECT_EQ(actions.models.approvals, 2);
  EXPECT_NE(Run({"models", "gates", "churn", "--minimum-auc", "70"}), 0);
  EXPECT_EQ(Run({"models", "diff", "churn", "2", "3"}), 0);
  EXPECT_EQ(actions.models.other_version, 3);
  EXPECT_EQ(Run({"models", "audit", "--verify"}), 0);
  EXPECT_TRUE(actions.models.is_verify);
  EXPECT_EQ(Run({"models", "card", "churn", "3", "--output", "card.html"}), 0);
  EXPECT_EQ(Run({"models", "alias", "churn", "old", "--delete"}), 0);
  EXPECT_EQ(Run({"models", "lineage", "churn", "0"}), 2);
}

}  // namespace
}  // namespace millrace::cli
