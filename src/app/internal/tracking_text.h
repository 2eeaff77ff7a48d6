// SPDX-License-Identifier: Apache-2.0
// What the answers about runs and experiments share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/actions.h"
#include "tracking/store.h"

namespace millrace::app::internal {

/// "2026-01-31 12:00:00".
inline std::string TimeText(std::int64_t milliseconds) {
  return base::FormatTimestamp(Timestamp{milliseconds / 1000 * base::kMicrosPerSecond});
}

/// By name or, if no experiment has that name, by id.
Result<tracking::Experiment> FindExperiment(tracking::TrackingStore& store,
                                            const std::string& name_or_id);
/// Ids of every experiment, deleted ones too.
Result<std::vector<std::string>> AllExperiments(tracking::TrackingStore& store);
/// "key=value" of --set; kInvalidArgument where there is nothing to change or no "=".
Result<tracking::Tags> ParseTags(const cli::TagChanges& changes);

}  // namespace millrace::app::internal
