// SPDX-License-Identifier: Apache-2.0
// Access control: permissions on experiments and registered models.
#include <array>
#include <utility>

#include "store/metadata.h"
#include "tracking/access.h"
#include "tracking/internal/access_rows.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Row;

constexpr std::array<std::string_view, 5> kNames = {"NO_PERMISSIONS", "READ", "USE", "EDIT",
                                                    "MANAGE"};

std::int64_t Number(ResourceKind kind) {
  return static_cast<std::int64_t>(kind);
}

std::int64_t Number(Permission permission) {
  return static_cast<std::int64_t>(permission);
}

/// "Experiment permission" and "experiment_id=7".
struct Words {
  std::string what;
  std::string which;
};

Words WordsOf(const Resource& resource) {
  if (resource.kind == ResourceKind::kExperiment) {
    return {"Experiment permission", "experiment_id=" + resource.id};
  }
  return {"Registered model permission", "name=" + resource.id};
}

Error GrantNotFound(const std::string& username, const Resource& resource) {
  const Words words = WordsOf(resource);
  return base::NotFound(words.what + " with " + words.which + " and username=" + username +
                        " not found");
}

Result<std::string> OnlyText(store::Metadata& metadata, std::string_view sql,
                             const std::string& param, const std::string& not_found) {
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows, metadata.Query(sql, {param}));
  if (rows.empty()) {
    return base::NotFound(not_found);
  }
  return std::to_string(Int(rows[0][0]));
}

}  // namespace

std::string_view PermissionName(Permission permission) {
  return kNames[static_cast<std::size_t>(permission)];
}

Result<Permission> ParsePermission(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) {
      return static_cast<Permission>(i);
    }
  }
  return base::InvalidArgument("Invalid permission '" + std::string(name) +
                               "'. Valid permissions are: ('READ', 'USE', 'EDIT', 'MANAGE', "
                               "'NO_PERMISSIONS')");
}

Result<Permission> Access::PermissionOf(const User& user, const Resource& resource) {
  if (user.is_admin) {
    return Permission::kManage;
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        metadata_.Query("SELECT permission FROM access_grants WHERE user_id = ? "
                                        "AND resource_kind = ? AND resource_id = ?",
                                        {user.id, Number(resource.kind), resource.id}));
  return rows.empty() ? options_.default_permission : static_cast<Permission>(Int(rows[0][0]));
}

Result<Permission> Access::GetGrant(const std::string& username, const Resource& resource) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        metadata_.Query("SELECT permission FROM access_grants WHERE user_id = ? "
                                        "AND resource_kind = ? AND resource_id = ?",
                                        {user_id, Number(resource.kind), resource.id}));
  if (rows.empty()) {
    return GrantNotFound(username, resource);
  }
  return static_cast<Permission>(Int(rows[0][0]));
}

Result<void> Access::CreateGrant(const std::string& username, const Resource& resource,
                                 Permission permission) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  Result<void> made = metadata_.Execute(
      "INSERT INTO access_grants (user_id, resource_kind, resource_id, permission) "
      "VALUES (?, ?, ?, ?)",
      {user_id, Number(resource.kind), resource.id, Number(permission)});
  if (!made.ok() && made.error().code() == ErrorCode::kAlreadyExists) {
    const Words words = WordsOf(resource);
    return base::AlreadyExists(words.what + " (" + words.which + ", username=" + username +
                               ") already exists.");
  }
  return made;
}

Result<void> Access::UpdateGrant(const std::string& username, const Resource& resource,
                                 Permission permission) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t changed,
      metadata_.ExecuteCounted("UPDATE access_grants SET permission = ? WHERE user_id = ? AND "
                               "resource_kind = ? AND resource_id = ?",
                               {Number(permission), user_id, Number(resource.kind), resource.id}));
  if (changed == 0) {
    return GrantNotFound(username, resource);
  }
  return {};
}

Result<void> Access::PutGrant(const std::string& username, const Resource& resource,
                              Permission permission) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  return metadata_.Execute(
      "INSERT INTO access_grants (user_id, resource_kind, resource_id, permission) "
      "VALUES (?, ?, ?, ?) ON CONFLICT (user_id, resource_kind, resource_id) "
      "DO UPDATE SET permission = excluded.permission",
      {user_id, Number(resource.kind), resource.id, Number(permission)});
}

Result<void> Access::DeleteGrant(const std::string& username, const Resource& resource) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  MILL_ASSIGN_OR_RETURN(const std::int64_t changed,
                        metadata_.ExecuteCounted("DELETE FROM access_grants WHERE user_id = ? AND "
                                                 "resource_kind = ? AND resource_id = ?",
                                                 {user_id, Number(resource.kind), resource.id}));
  if (changed == 0) {
    return GrantNotFound(username, resource);
  }
  return {};
}

Result<std::map<std::string, Permission>> Access::ListGrants(const std::string& username,
                                                             ResourceKind kind) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t user_id, internal::UserIdOf(metadata_, username));
  std::map<std::string, Permission> grants;
  MILL_RETURN_IF_ERROR(
      metadata_.ForEach("SELECT resource_id, permission FROM access_grants WHERE user_id = ? AND "
                        "resource_kind = ? ORDER BY resource_id",
                        {user_id, Number(kind)}, [&grants](store::RowView row) {
                          grants.emplace_hint(grants.end(), store::TextOr(row[0], ""),
                                              static_cast<Permission>(store::IntOr(row[1], 0)));
                        }));
  return grants;
}

Result<void> Access::RenameResource(const Resource& from, const std::string& to) {
  MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
  // What was said about another model of that name, long gone, does not count.
  MILL_RETURN_IF_ERROR(
      metadata_.Execute("DELETE FROM access_grants WHERE resource_kind = ? AND resource_id = ?",
                        {Number(from.kind), to}));
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "UPDATE access_grants SET resource_id = ? WHERE resource_kind = ? AND resource_id = ?",
      {to, Number(from.kind), from.id}));
  return transaction.Commit();
}

Result<void> Access::ForgetResource(const Resource& resource) {
  return metadata_.Execute("DELETE FROM access_grants WHERE resource_kind = ? AND resource_id = ?",
                           {Number(resource.kind), resource.id});
}

Result<std::string> Access::ExperimentOfRun(const std::string& run_id) {
  return OnlyText(metadata_, "SELECT experiment_id FROM runs WHERE run_id = ?", run_id,
                  "Run with id=" + run_id + " not found");
}

Result<std::string> Access::ExperimentOfLoggedModel(const std::string& model_id) {
  return OnlyText(metadata_, "SELECT experiment_id FROM logged_models WHERE model_id = ?", model_id,
                  "Logged model with ID '" + model_id + "' not found.");
}

Result<std::string> Access::ExperimentOfTrace(const std::string& trace_id) {
  return OnlyText(metadata_, "SELECT experiment_id FROM traces WHERE trace_id = ?", trace_id,
                  "Trace with ID '" + trace_id + "' not found.");
}

Result<std::string> Access::ExperimentOfScorer(const std::string& scorer_id) {
  return OnlyText(metadata_, "SELECT experiment_id FROM scorers WHERE scorer_id = ?", scorer_id,
                  "Scorer with ID '" + scorer_id + "' not found.");
}

Result<std::string> Access::ExperimentOfIssue(const std::string& issue_id) {
  return OnlyText(metadata_, "SELECT experiment_id FROM issues WHERE issue_id = ?", issue_id,
                  "Issue with ID '" + issue_id + "' not found");
}

Result<std::vector<std::string>> Access::ExperimentsOfEvaluationDataset(
    const std::string& dataset_id) {
  std::vector<std::string> ids;
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT experiment_id FROM evaluation_dataset_experiments WHERE dataset_id = ?", {dataset_id},
      [&ids](store::RowView row) { ids.push_back(std::to_string(store::IntOr(row[0], 0))); }));
  return ids;
}

Result<std::string> Access::ExperimentOfName(const std::string& name) {
  return OnlyText(metadata_, "SELECT experiment_id FROM experiments WHERE name = ?", name,
                  "Could not find experiment with name " + name);
}

}  // namespace millrace::tracking
