// SPDX-License-Identifier: Apache-2.0
// Regular expressions by PCRE2, whose syntax is close to Python's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::base {

/// A compiled pattern. Copies share it. Thread-safe.
class Regex {
 public:
  /// kInvalidArgument tells what is wrong and at which character.
  static Result<Regex> Compile(const std::string& pattern);

  /// Whether the pattern is found anywhere in the UTF-8 text. A match that runs into PCRE2's limit
  /// of steps counts as not found.
  bool Search(std::string_view text) const;

 private:
  struct Impl;
  explicit Regex(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace millrace::base
