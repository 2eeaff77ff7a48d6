// SPDX-License-Identifier: Apache-2.0
// Regular expressions of RLIKE: the C library's extended ones, with Perl's \d and \D.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <regex.h>

namespace millrace::tracking::internal {

/// A compiled expression. Searching is thread-safe and its time bounded by the size of text and
/// expression: back references, more than 1000 bytes, and repeats of more than 1000 are refused.
class SearchRegex {
 public:
  explicit SearchRegex(const std::string& expression);
  /// False where the expression is no valid one; it then matches nothing.
  bool is_valid() const { return compiled_ != nullptr; }
  /// Whether the expression matches anywhere in the text (up to a zero byte).
  bool Search(std::string_view text) const;

 private:
  std::shared_ptr<const regex_t> compiled_;
};

}  // namespace millrace::tracking::internal
