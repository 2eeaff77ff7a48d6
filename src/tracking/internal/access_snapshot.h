// SPDX-License-Identifier: Apache-2.0
// All that access control asks of its tables for each request, in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "base/hash.h"
#include "base/mutex.h"
#include "base/password.h"
#include "tracking/access.h"

namespace millrace::tracking {

struct Access::Snapshot {
  struct Person {
    User user;
    std::string password_hash;
    std::shared_ptr<GrantSet> grants = std::make_shared<GrantSet>();
    /// Where they have a role, and where that gives MANAGE on the workspace.
    std::set<std::string> workspaces;
    std::set<std::string> managed;
  };
  struct Token {
    std::int64_t user_id = 0;
    std::optional<std::int64_t> expiration_time_ms;
  };

  const Person* Find(const std::string& username) const {
    const auto id = ids.find(username);
    return id == ids.end() ? nullptr : &people.at(id->second);
  }
  /// Null also for a name that another user has by now.
  const Person* Find(const User& user) const {
    const auto found = people.find(user.id);
    return found == people.end() || found->second.user.username != user.username ? nullptr
                                                                                 : &found->second;
  }

  /// Of access_state.
  std::int64_t version = 0;
  std::unordered_map<std::int64_t, Person> people;
  std::unordered_map<std::string, std::int64_t> ids;
  /// By SHA-256.
  std::unordered_map<std::string, Token> tokens;
};

struct Access::Cache {
  static constexpr std::size_t kMostPasswords = 10'000;
  static constexpr std::size_t kMostRuns = 200'000;

  const std::string key = base::NewSecret();
  base::Mutex mutex;
  /// Which passwords were found right: SHA-256 of a key of this process, user and password, to the
  /// stored hash that they fitted. A changed password has another hash, so nothing must be
  /// forgotten.
  std::unordered_map<std::string, std::string> right MILL_GUARDED_BY(mutex);
  std::shared_ptr<const Snapshot> snapshot MILL_GUARDED_BY(mutex);
  /// Metadata::DataVersion at which the snapshot was found to be the newest.
  std::uint64_t data_version MILL_GUARDED_BY(mutex) = 0;
  /// A run never changes its experiment; forgotten with the snapshot, which erased runs touch.
  std::unordered_map<std::string, std::string> experiments_of_runs MILL_GUARDED_BY(mutex);

  std::string NameOf(const std::string& username, const std::string& password) const {
    return base::Sha256Hex(key + username + ":" + password);
  }
  bool Knows(const std::string& name, const std::string& hash) {
    const base::MutexLock lock(mutex);
    const auto found = right.find(name);
    return found != right.end() && found->second == hash;
  }
  void Remember(std::string name, std::string hash) {
    const base::MutexLock lock(mutex);
    if (right.size() >= kMostPasswords) {
      right.clear();
    }
    right.insert_or_assign(std::move(name), std::move(hash));
  }
};

}  // namespace millrace::tracking
