// SPDX-License-Identifier: Apache-2.0
// Object stores for the tests of one process: moto as S3 and Azurite as Azure Blob Storage, each on
// a port that the system picks, gone with the process.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <signal.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "base/check.h"

namespace millrace::store {

/// A program that says where it listens.
class ServerForTests {
 public:
  /// @param mark  what stands before host and port in its output
  ServerForTests(const std::vector<std::string>& command, const std::string& mark) {
    int ends[2];
    MILL_CHECK(::pipe(ends) == 0);
    child_ = ::fork();
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(ends[1], STDOUT_FILENO);
      ::dup2(ends[1], STDERR_FILENO);
      std::vector<char*> arguments;
      for (const std::string& argument : command) {
        arguments.push_back(const_cast<char*>(argument.c_str()));
      }
      arguments.push_back(nullptr);
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    std::string said;
    char block[512];
    while (said.find(mark) == std::string::npos ||
           said.find('\n', said.find(mark)) == std::string::npos) {
      const ssize_t n = ::read(ends[0], block, sizeof block);
      MILL_CHECK(n > 0 && "a peer of the tests did not start; run scripts/setup.sh --tests");
      said.append(block, static_cast<std::size_t>(n));
    }
    const std::size_t begin = said.find(mark) + mark.size();
    address_ = said.substr(begin, said.find_first_not_of("0123456789.:", begin) - begin);
    // What it says later must not fill the pipe and stop it.
    reader_ = std::jthread([output = ends[0]] {
      char ignored[4096];
      while (::read(output, ignored, sizeof ignored) > 0) {
      }
      ::close(output);
    });
  }
  ~ServerForTests() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ServerForTests(const ServerForTests&) = delete;
  ServerForTests& operator=(const ServerForTests&) = delete;

  /// "127.0.0.1:40112"
  const std::string& address() const { return address_; }

 private:
  pid_t child_ = 0;
  std::string address_;
  std::jthread reader_;
};

/// A URI of an empty folder in S3; the credentials are in the environment afterwards.
inline std::string NewS3Folder() {
  static const ServerForTests server({MILLRACE_SOURCE_DIR "/third_party/pytest/bin/python", "-u",
                                      "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"},
                                     "Running on http://");
  static int n_buckets = 0;
  ::setenv("AWS_ACCESS_KEY_ID", "test", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "test", 1);
  ::setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
  return "s3://bucket" + std::to_string(++n_buckets) +
         "/folder?scheme=http&region=us-east-1&allow_bucket_creation=true&endpoint_override=" +
         server.address();
}

/// The same in Azure Blob Storage. Account and key are those that Azurite publishes for everybody.
inline std::string NewAzureFolder() {
  static const std::string data = ::testing::TempDir() + "/azurite_" + std::to_string(::getpid());
  static const ServerForTests server(
      {MILLRACE_SOURCE_DIR "/third_party/node/bin/node",
       MILLRACE_SOURCE_DIR "/third_party/azurite/node_modules/azurite/dist/src/blob/main.js",
       "--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck", "--disableTelemetry",
       "--inMemoryPersistence"},
      "listens on http://");
  static int n_containers = 0;
  ::setenv("AZURE_STORAGE_ACCESS_KEY",
           "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"
           "KBHBeksoGMGw==",
           1);
  return "abfs://devstoreaccount1@" + server.address() + "/container" +
         std::to_string(++n_containers) + "/folder?enable_tls=false";
}

}  // namespace millrace::store
