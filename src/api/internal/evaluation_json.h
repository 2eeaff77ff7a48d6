// SPDX-License-Identifier: Apache-2.0
// Records of evaluation datasets as MLflow's JSON, whose values are kept as they were written.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tracking/evaluation_datasets.h"

namespace millrace::api::internal {

/// A JSON list of {inputs, outputs, expectations, tags, source}; NaN and the infinities as Python
/// writes them are fine. kInvalidArgument names the record, from 0, and what is wrong with it.
Result<std::vector<tracking::NewEvaluationRecord>> ReadEvaluationRecords(std::string_view text);

std::string EvaluationRecordsJson(std::span<const tracking::EvaluationRecord> records);

}  // namespace millrace::api::internal
