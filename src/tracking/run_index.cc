// SPDX-License-Identifier: Apache-2.0
// Loads the columns that searches ask for and keeps them fresh.
#include "tracking/internal/run_index.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "tracking/internal/run_table.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

/// Runs whose latest metrics are asked for at once.
constexpr std::size_t kRunsAtOnce = 1024;
/// Runs of the sample that tells how frequent each metric is.
constexpr std::size_t kSample = 256;
/// Metrics that are loaded together with those asked for, since the pass reads them anyway.
constexpr std::size_t kMoreMetrics = 16;
/// More changed runs than this are not read one by one.
constexpr std::size_t kFewChanges = 20'000;

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

const Field kArtifactUri = {FieldKind::kAttribute, "artifact_uri"};

bool IsLoadable(const Field& field) {
  return field.kind == FieldKind::kMetric || field.kind == FieldKind::kParam ||
         field.kind == FieldKind::kTag || field == kArtifactUri;
}

std::vector<Field> FieldsOf(const IndexQuery& query) {
  std::vector<Field> fields;
  const auto add = [&](const Field& written) {
    Field field = ColumnField(written);
    if (IsLoadable(field) && std::find(fields.begin(), fields.end(), field) == fields.end()) {
      fields.push_back(std::move(field));
    }
  };
  for (const Clause& clause : query.filter) {
    add(clause.field);
  }
  for (const OrderTerm& term : query.order) {
    add(term.field);
  }
  return fields;
}

std::string_view TableOf(FieldKind kind) {
  return kind == FieldKind::kParam ? "params" : "tags";
}

class ColumnIndex final : public RunIndex {
 public:
  ColumnIndex(store::Metadata& metadata, MetricPoints& points, std::size_t max_bytes)
      : metadata_(metadata), points_(points), max_bytes_(max_bytes) {}

  Result<std::vector<std::int64_t>> Search(const IndexQuery& query) override {
    const std::vector<Field> fields = FieldsOf(query);
    // Columns may be dropped for another search between loading and reading; the second time
    // nobody else gets in between.
    for (const bool is_last : {false, true}) {
      std::unique_lock fresh(refresh_mutex_);
      MILL_RETURN_IF_ERROR(Refresh());
      MILL_RETURN_IF_ERROR(Load(fields));
      const std::uint64_t epoch = epoch_;
      if (!is_last) {
        fresh.unlock();
      }
      const std::shared_lock reading(table_mutex_);
      if (!is_last && epoch != epoch_.load()) {
        continue;
      }
      return Select(query);
    }
    return base::Internal("unreachable: the last attempt always answers");
  }

  Result<void> WarmUp() override {
    const std::unique_lock fresh(refresh_mutex_);
    MILL_RETURN_IF_ERROR(Refresh());
    return Load({}, true);
  }

 private:
  // ---- Freshness. All under refresh_mutex_.

  Result<void> Refresh() {
    // What is committed after these questions is found again by the next search.
    MILL_ASSIGN_OR_RETURN(const std::uint64_t version, metadata_.DataVersion());
    std::vector<Series> series;
    std::uint64_t cursor = cursor_;
    MILL_ASSIGN_OR_RETURN(const bool is_listed, points_.ChangedSince(cursor, series));
    if (version != version_ || !is_loaded_) {
      MILL_RETURN_IF_ERROR(RefreshRuns());
      version_ = version;
    }
    if (!is_listed || series.size() > kFewChanges) {
      DropMetrics();
    } else if (!series.empty()) {
      MILL_RETURN_IF_ERROR(RefreshMetrics(series));
    }
    cursor_ = cursor;
    return {};
  }

  Result<std::int64_t> ChangeNumber() {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> rows,
        metadata_.Query("SELECT number FROM changes WHERE id = ?", {std::int64_t{1}}));
    return rows.empty() ? 0 : Int(rows[0][0]);
  }

  // A writing transaction raises the number while it keeps other writers out, so numbers are
  // committed in their order.
  Result<void> RefreshRuns() {
    MILL_ASSIGN_OR_RETURN(const std::int64_t number, ChangeNumber());
    if (is_loaded_ && number == change_) {
      return {};
    }
    if (is_loaded_) {
      MILL_ASSIGN_OR_RETURN(const bool is_done, ApplyChanges());
      if (is_done) {
        change_ = number;
        return {};
      }
    }
    MILL_RETURN_IF_ERROR(LoadRuns());
    change_ = number;
    return {};
  }

  Result<void> LoadRuns() {
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
    const std::unique_lock writing(table_mutex_);
    ++epoch_;
    table_ = std::move(table);
    is_loaded_ = true;
    return {};
  }

  // False where the changes are not worth applying one by one, or a run lies before known ones.
  Result<bool> ApplyChanges() {
    struct Owned {
      RunBase base;
      std::string run_id;
      std::string user_id;
      std::string artifact_uri;
    };
    std::vector<Owned> changed;
    const std::size_t most = std::max(kFewChanges, table_.n_runs() / 8);
    MILL_RETURN_IF_ERROR(metadata_.ForEach(
        std::string(kBaseColumns) + "WHERE change > ? ORDER BY run_key LIMIT ?",
        {change_, static_cast<std::int64_t>(most) + 1}, [&](store::RowView row) {
          const RunBase base = BaseFromRow(row);
          changed.push_back({base, std::string(base.run_id), std::string(base.user_id),
                             std::string(base.artifact_uri)});
        }));
    if (changed.size() > most) {
      return false;
    }
    std::vector<std::int64_t> keys;
    std::size_t n_new = 0;
    const std::int64_t last = table_.n_runs() == 0 ? -1 : table_.run_keys().back();
    for (const Owned& run : changed) {
      keys.push_back(run.base.run_key);
      if (run.base.run_key > last) {
        ++n_new;
      } else if (!table_.Find(run.base.run_key).has_value()) {
        return false;
      }
    }
    MILL_ASSIGN_OR_RETURN(const std::vector<TextCell> texts, ReadTexts(keys));
    const std::unique_lock writing(table_mutex_);
    auto next = static_cast<RunRow>(table_.n_runs());
    table_.Grow(table_.n_runs() + n_new);
    LoadedColumn* uris = table_.FindColumn(kArtifactUri);
    for (Owned& run : changed) {
      run.base.run_id = run.run_id;
      run.base.user_id = run.user_id;
      run.base.artifact_uri = run.artifact_uri;
      const RunRow row = run.base.run_key > last ? next++ : *table_.Find(run.base.run_key);
      table_.SetRun(row, run.base);
      for (const auto& column : table_.columns()) {
        if (column->texts != nullptr && column->name_id != 0) {
          column->texts->Set(row, std::nullopt);
        }
      }
      if (uris != nullptr) {
        uris->texts->Set(row, run.artifact_uri);
      }
    }
    for (const TextCell& cell : texts) {
      if (const auto row = table_.Find(cell.run_key)) {
        cell.column->texts->Set(*row, cell.text);
      }
    }
    return true;
  }

  struct TextCell {
    LoadedColumn* column = nullptr;
    std::int64_t run_key = 0;
    std::string text;
  };

  // The values of these runs in all loaded columns of texts.
  Result<std::vector<TextCell>> ReadTexts(std::span<const std::int64_t> keys) {
    std::vector<TextCell> cells;
    for (const FieldKind kind : {FieldKind::kParam, FieldKind::kTag}) {
      std::unordered_map<std::int64_t, LoadedColumn*> by_name;
      for (const auto& column : table_.columns()) {
        if (column->field.kind == kind) {
          by_name[column->name_id] = column.get();
        }
      }
      if (by_name.empty()) {
        continue;
      }
      MILL_RETURN_IF_ERROR(EachOf(keys,
                                  "SELECT run_key, name_id, value FROM " +
                                      std::string(TableOf(kind)) + " WHERE run_key IN ",
                                  [&](store::RowView row) {
                                    if (const auto at = by_name.find(Int(row[1]));
                                        at != by_name.end()) {
                                      cells.push_back({at->second, Int(row[0]), Text(row[2])});
                                    }
                                  }));
    }
    return cells;
  }

  // Runs `<head>(?, ...)` for all keys, in two sizes so that the statements stay prepared.
  Result<void> EachOf(std::span<const std::int64_t> keys, const std::string& head,
                      const store::RowFunction& take) {
    for (std::size_t begin = 0; begin < keys.size();) {
      const std::size_t left = keys.size() - begin;
      const std::size_t size = left >= 256 ? 256 : (left == 1 ? 1 : 16);
      std::vector<store::Value> values(size, keys[begin]);
      const std::size_t n = std::min(size, left);
      for (std::size_t i = 0; i < n; ++i) {
        values[i] = keys[begin + i];
      }
      MILL_RETURN_IF_ERROR(metadata_.ForEach(head + "(" + Marks(size) + ")", values, take));
      begin += n;
    }
    return {};
  }

  void DropMetrics() {
    const std::unique_lock writing(table_mutex_);
    ++epoch_;
    table_.DropColumns([](const LoadedColumn& column) { return column.numbers != nullptr; });
  }

  std::unordered_map<std::int64_t, NumberColumn*> MetricsByName() const {
    std::unordered_map<std::int64_t, NumberColumn*> by_name;
    for (const auto& column : table_.columns()) {
      if (column->numbers != nullptr) {
        by_name[column->name_id] = column->numbers.get();
      }
    }
    return by_name;
  }

  Result<void> RefreshMetrics(std::span<const Series> series) {
    const auto by_name = MetricsByName();
    std::vector<std::int64_t> keys;
    for (const Series& s : series) {
      if (by_name.contains(s.name_id)) {
        keys.push_back(s.run_key);
      }
    }
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    for (std::size_t begin = 0; begin < keys.size(); begin += kRunsAtOnce) {
      const auto some = std::span(keys).subspan(begin, std::min(kRunsAtOnce, keys.size() - begin));
      MILL_ASSIGN_OR_RETURN(const std::vector<SeriesPoint> latest, points_.Latest(some));
      const std::unique_lock writing(table_mutex_);
      SetMetrics(latest, by_name);
    }
    return {};
  }

  void SetMetrics(std::vector<SeriesPoint> latest,
                  const std::unordered_map<std::int64_t, NumberColumn*>& by_name) {
    std::sort(latest.begin(), latest.end(),
              [](const SeriesPoint& a, const SeriesPoint& b) { return a.series < b.series; });
    std::int64_t run_key = -1;
    std::optional<RunRow> row;
    for (const SeriesPoint& p : latest) {
      if (p.series.run_key != run_key) {
        run_key = p.series.run_key;
        row = table_.Find(run_key);
      }
      if (const auto at = by_name.find(p.series.name_id); row.has_value() && at != by_name.end()) {
        at->second->Set(*row, p.point.value);
      }
    }
  }

  // ---- Loading. All under refresh_mutex_.

  Result<std::int64_t> NameId(const std::string& name) {
    MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> rows,
                          metadata_.Query("SELECT name_id FROM names WHERE name = ?", {name}));
    return rows.empty() ? 0 : Int(rows[0][0]);
  }

  /// @param wants_metrics  the most frequent ones, too
  Result<void> Load(const std::vector<Field>& fields, bool wants_metrics = false) {
    ++searches_;
    std::vector<std::pair<Field, std::int64_t>> metrics;
    std::vector<std::pair<Field, std::int64_t>> params;
    std::vector<std::pair<Field, std::int64_t>> tags;
    for (const Field& field : fields) {
      if (LoadedColumn* column = table_.FindColumn(field)) {
        column->last_used = searches_;
        continue;
      }
      if (field == kArtifactUri) {
        const std::pair<Field, std::int64_t> uris[] = {{kArtifactUri, 0}};
        MILL_RETURN_IF_ERROR(
            Fill(uris, "SELECT run_key, 0, artifact_uri FROM runs ORDER BY run_key", {}));
        continue;
      }
      MILL_ASSIGN_OR_RETURN(const std::int64_t name_id, NameId(field.key));
      if (name_id != 0) {
        (field.kind == FieldKind::kMetric  ? metrics
         : field.kind == FieldKind::kParam ? params
                                           : tags)
            .emplace_back(field, name_id);
      }
    }
    MILL_RETURN_IF_ERROR(LoadTexts(FieldKind::kParam, params));
    MILL_RETURN_IF_ERROR(LoadTexts(FieldKind::kTag, tags));
    if (wants_metrics || !metrics.empty()) {
      MILL_RETURN_IF_ERROR(LoadMetrics(std::move(metrics)));
    }
    Shrink();
    return {};
  }

  Result<void> LoadTexts(FieldKind kind, std::span<const std::pair<Field, std::int64_t>> wanted) {
    if (wanted.empty()) {
      return {};
    }
    std::vector<store::Value> ids;
    for (const auto& [field, name_id] : wanted) {
      ids.emplace_back(name_id);
    }
    return Fill(wanted,
                "SELECT run_key, name_id, value FROM " + std::string(TableOf(kind)) +
                    " WHERE name_id IN (" + Marks(ids.size()) + ") ORDER BY run_key",
                ids);
  }

  // Reads columns of texts in one scan.
  Result<void> Fill(std::span<const std::pair<Field, std::int64_t>> wanted, const std::string& sql,
                    std::span<const store::Value> params) {
    std::vector<std::pair<std::int64_t, TextColumn>> columns(wanted.size());
    for (std::size_t i = 0; i < columns.size(); ++i) {
      columns[i].first = wanted[i].second;
      columns[i].second.Grow(table_.n_runs());
    }
    const std::span<const std::int64_t> run_keys = table_.run_keys();
    std::size_t row = 0;
    MILL_RETURN_IF_ERROR(metadata_.ForEach(sql, params, [&](store::RowView cell) {
      const std::int64_t run_key = Int(cell[0]);
      while (row < run_keys.size() && run_keys[row] < run_key) {
        ++row;
      }
      if (row == run_keys.size() || run_keys[row] != run_key) {
        return;  // Newer than the table: the next search brings it.
      }
      for (auto& [name_id, column] : columns) {
        if (name_id == Int(cell[1])) {
          column.Set(static_cast<RunRow>(row), store::TextOr(cell[2], ""));
        }
      }
    }));
    const std::unique_lock writing(table_mutex_);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      LoadedColumn& added = table_.AddColumn(wanted[i].first, wanted[i].second);
      columns[i].second.Settle();
      *added.texts = std::move(columns[i].second);
      added.last_used = searches_;
    }
    return {};
  }

  // Metrics come run by run, so the frequent ones are loaded in the same pass.
  Result<void> LoadMetrics(std::vector<std::pair<Field, std::int64_t>> wanted) {
    MILL_RETURN_IF_ERROR(AddFrequentMetrics(wanted));
    std::vector<std::unique_ptr<NumberColumn>> columns;
    std::unordered_map<std::int64_t, NumberColumn*> by_name;
    for (const auto& [field, name_id] : wanted) {
      columns.push_back(std::make_unique<NumberColumn>());
      columns.back()->Grow(table_.n_runs());
      by_name[name_id] = columns.back().get();
    }
    const std::span<const std::int64_t> keys = table_.run_keys();
    for (std::size_t begin = 0; begin < keys.size(); begin += kRunsAtOnce) {
      const auto some = keys.subspan(begin, std::min(kRunsAtOnce, keys.size() - begin));
      MILL_ASSIGN_OR_RETURN(std::vector<SeriesPoint> latest, points_.Latest(some));
      SetMetrics(std::move(latest), by_name);
    }
    const std::unique_lock writing(table_mutex_);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      columns[i]->Settle();
      LoadedColumn& added = table_.AddColumn(std::move(wanted[i].first), wanted[i].second);
      added.numbers = std::move(columns[i]);
      added.last_used = searches_;
    }
    return {};
  }

  // Adds the metrics that most runs of a sample have, as far as half of the memory goes.
  Result<void> AddFrequentMetrics(std::vector<std::pair<Field, std::int64_t>>& wanted) {
    const std::span<const std::int64_t> keys = table_.run_keys();
    std::vector<std::int64_t> sample;
    for (std::size_t i = 0; i < std::min(kSample, keys.size()); ++i) {
      sample.push_back(keys[i * keys.size() / std::min(kSample, keys.size())]);
    }
    MILL_ASSIGN_OR_RETURN(const std::vector<SeriesPoint> latest, points_.Latest(sample));
    std::unordered_map<std::int64_t, std::size_t> counts;
    for (const SeriesPoint& p : latest) {
      ++counts[p.series.name_id];
    }
    const auto loaded = MetricsByName();
    std::vector<std::pair<std::size_t, std::int64_t>> frequent;
    for (const auto& [name_id, count] : counts) {
      const bool is_wanted =
          std::any_of(wanted.begin(), wanted.end(),
                      [id = name_id](const auto& entry) { return entry.second == id; });
      if (!is_wanted && !loaded.contains(name_id)) {
        frequent.emplace_back(count, name_id);
      }
    }
    std::sort(frequent.begin(), frequent.end(), std::greater<>());
    std::size_t bytes = table_.bytes() + wanted.size() * keys.size() * sizeof(double);
    const std::size_t most = wanted.size() + kMoreMetrics;
    for (const auto& [count, name_id] : frequent) {
      // Twice, since a column that becomes dense is there in both forms for a moment.
      bytes += std::min(sizeof(double), 12 * count / sample.size() + 1) * keys.size();
      if (wanted.size() >= most || bytes > max_bytes_ / 2) {
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

  // Columns that were not asked for longest go first; those of this search stay.
  void Shrink() {
    while (table_.bytes() > max_bytes_) {
      const LoadedColumn* oldest = nullptr;
      for (const auto& column : table_.columns()) {
        if (column->last_used != searches_ &&
            (oldest == nullptr || column->last_used < oldest->last_used)) {
          oldest = column.get();
        }
      }
      if (oldest == nullptr) {
        return;
      }
      const std::unique_lock writing(table_mutex_);
      ++epoch_;
      table_.DropColumns([&](const LoadedColumn& column) { return &column == oldest; });
    }
  }

  // ---- Searching. All under table_mutex_, shared.

  Result<std::vector<std::int64_t>> Select(const IndexQuery& query) {
    RowSet rows = table_.InScope(query);
    for (const Clause& clause : query.filter) {
      if (clause.field.kind == FieldKind::kDataset) {
        MILL_ASSIGN_OR_RETURN(const RowSet with_dataset, RowsWithDataset(clause, query));
        rows.And(with_dataset);
      } else if (clause.field == Field{FieldKind::kAttribute, "run_id"}) {
        MILL_RETURN_IF_ERROR(NarrowToRunIds(clause, rows));
      }
    }
    return table_.Select(query, std::move(rows));
  }

  // The few runs that `run_id =` and IN ask for, by the index of the database; the clause itself is
  // checked afterwards as any other.
  Result<void> NarrowToRunIds(const Clause& clause, RowSet& rows) {
    std::vector<std::string> ids;
    if (const auto* list = std::get_if<std::vector<std::string>>(&clause.value)) {
      ids = *list;
    } else if (const auto* text = std::get_if<std::string>(&clause.value)) {
      ids.push_back(*text);
    }
    const bool is_narrow =
        clause.comparator == Comparator::kIn || clause.comparator == Comparator::kEqual;
    if (!is_narrow) {
      return {};
    }
    RowSet kept(rows.n());
    for (const std::string& id : ids) {
      MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> found,
                            metadata_.Query("SELECT run_key FROM runs WHERE run_id = ?", {id}));
      if (const auto row = found.empty() ? std::nullopt : table_.Find(Int(found[0][0]))) {
        kept.Set(*row);
      }
    }
    rows.And(kept);
    return {};
  }

  Result<RowSet> RowsWithDataset(const Clause& clause, const IndexQuery& query) {
    const ClauseTest test(clause);
    RowSet rows(table_.n_runs());
    const auto add = [&](std::int64_t run_key) {
      if (const auto row = table_.Find(run_key)) {
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
    std::unordered_set<std::int64_t> asked(query.experiment_ids.begin(),
                                           query.experiment_ids.end());
    std::vector<std::int64_t> datasets;
    const std::string column = clause.field.key == "name" ? "name" : "digest";
    MILL_RETURN_IF_ERROR(
        metadata_.ForEach("SELECT dataset_key, experiment_id, " + column + " FROM datasets", {},
                          [&](store::RowView row) {
                            if (asked.contains(Int(row[1])) && test(store::TextOr(row[2], ""))) {
                              datasets.push_back(Int(row[0]));
                            }
                          }));
    MILL_RETURN_IF_ERROR(EachOf(datasets,
                                "SELECT run_key FROM dataset_inputs WHERE dataset_key IN ",
                                [&](store::RowView row) { add(Int(row[0])); }));
    return rows;
  }

  store::Metadata& metadata_;
  MetricPoints& points_;
  const std::size_t max_bytes_;

  /// Lock order: refresh_mutex_, then table_mutex_. The table is changed with both held, so whoever
  /// holds one of them may read it.
  std::mutex refresh_mutex_;
  bool is_loaded_ = false;
  std::uint64_t version_ = 0;
  std::int64_t change_ = 0;
  std::uint64_t cursor_ = 0;
  std::uint64_t searches_ = 0;

  std::shared_mutex table_mutex_;
  RunTable table_;
  /// Rises when columns go.
  std::atomic<std::uint64_t> epoch_ = 0;
};

}  // namespace

std::unique_ptr<RunIndex> RunIndex::Make(store::Metadata& metadata, MetricPoints& points,
                                         std::size_t max_bytes) {
  return std::make_unique<ColumnIndex>(metadata, points, max_bytes);
}

}  // namespace millrace::tracking::internal
