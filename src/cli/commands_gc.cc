// SPDX-License-Identifier: Apache-2.0
// `millrace gc`: what is removed for good.
#include "base/clock.h"
#include "cli/internal/builder.h"

namespace millrace::cli::internal {

void Builder::AddGarbage() {
  CLI::App* gc = Add(
      root_, "gc", "Remove deleted runs, their artifacts and unused contents for good",
      "  millrace gc                        lists what would go\n"
      "  millrace gc --older-than 30d --yes removes it",
      [this]() -> Result<void> {
        if (!parsed_.older_than.empty()) {
          MILL_ASSIGN_OR_RETURN(const base::Duration age, base::ParseDuration(parsed_.older_than));
          parsed_.garbage.older_than = std::chrono::milliseconds(age.micros / 1000);
        }
        return Show(actions_.CollectGarbage(parsed_.invocation, parsed_.garbage));
      });
  gc->add_option("--older-than", parsed_.older_than,
                 "Only runs that were deleted at least this long ago: 30d, 12h, 90m");
  gc->add_flag("--yes", parsed_.garbage.is_meant, "Remove; without it nothing is changed");
  AddProject(gc);
}

}  // namespace millrace::cli::internal
