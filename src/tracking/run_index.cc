// SPDX-License-Identifier: Apache-2.0
// Keeps the columns that searches ask for: loads them, brings them up to date, drops the oldest.
#include "tracking/internal/run_index.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "tracking/internal/run_loader.h"
#include "tracking/internal/run_table.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

/// Fewer changed runs or series than this are always read one by one.
constexpr std::size_t kFewChanges = 20'000;
constexpr std::size_t kRunsAtOnce = 1024;

// The fields of a search whose columns are not there from the beginning.
std::vector<Field> FieldsOf(const IndexQuery& query) {
  std::vector<Field> fields;
  const auto add = [&](const Field& written) {
    Field field = ColumnField(written);
    const bool is_loadable = field.kind == FieldKind::kMetric || field.kind == FieldKind::kParam ||
                             field.kind == FieldKind::kTag || field == ArtifactUriField();
    if (is_loadable && std::find(fields.begin(), fields.end(), field) == fields.end()) {
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

class ColumnIndex final : public RunIndex {
 public:
  ColumnIndex(store::Metadata& metadata, MetricPoints& points, std::size_t max_bytes)
      : metadata_(metadata), points_(points), loader_(metadata, points), max_bytes_(max_bytes) {}

  Result<std::vector<std::int64_t>> Search(const IndexQuery& query) override {
    const std::vector<Field> fields = FieldsOf(query);
    std::unique_lock fresh(refresh_mutex_);
    MILL_RETURN_IF_ERROR(Refresh());
    MILL_RETURN_IF_ERROR(Load(fields, false));
    const std::uint64_t epoch = epoch_;
    fresh.unlock();
    std::shared_lock reading(table_mutex_);
    if (epoch != epoch_) {
      // Another search has dropped columns in between. Now nobody gets in between.
      reading.unlock();
      fresh.lock();
      MILL_RETURN_IF_ERROR(Refresh());
      MILL_RETURN_IF_ERROR(Load(fields, false));
      return Select(query);
    }
    return Select(query);
  }

  Result<void> WarmUp() override {
    const std::unique_lock fresh(refresh_mutex_);
    MILL_RETURN_IF_ERROR(Refresh());
    return Load({}, true);
  }

 private:
  // Freshness and loading: all under refresh_mutex_.

  Result<void> Refresh() {
    // What is committed after these questions is found by the next search.
    MILL_ASSIGN_OR_RETURN(const std::uint64_t version, metadata_.DataVersion());
    std::vector<Series> series;
    std::uint64_t cursor = cursor_;
    MILL_ASSIGN_OR_RETURN(const bool is_listed, points_.ChangedSince(cursor, series));
    if (version != version_ || !is_loaded_) {
      MILL_RETURN_IF_ERROR(RefreshRuns());
      version_ = version;
    }
    if (!is_listed || series.size() > std::max(kFewChanges, table_.n_runs() / 2)) {
      const std::unique_lock writing(table_mutex_);
      ++epoch_;
      table_.DropColumns([](const LoadedColumn& column) { return column.numbers != nullptr; });
    } else if (!series.empty()) {
      MILL_RETURN_IF_ERROR(RefreshMetrics(series));
    }
    cursor_ = cursor;
    return {};
  }

  // A writing transaction raises the number while it keeps other writers out, so numbers are
  // committed in their order, with PostgreSQL too.
  Result<void> RefreshRuns() {
    MILL_ASSIGN_OR_RETURN(const std::int64_t number, ReadNumber(metadata_, kChangeCounter));
    if (is_loaded_ && number == change_) {
      return {};
    }
    bool is_done = false;
    if (is_loaded_) {
      MILL_ASSIGN_OR_RETURN(is_done, ApplyChanges());
    }
    if (!is_done) {
      MILL_ASSIGN_OR_RETURN(RunTable table, loader_.Runs());
      const std::unique_lock writing(table_mutex_);
      ++epoch_;
      table_ = std::move(table);
      is_loaded_ = true;
    }
    change_ = number;
    return {};
  }

  // False where so many runs have changed that loading all is less work, or one lies before known
  // ones.
  Result<bool> ApplyChanges() {
    const std::size_t most = std::max(kFewChanges, table_.n_runs() / 8);
    const std::int64_t last = table_.n_runs() == 0 ? -1 : table_.run_keys().back();
    MILL_ASSIGN_OR_RETURN(const std::vector<OwnedRun> changed,
                          loader_.ChangedRuns(change_, last, most + 1));
    std::vector<std::int64_t> keys;
    // Looked up before the table grows: rows without a run would be in the way of Find.
    std::vector<RunRow> rows;
    std::size_t n_new = 0;
    for (const OwnedRun& run : changed) {
      keys.push_back(run.base.run_key);
      if (run.base.run_key > last) {
        rows.push_back(static_cast<RunRow>(table_.n_runs() + n_new++));
        continue;
      }
      const std::optional<RunRow> known = table_.Find(run.base.run_key);
      if (!known) {
        return false;
      }
      rows.push_back(*known);
    }
    if (changed.size() > most) {
      return false;
    }
    MILL_ASSIGN_OR_RETURN(const std::vector<TextCell> texts, loader_.Texts(table_, keys));
    const std::unique_lock writing(table_mutex_);
    table_.Grow(table_.n_runs() + n_new);
    for (std::size_t i = 0; i < changed.size(); ++i) {
      const OwnedRun& run = changed[i];
      const RunRow row = rows[i];
      table_.SetRun(row, run.View());
      for (const auto& column : table_.columns()) {
        if (column->texts != nullptr) {
          column->texts->Set(row, column->field == ArtifactUriField()
                                      ? std::optional<std::string_view>(run.artifact_uri)
                                      : std::nullopt);
        }
      }
    }
    for (const TextCell& cell : texts) {
      if (const auto row = table_.Find(cell.run_key)) {
        cell.column->texts->Set(*row, cell.text);
      }
    }
    return true;
  }

  Result<void> RefreshMetrics(std::span<const Series> series) {
    const MetricsByName by_name = MetricColumnsOf(table_);
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
      MILL_ASSIGN_OR_RETURN(std::vector<SeriesPoint> latest, points_.Latest(some));
      const std::unique_lock writing(table_mutex_);
      RunLoader::SetMetrics(table_, std::move(latest), by_name);
    }
    return {};
  }

  /// @param wants_metrics  the most frequent ones, whatever is asked for
  Result<void> Load(const std::vector<Field>& fields, bool wants_metrics) {
    ++searches_;
    std::vector<WantedColumn> metrics;
    std::vector<WantedColumn> params;
    std::vector<WantedColumn> tags;
    for (const Field& field : fields) {
      if (LoadedColumn* column = table_.FindColumn(field)) {
        column->last_used = searches_;
        continue;
      }
      if (field == ArtifactUriField()) {
        MILL_ASSIGN_OR_RETURN(LoadedColumns uris, loader_.ArtifactUris(table_));
        Add(std::move(uris));
        continue;
      }
      // A name that nothing has yet gets no column; it has no values.
      MILL_ASSIGN_OR_RETURN(const std::int64_t name_id, loader_.NameId(field.key));
      if (name_id != 0) {
        (field.kind == FieldKind::kMetric  ? metrics
         : field.kind == FieldKind::kParam ? params
                                           : tags)
            .emplace_back(field, name_id);
      }
    }
    for (const auto& [kind, wanted] :
         {std::pair(FieldKind::kParam, &params), std::pair(FieldKind::kTag, &tags)}) {
      if (!wanted->empty()) {
        MILL_ASSIGN_OR_RETURN(LoadedColumns columns, loader_.TextColumns(table_, kind, *wanted));
        Add(std::move(columns));
      }
    }
    if (wants_metrics || !metrics.empty()) {
      MILL_ASSIGN_OR_RETURN(LoadedColumns columns,
                            loader_.MetricColumns(table_, std::move(metrics), max_bytes_));
      Add(std::move(columns));
    }
    Shrink();
    return {};
  }

  void Add(LoadedColumns columns) {
    const std::unique_lock writing(table_mutex_);
    for (auto& column : columns) {
      column->last_used = searches_;
      table_.AddColumn(std::move(column));
    }
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

  // Searching: with one of the mutexes held.

  Result<std::vector<std::int64_t>> Select(const IndexQuery& query) {
    RowSet rows = table_.InScope(query);
    for (const Clause& clause : query.filter) {
      if (clause.field.kind == FieldKind::kDataset) {
        MILL_ASSIGN_OR_RETURN(const RowSet with_dataset,
                              loader_.RowsWithDataset(table_, clause, query.experiment_ids));
        rows.And(with_dataset);
      } else if (clause.field.kind == FieldKind::kAttribute && clause.field.key == "run_id") {
        MILL_RETURN_IF_ERROR(NarrowToRunIds(clause, rows));
      }
    }
    return table_.Select(query, std::move(rows));
  }

  // The few runs that `run_id =` and IN ask for, by the index of the database; the clause itself is
  // checked afterwards as any other.
  Result<void> NarrowToRunIds(const Clause& clause, RowSet& rows) {
    std::vector<std::string> ids;
    if (clause.comparator == Comparator::kIn) {
      ids = std::get<std::vector<std::string>>(clause.value);
    } else if (clause.comparator == Comparator::kEqual) {
      ids.push_back(std::get<std::string>(clause.value));
    } else {
      return {};
    }
    RowSet kept(rows.n());
    MILL_RETURN_IF_ERROR(ForKeys(metadata_, std::span<const std::string>(ids),
                                 "SELECT run_key FROM runs WHERE run_id IN ", "",
                                 [&](store::RowView row) {
                                   if (const auto at = table_.Find(Int(row[0]))) {
                                     kept.Set(*at);
                                   }
                                 }));
    rows.And(kept);
    return {};
  }

  store::Metadata& metadata_;
  MetricPoints& points_;
  RunLoader loader_;
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
