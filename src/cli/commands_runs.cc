// SPDX-License-Identifier: Apache-2.0
// `millrace runs` and `millrace experiments`.
#include "cli/internal/builder.h"

namespace millrace::cli::internal {

void Builder::AddRuns() {
  CLI::App* group = AddGroup("runs", "Look at runs, compare and watch them, tag and delete them");
  CLI::App* list =
      Add(*group, "list", "List runs, newest first",
          "  millrace runs list examples/churn\n"
          "  millrace runs list --filter \"metrics.auc > 0.9 and params.learner = 'lightgbm'\" \\\n"
          "    --order-by \"metrics.auc DESC\" --column metrics.auc --column tags.team",
          [this] { return Show(actions_.RunsList(parsed_.invocation, parsed_.runs_list)); });
  list->add_option("--experiment", parsed_.runs_list.experiment,
                   "Name or id of an experiment (default: all)");
  list->add_option("--filter", parsed_.runs_list.filter, "Filter in MLflow's search grammar");
  list->add_option("--order-by", parsed_.runs_list.order_by, "Order; may be given often")
      ->allow_extra_args(false);
  list->add_option("--column", parsed_.runs_list.columns,
                   "metrics.X, params.X or tags.X to show; may be given often")
      ->allow_extra_args(false);
  list->add_option("--limit", parsed_.runs_list.limit, "Most runs to list")
      ->check(CLI::Range(1, 50'000))
      ->capture_default_str();
  list->add_flag("--deleted", parsed_.runs_list.is_deleted, "List the deleted runs");
  AddProject(list);

  CLI::App* show =
      Add(*group, "show", "Show a run: parameters, metrics with their course, inputs, tags",
          "  millrace runs show RUN_ID",
          [this] { return Show(actions_.RunsShow(parsed_.invocation, parsed_.name)); });
  show->add_option("RUN_ID", parsed_.name, "32 hex digits, or enough of them to be unique")
      ->required();
  AddProject(show);

  CLI::App* compare =
      Add(*group, "compare", "Compare runs side by side, as tables and charts",
          "  millrace runs compare RUN_A RUN_B\n"
          "  millrace runs compare RUN_A RUN_B --metric loss --plot loss.svg",
          [this] {
            if (!parsed_.output.empty()) {
              parsed_.runs_compare.plot = parsed_.output;
            }
            return Show(actions_.RunsCompare(parsed_.invocation, parsed_.runs_compare));
          });
  compare->add_option("RUN_IDS", parsed_.runs_compare.run_ids, "Two or more runs")
      ->required()
      ->expected(2, 16);
  compare
      ->add_option("--metric", parsed_.runs_compare.metrics,
                   "Metric to draw; may be given often (default: those with a history)")
      ->allow_extra_args(false);
  compare->add_option("--plot", parsed_.output, "Write the charts to this file, .svg or .png");
  AddProjectFlag(compare);

  CLI::App* watch =
      Add(*group, "watch", "Follow a run with live charts until it ends",
          "  millrace runs watch RUN_ID\n  millrace runs watch RUN_ID --metric loss --interval 0.5",
          [this] {
            return actions_.RunsWatch(parsed_.invocation, parsed_.runs_watch,
                                      [this](const Document& frame, bool is_last) {
                                        if (!parsed_.invocation.as_json) {
                                          console_.Redraw(frame, is_last);
                                        } else if (is_last) {
                                          console_.Print(frame, /*as_json=*/true);
                                        }
                                      });
          });
  watch->add_option("RUN_ID", parsed_.runs_watch.run_id, "32 hex digits, or enough of them")
      ->required();
  watch->add_option("--metric", parsed_.runs_watch.metrics, "Metric to draw; may be given often")
      ->allow_extra_args(false);
  watch->add_option("--interval", parsed_.runs_watch.interval_s, "Seconds between two looks")
      ->check(CLI::Range(0.05, 3600.0))
      ->capture_default_str();
  watch->add_flag("--once", parsed_.runs_watch.once, "Show the run as it is and end");
  AddProject(watch);
  AddRunsThatWrite(*group);
}

void Builder::AddTagOptions(CLI::App* app) {
  app->add_option("--set", parsed_.tag_changes.set, "key=value; may be given often")
      ->allow_extra_args(false);
  app->add_option("--remove", parsed_.tag_changes.remove, "key; may be given often")
      ->allow_extra_args(false);
}

void Builder::AddRunsThatWrite(CLI::App& group) {
  CLI::App* tag =
      Add(group, "tag", "Set and remove tags of a run",
          "  millrace runs tag RUN_ID --set team=churn --remove draft", [this] {
            return Show(actions_.RunsTag(parsed_.invocation, parsed_.name, parsed_.tag_changes));
          });
  tag->add_option("RUN_ID", parsed_.name, "32 hex digits, or enough of them to be unique")
      ->required();
  AddTagOptions(tag);
  AddProject(tag);
  CLI::App* remove =
      Add(group, "delete", "Delete runs; `runs restore` brings them back until `gc` erases them",
          "  millrace runs delete RUN_A RUN_B",
          [this] { return Show(actions_.RunsDelete(parsed_.invocation, parsed_.names)); });
  CLI::App* restore =
      Add(group, "restore", "Bring deleted runs back", "  millrace runs restore RUN_A",
          [this] { return Show(actions_.RunsRestore(parsed_.invocation, parsed_.names)); });
  for (CLI::App* app : {remove, restore}) {
    app->add_option("RUN_IDS", parsed_.names, "One or more runs")->required();
    AddProjectFlag(app);
  }
}

void Builder::AddExperiments() {
  CLI::App* group = AddGroup("experiments", "Look at experiments and change them");
  CLI::App* list = Add(
      *group, "list", "List experiments", "  millrace experiments list examples/churn",
      [this] { return Show(actions_.ExperimentsList(parsed_.invocation, parsed_.is_deleted)); });
  list->add_flag("--deleted", parsed_.is_deleted, "List the deleted ones");
  AddProject(list);
  const auto add = [&](const char* name, const char* sentence, const char* example, auto action) {
    CLI::App* app = Add(*group, name, sentence, example, std::move(action));
    app->add_option("EXPERIMENT", parsed_.name, "Name or id")->required();
    return app;
  };
  AddProject(add("show", "Show an experiment with its tags and newest runs",
                 "  millrace experiments show churn", [this] {
                   return Show(actions_.ExperimentsShow(parsed_.invocation, parsed_.name));
                 }));
  AddProject(add("create", "Make an experiment", "  millrace experiments create churn", [this] {
    return Show(actions_.ExperimentsCreate(parsed_.invocation, parsed_.name));
  }));
  CLI::App* rename = add(
      "rename", "Rename an experiment", "  millrace experiments rename churn churn-2025", [this] {
        return Show(actions_.ExperimentsRename(parsed_.invocation, parsed_.name, parsed_.new_name));
      });
  rename->add_option("NEW_NAME", parsed_.new_name, "The new name")->required();
  AddProject(rename);
  CLI::App* tag = add(
      "tag", "Set and remove tags of an experiment",
      "  millrace experiments tag churn --set team=growth", [this] {
        return Show(actions_.ExperimentsTag(parsed_.invocation, parsed_.name, parsed_.tag_changes));
      });
  AddTagOptions(tag);
  AddProject(tag);
  AddProject(
      add("delete", "Delete an experiment and its runs; `experiments restore` brings it back",
          "  millrace experiments delete churn",
          [this] { return Show(actions_.ExperimentsDelete(parsed_.invocation, parsed_.name)); }));
  AddProject(add("restore", "Bring a deleted experiment and its runs back",
                 "  millrace experiments restore churn", [this] {
                   return Show(actions_.ExperimentsRestore(parsed_.invocation, parsed_.name));
                 }));
}

}  // namespace millrace::cli::internal
