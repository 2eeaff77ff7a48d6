// SPDX-License-Identifier: Apache-2.0
// Opening a metadata database by its URI.
#include "base/uri.h"
#include "store/metadata.h"

namespace millrace::store {
namespace {

Result<std::unique_ptr<Metadata>> OpenAny(std::string_view uri,
                                          const std::filesystem::path& default_path,
                                          Durability durability) {
  constexpr std::string_view kSqlite = "sqlite:///";
  if (uri.empty()) {
    return OpenSqlite(default_path, {.durability = durability});
  }
  if (uri.starts_with(kSqlite) && uri.size() > kSqlite.size()) {
    return OpenSqlite(std::filesystem::path(uri.substr(kSqlite.size())),
                      {.durability = durability});
  }
  if (uri.starts_with("postgres")) {
    return OpenPostgres(uri, {.durability = durability});
  }
  return base::InvalidArgument("backend_store_uri is \"" + base::WithoutPassword(uri) +
                               "\"; wanted: postgresql://user@host/database, sqlite:///path, or "
                               "nothing for the workspace's own database");
}

}  // namespace

Result<std::unique_ptr<Metadata>> OpenMetadata(std::string_view uri,
                                               const std::filesystem::path& default_path,
                                               Durability durability) {
  MILL_ASSIGN_OR_RETURN(std::unique_ptr<Metadata> metadata, OpenAny(uri, default_path, durability));
  MILL_ASSIGN_OR_RETURN(const bool is_foreign, metadata->HasTable("alembic_version"));
  if (is_foreign) {
    return base::FailedPrecondition("\"" + base::WithoutPassword(uri) +
                                    "\" is a database of MLflow's own server")
        .Hint("copy what is in it with `millrace import mlflow`, and name another database here");
  }
  return metadata;
}

}  // namespace millrace::store
