// SPDX-License-Identifier: Apache-2.0
// `millrace models`: looking at registered models.
#include "cli/internal/builder.h"

namespace millrace::cli::internal {

void Builder::AddModels() {
  CLI::App* group = AddGroup("models", "Look at registered models");
  AddProject(Add(*group, "list", "List registered models", "  millrace models list examples/churn",
                 [this] { return Show(actions_.ModelsList(parsed_.invocation)); }));
  CLI::App* show = Add(*group, "show", "Show a model's versions, aliases and metrics",
                       "  millrace models show churn examples/churn", [this] {
                         return Show(actions_.ModelsShow(parsed_.invocation, parsed_.name));
                       });
  show->add_option("NAME", parsed_.name, "Name of the model")->required();
  AddProject(show);
}

}  // namespace millrace::cli::internal
