// SPDX-License-Identifier: Apache-2.0
// What traces are linked to. TraceStore makes the links.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

struct TraceLinks {
  std::vector<std::string> run_ids = {};
  /// "name/version"
  std::vector<std::string> prompts = {};
};

/// Of one trace, in the order of their names; none for a trace that does not exist. Errors: those
/// of store::Metadata.
Result<TraceLinks> ReadTraceLinks(store::Metadata& metadata, const std::string& trace_id);

}  // namespace millrace::tracking
