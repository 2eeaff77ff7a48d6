// SPDX-License-Identifier: Apache-2.0
// GraphQL as far as MLflow's web pages and clients use it: one operation of fields with arguments,
// variables and fragments. No introspection, no subscriptions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"

namespace millrace::api::internal {

/// A field that an operation selects.
struct Selection {
  std::string name;
  /// The key of the answer: the alias, or the name.
  std::string key;
  /// Arguments by name, variables filled in.
  nlohmann::json arguments = nlohmann::json::object();
  std::vector<Selection> selections = {};
};

struct GraphqlOperation {
  bool is_mutation = false;
  std::vector<Selection> selections;
};

/// Parses a document and picks the operation to run: the one of that name, or the only one.
///   - kInvalidArgument: "Syntax Error: ...", an unknown operation or fragment, and, as MLflow
///   limits them, fields deeper than 10, more than 1000 fields, 10 root fields or 10 aliases.
Result<GraphqlOperation> ParseGraphql(std::string_view document, const nlohmann::json& variables,
                                      std::string_view operation_name);

/// What a field of a type is: a scalar, an object or a list.
struct GraphqlField {
  enum class Kind { kText, kLong, kInt, kFloat, kBool, kNull, kObject, kTexts, kObjects };
  Kind kind = Kind::kText;
  /// The type of an object or of a list's items.
  std::string type;
};

/// Looks up a field of MLflow's schema ("MlflowRun", "info"). kInvalidArgument, as GraphQL says it:
/// "Cannot query field 'x' on type 'MlflowRun'."
Result<GraphqlField> FindGraphqlField(std::string_view type, std::string_view field);

/// "max_results" of "maxResults".
std::string SnakeCase(std::string_view camel);

}  // namespace millrace::api::internal
