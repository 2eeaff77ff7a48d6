// SPDX-License-Identifier: Apache-2.0
// Builds the tree of commands; each group of commands has a source of its own.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/actions.h"
#include "cli/console.h"

namespace millrace::cli::internal {

/// Everything the flags are parsed into; lives as long as the parser.
struct Parsed {
  Invocation invocation;
  std::string project;
  std::map<std::string, std::string> setting_texts;
  RunOptions run;
  std::string pipeline;
  PredictOptions predict;
  ModelsOptions models;
  RunsListOptions runs_list;
  RunsCompareOptions runs_compare;
  RunsWatchOptions runs_watch;
  TagChanges tag_changes;
  bool is_deleted = false;
  std::string new_name;
  std::string location;
  bool is_dry_run = false;
  std::string input;
  std::string output;
  std::string directory;
  std::string view;
  std::string name;
  bool is_insecure = false;
  UserCreation user;
  AccessGrant grant;
  std::string description;
  UserToken token;
  bool is_revoked = false;
  std::vector<std::string> names;
  GarbageOptions garbage;
  std::string older_than;
};

/// The command that was chosen: prints its own answer.
using Command = std::function<Result<void>()>;

class Builder {
 public:
  Builder(CLI::App& root, Actions& actions, Console& console, Parsed& parsed)
      : root_(root), actions_(actions), console_(console), parsed_(parsed) {}

  void AddCommands();
  const Command& chosen() const { return chosen_; }

 private:
  /// A command with its sentence and examples; `examples` are whole lines.
  CLI::App* Add(CLI::App& parent, const std::string& name, const std::string& sentence,
                const std::string& examples, Command command);
  CLI::App* AddGroup(const std::string& name, const std::string& sentence);
  /// The optional last argument PROJECT.
  void AddProject(CLI::App* app);
  /// The same as --project, for commands whose arguments are a list.
  void AddProjectFlag(CLI::App* app);
  Result<void> Show(Result<Document> document);

  void AddInit();
  void AddRun();
  void AddValidate();
  void AddServe();
  void AddPredict();
  void AddFeatures();
  void AddRuns();  // commands_runs.cc
  void AddRunsThatWrite(CLI::App& group);
  void AddExperiments();  // commands_runs.cc
  void AddTagOptions(CLI::App* app);
  void AddModels();  // commands_models.cc
  void AddUsers();   // commands_users.cc
  void AddRoles();   // commands_users.cc
  void AddResourceOptions(CLI::App* app);
  void AddModelChanges(CLI::App& group);
  void AddModelDocuments(CLI::App& group);
  CLI::App* AddModelCommand(CLI::App& group, const std::string& name, const std::string& sentence,
                            const std::string& examples,
                            Result<Document> (Actions::*action)(const Invocation&,
                                                                const ModelsOptions&));
  void AddTransfers();
  void AddConfig();
  void AddGarbage();  // commands_gc.cc
  void AddRest();
  Result<void> Run();
  Result<void> Completion();

  CLI::App& root_;
  Actions& actions_;
  Console& console_;
  Parsed& parsed_;
  Command chosen_;
};

}  // namespace millrace::cli::internal
