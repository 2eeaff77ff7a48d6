// SPDX-License-Identifier: Apache-2.0
// `millrace predict`: the champion's answers for keys or for a file of rows, without a server.
#pragma once

#include "app/environment.h"
#include "base/result.h"
#include "cli/actions.h"

namespace millrace::app {

/// Scores keys (features from the online store) or the rows of a CSV or Parquet file: those with
/// every column of the model as they are, those with the key column alone from the online store.
Result<cli::Document> Predict(Environment& environment, const cli::PredictOptions& options);

}  // namespace millrace::app
