// SPDX-License-Identifier: Apache-2.0
// Writes JSON with blanks.
#include "base/json_spaced.h"

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace millrace::base {
namespace {

// The reader has bounded the depth.
void Append(const nlohmann::json& value, std::string& out) {
  if (!value.is_structured()) {
    out += DumpJson(value);
    return;
  }
  out += value.is_object() ? '{' : '[';
  bool is_first = true;
  for (const auto& [key, item] : value.items()) {
    out += is_first ? "" : ", ";
    is_first = false;
    if (value.is_object()) {
      out += DumpJson(key) + ": ";
    }
    Append(item, out);
  }
  out += value.is_object() ? '}' : ']';
}

}  // namespace

std::string DumpJsonSpaced(const nlohmann::json& value) {
  std::string text;
  Append(value, text);
  return text;
}

}  // namespace millrace::base
