// SPDX-License-Identifier: Apache-2.0
// The answers of `runs` and `experiments`.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/environment.h"
#include "base/result.h"
#include "cli/actions.h"

namespace millrace::app {

Result<cli::Document> RunsList(Environment& environment, const cli::RunsListOptions& options);
Result<cli::Document> RunsShow(Environment& environment, const std::string& run_id);
/// Parameters and metrics side by side, rows that differ are marked; charts of metrics with a
/// history.
Result<cli::Document> RunsCompare(Environment& environment, const cli::RunsCompareOptions& options);
Result<void> RunsWatch(Environment& environment, const cli::RunsWatchOptions& options,
                       const std::stop_token& stop,
                       const std::function<void(const cli::Document&, bool)>& on_frame);
Result<cli::Document> RunsTag(Environment& environment, const std::string& run_id,
                              const cli::TagChanges& changes);
/// Deletes, or restores where `is_restore`; the first that fails ends it, and its error says how
/// many were done.
Result<cli::Document> RunsDelete(Environment& environment, const std::vector<std::string>& run_ids,
                                 bool is_restore);

Result<cli::Document> ExperimentsList(Environment& environment, bool is_deleted);
Result<cli::Document> ExperimentsShow(Environment& environment, const std::string& experiment);
Result<cli::Document> ExperimentsCreate(Environment& environment, const std::string& name);
Result<cli::Document> ExperimentsRename(Environment& environment, const std::string& experiment,
                                        const std::string& new_name);
Result<cli::Document> ExperimentsTag(Environment& environment, const std::string& experiment,
                                     const cli::TagChanges& changes);
Result<cli::Document> ExperimentsDelete(Environment& environment, const std::string& experiment,
                                        bool is_restore);

}  // namespace millrace::app
