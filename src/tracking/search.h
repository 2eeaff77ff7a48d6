// SPDX-License-Identifier: Apache-2.0
// MLflow's search grammar: filter strings and order_by lists, parsed and checked for one kind of
// thing. Semantics: mlflow/utils/search_utils.py, and docs/api/search.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace millrace::tracking {

/// What is searched; each has its own fields and comparators.
enum class SearchTarget {
  kExperiments,
  kRuns,
  kRegisteredModels,
  kModelVersions,
  kLoggedModels,
  kTraces
};

/// Where a field of a filter lives.
enum class FieldKind { kAttribute, kMetric, kParam, kTag, kDataset };

enum class Comparator {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kLike,
  kILike,
  kRLike,
  kIn,
  kNotIn,
  kIsNull,
  kIsNotNull
};

struct Field {
  FieldKind kind = FieldKind::kAttribute;
  /// Canonical name: "start_time" for "created".
  std::string key;
};

/// `field comparator value`. Values are texts, numbers or lists of texts, as the field wants them.
struct Clause {
  Field field;
  Comparator comparator = Comparator::kEqual;
  std::variant<std::monostate, std::string, double, std::int64_t, std::vector<std::string>> value;
};

struct OrderTerm {
  Field field;
  bool is_ascending = true;
};

/// All clauses must hold (the grammar has AND only). Errors are kInvalidArgument with MLflow's
/// words.
Result<std::vector<Clause>> ParseFilter(std::string_view filter, SearchTarget target);
Result<std::vector<OrderTerm>> ParseOrderBy(const std::vector<std::string>& order_by,
                                            SearchTarget target);

/// SQL LIKE: '%' any run of characters, '_' one; no escape.
bool Like(std::string_view text, std::string_view pattern, bool ignore_case);

/// base64 of {"offset": n}, as MLflow's; kInvalidArgument for anything else.
std::string PageToken(std::int64_t offset);
Result<std::int64_t> ParsePageToken(std::string_view token);

}  // namespace millrace::tracking
