// SPDX-License-Identifier: Apache-2.0
// Reads what the search index keeps from the database and the metric points. Changes no table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/internal/metric_points.h"
#include "tracking/internal/run_table.h"

namespace millrace::tracking::internal {

/// A row of table `runs` with texts of its own.
struct OwnedRun {
  RunBase base;
  std::string run_id;
  std::string user_id;
  std::string artifact_uri;

  /// The row with views of these texts; valid while this is.
  RunBase View() const;
};

/// A value of a run in a column of parameters or tags.
struct TextCell {
  LoadedColumn* column = nullptr;
  std::int64_t run_key = 0;
  std::string text;
};

/// A column to load: its field and `names.name_id`.
using WantedColumn = std::pair<Field, std::int64_t>;
using LoadedColumns = std::vector<std::unique_ptr<LoadedColumn>>;
using MetricsByName = std::unordered_map<std::int64_t, NumberColumn*>;

/// Columns are as long as the table that is given; rows that it does not have yet are left out, and
/// come with the changes that are applied next. The references outlive the loader.
class RunLoader {
 public:
  RunLoader(store::Metadata& metadata, MetricPoints& points)
      : metadata_(metadata), points_(points) {}

  Result<RunTable> Runs();
  /// Runs with a greater key than the last known one, or that were written after that change; at
  /// most `most`, by run key.
  Result<std::vector<OwnedRun>> ChangedRuns(std::int64_t change, std::int64_t last_key,
                                            std::size_t most);
  /// The values of some runs in all loaded columns of parameters and tags.
  Result<std::vector<TextCell>> Texts(const RunTable& table, std::span<const std::int64_t> keys);
  /// 0 for a name that nothing has.
  Result<std::int64_t> NameId(const std::string& name);

  /// Several columns in one scan of the table.
  Result<LoadedColumns> TextColumns(const RunTable& table, FieldKind kind,
                                    std::span<const WantedColumn> wanted);
  Result<LoadedColumns> ArtifactUris(const RunTable& table);
  /// Metrics come run by run; the most frequent ones are loaded in the same pass, as far as half of
  /// the memory goes.
  Result<LoadedColumns> MetricColumns(const RunTable& table, std::vector<WantedColumn> wanted,
                                      std::size_t max_bytes);
  /// Puts the latest values of some runs into columns.
  static void SetMetrics(const RunTable& table, std::vector<SeriesPoint> latest,
                         const MetricsByName& by_name);
  /// The runs of which a data set matches.
  Result<RowSet> RowsWithDataset(const RunTable& table, const Clause& clause,
                                 std::span<const std::int64_t> experiment_ids);

 private:
  Result<LoadedColumns> Scan(const RunTable& table, std::span<const WantedColumn> wanted,
                             const std::string& sql, std::span<const store::Value> params);
  Result<void> AddFrequentMetrics(const RunTable& table, std::vector<WantedColumn>& wanted,
                                  std::size_t max_bytes);

  store::Metadata& metadata_;
  MetricPoints& points_;
};

/// The columns of metrics that the table has.
MetricsByName MetricColumnsOf(const RunTable& table);
/// The attribute that is loaded when a search asks for it.
const Field& ArtifactUriField();

}  // namespace millrace::tracking::internal
