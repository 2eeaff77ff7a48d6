// SPDX-License-Identifier: Apache-2.0
// Settings as texts that a step's result depends on: the step runs again where one differs.
#pragma once

#include <string>
#include <vector>

#include "evaluation/binary_evaluation.h"
#include "features/label.h"
#include "quality/suite.h"

namespace millrace::app::internal {

/// Joined with a mark that none of the texts holds.
std::string Params(const std::vector<std::string>& texts);
std::string SplitParams(const features::SplitSpec& split);
std::string CostParams(const evaluation::CostSpec& costs);
std::string SuiteParams(const quality::Suite& suite);

}  // namespace millrace::app::internal
