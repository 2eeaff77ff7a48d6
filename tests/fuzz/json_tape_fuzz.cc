// SPDX-License-Identifier: Apache-2.0
// Fuzzes the parser of request bodies: it walks whatever it accepts, and takes all that the other
// JSON reader takes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "api/internal/json_tape.h"
#include "base/json.h"

namespace {

using millrace::api::internal::JsonKind;
using millrace::api::internal::JsonTape;
using millrace::api::internal::JsonValue;

// Reads every value, so that a wrong link or length is seen by the sanitizer; returns the number of
// values.
std::size_t Walk(const JsonValue& value) {
  std::string scratch;
  if (value.is_string()) {
    return 1 + (value.Text(scratch).size() > value.raw().size() * 3 ? 1 : 0);
  }
  if (!value.is_array() && !value.is_object()) {
    const bool is_number = value.kind() != JsonKind::kNull && value.kind() != JsonKind::kTrue &&
                           value.kind() != JsonKind::kFalse;
    const double number = is_number ? value.Number() : 0.0;
    return number == number ? 1 : 2;
  }
  std::size_t n = 1;
  for (const JsonValue item : value) {
    n += Walk(item);
  }
  return n;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer gives the name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  static JsonTape tape;
  const auto parsed = tape.Parse(text);
  if (parsed.ok()) {
    if (Walk(tape.root()) == 0) {
      std::abort();
    }
    return 0;
  }
  const bool is_too_deep = parsed.error().message().find("nesting") != std::string::npos;
  // The other reader's library takes a NUL byte for the end of its text.
  const bool has_nul = text.find('\0') != std::string::npos;
  if (!is_too_deep && !has_nul && millrace::base::ParseJson(text, "fuzz").ok()) {
    std::abort();
  }
  return 0;
}
