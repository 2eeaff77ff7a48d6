// SPDX-License-Identifier: Apache-2.0
// `millrace runs`: looking at runs.
#include "cli/internal/builder.h"

namespace millrace::cli::internal {

void Builder::AddRuns() {
  CLI::App* group = AddGroup("runs", "Look at training runs");
  AddProject(Add(*group, "list", "List runs, newest first", "  millrace runs list examples/churn",
                 [this] { return Show(actions_.RunsList(parsed_.invocation)); }));
  CLI::App* show = Add(
      *group, "show", "Show a run's parameters, metrics and tags", "  millrace runs show RUN_ID",
      [this] { return Show(actions_.RunsShow(parsed_.invocation, parsed_.name)); });
  show->add_option("RUN_ID", parsed_.name, "32 hex digits, or enough of them to be unique")
      ->required();
  AddProject(show);
  CLI::App* compare =
      Add(*group, "compare", "Compare runs side by side", "  millrace runs compare RUN_A RUN_B",
          [this] { return Show(actions_.RunsCompare(parsed_.invocation, parsed_.names)); });
  compare->add_option("RUN_IDS", parsed_.names, "Two or more runs")->required()->expected(2, 16);
  AddProjectFlag(compare);
}

}  // namespace millrace::cli::internal
