// SPDX-License-Identifier: Apache-2.0
// MLflow's search grammar: filter strings and order_by lists, parsed and checked for one kind of
// thing, and what a clause means for a value. Semantics: mlflow/utils/search_utils.py and
// search_logged_model_utils.py; docs/api/search.md says it for people.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace millrace::tracking::internal {
class SearchRegex;
}

namespace millrace::tracking {

/// What is searched; each has its own fields and comparators.
enum class SearchTarget {
  kExperiments,
  kRuns,
  kRegisteredModels,
  kModelVersions,
  kLoggedModels,
  kTraces,
  kEvaluationDatasets,
  kIssues
};

/// Where a field of a filter lives. Those from kMetadata on belong to traces alone.
enum class FieldKind {
  kAttribute,
  kMetric,
  kParam,
  kTag,
  kDataset,
  kMetadata,
  kSpan,
  kFeedback,
  kExpectation,
  kIssue
};

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
  /// Canonical name: "start_time" for "created". Attributes of
  ///   - experiments: name, experiment_id (text), creation_time, last_update_time (whole numbers)
  ///   - runs: run_id, run_name, user_id, status, artifact_uri; start_time, end_time (numbers)
  ///   - registered models: name; in orders also last_updated_timestamp
  ///   - model versions: name, run_id, source_path; version_number (whole); in orders also
  ///     creation_timestamp, last_updated_timestamp
  ///   - logged models: name, model_id, model_type, status, source_run_id; creation_timestamp,
  ///     last_updated_timestamp (numbers)
  ///   - traces: request_id, status, client_request_id; timestamp_ms, execution_time_ms,
  ///     end_time_ms. "name" and "prompt" become tags, "run_id" metadata, "text" span content, as
  ///     in MLflow.
  ///   - evaluation datasets: name, created_by, last_updated_by; created_time, last_update_time
  ///     (whole numbers)
  ///   - issues: status, source_run_id
  std::string key;
  friend bool operator==(const Field&, const Field&) = default;
};

/// `field comparator value`. The value is nothing for IS [NOT] NULL, a list for [NOT] IN, and
/// otherwise a text or a number, as the field wants it.
struct Clause {
  Field field;
  Comparator comparator = Comparator::kEqual;
  std::variant<std::monostate, std::string, double, std::int64_t, std::vector<std::string>> value;
};

struct OrderTerm {
  Field field;
  bool is_ascending = true;
  /// Logged models only: the metric's values on this data set; empty for any.
  std::string dataset_name = {};
  std::string dataset_digest = {};
};

/// All clauses must hold (the grammar has AND only). An empty filter has no clauses. Errors are
/// kInvalidArgument with MLflow's words; where MLflow answers with an internal error (a value of a
/// wrong type, a broken regular expression), so is ours.
Result<std::vector<Clause>> ParseFilter(std::string_view filter, SearchTarget target);
/// Not for logged models, whose orders are objects: ParseLoggedModelOrder.
Result<std::vector<OrderTerm>> ParseOrderBy(const std::vector<std::string>& order_by,
                                            SearchTarget target);
/// One order_by object of a search for logged models: an attribute, or "metrics.<name>".
Result<OrderTerm> ParseLoggedModelOrder(std::string_view field_name, bool is_ascending,
                                        std::string dataset_name, std::string dataset_digest);

/// SQL LIKE: '%' any run of characters, '_' one; no escape. Characters are those of UTF-8; case is
/// ignored for ASCII only, as SQLite does. Cost: O(text * pattern) at worst.
bool Like(std::string_view text, std::string_view pattern, bool ignore_case);

/// A part of a search that a page token remembers, so that it cannot be used for another search.
struct TokenPart {
  std::string_view key;
  std::string text;
  std::string_view mismatch;  ///< the error if the next request has another text
};

/// base64 of {"offset": n} and the parts, as MLflow's. An empty token is offset 0; kInvalidArgument
/// for anything else that is no token, and for the token of another search.
std::string PageToken(std::int64_t offset, const std::vector<TokenPart>& parts = {});
Result<std::int64_t> ParsePageToken(std::string_view token,
                                    const std::vector<TokenPart>& parts = {});

/// What a thing has for a field: nothing, a text or a number. Texts are not copied.
using FieldValue = std::variant<std::monostate, std::string_view, std::int64_t, double>;

/// A clause made ready to be asked often. Thread-safe.
class ClauseTest {
 public:
  explicit ClauseTest(Clause clause);
  const Clause& clause() const { return clause_; }
  /// A missing value matches IS NULL alone. NaN matches != and IS NOT NULL. A text never matches a
  /// number, except !=.
  bool operator()(const FieldValue& value) const;
  bool operator()(std::string_view text) const;
  bool operator()(double number) const;

 private:
  Clause clause_;
  std::shared_ptr<const internal::SearchRegex> pattern_;
};

/// Order of two values under one term: missing values last in both directions, NaN before them,
/// then numbers before texts.
std::weak_ordering CompareValues(const FieldValue& a, const FieldValue& b, bool is_ascending);

/// Keeps the items that match all clauses, and sorts them by the terms; equal ones stay in their
/// order, so give them in the default order or end the terms with it.
/// @param get  FieldValue(const T&, const Field&); may be asked for any field that ParseFilter and
///             ParseOrderBy let through
template <typename T, typename Get>
void FilterAndOrder(std::vector<T>& items, std::span<const Clause> clauses,
                    std::span<const OrderTerm> terms, const Get& get) {
  const std::vector<ClauseTest> tests(clauses.begin(), clauses.end());
  std::erase_if(items, [&](const T& item) {
    return !std::all_of(tests.begin(), tests.end(), [&](const ClauseTest& test) {
      return test(FieldValue(get(item, test.clause().field)));
    });
  });
  std::stable_sort(items.begin(), items.end(), [&](const T& a, const T& b) {
    for (const OrderTerm& term : terms) {
      const std::weak_ordering order =
          CompareValues(get(a, term.field), get(b, term.field), term.is_ascending);
      if (order != 0) {
        return order < 0;
      }
    }
    return false;
  });
}

}  // namespace millrace::tracking
