// SPDX-License-Identifier: Apache-2.0
// Searches over registered models and versions: the filter becomes SQL, but for LIKE and ILIKE,
// whose letter case no two databases read alike; those are judged here.
#include <algorithm>

#include "store/metadata.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/version_rows.h"
#include "tracking/registry.h"
#include "tracking/search.h"

namespace millrace::tracking {
namespace {

using internal::Text;

/// What differs between the two kinds.
struct Kind {
  SearchTarget target;
  std::string_view columns;
  /// Table and its short name.
  std::string_view from;
  std::string_view alias;
  /// Tags of one row: table and condition.
  std::string_view tags;
  std::string_view tags_of_row;
  int most_results;
};

constexpr Kind kModels = {SearchTarget::kRegisteredModels,
                          internal::kModelColumns,
                          "registered_models AS m",
                          "m",
                          "registered_model_tags",
                          "t.name = m.name",
                          1000};
constexpr Kind kVersions = {SearchTarget::kModelVersions,
                            internal::kVersionColumns,
                            "model_versions AS v",
                            "v",
                            "model_version_tags",
                            "t.name = v.name AND t.version = v.version",
                            200'000};

std::string Column(const Kind& kind, const std::string& key) {
  const std::string column = key == "version_number"       ? "version"
                             : key == "source_path"        ? "source"
                             : key == "creation_timestamp" ? "creation_time"
                             : key == "last_updated_timestamp" || key == "timestamp"
                                 ? "last_updated_time"
                                 : key;
  return std::string(kind.alias) + "." + column;
}

std::string_view Operator(Comparator comparator) {
  switch (comparator) {
    case Comparator::kNotEqual:
      return " <> ?";
    case Comparator::kLess:
      return " < ?";
    case Comparator::kLessEqual:
      return " <= ?";
    case Comparator::kGreater:
      return " > ?";
    case Comparator::kGreaterEqual:
      return " >= ?";
    default:
      return " = ?";
  }
}

/// A pattern that a column of the result must match.
struct Pattern {
  std::size_t column = 0;
  std::string text;
  bool ignore_case = false;
};

class Query {
 public:
  explicit Query(const Kind& kind) : kind_(kind) {}

  void Add(const Clause& clause) {
    const bool is_tag = clause.field.kind == FieldKind::kTag;
    if (clause.comparator == Comparator::kLike || clause.comparator == Comparator::kILike) {
      AddPattern(clause, is_tag);
      return;
    }
    std::string condition;
    std::vector<store::Value> values;
    if (const auto* list = std::get_if<std::vector<std::string>>(&clause.value)) {
      condition = (clause.comparator == Comparator::kNotIn ? " NOT IN (" : " IN (") +
                  internal::Marks(list->size()) + ")";
      values.assign(list->begin(), list->end());
    } else {
      condition = Operator(clause.comparator);
      if (const auto* text = std::get_if<std::string>(&clause.value)) {
        values.emplace_back(*text);
      } else if (const auto* whole = std::get_if<std::int64_t>(&clause.value)) {
        values.emplace_back(*whole);
      } else if (const auto* number = std::get_if<double>(&clause.value)) {
        values.emplace_back(*number);
      }
    }
    if (is_tag) {
      And("EXISTS (SELECT 1 FROM " + std::string(kind_.tags) + " AS t WHERE " +
          std::string(kind_.tags_of_row) + " AND t.key = ? AND t.value" + condition + ")");
      params_.emplace_back(clause.field.key);
    } else {
      And(Column(kind_, clause.field.key) + condition);
    }
    params_.insert(params_.end(), values.begin(), values.end());
  }

  /// Leaves out every name that any row marks as a prompt.
  void LeaveOutPrompts() {
    And("NOT EXISTS (SELECT 1 FROM " + std::string(kind_.tags) + " AS t WHERE t.name = " +
        std::string(kind_.alias) + ".name AND t.key = ? AND t.value = 'true')");
    params_.emplace_back(std::string(kIsPromptTag));
  }

  void OrderBy(const std::string& column, bool is_ascending) {
    order_ += (order_.empty() ? " ORDER BY " : ", ") + column + (is_ascending ? " ASC" : " DESC");
  }

  /// Rows from `offset`, one more than `limit` where there are more.
  Result<std::vector<store::Row>> Run(store::Metadata& metadata, std::int64_t offset,
                                      std::int64_t limit) {
    std::string sql = "SELECT " + std::string(kind_.columns) + extra_columns_ + " FROM " +
                      std::string(kind_.from) + where_ + order_;
    std::vector<store::Value> params = extra_params_;
    params.insert(params.end(), params_.begin(), params_.end());
    if (patterns_.empty()) {
      sql += " LIMIT ? OFFSET ?";
      params.emplace_back(limit + 1);
      params.emplace_back(offset);
      return metadata.Query(sql, params);
    }
    MILL_ASSIGN_OR_RETURN(std::vector<store::Row> rows, metadata.Query(sql, params));
    std::erase_if(rows, [&](const store::Row& row) { return !Matches(row); });
    const auto n_rows = static_cast<std::int64_t>(rows.size());
    const auto begin = rows.begin() + std::min(offset, n_rows);
    const auto end = rows.begin() + std::min(offset + limit + 1, n_rows);
    return std::vector<store::Row>(std::make_move_iterator(begin), std::make_move_iterator(end));
  }

 private:
  void And(const std::string& condition) {
    where_ += (where_.empty() ? " WHERE " : " AND ") + condition;
  }

  void AddPattern(const Clause& clause, bool is_tag) {
    const auto* text = std::get_if<std::string>(&clause.value);
    patterns_.push_back(
        {patterns_.size(), text == nullptr ? "" : *text, clause.comparator == Comparator::kILike});
    if (is_tag) {
      extra_columns_ += ", (SELECT t.value FROM " + std::string(kind_.tags) + " AS t WHERE " +
                        std::string(kind_.tags_of_row) + " AND t.key = ?)";
      extra_params_.emplace_back(clause.field.key);
    } else {
      extra_columns_ += ", " + Column(kind_, clause.field.key);
    }
  }

  /// The columns of the patterns are the last ones; a missing tag matches nothing.
  bool Matches(const store::Row& row) const {
    const std::size_t first = row.size() - patterns_.size();
    return std::all_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) {
      const store::Value& value = row[first + pattern.column];
      return !store::IsNull(value) && Like(Text(value), pattern.text, pattern.ignore_case);
    });
  }

  const Kind& kind_;
  std::string extra_columns_;
  std::vector<store::Value> extra_params_;
  std::string where_;
  std::vector<store::Value> params_;
  std::string order_;
  std::vector<Pattern> patterns_;
};

/// Whether the filter asks for prompts: its first word about the prompt tag decides.
bool AsksForPrompts(const std::vector<Clause>& filter) {
  for (const Clause& clause : filter) {
    if (clause.field.kind == FieldKind::kTag && clause.field.key == kIsPromptTag) {
      const auto* text = std::get_if<std::string>(&clause.value);
      const std::string_view value = text == nullptr ? std::string_view() : *text;
      return (clause.comparator == Comparator::kEqual &&
              internal::EqualIgnoringCase(value, "true")) ||
             (clause.comparator == Comparator::kNotEqual &&
              internal::EqualIgnoringCase(value, "false"));
    }
  }
  return false;
}

/// The order, with the columns of `last` behind those that the search names.
Result<void> AddOrder(const Kind& kind, const RegistrySearch& search,
                      const std::vector<std::pair<std::string, bool>>& otherwise,
                      const std::vector<std::pair<std::string, bool>>& last, Query* query) {
  MILL_ASSIGN_OR_RETURN(const std::vector<OrderTerm> order,
                        ParseOrderBy(search.order_by, kind.target));
  std::vector<std::pair<std::string, bool>> columns;
  for (const OrderTerm& term : order) {
    const std::string column = Column(kind, term.field.key);
    const bool is_repeated = std::any_of(columns.begin(), columns.end(),
                                         [&](const auto& known) { return known.first == column; });
    if (is_repeated) {
      return base::InvalidArgument("`order_by` contains duplicate fields: " + term.field.key);
    }
    columns.emplace_back(column, term.is_ascending);
  }
  if (columns.empty()) {
    columns = otherwise;
  }
  for (const auto& term : last) {
    const bool is_named = std::any_of(columns.begin(), columns.end(),
                                      [&](const auto& known) { return known.first == term.first; });
    if (!is_named) {
      columns.push_back(term);
    }
  }
  for (const auto& [column, is_ascending] : columns) {
    query->OrderBy(column, is_ascending);
  }
  return {};
}

struct Found {
  std::vector<store::Row> rows;
  std::string next_page_token;
};

Result<Found> Find(store::Metadata& metadata, const Kind& kind, const RegistrySearch& search,
                   const std::vector<std::pair<std::string, bool>>& otherwise,
                   const std::vector<std::pair<std::string, bool>>& last) {
  if (search.max_results < 1) {
    return base::InvalidArgument(
        "Invalid value for max_results. It must be a positive integer, but got " +
        std::to_string(search.max_results));
  }
  if (search.max_results > kind.most_results) {
    return base::InvalidArgument(
        "Invalid value for request parameter max_results. It must be at most " +
        std::to_string(kind.most_results) + ", but got value " +
        std::to_string(search.max_results));
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<Clause> filter, ParseFilter(search.filter, kind.target));
  Query query(kind);
  const bool with_prompts = AsksForPrompts(filter);
  for (const Clause& clause : filter) {
    const bool is_prompt_clause =
        clause.field.kind == FieldKind::kTag && clause.field.key == kIsPromptTag;
    if (with_prompts || !is_prompt_clause) {
      query.Add(clause);
    }
  }
  if (!with_prompts) {
    query.LeaveOutPrompts();
  }
  MILL_RETURN_IF_ERROR(AddOrder(kind, search, otherwise, last, &query));
  std::int64_t offset = 0;
  if (!search.page_token.empty()) {
    MILL_ASSIGN_OR_RETURN(offset, ParsePageToken(search.page_token));
  }
  Found found;
  MILL_ASSIGN_OR_RETURN(found.rows, query.Run(metadata, offset, search.max_results));
  if (found.rows.size() > static_cast<std::size_t>(search.max_results)) {
    found.rows.pop_back();
    found.next_page_token = PageToken(offset + search.max_results);
  }
  return found;
}

}  // namespace

Result<Page<RegisteredModel>> Registry::SearchModels(const RegistrySearch& search) {
  MILL_ASSIGN_OR_RETURN(Found found, Find(metadata_, kModels, search, {}, {{"m.name", true}}));
  Page<RegisteredModel> page;
  page.next_page_token = std::move(found.next_page_token);
  for (const store::Row& row : found.rows) {
    MILL_ASSIGN_OR_RETURN(RegisteredModel model, internal::ModelFromRow(metadata_, row));
    page.items.push_back(std::move(model));
  }
  return page;
}

Result<Page<ModelVersion>> Registry::SearchVersions(const RegistrySearch& search) {
  MILL_ASSIGN_OR_RETURN(Found found,
                        Find(metadata_, kVersions, search, {{"v.last_updated_time", false}},
                             {{"v.name", true}, {"v.version", false}}));
  Page<ModelVersion> page;
  page.next_page_token = std::move(found.next_page_token);
  for (const store::Row& row : found.rows) {
    page.items.push_back(internal::VersionFromRow(row));
  }
  MILL_RETURN_IF_ERROR(internal::ReadVersionTags(metadata_, page.items));
  return page;
}

}  // namespace millrace::tracking
