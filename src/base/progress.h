// SPDX-License-Identifier: Apache-2.0
// Progress of long work: bars on a terminal, silence elsewhere.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace millrace::base {

/// Receives progress; thread-safe.
class Progress {
 public:
  virtual ~Progress() = default;
  /// Starts a bar named `what` of `total` units (0: unknown), replacing the current one.
  virtual void Start(std::string_view what, std::uint64_t total) = 0;
  virtual void Advance(std::uint64_t units) = 0;
  /// Ends the bar and clears its line.
  virtual void Finish() = 0;
};

/// Draws on standard error if that is a terminal and NO_COLOR or TERM=dumb do not forbid it;
/// otherwise silent.
std::unique_ptr<Progress> MakeTerminalProgress();
std::unique_ptr<Progress> MakeSilentProgress();

}  // namespace millrace::base
