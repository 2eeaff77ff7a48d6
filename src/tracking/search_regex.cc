// SPDX-License-Identifier: Apache-2.0
// Compiles the regular expressions of RLIKE, within bounds of memory.
#include "tracking/internal/search_regex.h"

#include <algorithm>
#include <cstddef>

namespace millrace::tracking::internal {
namespace {

constexpr std::size_t kMaxExpressionBytes = 1000;
constexpr std::size_t kMaxRepeats = 1000;

// The product of all counts in braces, "{3,5}" counting 5: what repeats of repeats blow up to.
std::size_t Repeats(const std::string& expression) {
  std::size_t product = 1;
  std::size_t count = 0;
  bool in_braces = false;
  for (const char c : expression) {
    if (c == '{') {
      in_braces = true;
      count = 0;
    } else if (c == '}' && in_braces) {
      in_braces = false;
      product = std::min(kMaxRepeats + 1, product * std::max<std::size_t>(count, 1));
    } else if (in_braces && c >= '0' && c <= '9') {
      count =
          std::min<std::size_t>(kMaxRepeats + 1, count * 10 + static_cast<std::size_t>(c - '0'));
    } else if (in_braces && c == ',') {
      product = std::min(kMaxRepeats + 1, product * std::max<std::size_t>(count, 1));
      count = 0;
    }
  }
  return product;
}

// The expression with \d and \D spelt out; empty where it has a back reference, whose search time
// has no bound.
std::string ToPosix(const std::string& expression) {
  std::string posix;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    if (expression[i] != '\\' || i + 1 == expression.size()) {
      posix += expression[i];
      continue;
    }
    const char escaped = expression[++i];
    if (escaped >= '1' && escaped <= '9') {
      return {};
    }
    if (escaped == 'd') {
      posix += "[0-9]";
    } else if (escaped == 'D') {
      posix += "[^0-9]";
    } else {
      posix += '\\';
      posix += escaped;
    }
  }
  return posix;
}

}  // namespace

SearchRegex::SearchRegex(const std::string& expression) {
  if (expression.size() > kMaxExpressionBytes || expression.find('\0') != std::string::npos ||
      Repeats(expression) > kMaxRepeats) {
    return;
  }
  const std::string posix = ToPosix(expression);
  if (posix.empty() != expression.empty()) {
    return;
  }
  auto compiled = std::make_unique<regex_t>();
  if (regcomp(compiled.get(), posix.c_str(), REG_EXTENDED | REG_NOSUB) == 0) {
    compiled_ = std::shared_ptr<const regex_t>(compiled.release(), [](regex_t* regex) {
      regfree(regex);
      delete regex;
    });
  }
}

bool SearchRegex::Search(std::string_view text) const {
  return is_valid() && regexec(compiled_.get(), std::string(text).c_str(), 0, nullptr, 0) == 0;
}

}  // namespace millrace::tracking::internal
