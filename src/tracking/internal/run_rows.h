// SPDX-License-Identifier: Apache-2.0
// Reads runs with all that belongs to them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "tracking/internal/store_impl.h"
#include "tracking/types.h"

namespace millrace::tracking::internal {

/// The runs with these keys, in that order; those that are gone are left out. A handful of queries
/// for each 512 runs.
Result<std::vector<Run>> ReadRuns(TrackingStore::Impl& impl,
                                  std::span<const std::int64_t> run_keys);

}  // namespace millrace::tracking::internal
