// SPDX-License-Identifier: Apache-2.0
// Numbers in the JSON files of a run.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"

namespace millrace::app {

/// A number as base::DumpJson writes it: NaN and infinities are the texts "NaN", "Infinity" and
/// "-Infinity". A decision threshold of infinity is no mistake: nobody is to be acted on.
/// @param what  named in the error: `metrics.json: metric "auc"`.
///   - kDataLoss if it is neither.
Result<double> ReadNumber(const nlohmann::json& value, const std::string& what);

}  // namespace millrace::app
