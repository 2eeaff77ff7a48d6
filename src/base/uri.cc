// SPDX-License-Identifier: Apache-2.0
// What is shown of a URI.
#include "base/uri.h"

namespace millrace::base {

std::string WithoutPassword(std::string_view uri) {
  std::string text(uri);
  const std::size_t slashes = text.find("://");
  if (slashes == std::string::npos) {
    return text;
  }
  const std::size_t begin = slashes + 3;
  // The last '@' before the path: a password may hold one too.
  const std::size_t at = text.rfind('@', text.find_first_of("/?", begin));
  const std::size_t colon = text.find(':', begin);
  if (at != std::string::npos && at >= begin && colon < at) {
    text.replace(colon + 1, at - colon - 1, "***");
  }
  constexpr std::string_view kKey = "password=";
  for (std::size_t found = text.find(kKey, begin); found != std::string::npos;
       found = text.find(kKey, found + kKey.size())) {
    const std::size_t value = found + kKey.size();
    text.replace(value, text.find('&', value) - value, "***");
  }
  return text;
}

}  // namespace millrace::base
