// SPDX-License-Identifier: Apache-2.0
// The runs in memory: columns that every search needs, and those of metrics, parameters and tags
// that are loaded. Knows no database.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tracking/internal/run_columns.h"
#include "tracking/internal/run_index.h"

namespace millrace::tracking::internal {

/// A row of table `runs`. The texts are views.
struct RunBase {
  std::int64_t run_key = 0;
  std::string_view run_id;
  std::int64_t experiment_id = 0;
  std::string_view user_id;
  RunStatus status = RunStatus::kRunning;
  std::int64_t start_time = 0;
  std::optional<std::int64_t> end_time;
  bool is_active = true;
  std::string_view artifact_uri;
};

/// A column that was loaded for a search.
struct LoadedColumn {
  Field field;
  /// `names.name_id`; 0 for attributes.
  std::int64_t name_id = 0;
  std::unique_ptr<NumberColumn> numbers;
  std::unique_ptr<TextColumn> texts;
  /// The search that asked last.
  std::uint64_t last_used = 0;

  RunColumn& column() const {
    return numbers != nullptr ? static_cast<RunColumn&>(*numbers) : *texts;
  }
};

/// Not thread-safe to change; any number of searches at once otherwise.
class RunTable {
 public:
  RunTable();
  std::size_t n_runs() const { return run_keys_.size(); }
  std::span<const std::int64_t> run_keys() const { return run_keys_; }
  std::size_t bytes() const;

  /// Makes room for n runs; those from the old number on are set by SetRun.
  void Grow(std::size_t n);
  /// Run keys rise with the rows.
  void SetRun(RunRow row, const RunBase& run);
  /// Nothing for a run that is not here. Cost: O(log n).
  std::optional<RunRow> Find(std::int64_t run_key) const;

  /// Null where it is not loaded.
  LoadedColumn* FindColumn(const Field& field) const;
  std::span<const std::unique_ptr<LoadedColumn>> columns() const { return columns_; }
  void AddColumn(std::unique_ptr<LoadedColumn> column);
  /// Drops the columns for which `drop(column)` holds.
  template <typename Drop>
  void DropColumns(const Drop& drop) {
    std::erase_if(columns_, [&](const auto& column) { return drop(*column); });
  }

  /// Fields without a column have no value.
  /// @param rows  where to search; clauses on data sets are answered already
  /// @return run keys in order, from offset, at most limit + 1
  std::vector<std::int64_t> Select(const IndexQuery& query, RowSet rows) const;
  /// The runs of the query's experiments and lifecycle stage.
  RowSet InScope(const IndexQuery& query) const;

 private:
  const RunColumn* ColumnOf(const Field& field) const;
  void Filter(const Clause& clause, RowSet& rows) const;

  std::vector<std::int64_t> run_keys_;
  /// Index into experiment_ids_.
  std::vector<std::uint32_t> experiments_;
  std::vector<std::int64_t> experiment_ids_;
  std::unordered_map<std::int64_t, std::uint32_t> experiment_index_;
  RowSet active_{0};
  WholeColumn starts_;
  WholeColumn ends_;
  TextColumn users_;
  TextColumn statuses_;
  RunIdColumn run_ids_;
  std::vector<std::unique_ptr<LoadedColumn>> columns_;
};

/// The field whose column answers for another one: run_name is the tag mlflow.runName.
Field ColumnField(const Field& field);

}  // namespace millrace::tracking::internal
