// SPDX-License-Identifier: Apache-2.0
// Access control: the tables, users and tokens. Who asks and what they may do: access_now.cc.
// Own permissions: access_grants.cc. Roles: access_roles.cc.
#include "tracking/access.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "store/metadata.h"
#include "tracking/internal/access_rows.h"
#include "tracking/internal/access_snapshot.h"
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

// Version 2: roles. What a user was given directly is the permissions of a role of their own.
// access_state has one row, whose version rises with every change of any of these tables.
constexpr std::string_view kRoleTables = R"sql(
CREATE TABLE access_roles (
  role_id INTEGER PRIMARY KEY,
  workspace TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT,
  UNIQUE (workspace, name));
CREATE TABLE access_role_permissions (
  role_permission_id INTEGER PRIMARY KEY,
  role_id INTEGER NOT NULL REFERENCES access_roles(role_id) ON DELETE CASCADE,
  resource_type TEXT NOT NULL,
  resource_pattern TEXT NOT NULL,
  permission TEXT NOT NULL,
  UNIQUE (role_id, resource_type, resource_pattern));
CREATE INDEX access_role_permissions_by_resource
  ON access_role_permissions (resource_type, resource_pattern);
CREATE TABLE access_role_assignments (
  assignment_id INTEGER PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES access_users(user_id) ON DELETE CASCADE,
  role_id INTEGER NOT NULL REFERENCES access_roles(role_id) ON DELETE CASCADE,
  UNIQUE (user_id, role_id));
CREATE INDEX access_role_assignments_by_role ON access_role_assignments (role_id);
CREATE TABLE access_state (
  id INTEGER PRIMARY KEY,
  version INTEGER NOT NULL);
INSERT INTO access_state (id, version) VALUES (1, 1);
INSERT INTO access_roles (workspace, name)
  SELECT DISTINCT 'default', '__user_' || user_id || '__' FROM access_grants;
INSERT INTO access_role_assignments (user_id, role_id)
  SELECT u.user_id, r.role_id FROM access_users u
  JOIN access_roles r ON r.name = '__user_' || u.user_id || '__';
INSERT INTO access_role_permissions (role_id, resource_type, resource_pattern, permission)
  SELECT r.role_id,
    CASE g.resource_kind WHEN 1 THEN 'experiment' ELSE 'registered_model' END,
    g.resource_id,
    CASE g.permission WHEN 0 THEN 'NO_PERMISSIONS' WHEN 1 THEN 'READ' WHEN 2 THEN 'USE'
      WHEN 3 THEN 'EDIT' ELSE 'MANAGE' END
  FROM access_grants g JOIN access_roles r ON r.name = '__user_' || g.user_id || '__';
DROP TABLE access_grants;
)sql";

// Prompts were registered models to permissions before. Where access control is older than the
// registry's tables, nobody was given anything.
constexpr std::string_view kPrompts = R"sql(
UPDATE access_role_permissions SET resource_type = 'prompt'
  WHERE resource_type = 'registered_model' AND resource_pattern IN
    (SELECT name FROM registered_model_tags
     WHERE key = 'mlflow.prompt.is_prompt' AND LOWER(value) = 'true');
)sql";

constexpr std::string_view kTokenPrefix = "mlr_";

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

Result<void> TouchAccess(store::Metadata& metadata) {
  return metadata.Execute("UPDATE access_state SET version = version + 1");
}

}  // namespace internal

Access::Access(store::Metadata& metadata, const base::Clock& clock, const AccessOptions& options)
    : metadata_(metadata), clock_(clock), options_(options), cache_(std::make_unique<Cache>()) {
}

Access::~Access() = default;

Result<std::unique_ptr<Access>> Access::Open(store::Metadata& metadata, const base::Clock& clock,
                                             const AccessOptions& options) {
  MILL_ASSIGN_OR_RETURN(const bool has_models, metadata.HasTable("registered_model_tags"));
  const std::vector<store::Migration> migrations = {
      {"access", 1, std::string(kTables)},
      {"access", 2, std::string(kRoleTables) + std::string(has_models ? kPrompts : "")}};
  MILL_RETURN_IF_ERROR(metadata.Migrate(migrations));
  return std::unique_ptr<Access>(new Access(metadata, clock, options));
}

Result<User> Access::CreateUser(const std::string& username, const std::string& password,
                                bool is_admin) {
  MILL_RETURN_IF_ERROR(CheckCredentials(username, password));
  const std::string hash = base::HashPassword(password, options_.password_cost);
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  const auto rows = metadata_.Query(
      "INSERT INTO access_users (username, password_hash, is_admin, creation_time) "
      "VALUES (?, ?, ?, ?) RETURNING user_id",
      {username, hash, std::int64_t{is_admin}, NowMs()});
  if (!rows.ok() && rows.error().code() == ErrorCode::kAlreadyExists) {
    return base::AlreadyExists("User (username=" + username + ") already exists.");
  }
  if (!rows.ok()) {
    return rows.error();
  }
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  MILL_RETURN_IF_ERROR(transaction.Commit());
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
  const std::string hash = base::HashPassword(password, options_.password_cost);
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      metadata_.ExecuteCounted("UPDATE access_users SET password_hash = ? WHERE username = ?",
                               {hash, username}));
  if (changed == 0) {
    return base::NotFound("User with username=" + username + " not found");
  }
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
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
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
}

Result<void> Access::DeleteUser(const std::string& username) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(CheckOtherAdmins(username));
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  // In every workspace; otherwise a later user of the same id would find it.
  MILL_RETURN_IF_ERROR(metadata_.Execute("DELETE FROM access_roles WHERE name = ?",
                                         {internal::OwnRoleName(user_id)}));
  MILL_RETURN_IF_ERROR(metadata_.Execute("DELETE FROM access_users WHERE user_id = ?", {user_id}));
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
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
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query(
          "INSERT INTO access_tokens (user_id, name, sha256, creation_time, "
          "expiration_time) VALUES (?, ?, ?, ?, ?) RETURNING token_id",
          {user_id, name, base::Sha256Hex(made.secret), made.token.creation_time_ms, expiration}));
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  MILL_RETURN_IF_ERROR(transaction.Commit());
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
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      metadata_.ExecuteCounted("DELETE FROM access_tokens WHERE token_id = ? AND user_id = ?",
                               {token_id, user_id}));
  if (changed == 0) {
    return base::NotFound("user " + username + " has no token with the id " +
                          std::to_string(token_id));
  }
  MILL_RETURN_IF_ERROR(internal::TouchAccess(metadata_));
  return transaction.Commit();
}

}  // namespace millrace::tracking
