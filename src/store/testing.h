// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL server for the tests of one process: the real one, on a socket in a folder of its
// own, gone with the process.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <signal.h>
#include <stdlib.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>

#include "store/metadata.h"

namespace millrace::store {

/// Started by the first use. A missing PostgreSQL ends the test process: no test is left out
/// because of it.
class PostgresForTests {
 public:
  static PostgresForTests& Instance() {
    static PostgresForTests server;
    return server;
  }
  PostgresForTests(const PostgresForTests&) = delete;
  PostgresForTests& operator=(const PostgresForTests&) = delete;

  /// The URI of a new, empty database.
  std::string NewDatabase() {
    const std::string name = "t" + std::to_string(++n_databases_);
    // Not over Metadata: a database cannot be made inside a transaction.
    Must({binaries_ / "psql", "-q", "-h", folder_, "-d", "postgres", "-c",
          "CREATE DATABASE " + name + " TEMPLATE template0"});
    return UriOf(name);
  }

  /// As a crash of its machine would: connections break, then the server is there again.
  void Restart() {
    kill(server_, SIGQUIT);
    waitpid(server_, nullptr, 0);
    Start();
  }

 private:
  PostgresForTests() : owner_(getpid()) {
    // Not below TMPDIR: a socket's path has at most 107 bytes, and user postgres must be able to
    // reach it.
    std::string pattern = "/tmp/millrace_pg_XXXXXX";
    MILL_CHECK(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    if (geteuid() == 0) {
      const passwd* user = getpwnam("postgres");
      MILL_CHECK(user != nullptr && "no user postgres; run scripts/setup.sh --tests");
      uid_ = user->pw_uid;
      gid_ = user->pw_gid;
      MILL_CHECK(chown(folder_.c_str(), uid_, gid_) == 0);
    }
    const std::filesystem::path root = "/usr/lib/postgresql";
    if (std::filesystem::exists(root)) {
      for (const auto& version : std::filesystem::directory_iterator(root)) {
        binaries_ = std::max(binaries_, version.path() / "bin");
      }
    }
    MILL_CHECK(!binaries_.empty() && "no PostgreSQL; run scripts/setup.sh --tests");
    Must({binaries_ / "initdb", "-D", folder_ / "data", "-A", "trust", "-U", user_,
          "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"});
    Start();
  }
  ~PostgresForTests() {
    if (getpid() == owner_) {
      kill(server_, SIGQUIT);
      waitpid(server_, nullptr, 0);
      std::error_code ignored;
      std::filesystem::remove_all(folder_, ignored);
    }
  }

  std::string UriOf(const std::string& database) const {
    return "postgresql://" + user_ + "@/" + database + "?host=" + folder_.string();
  }

  void Start() {
    // Without fsync: what survives a power failure is PostgreSQL's matter, not that of these tests.
    server_ = Spawn({binaries_ / "postgres", "-D", folder_ / "data", "-k", folder_, "-c",
                     "listen_addresses=", "-c", "fsync=off", "-c", "autovacuum=off", "-c",
                     "max_connections=200", "-c", "shared_buffers=32MB"});
    for (int i = 0; i < 3000; ++i) {
      MILL_CHECK(waitpid(server_, nullptr, WNOHANG) == 0);
      if (OpenPostgres(UriOf("postgres")).ok()) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    MILL_CHECK(false && "PostgreSQL did not start within 30 s");
  }

  // Its output goes to the folder's log; it ends with this thread.
  pid_t Spawn(const std::vector<std::string>& command) {
    const pid_t child = fork();
    if (child != 0) {
      return child;
    }
    const std::string log = folder_ / "log";
    const bool is_ready =
        (uid_ == 0 || (setgroups(0, nullptr) == 0 && setgid(gid_) == 0 && setuid(uid_) == 0)) &&
        prctl(PR_SET_PDEATHSIG, SIGQUIT) == 0 && chdir(folder_.c_str()) == 0 &&
        setenv("PGUSER", user_.c_str(), 1) == 0 && freopen(log.c_str(), "a", stdout) != nullptr &&
        dup2(STDOUT_FILENO, STDERR_FILENO) >= 0;
    std::vector<char*> arguments;
    for (const std::string& argument : command) {
      arguments.push_back(const_cast<char*>(argument.c_str()));
    }
    arguments.push_back(nullptr);
    if (is_ready) {
      execv(arguments[0], arguments.data());
    }
    _exit(127);
  }

  void Must(const std::vector<std::string>& command) {
    int status = 0;
    waitpid(Spawn(command), &status, 0);
    if (status != 0) {
      std::ifstream log(folder_ / "log");
      const std::string text((std::istreambuf_iterator<char>(log)), {});
      std::fprintf(stderr, "%s failed:\n%s\n", command[0].c_str(), text.c_str());
      std::abort();
    }
  }

  const pid_t owner_;
  const std::string user_ = "millrace";
  std::filesystem::path folder_;
  std::filesystem::path binaries_;
  uid_t uid_ = 0;
  gid_t gid_ = 0;
  pid_t server_ = 0;
  int n_databases_ = 0;
};

}  // namespace millrace::store
