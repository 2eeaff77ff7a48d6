// SPDX-License-Identifier: Apache-2.0
// Access control: who asks and what they may do, from a copy in memory of all users, tokens and
// roles, which is read again when anybody changed them.
#include <utility>

#include "base/hash.h"
#include "store/metadata.h"
#include "tracking/access.h"
#include "tracking/internal/access_rows.h"
#include "tracking/internal/access_snapshot.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Row;

Error Unauthenticated() {
  return Error(ErrorCode::kUnauthenticated, "wrong user, password or token");
}

Result<std::int64_t> VersionOf(store::Metadata& metadata) {
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        metadata.Query("SELECT version FROM access_state WHERE id = 1"));
  return rows.empty() ? 0 : Int(rows[0][0]);
}

}  // namespace

// Each query sees what was committed before it. The version is read first: what changes meanwhile
// raises it, so the next question finds a newer one and reads again.
Result<std::shared_ptr<const Access::Snapshot>> Access::ReadAll() {
  auto all = std::make_shared<Snapshot>();
  MILL_ASSIGN_OR_RETURN(all->version, VersionOf(metadata_));
  MILL_RETURN_IF_ERROR(
      metadata_.ForEach("SELECT user_id, username, is_admin, password_hash FROM access_users", {},
                        [&all](store::RowView row) {
                          Snapshot::Person person;
                          person.user = {Int(row[0]), Text(row[1]), Int(row[2]) != 0};
                          person.password_hash = Text(row[3]);
                          all->ids.emplace(person.user.username, person.user.id);
                          all->people.emplace(person.user.id, std::move(person));
                        }));
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT user_id, sha256, expiration_time FROM access_tokens", {}, [&all](store::RowView row) {
        Snapshot::Token token{Int(row[0]), {}};
        if (!store::IsNull(row[2])) {
          token.expiration_time_ms = Int(row[2]);
        }
        all->tokens.emplace(Text(row[1]), token);
      }));
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT a.user_id, r.workspace, p.resource_type, p.resource_pattern, p.permission "
      "FROM access_role_assignments a JOIN access_roles r ON r.role_id = a.role_id "
      "LEFT JOIN access_role_permissions p ON p.role_id = r.role_id",
      {}, [&all](store::RowView row) {
        const auto person = all->people.find(Int(row[0]));
        if (person == all->people.end()) {
          return;
        }
        const std::string workspace = Text(row[1]);
        person->second.workspaces.insert(workspace);
        const Result<ResourceKind> kind = ParseResourceKind(Text(row[2]));
        const Result<Permission> permission = ParsePermission(Text(row[4]));
        if (!kind.ok() || !permission.ok()) {
          return;  // a role without permissions
        }
        if (*kind == ResourceKind::kWorkspace && *permission == Permission::kManage) {
          person->second.managed.insert(workspace);
        }
        if (workspace == kDefaultWorkspace) {
          person->second.grants->Add({*kind, Text(row[3])}, *permission);
        }
      }));
  return std::shared_ptr<const Snapshot>(std::move(all));
}

Result<std::shared_ptr<const Access::Snapshot>> Access::Now() {
  // Of a database on a server this number costs as much as the version itself.
  const bool is_embedded = !metadata_.file().empty();
  std::uint64_t data_version = 0;
  if (is_embedded) {
    MILL_ASSIGN_OR_RETURN(data_version, metadata_.DataVersion());
    const base::MutexLock lock(cache_->mutex);
    if (cache_->snapshot != nullptr && cache_->data_version == data_version) {
      return cache_->snapshot;
    }
  }
  MILL_ASSIGN_OR_RETURN(const std::int64_t version, VersionOf(metadata_));
  {
    const base::MutexLock lock(cache_->mutex);
    if (cache_->snapshot != nullptr && cache_->snapshot->version == version) {
      cache_->data_version = data_version;
      return cache_->snapshot;
    }
  }
  MILL_ASSIGN_OR_RETURN(std::shared_ptr<const Snapshot> all, ReadAll());
  const base::MutexLock lock(cache_->mutex);
  if (cache_->snapshot == nullptr || cache_->snapshot->version < all->version) {
    cache_->snapshot = all;
    cache_->data_version = data_version;
    cache_->experiments_of_runs.clear();
  }
  return all;
}

Result<User> Access::CheckPassword(const std::string& username, const std::string& password) {
  MILL_ASSIGN_OR_RETURN(const auto now, Now());
  const Snapshot::Person* person = now->Find(username);
  if (person == nullptr) {
    // Takes as long as the check of a known user: the time does not tell who exists.
    base::HashPassword(password, options_.password_cost);
    return Unauthenticated();
  }
  std::string name = cache_->NameOf(username, password);
  if (!cache_->Knows(name, person->password_hash)) {
    MILL_ASSIGN_OR_RETURN(const bool is_right, base::IsPassword(password, person->password_hash));
    // A password with a NUL at its end would fit that without it.
    if (!is_right || password.find('\0') != std::string::npos) {
      return Unauthenticated();
    }
    cache_->Remember(std::move(name), person->password_hash);
  }
  return person->user;
}

bool Access::IsKnownPassword(const std::string& username, const std::string& password) {
  std::shared_ptr<const Snapshot> last;
  {
    const base::MutexLock lock(cache_->mutex);
    last = cache_->snapshot;
  }
  const Snapshot::Person* person = last == nullptr ? nullptr : last->Find(username);
  return person != nullptr &&
         cache_->Knows(cache_->NameOf(username, password), person->password_hash);
}

Result<std::optional<User>> Access::CheckKnownPassword(const std::string& username,
                                                       const std::string& password) {
  MILL_ASSIGN_OR_RETURN(const auto now, Now());
  const Snapshot::Person* person = now->Find(username);
  if (person == nullptr ||
      !cache_->Knows(cache_->NameOf(username, password), person->password_hash)) {
    return std::optional<User>();
  }
  return std::optional<User>(person->user);
}

Result<User> Access::CheckToken(const std::string& secret) {
  MILL_ASSIGN_OR_RETURN(const auto now, Now());
  // A map looks texts up in a time that depends on them; of a hash, that tells nothing.
  const auto token = now->tokens.find(base::Sha256Hex(secret));
  if (token == now->tokens.end() ||
      (token->second.expiration_time_ms && *token->second.expiration_time_ms <= NowMs())) {
    return Unauthenticated();
  }
  const auto person = now->people.find(token->second.user_id);
  return person == now->people.end() ? Result<User>(Unauthenticated()) : person->second.user;
}

UserGrants Access::GrantsIn(const Snapshot& all, const User& user) const {
  const Snapshot::Person* person = all.Find(user);
  if (person == nullptr) {  // deleted a moment ago
    return {std::make_shared<GrantSet>(), false, Permission::kNone};
  }
  return {person->grants, person->user.is_admin, options_.default_permission};
}

Result<UserGrants> Access::GrantsOf(const User& user) {
  MILL_ASSIGN_OR_RETURN(const auto now, Now());
  return GrantsIn(*now, user);
}

Result<UserGrants> Access::LastGrantsOf(const User& user) {
  std::shared_ptr<const Snapshot> last;
  {
    const base::MutexLock lock(cache_->mutex);
    last = cache_->snapshot;
  }
  return last == nullptr ? GrantsOf(user) : GrantsIn(*last, user);
}

Result<Permission> Access::PermissionOf(const User& user, const Resource& resource) {
  MILL_ASSIGN_OR_RETURN(const UserGrants grants, GrantsOf(user));
  return grants.Of(resource);
}

Result<std::set<std::string>> Access::ManagedWorkspaces(const User& user) {
  MILL_ASSIGN_OR_RETURN(const auto now, Now());
  const Snapshot::Person* person = now->Find(user);
  return person == nullptr ? std::set<std::string>() : person->managed;
}

Result<std::set<std::string>> Access::WorkspacesOf(const User& user) {
  MILL_ASSIGN_OR_RETURN(const auto now, Now());
  const Snapshot::Person* person = now->Find(user);
  return person == nullptr ? std::set<std::string>() : person->workspaces;
}

Result<std::string> Access::ExperimentOfRun(const std::string& run_id) {
  std::shared_ptr<const Snapshot> last;
  {
    const base::MutexLock lock(cache_->mutex);
    const auto known = cache_->experiments_of_runs.find(run_id);
    if (known != cache_->experiments_of_runs.end()) {
      return known->second;
    }
    last = cache_->snapshot;
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata_.Query("SELECT experiment_id FROM runs WHERE run_id = ?", {run_id}));
  if (rows.empty()) {
    return base::NotFound("Run with id=" + run_id + " not found");
  }
  std::string experiment = std::to_string(Int(rows[0][0]));
  const base::MutexLock lock(cache_->mutex);
  // What was read before somebody changed something is not kept behind that.
  if (last != nullptr && cache_->snapshot == last) {
    if (cache_->experiments_of_runs.size() >= Cache::kMostRuns) {
      cache_->experiments_of_runs.clear();
    }
    cache_->experiments_of_runs.emplace(run_id, experiment);
  }
  return experiment;
}

}  // namespace millrace::tracking
