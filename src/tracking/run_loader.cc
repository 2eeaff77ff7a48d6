// SPDX-License-Identifier: Apache-2.0
// Scans of runs, parameters, tags, metrics and data sets for the search index.
#include "tracking/internal/run_loader.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

/// Runs whose latest metrics are asked for at once.
constexpr std::size_t kRunsAtOnce = 1024;
/// Runs of the sample that tells how frequent each metric is.
constexpr std::size_t kSample = 256;
/// Metrics that are loaded together with those asked for.
constexpr std::size_t kMoreMetrics = 16;

constexpr std::string_view kBaseColumns =
    "SELECT run_key, run_id, experiment_id, user_id, status, start_time, end_time, "
    "lifecycle_stage, artifact_uri FROM runs ";

RunBase BaseFromRow(store::RowView row) {
  return {.run_key = Int(row[0]),
          .run_id = store::TextOr(row[1], ""),
          .experiment_id = Int(row[2]),
          .user_id = store::TextOr(row[3], ""),
          .status = static_cast<RunStatus>(Int(row[4])),
          .start_time = Int(row[5]),
          .end_time = store::IsNull(row[6]) ? std::nullopt : std::optional(Int(row[6])),
          .is_active = store::TextOr(row[7], "") == "active",
          .artifact_uri = store::TextOr(row[8], "")};
}

std::string_view TableOf(FieldKind kind) {
  return kind == FieldKind::kParam ? "params" : "tags";
}

LoadedColumns EmptyColumns(const RunTable& table, std::span<const WantedColumn> wanted) {
  LoadedColumns columns;
  for (const auto& [field, name_id] : wanted) {
    auto column = std::make_unique<LoadedColumn>();
    column->field = field;
    column->name_id = name_id;
    if (field.kind == FieldKind::kMetric) {
      column->numbers = std::make_unique<NumberColumn>();
    } else {
      column->texts = std::make_unique<TextColumn>();
    }
    column->column().Grow(table.n_runs());
    columns.push_back(std::move(column));
  }
  return columns;
}

}  // namespace

const Field& ArtifactUriField() {
  static const Field field = {FieldKind::kAttribute, "artifact_uri"};
  return field;
}

RunBase OwnedRun::View() const {
  RunBase view = base;
  view.run_id = run_id;
  view.user_id = user_id;
  view.artifact_uri = artifact_uri;
  return view;
}

MetricsByName MetricColumnsOf(const RunTable& table) {
  MetricsByName by_name;
  for (const auto& column : table.columns()) {
    if (column->numbers != nullptr) {
      by_name[column->name_id] = column->numbers.get();
    }
  }
  return by_name;
}

Result<RunTable> RunLoader::Runs() {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> count,
                        metadata_.Query("SELECT COUNT(*) FROM runs"));
  RunTable table;
  table.Grow(static_cast<std::size_t>(Int(count[0][0])));
  std::size_t n = 0;
  const std::string sql = std::string(kBaseColumns) + "ORDER BY run_key";
  MILL_RETURN_IF_ERROR(metadata_.ForEach(sql, {}, [&](store::RowView row) {
    if (n == table.n_runs()) {
      table.Grow(std::max<std::size_t>(1024, n + n / 4));
    }
    table.SetRun(static_cast<RunRow>(n++), BaseFromRow(row));
  }));
  table.Grow(n);
  return table;
}

Result<std::vector<OwnedRun>> RunLoader::ChangedRuns(std::int64_t change, std::int64_t last_key,
                                                     std::size_t most) {
  std::vector<OwnedRun> changed;
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      std::string(kBaseColumns) +
          "WHERE run_key IN (SELECT run_key FROM runs WHERE change > ? AND change > 0 UNION "
          "SELECT run_key FROM runs WHERE run_key > ?) ORDER BY run_key LIMIT ?",
      {change, last_key, static_cast<std::int64_t>(most)}, [&](store::RowView row) {
        const RunBase base = BaseFromRow(row);
        changed.push_back({base, std::string(base.run_id), std::string(base.user_id),
                           std::string(base.artifact_uri)});
      }));
  return changed;
}

Result<std::vector<TextCell>> RunLoader::Texts(const RunTable& table,
                                               std::span<const std::int64_t> keys) {
  std::vector<TextCell> cells;
  for (const FieldKind kind : {FieldKind::kParam, FieldKind::kTag}) {
    std::unordered_map<std::int64_t, LoadedColumn*> by_name;
    for (const auto& column : table.columns()) {
      if (column->field.kind == kind) {
        by_name[column->name_id] = column.get();
      }
    }
    if (by_name.empty()) {
      continue;
    }
    const std::string sql =
        "SELECT run_key, name_id, value FROM " + std::string(TableOf(kind)) + " WHERE run_key IN ";
    MILL_RETURN_IF_ERROR(ForKeys(metadata_, keys, sql, "", [&](store::RowView row) {
      if (const auto at = by_name.find(Int(row[1])); at != by_name.end()) {
        cells.push_back({at->second, Int(row[0]), Text(row[2])});
      }
    }));
  }
  return cells;
}

Result<std::int64_t> RunLoader::NameId(const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                        metadata_.Query("SELECT name_id FROM names WHERE name = ?", {name}));
  return rows.empty() ? 0 : Int(rows[0][0]);
}

Result<LoadedColumns> RunLoader::TextColumns(const RunTable& table, FieldKind kind,
                                             std::span<const WantedColumn> wanted) {
  std::vector<store::Value> ids;
  for (const auto& [field, name_id] : wanted) {
    ids.emplace_back(name_id);
  }
  return Scan(table, wanted,
              "SELECT run_key, name_id, value FROM " + std::string(TableOf(kind)) +
                  " WHERE name_id IN (" + Marks(ids.size()) + ") ORDER BY run_key",
              ids);
}

Result<LoadedColumns> RunLoader::ArtifactUris(const RunTable& table) {
  const WantedColumn wanted[] = {{ArtifactUriField(), 0}};
  return Scan(table, wanted, "SELECT run_key, 0, artifact_uri FROM runs ORDER BY run_key", {});
}

Result<LoadedColumns> RunLoader::Scan(const RunTable& table, std::span<const WantedColumn> wanted,
                                      const std::string& sql,
                                      std::span<const store::Value> params) {
  LoadedColumns columns = EmptyColumns(table, wanted);
  const std::span<const std::int64_t> run_keys = table.run_keys();
  std::size_t row = 0;
  MILL_RETURN_IF_ERROR(metadata_.ForEach(sql, params, [&](store::RowView cell) {
    const std::int64_t run_key = Int(cell[0]);
    while (row < run_keys.size() && run_keys[row] < run_key) {
      ++row;
    }
    if (row == run_keys.size() || run_keys[row] != run_key) {
      return;
    }
    for (const auto& column : columns) {
      if (column->name_id == Int(cell[1])) {
        column->texts->Set(static_cast<RunRow>(row), store::TextOr(cell[2], ""));
      }
    }
  }));
  for (const auto& column : columns) {
    column->texts->Settle();
  }
  return columns;
}

Result<LoadedColumns> RunLoader::MetricColumns(const RunTable& table,
                                               std::vector<WantedColumn> wanted,
                                               std::size_t max_bytes) {
  MILL_RETURN_IF_ERROR(AddFrequentMetrics(table, wanted, max_bytes));
  LoadedColumns columns = EmptyColumns(table, wanted);
  MetricsByName by_name;
  for (const auto& column : columns) {
    by_name[column->name_id] = column->numbers.get();
  }
  const std::span<const std::int64_t> keys = table.run_keys();
  for (std::size_t begin = 0; begin < keys.size() && !columns.empty(); begin += kRunsAtOnce) {
    const auto some = keys.subspan(begin, std::min(kRunsAtOnce, keys.size() - begin));
    MILL_ASSIGN_OR_RETURN(std::vector<SeriesPoint> latest, points_.Latest(some));
    SetMetrics(table, std::move(latest), by_name);
  }
  for (const auto& column : columns) {
    column->numbers->Settle();
  }
  return columns;
}

void RunLoader::SetMetrics(const RunTable& table, std::vector<SeriesPoint> latest,
                           const MetricsByName& by_name) {
  std::sort(latest.begin(), latest.end(),
            [](const SeriesPoint& a, const SeriesPoint& b) { return a.series < b.series; });
  std::int64_t run_key = -1;
  std::optional<RunRow> row;
  for (const SeriesPoint& p : latest) {
    if (p.series.run_key != run_key) {
      run_key = p.series.run_key;
      row = table.Find(run_key);
    }
    if (const auto at = by_name.find(p.series.name_id); row.has_value() && at != by_name.end()) {
      at->second->Set(*row, p.point.value);
    }
  }
}

Result<void> RunLoader::AddFrequentMetrics(const RunTable& table, std::vector<WantedColumn>& wanted,
                                           std::size_t max_bytes) {
  const std::span<const std::int64_t> keys = table.run_keys();
  const std::size_t n_sample = std::min(kSample, keys.size());
  std::vector<std::int64_t> sample;
  for (std::size_t i = 0; i < n_sample; ++i) {
    sample.push_back(keys[i * keys.size() / n_sample]);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<SeriesPoint> latest, points_.Latest(sample));
  std::unordered_map<std::int64_t, std::size_t> counts;
  for (const SeriesPoint& p : latest) {
    ++counts[p.series.name_id];
  }
  const MetricsByName loaded = MetricColumnsOf(table);
  std::vector<std::pair<std::size_t, std::int64_t>> frequent;
  for (const auto& [name_id, count] : counts) {
    const bool is_wanted =
        std::any_of(wanted.begin(), wanted.end(),
                    [id = name_id](const WantedColumn& column) { return column.second == id; });
    if (!is_wanted && !loaded.contains(name_id)) {
      frequent.emplace_back(count, name_id);
    }
  }
  std::sort(frequent.begin(), frequent.end(), std::greater<>());
  const std::size_t most = wanted.size() + kMoreMetrics;
  std::size_t bytes = table.bytes() + wanted.size() * keys.size() * sizeof(double);
  for (const auto& [count, name_id] : frequent) {
    bytes += std::min(sizeof(double), 12 * count / n_sample + 1) * keys.size();
    if (wanted.size() >= most || bytes > max_bytes / 2) {
      break;
    }
    MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                          metadata_.Query("SELECT name FROM names WHERE name_id = ?", {name_id}));
    if (!rows.empty()) {
      wanted.emplace_back(Field{FieldKind::kMetric, Text(rows[0][0])}, name_id);
    }
  }
  return {};
}

Result<RowSet> RunLoader::RowsWithDataset(const RunTable& table, const Clause& clause,
                                          std::span<const std::int64_t> experiment_ids) {
  const ClauseTest test(clause);
  RowSet rows(table.n_runs());
  const auto add = [&](std::int64_t run_key) {
    if (const auto row = table.Find(run_key)) {
      rows.Set(*row);
    }
  };
  if (clause.field.key == "context") {
    MILL_RETURN_IF_ERROR(metadata_.ForEach(
        "SELECT run_key, value FROM dataset_input_tags WHERE key = 'mlflow.data.context'", {},
        [&](store::RowView row) {
          if (test(store::TextOr(row[1], ""))) {
            add(Int(row[0]));
          }
        }));
    return rows;
  }
  const std::unordered_set<std::int64_t> asked(experiment_ids.begin(), experiment_ids.end());
  std::vector<std::int64_t> datasets;
  const std::string column = clause.field.key == "name" ? "name" : "digest";
  MILL_RETURN_IF_ERROR(
      metadata_.ForEach("SELECT dataset_key, experiment_id, " + column + " FROM datasets", {},
                        [&](store::RowView row) {
                          if (asked.contains(Int(row[1])) && test(store::TextOr(row[2], ""))) {
                            datasets.push_back(Int(row[0]));
                          }
                        }));
  MILL_RETURN_IF_ERROR(ForKeys(metadata_, std::span<const std::int64_t>(datasets),
                               "SELECT run_key FROM dataset_inputs WHERE dataset_key IN ", "",
                               [&](store::RowView row) { add(Int(row[0])); }));
  return rows;
}

}  // namespace millrace::tracking::internal
