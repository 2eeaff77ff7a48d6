// SPDX-License-Identifier: Apache-2.0
// Fuzzes the YAML reader of the project files: every node has a place inside the text, typed reads
// never crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/yaml.h"

using millrace::base::YamlNode;

namespace {

/// Visits every node; aborts where a place or a typed read breaks its promise.
void Visit(const YamlNode& node, std::int64_t n_lines) {
  if (node.where().line < 0 || node.where().line > n_lines) {
    std::abort();
  }
  const auto as_int = node.AsInt();
  const auto as_double = node.AsDouble();
  const auto as_bool = node.AsBool();
  const auto as_string = node.AsString();
  // A whole number in decimal digits is a number; 0x and 0o are whole numbers only.
  if (as_int.ok() && !as_double.ok() && node.text().find_first_of("xo") == std::string::npos) {
    std::abort();
  }
  if (!as_bool.ok() && as_bool.error().message().empty()) {
    std::abort();
  }
  if (node.kind() != YamlNode::Kind::kScalar && as_string.ok()) {
    std::abort();
  }
  for (const YamlNode& item : node.items()) {
    Visit(item, n_lines);
  }
  for (const auto& [key, value] : node.entries()) {
    Visit(key, n_lines);
    Visit(value, n_lines);
    if (!node.Find(key.text()).has_value()) {
      std::abort();
    }
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer gives the name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto document = YamlNode::Parse(text, "fuzz.yaml");
  if (!document.ok()) {
    if (document.error().message().empty()) {
      std::abort();
    }
    return 0;
  }
  std::int64_t n_lines = 2;
  for (const char letter : text) {
    n_lines += letter == '\n' || letter == '\r' ? 1 : 0;
  }
  Visit(document.value(), n_lines);
  return 0;
}
