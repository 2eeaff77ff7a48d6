// SPDX-License-Identifier: Apache-2.0
// A password from the person at the terminal, or from a pipe.
#include "cli/password_prompt.h"

#include <iostream>
#include <unistd.h>

#include <termios.h>

namespace millrace::cli {
namespace {

/// Switches off what shows typed characters, as long as it lives.
class WithoutEcho {
 public:
  WithoutEcho() {
    is_changed_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (is_changed_) {
      termios quiet = before_;
      quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
      is_changed_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
    }
  }
  ~WithoutEcho() {
    if (is_changed_) {
      tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    }
  }
  WithoutEcho(const WithoutEcho&) = delete;
  WithoutEcho& operator=(const WithoutEcho&) = delete;

 private:
  termios before_{};
  bool is_changed_ = false;
};

std::string Ask(const char* question) {
  std::cerr << question << std::flush;
  std::string line;
  {
    const WithoutEcho quiet;
    std::getline(std::cin, line);
  }
  std::cerr << '\n';
  return line;
}

}  // namespace

Result<std::string> ReadNewPassword() {
  std::string password;
  if (isatty(STDIN_FILENO) != 0) {
    password = Ask("New password: ");
    if (!password.empty() && Ask("The same again: ") != password) {
      return base::InvalidArgument("the two passwords differ").Hint("run the command again");
    }
  } else {
    std::getline(std::cin, password);
    if (password.ends_with('\r')) {
      password.pop_back();
    }
  }
  if (password.empty()) {
    return base::InvalidArgument("the password is empty")
        .Hint("type one, or give it as the first line of standard input");
  }
  return password;
}

}  // namespace millrace::cli
