// SPDX-License-Identifier: Apache-2.0
// Numbers in the JSON files of a run.
#include "app/json_number.h"

#include <limits>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace millrace::app {

Result<double> ReadNumber(const nlohmann::json& value, const std::string& what) {
  using Limits = std::numeric_limits<double>;
  if (value.is_number()) {
    return value.get<double>();
  }
  if (value == "NaN") {
    return Limits::quiet_NaN();
  }
  if (value == "Infinity") {
    return Limits::infinity();
  }
  if (value == "-Infinity") {
    return -Limits::infinity();
  }
  return base::DataLoss(what + " is " + base::DumpJson(value) + "; wanted a number")
      .Hint("run again with --no-cache");
}

}  // namespace millrace::app
