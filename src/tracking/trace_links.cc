// SPDX-License-Identifier: Apache-2.0
// Reads the links of traces.
#include "tracking/trace_links.h"

#include "store/metadata.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking {

Result<TraceLinks> ReadTraceLinks(store::Metadata& metadata, const std::string& trace_id) {
  TraceLinks links;
  const auto into = [](std::vector<std::string>& texts) {
    return [&texts](store::RowView row) { texts.push_back(internal::Text(row[0])); };
  };
  MILL_RETURN_IF_ERROR(
      metadata.ForEach("SELECT run_id FROM trace_runs WHERE trace_id = ? ORDER BY run_id",
                       {trace_id}, into(links.run_ids)));
  MILL_RETURN_IF_ERROR(
      metadata.ForEach("SELECT prompt FROM trace_prompts WHERE trace_id = ? ORDER BY prompt",
                       {trace_id}, into(links.prompts)));
  return links;
}

}  // namespace millrace::tracking
