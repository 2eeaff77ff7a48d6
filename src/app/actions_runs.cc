// SPDX-License-Identifier: Apache-2.0
// The commands `runs` and `experiments`, fulfilled.
#include "app/app_actions.h"
#include "app/documents_runs.h"
#include "app/internal/ask.h"

namespace millrace::app {

using internal::Ask;

Result<cli::Document> AppActions::RunsList(const cli::Invocation& invocation,
                                           const cli::RunsListOptions& options) {
  return Ask(invocation,
             [&](Environment& environment) { return app::RunsList(environment, options); });
}

Result<cli::Document> AppActions::RunsShow(const cli::Invocation& invocation,
                                           const std::string& run_id) {
  return Ask(invocation,
             [&](Environment& environment) { return app::RunsShow(environment, run_id); });
}

Result<cli::Document> AppActions::RunsCompare(const cli::Invocation& invocation,
                                              const cli::RunsCompareOptions& options) {
  return Ask(invocation,
             [&](Environment& environment) { return app::RunsCompare(environment, options); });
}

Result<void> AppActions::RunsWatch(
    const cli::Invocation& invocation, const cli::RunsWatchOptions& options,
    const std::function<void(const cli::Document&, bool)>& on_frame) {
  MILL_ASSIGN_OR_RETURN(const auto environment, Environment::Open(invocation, /*create=*/false));
  return app::RunsWatch(*environment, options, stop_, on_frame);
}

Result<cli::Document> AppActions::RunsTag(const cli::Invocation& invocation,
                                          const std::string& run_id,
                                          const cli::TagChanges& changes) {
  return Ask(invocation,
             [&](Environment& environment) { return app::RunsTag(environment, run_id, changes); });
}

Result<cli::Document> AppActions::RunsDelete(const cli::Invocation& invocation,
                                             const std::vector<std::string>& run_ids) {
  return Ask(invocation, [&](Environment& environment) {
    return app::RunsDelete(environment, run_ids, /*is_restore=*/false);
  });
}

Result<cli::Document> AppActions::RunsRestore(const cli::Invocation& invocation,
                                              const std::vector<std::string>& run_ids) {
  return Ask(invocation, [&](Environment& environment) {
    return app::RunsDelete(environment, run_ids, /*is_restore=*/true);
  });
}

Result<cli::Document> AppActions::ExperimentsList(const cli::Invocation& invocation,
                                                  bool is_deleted) {
  return Ask(invocation, [&](Environment& environment) {
    return app::ExperimentsList(environment, is_deleted);
  });
}

Result<cli::Document> AppActions::ExperimentsShow(const cli::Invocation& invocation,
                                                  const std::string& experiment) {
  return Ask(invocation, [&](Environment& environment) {
    return app::ExperimentsShow(environment, experiment);
  });
}

Result<cli::Document> AppActions::ExperimentsCreate(const cli::Invocation& invocation,
                                                    const std::string& name) {
  return Ask(invocation,
             [&](Environment& environment) { return app::ExperimentsCreate(environment, name); });
}

Result<cli::Document> AppActions::ExperimentsRename(const cli::Invocation& invocation,
                                                    const std::string& experiment,
                                                    const std::string& new_name) {
  return Ask(invocation, [&](Environment& environment) {
    return app::ExperimentsRename(environment, experiment, new_name);
  });
}

Result<cli::Document> AppActions::ExperimentsTag(const cli::Invocation& invocation,
                                                 const std::string& experiment,
                                                 const cli::TagChanges& changes) {
  return Ask(invocation, [&](Environment& environment) {
    return app::ExperimentsTag(environment, experiment, changes);
  });
}

Result<cli::Document> AppActions::ExperimentsDelete(const cli::Invocation& invocation,
                                                    const std::string& experiment) {
  return Ask(invocation, [&](Environment& environment) {
    return app::ExperimentsDelete(environment, experiment, /*is_restore=*/false);
  });
}

Result<cli::Document> AppActions::ExperimentsRestore(const cli::Invocation& invocation,
                                                     const std::string& experiment) {
  return Ask(invocation, [&](Environment& environment) {
    return app::ExperimentsDelete(environment, experiment, /*is_restore=*/true);
  });
}

}  // namespace millrace::app
