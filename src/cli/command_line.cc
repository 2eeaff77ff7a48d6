// SPDX-License-Identifier: Apache-2.0
// The command line: flags to actions, answers to text.
#include "cli/command_line.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/error_map.h"
#include "base/nearest_name.h"
#include "cli/completion.h"
#include "cli/internal/builder.h"
#include "cli/run_view.h"

namespace millrace::cli {
namespace internal {
namespace {

void CollectWords(const CLI::App& app, const std::string& path,
                  std::vector<CommandWords>& commands) {
  CommandWords words{path, {}};
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    words.words.push_back(sub->get_name());
    CollectWords(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), commands);
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      words.words.push_back("--" + name);
    }
  }
  commands.push_back(std::move(words));
}

}  // namespace

void Builder::AddCommands() {
  AddInit();
  AddRun();
  AddValidate();
  AddServe();
  AddPredict();
  AddFeatures();
  AddRuns();
  AddExperiments();
  AddModels();
  AddUsers();
  AddRoles();
  AddTransfers();
  AddGarbage();
  AddConfig();
  AddRest();
}

CLI::App* Builder::Add(CLI::App& parent, const std::string& name, const std::string& sentence,
                       const std::string& examples, Command command) {
  CLI::App* app = parent.add_subcommand(name, sentence);
  app->footer("Examples:\n" + examples);
  app->add_flag("--json", parsed_.invocation.as_json, "Print one JSON value instead of text");
  for (const SettingInfo& setting : SettingDeclarations()) {
    app->add_option(FlagOf(setting), parsed_.setting_texts[setting.name],
                    setting.description + " [" + VariableOf(setting) + "]")
        ->group("Settings");
  }
  app->callback([this, command = std::move(command)] { chosen_ = command; });
  return app;
}

CLI::App* Builder::AddGroup(const std::string& name, const std::string& sentence) {
  CLI::App* app = root_.add_subcommand(name, sentence);
  app->require_subcommand(1);
  return app;
}

void Builder::AddProject(CLI::App* app) {
  app->add_option("PROJECT", parsed_.project, "Folder of the project (default: the current one)");
}

void Builder::AddProjectFlag(CLI::App* app) {
  app->add_option("--project", parsed_.project, "Folder of the project (default: the current one)");
}

Result<void> Builder::Show(Result<Document> document) {
  if (!document.ok()) {
    return std::move(document).error();
  }
  console_.Print(*document, parsed_.invocation.as_json);
  return {};
}

void Builder::AddInit() {
  CLI::App* app =
      Add(root_, "init", "Make a new project that runs: commented files and a sample of real data",
          "  millrace init shop && millrace run shop",
          [this] { return Show(actions_.Init(parsed_.directory)); });
  app->add_option("DIR", parsed_.directory, "Folder to make; must not exist or be empty")
      ->required();
}

void Builder::AddRun() {
  CLI::App* app =
      Add(root_, "run", "Run a pipeline: only what changed since the last run is computed again",
          "  millrace run examples/churn\n  millrace run --pipeline train --json",
          [this] { return Run(); });
  AddProject(app);
  app->add_option("--pipeline", parsed_.pipeline, "Name of the pipeline (default: the only one)");
  app->add_flag("--fail-on-gate", parsed_.run.fail_on_gate,
                "Exit with 5 when the new model does not pass its gates");
  app->add_flag("--no-cache", parsed_.run.no_cache, "Compute every step again");
}

void Builder::AddValidate() {
  CLI::App* app = Add(root_, "validate", "Check every project file and tell all mistakes at once",
                      "  millrace validate examples/churn",
                      [this] { return Show(actions_.Validate(parsed_.invocation)); });
  AddProject(app);
}

void Builder::AddServe() {
  CLI::App* app =
      Add(root_, "serve", "Answer predictions over HTTP (MLflow and Open Inference Protocol)",
          "  millrace serve examples/churn --port 5000\n"
          "  curl -s localhost:5000/invocations -H 'Content-Type: application/json' \\\n"
          "    -d '{\"dataframe_records\": [{\"customer_id\": 12347}]}'",
          [this] {
            ServeOptions options;
            options.is_insecure = parsed_.is_insecure;
            options.on_ready = [this](const std::string& address) {
              console_.Line("listening on " + address);
            };
            return actions_.Serve(parsed_.invocation, options);
          });
  AddProject(app);
  app->add_flag("--insecure", parsed_.is_insecure,
                "Listen on an address that other machines reach without asking who they are");
}

void Builder::AddPredict() {
  CLI::App* app =
      Add(root_, "predict", "Predict from the command line, by key or for a file of rows",
          "  millrace predict examples/churn --key 12347 --key 12348\n"
          "  millrace predict examples/churn --input rows.csv --output scores.parquet",
          [this] {
            if (!parsed_.input.empty()) {
              parsed_.predict.input = parsed_.input;
            }
            if (!parsed_.output.empty()) {
              parsed_.predict.output = parsed_.output;
            }
            return Show(actions_.Predict(parsed_.invocation, parsed_.predict));
          });
  AddProject(app);
  app->add_option("--endpoint", parsed_.predict.endpoint,
                  "Name of the endpoint (default: the only one)");
  app->add_option("--key", parsed_.predict.keys, "An entity key; may be given often")
      ->allow_extra_args(false);
  app->add_option("--input", parsed_.input, "CSV or Parquet file with full rows or with keys");
  app->add_option("--output", parsed_.output, "Write the scores to this Parquet file");
}

void Builder::AddFeatures() {
  CLI::App* group = AddGroup("features", "Look at feature views");
  CLI::App* app =
      Add(*group, "show", "Show the views, or one view's stored values",
          "  millrace features show examples/churn\n"
          "  millrace features show examples/churn --view product_sales --key 85123A",
          [this] {
            return Show(actions_.FeaturesShow(parsed_.invocation, parsed_.view, parsed_.names));
          });
  AddProject(app);
  app->add_option("--view", parsed_.view, "Name of a view");
  app->add_option("--key", parsed_.names, "An entity key; may be given often")
      ->allow_extra_args(false);
}

void Builder::AddTransfers() {
  CLI::App* from =
      Add(*AddGroup("import", "Bring what another tool keeps into the workspace"), "mlflow",
          "Copy experiments, runs, models, traces and what judges them, files; ids stay",
          "  millrace import mlflow http://127.0.0.1:5000 --workspace DIR\n"
          "  millrace import mlflow sqlite:///mlflow.db --workspace DIR\n"
          "  millrace import mlflow ./mlruns --workspace DIR",
          [this] {
            return Show(
                actions_.ImportMlflow(parsed_.invocation, parsed_.location, parsed_.is_dry_run));
          });
  CLI::App* to = Add(*AddGroup("export", "Copy the workspace into another tool's store"), "mlflow",
                     "Copy experiments, runs, models, traces and what judges them, files",
                     "  millrace export mlflow http://127.0.0.1:5000 --workspace DIR\n"
                     "  millrace export mlflow ./mlruns --workspace DIR",
                     [this] {
                       return Show(actions_.ExportMlflow(parsed_.invocation, parsed_.location,
                                                         parsed_.is_dry_run));
                     });
  for (CLI::App* app : {from, to}) {
    app->add_option("STORE", parsed_.location,
                    "http(s)://HOST:PORT, sqlite:///FILE, or the folder mlruns")
        ->required();
    app->add_flag("--dry-run", parsed_.is_dry_run, "Only count what would be copied");
    AddProject(app);
  }
}

void Builder::AddConfig() {
  CLI::App* group = AddGroup("config", "Look at settings");
  AddProject(Add(*group, "show", "Print every setting with its value and origin",
                 "  MILLRACE_PORT=8080 millrace config show",
                 [this] { return Show(actions_.ConfigShow(parsed_.invocation)); }));
}

void Builder::AddRest() {
  AddProject(Add(root_, "doctor", "Check this machine: what is missing, and how to mend it",
                 "  millrace doctor",
                 [this] { return Show(actions_.Doctor(parsed_.invocation)); }));
  CLI::App* schema =
      Add(root_, "schema", "Print the JSON Schema of a kind of project file",
          "  millrace schema features", [this] { return Show(actions_.Schema(parsed_.name)); });
  schema->add_option("KIND", parsed_.name, "Kind of file; without it the kinds are listed");
  Add(root_, "version", "Print the version and what it is linked with", "  millrace version --json",
      [this] { return Show(actions_.Version()); });
  CLI::App* completion =
      Add(root_, "completion", "Print a completion script for a shell",
          "  millrace completion bash > ~/.millrace.bash", [this] { return Completion(); });
  completion->add_option("SHELL", parsed_.name, "bash, zsh or fish")->required();
}

Result<void> Builder::Run() {
  if (!parsed_.pipeline.empty()) {
    parsed_.run.pipeline = parsed_.pipeline;
  }
  const bool as_json = parsed_.invocation.as_json;
  RunView view(console_, as_json);
  RunReport report;
  const Result<void> result = actions_.Run(parsed_.invocation, parsed_.run, view, report);
  if (as_json) {
    // Also after a failure: a machine wants to know which stage it was.
    console_.Line(RunReportJson(report));
  } else if (!report.stages.empty()) {
    PrintRunReport(report, console_);
  }
  if (result.ok() && report.gate_failed && parsed_.run.fail_on_gate) {
    return base::FailedPrecondition("the new version of model " + report.model_name +
                                    " did not pass its gates")
        .Hint("the register stage shows which gate failed, with both numbers");
  }
  return result;
}

Result<void> Builder::Completion() {
  std::vector<CommandWords> commands;
  CollectWords(root_, "", commands);
  MILL_ASSIGN_OR_RETURN(const std::string script, CompletionScript(parsed_.name, commands));
  console_.Line(script);
  return {};
}

}  // namespace internal

namespace {

/// The parser would only say that a command is missing; the word that is none, and the nearest that
/// is one, help more.
std::optional<Error> UnknownCommand(const CLI::App& root,
                                    const std::vector<std::string>& arguments) {
  const CLI::App* group = &root;
  std::string path;
  for (const std::string& word : arguments) {
    const auto commands = group->get_subcommands([](const CLI::App*) { return true; });
    if (commands.empty() || word.starts_with('-')) {
      return std::nullopt;
    }
    const auto found = std::find_if(commands.begin(), commands.end(), [&](const CLI::App* command) {
      return command->get_name() == word;
    });
    path += (path.empty() ? "" : " ") + word;
    if (found == commands.end()) {
      std::vector<std::string> names;
      for (const CLI::App* command : commands) {
        names.push_back(command->get_name());
      }
      return base::InvalidArgument("command \"" + path + "\" does not exist" +
                                   base::DidYouMean(word, names))
          .Hint("millrace --help lists the commands");
    }
    group = *found;
  }
  return std::nullopt;
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& arguments, Actions& actions, Console& console) {
  CLI::App root("Millrace: the whole life of a tabular machine-learning model in one program.",
                "millrace");
  root.footer(
      "Start with: millrace init shop && millrace run shop\nHelp on a command: millrace COMMAND "
      "--help");
  root.require_subcommand(1);
  root.get_formatter()->column_width(34);
  internal::Parsed parsed;
  internal::Builder builder(root, actions, console, parsed);
  builder.AddCommands();
  if (const std::optional<Error> unknown = UnknownCommand(root, arguments)) {
    console.PrintError(*unknown);
    return base::ExitCode(unknown->code());
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    root.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    // Help and version are "errors" of this parser with status 0.
    return root.exit(error) == 0 ? 0 : base::ExitCode(ErrorCode::kInvalidArgument);
  }
  parsed.invocation.project = parsed.project;
  for (const auto& [name, text] : parsed.setting_texts) {
    if (!text.empty()) {
      parsed.invocation.flags[name] = text;
    }
  }
  const Result<void> result = builder.chosen()();
  if (!result.ok()) {
    console.PrintError(result.error());
    return base::ExitCode(result.error().code());
  }
  return 0;
}

}  // namespace millrace::cli
