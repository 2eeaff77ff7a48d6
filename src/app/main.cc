// SPDX-License-Identifier: Apache-2.0
// The program: signals become a stop request, arguments a command, the last uncaught exception a
// message.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <signal.h>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>

#include "app/app_actions.h"
#include "cli/command_line.h"
#include "data/location.h"

namespace {

/// Waits for SIGINT or SIGTERM in a thread of its own: the first asks for an orderly end, the
/// second ends the program at once.
class SignalWatcher {
 public:
  SignalWatcher() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    // Before any other thread starts, so that every thread inherits it.
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    thread_ = std::thread([this] { Watch(); });
  }
  ~SignalWatcher() {
    is_done_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);  // wakes sigwait
    thread_.join();
  }
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  std::stop_token token() const { return stop_.get_token(); }

 private:
  void Watch() {
    int signal_number = 0;
    sigwait(&signals_, &signal_number);
    if (is_done_) {
      return;
    }
    stop_.request_stop();
    sigwait(&signals_, &signal_number);
    if (!is_done_) {
      std::_Exit(128 + signal_number);
    }
  }

  sigset_t signals_{};
  std::stop_source stop_;
  std::atomic<bool> is_done_ = false;
  std::thread thread_;
};

}  // namespace

int main(int argc, char** argv) {
  SignalWatcher signals;
  signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write, not the end of the program
  try {
    millrace::app::AppActions actions(signals.token());
    millrace::cli::Console console(stdout, stderr);
    const int status = millrace::cli::RunCommandLine(
        std::vector<std::string>(argv + 1, argv + argc), actions, console);
    millrace::data::ShutDownFileSystems();
    return status;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: unexpected: %s\n", error.what());
    return 1;
  }
}
