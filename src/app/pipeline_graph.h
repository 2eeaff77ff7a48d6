// SPDX-License-Identifier: Apache-2.0
// The graph of one pipeline: which step reads what, what it writes, and what its result depends on.
#pragma once

#include "app/pipeline_parts.h"
#include "base/result.h"
#include "pipelines/graph.h"

namespace millrace::app {

/// The graph of the pipeline's stages; `parts` outlives it.
Result<pipelines::Graph> MakeGraph(const PipelineParts& parts);

}  // namespace millrace::app
