// SPDX-License-Identifier: Apache-2.0
// Issues over the metadata database.
#include "tracking/issues.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <tuple>

#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "base/json.h"
#include "store/metadata.h"
#include "tracking/internal/evaluation_rows.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/search.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using base::InvalidArgument;
using internal::Int;
using internal::Text;
using store::Row;

constexpr std::string_view kSelect =
    "SELECT issue_id, experiment_id, name, description, status, severity, root_causes, categories, "
    "source_run_id, created_by, created_time, last_update_time FROM issues ";
constexpr std::array<std::string_view, 3> kStatuses = {"pending", "rejected", "resolved"};
/// From the least to the most severe.
constexpr std::array<std::string_view, 4> kSeverities = {"not_an_issue", "low", "medium", "high"};

template <std::size_t N>
Result<void> CheckOneOf(const std::array<std::string_view, N>& valid, std::string_view what,
                        const std::string& value) {
  return std::find(valid.begin(), valid.end(), value) != valid.end()
             ? Result<void>()
             : InvalidArgument("'" + value + "' is not a valid " + std::string(what));
}

std::string ListText(const std::vector<std::string>& texts) {
  return base::DumpJson(texts);
}

std::vector<std::string> ReadList(const store::Value& value) {
  const auto parsed = base::ParseJson(store::TextOr(value, "[]"), "list");
  return parsed.ok() && parsed->is_array() ? parsed->get<std::vector<std::string>>()
                                           : std::vector<std::string>();
}

Issue FromRow(const Row& row) {
  return {.issue_id = Text(row[0]),
          .experiment_id = std::to_string(Int(row[1])),
          .name = Text(row[2]),
          .description = Text(row[3]),
          .status = Text(row[4]),
          .severity = Text(row[5]),
          .root_causes = ReadList(row[6]),
          .categories = ReadList(row[7]),
          .source_run_id = Text(row[8]),
          .created_by = Text(row[9]),
          .created_time_ms = Int(row[10]),
          .last_update_time_ms = Int(row[11]),
          .trace_count = {}};
}

Result<Issue> Read(store::Metadata& metadata, const std::string& issue_id) {
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        metadata.Query(std::string(kSelect) + "WHERE issue_id = ?", {issue_id}));
  if (rows.empty()) {
    return base::NotFound("Issue with ID '" + issue_id + "' not found");
  }
  return FromRow(rows[0]);
}

Result<void> CheckRun(store::Metadata& metadata, const std::string& run_id) {
  if (run_id.empty()) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        metadata.Query("SELECT 1 FROM runs WHERE run_id = ?", {run_id}));
  return rows.empty() ? base::NotFound("Run with id=" + run_id + " not found") : Result<void>();
}

Result<void> CountTraces(store::Metadata& metadata, std::vector<Issue>& issues) {
  std::map<std::string, std::int64_t> counts;
  MILL_RETURN_IF_ERROR(metadata.ForEach(
      "SELECT name, COUNT(DISTINCT trace_id) FROM trace_assessments WHERE kind = 'issue' GROUP BY "
      "name",
      {}, [&](store::RowView row) { counts[Text(row[0])] = Int(row[1]); }));
  for (Issue& issue : issues) {
    const auto count = counts.find(issue.issue_id);
    issue.trace_count = count == counts.end() ? 0 : count->second;
  }
  return {};
}

/// -1 where nobody said.
std::ptrdiff_t RankOf(const Issue& issue) {
  const auto* const place = std::find(kSeverities.begin(), kSeverities.end(), issue.severity);
  return place == kSeverities.end() ? -1 : place - kSeverities.begin();
}

bool IsBefore(const Issue& a, const Issue& b) {
  return std::tuple(RankOf(b), b.trace_count.value_or(0), b.created_time_ms,
                    std::string_view(b.issue_id)) < std::tuple(RankOf(a), a.trace_count.value_or(0),
                                                               a.created_time_ms,
                                                               std::string_view(a.issue_id));
}

FieldValue ValueOf(const Issue& issue, const Field& field) {
  if (field.key == "status") {
    return std::string_view(issue.status);
  }
  return issue.source_run_id.empty() ? FieldValue()
                                     : FieldValue(std::string_view(issue.source_run_id));
}

}  // namespace

Result<std::unique_ptr<Issues>> Issues::Open(TrackingStore& tracking, store::Metadata& metadata,
                                             const base::Clock& clock) {
  MILL_RETURN_IF_ERROR(internal::MigrateEvaluation(metadata).With("making the tables of issues"));
  return std::make_unique<Issues>(tracking, metadata, clock);
}

Result<Issue> Issues::Create(Issue issue) {
  MILL_RETURN_IF_ERROR(CheckOneOf(kStatuses, "IssueStatus", issue.status));
  if (!issue.severity.empty()) {
    MILL_RETURN_IF_ERROR(CheckOneOf(kSeverities, "IssueSeverity", issue.severity));
  }
  issue.issue_id = "iss-" + base::NewRunId();
  issue.created_time_ms = NowMs();
  issue.last_update_time_ms = issue.created_time_ms;
  const auto write = [&](store::Metadata& sql) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const std::int64_t experiment,
                          internal::CheckActiveExperiment(sql, issue.experiment_id));
    MILL_RETURN_IF_ERROR(CheckRun(sql, issue.source_run_id));
    return sql.Execute(
        "INSERT INTO issues (issue_id, experiment_id, name, description, status, severity, "
        "root_causes, categories, source_run_id, created_by, created_time, last_update_time) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {issue.issue_id, experiment, issue.name, issue.description, issue.status, issue.severity,
         ListText(issue.root_causes), ListText(issue.categories), issue.source_run_id,
         issue.created_by, issue.created_time_ms, issue.last_update_time_ms});
  };
  MILL_RETURN_IF_ERROR(tracking_.Write(write));
  return issue;
}

Result<Issue> Issues::Get(const std::string& issue_id) {
  return Read(metadata_, issue_id);
}

Result<Issue> Issues::Update(const std::string& issue_id, const IssueUpdate& update) {
  if (update.status) {
    MILL_RETURN_IF_ERROR(CheckOneOf(kStatuses, "IssueStatus", *update.status));
  }
  if (update.severity) {
    MILL_RETURN_IF_ERROR(CheckOneOf(kSeverities, "IssueSeverity", *update.severity));
  }
  Issue issue;
  const auto write = [&](store::Metadata& sql) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(issue, Read(sql, issue_id));
    issue.name = update.name.value_or(issue.name);
    issue.description = update.description.value_or(issue.description);
    issue.status = update.status.value_or(issue.status);
    issue.severity = update.severity.value_or(issue.severity);
    issue.last_update_time_ms = NowMs();
    return sql.Execute(
        "UPDATE issues SET name = ?, description = ?, status = ?, severity = ?, last_update_time "
        "= ? WHERE issue_id = ?",
        {issue.name, issue.description, issue.status, issue.severity, issue.last_update_time_ms,
         issue_id});
  };
  MILL_RETURN_IF_ERROR(tracking_.Write(write));
  return issue;
}

Result<Page<Issue>> Issues::Search(const IssueSearch& search) {
  MILL_RETURN_IF_ERROR(internal::CheckMaxResults(search.max_results));
  MILL_ASSIGN_OR_RETURN(const std::int64_t offset, ParsePageToken(search.page_token));
  MILL_ASSIGN_OR_RETURN(const auto filter, ParseFilter(search.filter, SearchTarget::kIssues));
  std::string condition;
  std::vector<store::Value> params;
  if (!search.experiment_id.empty()) {
    MILL_ASSIGN_OR_RETURN(const long long number,
                          internal::ParseExperimentId(search.experiment_id));
    condition = "WHERE experiment_id = ?";
    params.emplace_back(std::int64_t{number});
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        metadata_.Query(std::string(kSelect) + condition, params));
  std::vector<Issue> issues;
  issues.reserve(rows.size());
  for (const Row& row : rows) {
    issues.push_back(FromRow(row));
  }
  FilterAndOrder(issues, filter, {}, ValueOf);
  if (search.wants_trace_count) {
    MILL_RETURN_IF_ERROR(CountTraces(metadata_, issues));
  }
  std::sort(issues.begin(), issues.end(), IsBefore);
  Page<Issue> page;
  const auto first = static_cast<std::size_t>(offset);
  const auto most = static_cast<std::size_t>(search.max_results);
  for (std::size_t i = first; i < issues.size() && page.items.size() < most; ++i) {
    page.items.push_back(std::move(issues[i]));
  }
  if (first + page.items.size() < issues.size()) {
    page.next_page_token = PageToken(offset + search.max_results);
  }
  return page;
}

}  // namespace millrace::tracking
