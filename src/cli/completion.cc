// SPDX-License-Identifier: Apache-2.0
// Shell completion scripts, made from the commands and flags that the command line itself declares.
#include "cli/completion.h"

#include <algorithm>

namespace millrace::cli {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) {
    text += (text.empty() ? "" : " ") + word;
  }
  return text;
}

/// Bash's function walks the words before the cursor and keeps the longest known command path.
std::string BashScript(const std::vector<CommandWords>& commands) {
  std::string script = "_millrace() {\n  local path=\"\" word\n  declare -A words=(\n";
  for (const CommandWords& command : commands) {
    script += "    [\"/" + command.path + "\"]=\"" + Joined(command.words) + "\"\n";
  }
  script +=
      "  )\n"
      "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    local longer=\"${path:+$path }$word\"\n"
      "    [[ -v words[\"/$longer\"] ]] && path=\"$longer\"\n"
      "  done\n"
      "  COMPREPLY=($(compgen -W \"${words[\"/$path\"]}\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
      "  [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- "
      "\"${COMP_WORDS[COMP_CWORD]}\"))\n"
      "}\n"
      "complete -o filenames -F _millrace millrace\n";
  return script;
}

std::string FishScript(const std::vector<CommandWords>& commands) {
  std::string script;
  for (const CommandWords& command : commands) {
    std::string condition = "__fish_use_subcommand";
    if (!command.path.empty()) {
      condition = "__fish_seen_subcommand_from " + command.path.substr(command.path.rfind(' ') + 1);
    }
    for (const std::string& word : command.words) {
      const bool is_flag = word.rfind("--", 0) == 0;
      script += "complete -c millrace -n '" + condition + "' " +
                (is_flag ? "-l " + word.substr(2) : "-a " + word) + "\n";
    }
  }
  return script;
}

}  // namespace

Result<std::string> CompletionScript(const std::string& shell,
                                     const std::vector<CommandWords>& commands) {
  if (shell == "bash") {
    return BashScript(commands);
  }
  if (shell == "zsh") {
    return "#compdef millrace\nautoload -U +X bashcompinit && bashcompinit\n" +
           BashScript(commands);
  }
  if (shell == "fish") {
    return FishScript(commands);
  }
  return base::InvalidArgument("shell is \"" + shell + "\"; wanted: bash, zsh or fish");
}

}  // namespace millrace::cli
