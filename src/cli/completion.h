// SPDX-License-Identifier: Apache-2.0
// Shell completion scripts, made from the commands and flags that the command line itself declares.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::cli {

/// A command path ("runs list"), and its words: sub-commands and long flags.
struct CommandWords {
  std::string path;
  std::vector<std::string> words;
};

/// The script for "bash", "zsh" or "fish"; kInvalidArgument names other shells.
Result<std::string> CompletionScript(const std::string& shell,
                                     const std::vector<CommandWords>& commands);

}  // namespace millrace::cli
