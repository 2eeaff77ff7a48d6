// SPDX-License-Identifier: Apache-2.0
// Fuzzes the JSON reader: whatever it accepts must survive writing and reading again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/json.h"

using millrace::base::DumpJson;
using millrace::base::DumpJsonPretty;
using millrace::base::ParseJson;

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer gives the name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto value = ParseJson(text, "fuzz");
  if (!value.ok()) {
    // An error without a text would leave a person with nothing.
    if (value.error().message().empty()) {
      std::abort();
    }
    return 0;
  }
  const std::string written = DumpJson(value.value());
  const auto again = ParseJson(written, "written");
  if (!again.ok() || DumpJson(again.value()) != written) {
    std::abort();
  }
  const auto pretty = ParseJson(DumpJsonPretty(value.value()), "pretty");
  if (!pretty.ok() || DumpJson(pretty.value()) != written) {
    std::abort();
  }
  return 0;
}
