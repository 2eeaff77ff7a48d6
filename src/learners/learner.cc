// SPDX-License-Identifier: Apache-2.0
// Checks parameters against their declarations and describes them as JSON Schema.
#include "learners/learner.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/config.h"
#include "base/json.h"
#include "base/nearest_name.h"
#include "base/number_format.h"

namespace millrace::learners {
namespace {

using base::InvalidArgument;

/// Limits of whole numbers are read easier with separators than as 1e+05.
std::string Limit(const ParamInfo& param, double value) {
  return param.type == ParamType::kInteger ? base::FormatCount(static_cast<std::int64_t>(value))
                                           : base::FormatDouble(value);
}

std::string Wanted(const ParamInfo& param) {
  if (param.type == ParamType::kChoice) {
    std::string text = "one of";
    for (std::size_t i = 0; i < param.choices.size(); ++i) {
      text += (i == 0 ? " " : ", ") + param.choices[i];
    }
    return text;
  }
  return std::string(param.type == ParamType::kInteger ? "a whole number" : "a number") + " from " +
         Limit(param, param.minimum) + " to " + Limit(param, param.maximum);
}

bool Fits(const ParamInfo& param, const ParamValue& value) {
  if (param.type == ParamType::kChoice) {
    const std::string* text = std::get_if<std::string>(&value);
    return text != nullptr &&
           std::find(param.choices.begin(), param.choices.end(), *text) != param.choices.end();
  }
  const double* number = std::get_if<double>(&value);
  if (number == nullptr || !(*number >= param.minimum && *number <= param.maximum)) {
    return false;
  }
  return param.type != ParamType::kInteger || *number == std::floor(*number);
}

}  // namespace

Result<Params> CheckParams(const LearnerInfo& info, const Params& given) {
  Params all;
  std::vector<std::string> names;
  for (const ParamInfo& param : info.params) {
    all[param.name] = param.default_value;
    names.push_back(param.name);
  }
  base::ErrorList errors;
  for (const auto& [name, value] : given) {
    const auto param = std::find_if(
        info.params.begin(), info.params.end(),
        [&wanted = name](const ParamInfo& candidate) { return candidate.name == wanted; });
    if (param == info.params.end()) {
      errors.Add(InvalidArgument("learner " + info.name + " has no parameter \"" + name + "\"" +
                                 base::DidYouMean(name, names)));
    } else if (!Fits(*param, value)) {
      errors.Add(InvalidArgument("parameter \"" + name + "\" of learner " + info.name + " is " +
                                 ParamText(value) + "; " + Wanted(*param) + " is wanted"));
    } else {
      all[name] = value;
    }
  }
  if (!errors.empty()) {
    return errors.ToError();
  }
  return all;
}

std::string ParamsJsonSchema(const LearnerInfo& info) {
  nlohmann::json properties = nlohmann::json::object();
  for (const ParamInfo& param : info.params) {
    nlohmann::json schema = {{"description", param.description}};
    if (param.type == ParamType::kChoice) {
      schema["type"] = "string";
      schema["enum"] = param.choices;
      schema["default"] = std::get<std::string>(param.default_value);
    } else {
      const bool whole = param.type == ParamType::kInteger;
      schema["type"] = whole ? "integer" : "number";
      const auto number = [whole](double value) {
        return whole ? nlohmann::json(static_cast<std::int64_t>(value)) : nlohmann::json(value);
      };
      schema["default"] = number(std::get<double>(param.default_value));
      schema["minimum"] = number(param.minimum);
      schema["maximum"] = number(param.maximum);
    }
    properties[param.name] = std::move(schema);
  }
  return base::DumpJson({{"title", info.name},
                         {"description", info.summary},
                         {"type", "object"},
                         {"additionalProperties", false},
                         {"properties", std::move(properties)}});
}

std::string ParamText(const ParamValue& value) {
  const double* number = std::get_if<double>(&value);
  return number != nullptr ? base::FormatDouble(*number) : std::get<std::string>(value);
}

}  // namespace millrace::learners
