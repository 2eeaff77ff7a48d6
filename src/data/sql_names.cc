// SPDX-License-Identifier: Apache-2.0
// Walks DuckDB's syntax tree. Its own duckdb_get_table_names fails on JOIN ... USING, because it
// binds columns of tables that it does not know.
#include "data/internal/sql_names.h"

#include <set>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace millrace::data::internal {
namespace {

using Names = std::set<std::string>;

// `hidden` holds the WITH names that are visible here.
void Walk(const nlohmann::json& node, Names hidden, Names& found) {
  if (node.is_array()) {
    for (const nlohmann::json& child : node) {
      Walk(child, hidden, found);
    }
    return;
  }
  if (!node.is_object()) {
    return;
  }
  if (const auto map = node.find("cte_map"); map != node.end() && map->contains("map")) {
    for (const nlohmann::json& entry : map->at("map")) {
      const std::string name = entry.value("key", "");
      const nlohmann::json query = entry.value("/value/query/node"_json_pointer, nlohmann::json());
      Names inside = hidden;
      // Only a recursive query sees its own name; `WITH t AS (SELECT * FROM t)` reads the table t.
      if (query.is_object() && query.value("type", "") == "RECURSIVE_CTE_NODE") {
        inside.insert(name);
      }
      Walk(entry, inside, found);
      hidden.insert(name);
    }
  }
  if (node.value("type", nlohmann::json()) == "BASE_TABLE") {
    const std::string name = node.value("table_name", "");
    if (!hidden.contains(name)) {
      found.insert(name);
    }
  }
  for (const auto& [key, child] : node.items()) {
    if (key != "cte_map") {
      Walk(child, hidden, found);
    }
  }
}

}  // namespace

Result<std::vector<std::string>> TablesInTree(std::string_view tree) {
  MILL_ASSIGN_OR_RETURN(const nlohmann::json json, base::ParseJson(tree, "syntax tree"));
  if (json.value("error", true)) {
    return base::InvalidArgument(
        "SQL: " + json.value("error_message", std::string("the statement cannot be read")) +
        "; wanted one SELECT");
  }
  Names found;
  Walk(json, {}, found);
  return std::vector<std::string>(found.begin(), found.end());
}

}  // namespace millrace::data::internal
