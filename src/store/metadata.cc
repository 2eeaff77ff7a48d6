// SPDX-License-Identifier: Apache-2.0
// What every metadata database shares: transactions as objects and migrations.
#include "store/metadata.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace millrace::store {

Result<Transaction> Transaction::Begin(Metadata& metadata) {
  MILL_RETURN_IF_ERROR(metadata.Begin());
  return Transaction(metadata);
}

Transaction::~Transaction() {
  if (metadata_ != nullptr) {
    metadata_->Rollback();
  }
}

Transaction::Transaction(Transaction&& other) noexcept
    : metadata_(std::exchange(other.metadata_, nullptr)) {
}

Result<void> Transaction::Commit() {
  MILL_CHECK(metadata_ != nullptr);
  return std::exchange(metadata_, nullptr)->Commit();
}

namespace {

// The versions that are there, by module.
Result<std::map<std::string, int>> AppliedVersions(Metadata& metadata) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      metadata.Query("SELECT module, MAX(version) FROM schema_migrations GROUP BY module"));
  std::map<std::string, int> versions;
  for (const Row& row : rows) {
    versions[TextOr(row[0], "")] = static_cast<int>(IntOr(row[1], 0));
  }
  return versions;
}

std::vector<Migration> Missing(std::span<const Migration> migrations,
                               const std::map<std::string, int>& versions) {
  std::vector<Migration> missing;
  std::copy_if(migrations.begin(), migrations.end(), std::back_inserter(missing),
               [&](const Migration& migration) {
                 const auto found = versions.find(migration.module);
                 return found == versions.end() || found->second < migration.version;
               });
  return missing;
}

Result<void> Apply(Metadata& metadata, const Migration& migration) {
  MILL_RETURN_IF_ERROR(metadata.Execute(migration.sql));
  return metadata.Execute("INSERT INTO schema_migrations (module, version) VALUES (?, ?)",
                          {migration.module, std::int64_t{migration.version}});
}

}  // namespace

Result<void> Metadata::Migrate(std::span<const Migration> migrations) {
  std::map<std::string, int> newest;
  for (const Migration& migration : migrations) {
    int& last = newest[migration.module];
    MILL_CHECK_EQ(migration.version, last + 1);
    last = migration.version;
  }
  // Looked at first without a transaction: commands that only read must not take the write lock.
  MILL_ASSIGN_OR_RETURN(const bool has_table, HasTable("schema_migrations"));
  std::map<std::string, int> versions;
  if (has_table) {
    MILL_ASSIGN_OR_RETURN(versions, AppliedVersions(*this));
  }
  for (const auto& [module, version] : newest) {
    const auto found = versions.find(module);
    if (found != versions.end() && found->second > version) {
      return base::FailedPrecondition("the tables of \"" + module + "\" have version " +
                                      std::to_string(found->second) +
                                      ", this program knows up to " + std::to_string(version))
          .Hint("use the newer millrace that wrote them");
    }
  }
  if (Missing(migrations, versions).empty()) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(*this));
  MILL_RETURN_IF_ERROR(Execute(
      "CREATE TABLE IF NOT EXISTS schema_migrations "
      "(module TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (module, version)) STRICT"));
  // Another process may have done some of it between our look and our lock.
  MILL_ASSIGN_OR_RETURN(versions, AppliedVersions(*this));
  for (const Migration& migration : Missing(migrations, versions)) {
    Result<void> applied = Apply(*this, migration);
    if (!applied.ok()) {
      return std::move(applied).error().With("bringing the tables of \"" + migration.module +
                                             "\" to version " + std::to_string(migration.version));
    }
  }
  return transaction.Commit();
}

Result<std::vector<Row>> Metadata::Query(std::string_view sql, std::span<const Value> params) {
  std::vector<Row> rows;
  MILL_RETURN_IF_ERROR(ForEach(sql, params, [&rows](RowView view) {
    Row& row = rows.emplace_back();
    row.reserve(view.size());
    for (const ValueView& value : view) {
      if (const auto* text = std::get_if<std::string_view>(&value)) {
        row.emplace_back(std::in_place_type<std::string>, *text);
      } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        row.emplace_back(*integer);
      } else if (const auto* real = std::get_if<double>(&value)) {
        row.emplace_back(*real);
      } else {
        row.emplace_back();
      }
    }
  }));
  return rows;
}

namespace {

template <typename AnyValue>
std::int64_t AnyIntOr(const AnyValue& value, std::int64_t fallback) {
  MILL_CHECK(IsNull(value) || std::holds_alternative<std::int64_t>(value));
  return IsNull(value) ? fallback : std::get<std::int64_t>(value);
}

template <typename AnyValue>
double AnyDoubleOr(const AnyValue& value, double fallback) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  MILL_CHECK(IsNull(value) || std::holds_alternative<double>(value));
  return IsNull(value) ? fallback : std::get<double>(value);
}

}  // namespace

std::int64_t IntOr(const Value& value, std::int64_t fallback) {
  return AnyIntOr(value, fallback);
}

std::int64_t IntOr(const ValueView& value, std::int64_t fallback) {
  return AnyIntOr(value, fallback);
}

double DoubleOr(const Value& value, double fallback) {
  return AnyDoubleOr(value, fallback);
}

double DoubleOr(const ValueView& value, double fallback) {
  return AnyDoubleOr(value, fallback);
}

std::string TextOr(const Value& value, std::string_view fallback) {
  MILL_CHECK(IsNull(value) || std::holds_alternative<std::string>(value));
  return IsNull(value) ? std::string(fallback) : std::get<std::string>(value);
}

std::string_view TextOr(const ValueView& value, std::string_view fallback) {
  MILL_CHECK(IsNull(value) || std::holds_alternative<std::string_view>(value));
  return IsNull(value) ? fallback : std::get<std::string_view>(value);
}

}  // namespace millrace::store
