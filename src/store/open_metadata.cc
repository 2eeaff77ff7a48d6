// SPDX-License-Identifier: Apache-2.0
// Opening a metadata database by its URI.
#include "base/uri.h"
#include "store/internal/database.h"
#include "store/metadata.h"

namespace millrace::store {
namespace {

constexpr const char* kTableOfMlflow = "alembic_version";

Error IsMlflows(std::string_view uri) {
  return base::FailedPrecondition("\"" + base::WithoutPassword(uri) +
                                  "\" is a database of MLflow's own server")
      .Hint("copy what is in it with `millrace import mlflow`, and name another database here");
}

}  // namespace

Result<std::unique_ptr<Metadata>> OpenMetadata(std::string_view uri,
                                               const std::filesystem::path& default_path,
                                               Durability durability) {
  constexpr std::string_view kSqlite = "sqlite:///";
  if (uri.empty()) {
    return OpenSqlite(default_path, {.durability = durability});
  }
  if (uri.starts_with(kSqlite) && uri.size() > kSqlite.size()) {
    const std::filesystem::path path(uri.substr(kSqlite.size()));
    std::error_code ignored;
    if (std::filesystem::exists(path, ignored)) {
      MILL_ASSIGN_OR_RETURN(const bool is_foreign,
                            internal::SqliteFileHasTable(path, kTableOfMlflow));
      if (is_foreign) {
        return IsMlflows(uri);
      }
    }
    return OpenSqlite(path, {.durability = durability});
  }
  if (uri.starts_with("postgres")) {
    MILL_ASSIGN_OR_RETURN(std::unique_ptr<Metadata> metadata,
                          OpenPostgres(uri, {.durability = durability}));
    MILL_ASSIGN_OR_RETURN(const bool is_foreign, metadata->HasTable(kTableOfMlflow));
    if (is_foreign) {
      return IsMlflows(uri);
    }
    return metadata;
  }
  return base::InvalidArgument("backend_store_uri is \"" + base::WithoutPassword(uri) +
                               "\"; wanted: postgresql://user@host/database, sqlite:///path, or "
                               "nothing for the workspace's own database");
}

}  // namespace millrace::store
