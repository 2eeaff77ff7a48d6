// SPDX-License-Identifier: Apache-2.0
// Settings as texts that a step's result depends on.
#include "app/internal/step_params.h"

#include <nlohmann/json.hpp>

#include "base/config.h"
#include "base/json.h"
#include "base/number_format.h"

namespace millrace::app::internal {
namespace {

std::string TimeOrOpen(const std::optional<Timestamp>& time) {
  return time ? base::FormatTimestamp(*time) : "open";
}

}  // namespace

std::string Params(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) {
    joined += text + '\x1f';
  }
  return joined;
}

std::string SplitParams(const features::SplitSpec& split) {
  return Params({TimeOrOpen(split.train.from), TimeOrOpen(split.train.until),
                 TimeOrOpen(split.validation.from), TimeOrOpen(split.validation.until),
                 TimeOrOpen(split.test.from), TimeOrOpen(split.test.until)});
}

std::string CostParams(const evaluation::CostSpec& costs) {
  return base::DumpJson({costs.true_positive, costs.false_positive, costs.false_negative,
                         costs.true_negative, costs.unit});
}

std::string SuiteParams(const quality::Suite& suite) {
  std::vector<std::string> texts = {suite.table.value};
  for (const quality::Expectation& expectation : suite.expectations) {
    texts.push_back(base::ConfigType<quality::Expectation>::ToJson(expectation));
  }
  return Params(texts);
}

}  // namespace millrace::app::internal
