// SPDX-License-Identifier: Apache-2.0
// Access control: users and who asks. Permissions: access_grants.cc.
#include "tracking/access.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/hash.h"
#include "base/mutex.h"
#include "store/metadata.h"
#include "tracking/internal/access_rows.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Row;

constexpr std::string_view kTables = R"sql(
CREATE TABLE access_users (
  user_id INTEGER PRIMARY KEY,
  username TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  is_admin INTEGER NOT NULL,
  creation_time INTEGER NOT NULL);
CREATE TABLE access_grants (
  user_id INTEGER NOT NULL REFERENCES access_users(user_id) ON DELETE CASCADE,
  resource_kind INTEGER NOT NULL,
  resource_id TEXT NOT NULL,
  permission INTEGER NOT NULL,
  PRIMARY KEY (user_id, resource_kind, resource_id)) WITHOUT ROWID;
CREATE INDEX access_grants_by_resource ON access_grants (resource_kind, resource_id);
CREATE TABLE access_tokens (
  token_id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES access_users(user_id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL UNIQUE,
  creation_time INTEGER NOT NULL,
  expiration_time INTEGER);
)sql";

constexpr std::string_view kTokenPrefix = "mlr_";

Error Unauthenticated() {
  return Error(ErrorCode::kUnauthenticated, "wrong user, password or token");
}

Result<void> CheckCredentials(const std::string& username, const std::string& password) {
  if (username.empty() || password.empty()) {
    return base::InvalidArgument("Username and password cannot be empty.");
  }
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
  if (username.find(':') != std::string::npos ||
      std::any_of(username.begin(), username.end(), is_control) ||
      std::any_of(password.begin(), password.end(), is_control)) {
    return base::InvalidArgument(
        "a user name has neither colons nor control characters, a password no control characters");
  }
  constexpr std::size_t kMostBytes = 255;
  if (username.size() > kMostBytes || password.size() > kMostBytes) {
    return base::InvalidArgument("a user name and a password have at most 255 bytes");
  }
  return {};
}

User UserFromRow(const Row& row) {
  return {Int(row[0]), Text(row[1]), Int(row[2]) != 0};
}

AccessToken TokenFromRow(const Row& row, const std::string& username) {
  AccessToken token{Int(row[0]), username, Text(row[1]), Int(row[2])};
  if (!store::IsNull(row[3])) {
    token.expiration_time_ms = Int(row[3]);
  }
  return token;
}

}  // namespace

namespace internal {

Result<std::int64_t> UserIdOf(store::Metadata& metadata, const std::string& username) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata.Query("SELECT user_id FROM access_users WHERE username = ?", {username}));
  if (rows.empty()) {
    return base::NotFound("User with username=" + username + " not found");
  }
  return Int(rows[0][0]);
}

}  // namespace internal

// Which passwords were found right: SHA-256 of a key of this process, user and password, to the
// stored hash that they fitted. A changed password has another hash, so nothing must be forgotten.
struct Access::Cache {
  static constexpr std::size_t kMostEntries = 10'000;

  const std::string key = base::NewSecret();
  base::Mutex mutex;
  std::unordered_map<std::string, std::string> right MILL_GUARDED_BY(mutex);

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
    if (right.size() >= kMostEntries) {
      right.clear();
    }
    right.insert_or_assign(std::move(name), std::move(hash));
  }
};

Access::Access(store::Metadata& metadata, const base::Clock& clock, const AccessOptions& options)
    : metadata_(metadata), clock_(clock), options_(options), cache_(std::make_unique<Cache>()) {
}

Access::~Access() = default;

Result<std::unique_ptr<Access>> Access::Open(store::Metadata& metadata, const base::Clock& clock,
                                             const AccessOptions& options) {
  const std::vector<store::Migration> migrations = {{"access", 1, std::string(kTables)}};
  MILL_RETURN_IF_ERROR(metadata.Migrate(migrations));
  return std::unique_ptr<Access>(new Access(metadata, clock, options));
}

Result<User> Access::CreateUser(const std::string& username, const std::string& password,
                                bool is_admin) {
  MILL_RETURN_IF_ERROR(CheckCredentials(username, password));
  const auto rows = metadata_.Query(
      "INSERT INTO access_users (username, password_hash, is_admin, creation_time) "
      "VALUES (?, ?, ?, ?) RETURNING user_id",
      {username, base::HashPassword(password, options_.password_cost), std::int64_t{is_admin},
       NowMs()});
  if (!rows.ok() && rows.error().code() == ErrorCode::kAlreadyExists) {
    return base::AlreadyExists("User (username=" + username + ") already exists.");
  }
  if (!rows.ok()) {
    return rows.error();
  }
  return User{Int((*rows)[0][0]), username, is_admin};
}

Result<User> Access::GetUser(const std::string& username) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query("SELECT user_id, username, is_admin FROM access_users WHERE username = ?",
                      {username}));
  if (rows.empty()) {
    return base::NotFound("User with username=" + username + " not found");
  }
  return UserFromRow(rows[0]);
}

Result<std::vector<User>> Access::ListUsers() {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query("SELECT user_id, username, is_admin FROM access_users ORDER BY username"));
  std::vector<User> users;
  users.reserve(rows.size());
  for (const Row& row : rows) {
    users.push_back(UserFromRow(row));
  }
  return users;
}

Result<void> Access::SetPassword(const std::string& username, const std::string& password) {
  MILL_RETURN_IF_ERROR(CheckCredentials(username, password));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      metadata_.ExecuteCounted("UPDATE access_users SET password_hash = ? WHERE username = ?",
                               {base::HashPassword(password, options_.password_cost), username}));
  if (changed == 0) {
    return base::NotFound("User with username=" + username + " not found");
  }
  return {};
}

Result<void> Access::CheckOtherAdmins(const std::string& username) {
  MILL_ASSIGN_OR_RETURN(const User user, GetUser(username));
  if (!user.is_admin) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> others,
      metadata_.Query("SELECT 1 FROM access_users WHERE is_admin = 1 AND username <> ? LIMIT 1",
                      {username}));
  if (others.empty()) {
    return base::FailedPrecondition("User " + username + " is the only administrator")
        .Hint("make another user an administrator first");
  }
  return {};
}

Result<void> Access::SetAdmin(const std::string& username, bool is_admin) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  if (is_admin) {
    MILL_RETURN_IF_ERROR(internal::UserIdOf(metadata_, username));
  } else {
    MILL_RETURN_IF_ERROR(CheckOtherAdmins(username));
  }
  MILL_RETURN_IF_ERROR(metadata_.Execute("UPDATE access_users SET is_admin = ? WHERE username = ?",
                                         {std::int64_t{is_admin}, username}));
  return transaction.Commit();
}

Result<void> Access::DeleteUser(const std::string& username) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(CheckOtherAdmins(username));
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("DELETE FROM access_users WHERE username = ?", {username}));
  return transaction.Commit();
}

Result<User> Access::CheckPassword(const std::string& username, const std::string& password) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query(
          "SELECT user_id, username, is_admin, password_hash FROM access_users WHERE username = ?",
          {username}));
  if (rows.empty()) {
    // Takes as long as the check of a known user: the time does not tell who exists.
    base::HashPassword(password, options_.password_cost);
    return Unauthenticated();
  }
  const std::string hash = Text(rows[0][3]);
  std::string name = cache_->NameOf(username, password);
  if (!cache_->Knows(name, hash)) {
    MILL_ASSIGN_OR_RETURN(const bool is_right, base::IsPassword(password, hash));
    // A password with a NUL at its end would fit that without it.
    if (!is_right || password.find('\0') != std::string::npos) {
      return Unauthenticated();
    }
    cache_->Remember(std::move(name), hash);
  }
  return UserFromRow(rows[0]);
}

Result<std::optional<User>> Access::CheckKnownPassword(const std::string& username,
                                                       const std::string& password) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query(
          "SELECT user_id, username, is_admin, password_hash FROM access_users WHERE username = ?",
          {username}));
  if (rows.empty() || !cache_->Knows(cache_->NameOf(username, password), Text(rows[0][3]))) {
    return std::optional<User>();
  }
  return std::optional<User>(UserFromRow(rows[0]));
}

Result<User> Access::CheckToken(const std::string& secret) {
  // A database looks texts up in a time that depends on them; of a hash, that tells nothing.
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query("SELECT u.user_id, u.username, u.is_admin, t.expiration_time "
                      "FROM access_tokens t JOIN access_users u ON u.user_id = t.user_id "
                      "WHERE t.sha256 = ?",
                      {base::Sha256Hex(secret)}));
  if (rows.empty() || (!store::IsNull(rows[0][3]) && Int(rows[0][3]) <= NowMs())) {
    return Unauthenticated();
  }
  return UserFromRow(rows[0]);
}

Result<NewToken> Access::CreateToken(const std::string& username, const std::string& name,
                                     std::optional<std::chrono::seconds> lifetime) {
  constexpr std::chrono::hours kLongest{24 * 36'525};
  if (lifetime && (*lifetime <= std::chrono::seconds(0) || *lifetime > kLongest)) {
    return base::InvalidArgument("a token lives for 1 second to 100 years, not for " +
                                 std::to_string(lifetime->count()) + " seconds");
  }
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  NewToken made;
  made.secret = std::string(kTokenPrefix) + base::NewSecret();
  made.token = {0, username, name, NowMs()};
  store::Value expiration;
  if (lifetime) {
    made.token.expiration_time_ms =
        made.token.creation_time_ms + std::chrono::milliseconds(*lifetime).count();
    expiration = *made.token.expiration_time_ms;
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query(
          "INSERT INTO access_tokens (user_id, name, sha256, creation_time, "
          "expiration_time) VALUES (?, ?, ?, ?, ?) RETURNING token_id",
          {user_id, name, base::Sha256Hex(made.secret), made.token.creation_time_ms, expiration}));
  made.token.id = Int(rows[0][0]);
  return made;
}

Result<std::vector<AccessToken>> Access::ListTokens(const std::string& username) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query("SELECT token_id, name, creation_time, expiration_time FROM access_tokens "
                      "WHERE user_id = ? ORDER BY token_id",
                      {user_id}));
  std::vector<AccessToken> tokens;
  tokens.reserve(rows.size());
  for (const Row& row : rows) {
    tokens.push_back(TokenFromRow(row, username));
  }
  return tokens;
}

Result<void> Access::DeleteToken(const std::string& username, std::int64_t token_id) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      metadata_.ExecuteCounted("DELETE FROM access_tokens WHERE token_id = ? AND user_id = ?",
                               {token_id, user_id}));
  if (changed == 0) {
    return base::NotFound("user " + username + " has no token with the id " +
                          std::to_string(token_id));
  }
  return {};
}

}  // namespace millrace::tracking
