// SPDX-License-Identifier: Apache-2.0
// `millrace models`: looking at registered models and governing them.
#include "cli/internal/builder.h"

namespace millrace::cli::internal {

void Builder::AddModels() {
  CLI::App* group = AddGroup("models", "Look at registered models and govern them");
  AddProject(Add(*group, "list", "List registered models", "  millrace models list examples/churn",
                 [this] { return Show(actions_.ModelsList(parsed_.invocation)); }));
  CLI::App* show = Add(*group, "show", "Show a model's versions, aliases and metrics",
                       "  millrace models show churn examples/churn", [this] {
                         return Show(actions_.ModelsShow(parsed_.invocation, parsed_.name));
                       });
  show->add_option("NAME", parsed_.name, "Name of the model")->required();
  AddProject(show);
  AddModelChanges(*group);
  AddModelDocuments(*group);
}

CLI::App* Builder::AddModelCommand(CLI::App& group, const std::string& name,
                                   const std::string& sentence, const std::string& examples,
                                   Result<Document> (Actions::*action)(const Invocation&,
                                                                       const ModelsOptions&)) {
  CLI::App* app = Add(group, name, sentence, examples, [this, action] {
    return Show((actions_.*action)(parsed_.invocation, parsed_.models));
  });
  AddProjectFlag(app);
  return app;
}

void Builder::AddModelChanges(CLI::App& group) {
  ModelsOptions& models = parsed_.models;
  const auto name = [&](CLI::App* app) {
    app->add_option("NAME", models.name, "Name of the model")->required();
  };
  const auto version = [&](CLI::App* app) {
    app->add_option("VERSION", models.version, "Number of the version")
        ->required()
        ->check(CLI::PositiveNumber);
  };
  const auto who = [&](CLI::App* app) {
    app->add_option("--by", models.by, "Who does it, for the audit log; otherwise the user");
    app->add_option("--evidence", models.evidence, "Link or file where the reason can be read");
  };
  CLI::App* add = AddModelCommand(
      group, "register", "Register a version of a model that has a signature and an input example",
      "  millrace models register churn models:/m-0123456789abcdef0123456789abcdef\n"
      "  millrace models register churn path/to/model",
      &Actions::ModelsRegister);
  name(add);
  add->add_option("SOURCE", models.source, "models:/m-ID, runs:/RUN/PATH or a model folder")
      ->required();
  add->add_option("--run", models.run_id, "The run that made it");
  add->add_option("--description", models.description, "What is new about it");
  add->add_option("--by", models.by, "Who does it, for the audit log; otherwise the user");

  CLI::App* promote =
      AddModelCommand(group, "promote", "Make a version champion, if the gates and approvals hold",
                      "  millrace models promote churn 3\n"
                      "  millrace models promote churn 3 --stage Production\n"
                      "  millrace models promote churn 3 --override \"the old one is broken\"",
                      &Actions::ModelsPromote);
  name(promote);
  version(promote);
  auto* alias = promote->add_option("--alias", models.alias, "The alias to give (champion)");
  promote->add_option("--stage", models.stage, "The stage to move it to, instead of an alias")
      ->excludes(alias);
  promote->add_option("--override", models.override_reason,
                      "Promote although a gate fails or approvals are missing, for this reason");
  who(promote);

  CLI::App* set = AddModelCommand(group, "alias", "Point an alias to a version, or delete it",
                                  "  millrace models alias churn challenger 4\n"
                                  "  millrace models alias churn challenger --delete",
                                  &Actions::ModelsAlias);
  name(set);
  set->add_option("ALIAS", models.alias, "The alias")->required();
  set->add_option("VERSION", models.version, "Number of the version")->check(CLI::PositiveNumber);
  set->add_flag("--delete", models.is_delete, "Delete the alias");
  set->add_option("--override", models.override_reason, "As for promote, for the alias champion");
  who(set);

  CLI::App* gates = AddModelCommand(
      group, "gates", "Show or set what a version must show, whoever promotes it",
      "  millrace models gates churn\n"
      "  millrace models gates churn --minimum-auc 0.7 --better-than-champion true --approvals 1",
      &Actions::ModelsGates);
  name(gates);
  gates->add_option("--minimum-auc", models.minimum_auc, "Smallest test AUC (tag test_auc)")
      ->check(CLI::Range(0.0, 1.0));
  gates->add_option("--better-than-champion", models.better_than_champion,
                    "Whether the test AUC must be above the champion's on the same labels");
  gates->add_option("--approvals", models.approvals, "How many people must approve a version")
      ->check(CLI::Range(0, 20));
  gates->add_flag("--clear", models.is_delete, "Drop the gates");
  gates->add_option("--by", models.by, "Who does it, for the audit log; otherwise the user");

  CLI::App* approve =
      AddModelCommand(group, "approve", "Approve a version, with a reason that is recorded",
                      "  millrace models approve churn 3 --reason \"fair in every segment\"",
                      &Actions::ModelsApprove);
  name(approve);
  version(approve);
  approve->add_option("--reason", models.reason, "Why")->required();
  approve->add_flag("--withdraw", models.is_delete, "Take an approval back");
  who(approve);
}

void Builder::AddModelDocuments(CLI::App& group) {
  ModelsOptions& models = parsed_.models;
  const auto add = [&](const std::string& command, const std::string& sentence,
                       const std::string& example, auto action) {
    CLI::App* app = AddModelCommand(group, command, sentence, example, action);
    app->add_option("NAME", models.name, "Name of the model")->required();
    app->add_option("VERSION", models.version, "Number of the version")
        ->required()
        ->check(CLI::PositiveNumber);
    return app;
  };
  add("card", "Show the model card of a version",
      "  millrace models card churn 3\n  millrace models card churn 3 --output card.html",
      &Actions::ModelsCard)
      ->add_option("--output", models.output, "Write it here, as HTML where the name ends so");
  add("diff", "Compare two versions: data, features, parameters, metrics",
      "  millrace models diff churn 2 3", &Actions::ModelsDiff)
      ->add_option("OTHER", models.other_version, "Number of the other version")
      ->required()
      ->check(CLI::PositiveNumber);
  add("lineage", "Show where a version comes from and where it is used",
      "  millrace models lineage churn 3\n"
      "  millrace models lineage churn 3 --output lineage.svg",
      &Actions::ModelsLineage)
      ->add_option("--output", models.output, "Write it here: .svg, .dot, otherwise text");

  CLI::App* audit = AddModelCommand(
      group, "audit", "Show who changed what, newest first, or verify the log",
      "  millrace models audit churn\n  millrace models audit --verify", &Actions::ModelsAudit);
  audit->add_option("NAME", models.name, "Only of this model");
  audit->add_option("VERSION", models.version, "Only of this version")->check(CLI::PositiveNumber);
  audit->add_option("--limit", models.limit, "The newest so many")->check(CLI::PositiveNumber);
  audit->add_flag("--verify", models.is_verify, "Check the chain of hashes");
  audit->add_option("--head", models.head, "A head noted earlier, which must be in the chain");
}

}  // namespace millrace::cli::internal
