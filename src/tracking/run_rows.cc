// SPDX-License-Identifier: Apache-2.0
// Reads runs with all that belongs to them: one query per table for some hundred runs at once.
#include "tracking/internal/run_rows.h"

#include <unordered_map>
#include <utility>

#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

using store::RowView;

/// The runs of a page by their keys.
class Page {
 public:
  Page(TrackingStore::Impl& impl, std::span<const std::int64_t> keys) : impl_(impl), keys_(keys) {}

  Result<std::vector<Run>> Read() {
    MILL_RETURN_IF_ERROR(ReadInfos());
    MILL_RETURN_IF_ERROR(ReadParamsAndTags());
    MILL_RETURN_IF_ERROR(ReadMetrics());
    MILL_RETURN_IF_ERROR(ReadDatasets());
    MILL_RETURN_IF_ERROR(ReadModels());
    std::vector<Run> runs;
    runs.reserve(keys_.size());
    for (const std::int64_t key : keys_) {
      if (const auto found = runs_.find(key); found != runs_.end()) {
        runs.push_back(std::move(found->second));
        runs_.erase(found);
      }
    }
    return runs;
  }

 private:
  Result<void> ReadInfos() {
    runs_.reserve(keys_.size());
    return For(
        "SELECT run_key, run_id, name, experiment_id, user_id, status, start_time, end_time, "
        "artifact_uri, lifecycle_stage FROM runs WHERE run_key IN ",
        "", [&](RowView row) {
          RunInfo& info = runs_[Int(row[0])].info;
          info.run_id = Text(row[1]);
          info.run_name = Text(row[2]);
          info.experiment_id = std::to_string(Int(row[3]));
          info.user_id = Text(row[4]);
          info.status = static_cast<RunStatus>(Int(row[5]));
          info.start_time_ms = Int(row[6]);
          if (!store::IsNull(row[7])) {
            info.end_time_ms = Int(row[7]);
          }
          info.artifact_uri = Text(row[8]);
          info.lifecycle = store::TextOr(row[9], "") == "active" ? LifecycleStage::kActive
                                                                 : LifecycleStage::kDeleted;
        });
  }

  struct Pair {
    Run* run;
    std::int64_t name_id;
    std::string value;
  };

  Result<void> ReadParamsAndTags() {
    MILL_RETURN_IF_ERROR(ReadPairs("SELECT run_key, name_id, value FROM params WHERE run_key IN ",
                                   [](Run& run, const std::string& name, std::string&& value) {
                                     run.params.emplace(name, std::move(value));
                                   }));
    return ReadPairs("SELECT run_key, name_id, value FROM tags WHERE run_key IN ",
                     [](Run& run, const std::string& name, std::string&& value) {
                       run.tags.emplace(name, std::move(value));
                     });
  }

  template <typename Put>
  Result<void> ReadPairs(std::string_view sql, const Put& put) {
    std::vector<Pair> pairs;
    MILL_RETURN_IF_ERROR(For(sql, "", [&](RowView row) {
      if (Run* run = Find(Int(row[0])); run != nullptr) {
        pairs.push_back({run, Int(row[1]), Text(row[2])});
      }
    }));
    for (Pair& pair : pairs) {
      MILL_ASSIGN_OR_RETURN(const std::string* name, Name(pair.name_id));
      put(*pair.run, *name, std::move(pair.value));
    }
    return {};
  }

  Result<void> ReadMetrics() {
    MILL_ASSIGN_OR_RETURN(const std::vector<SeriesPoint> latest, impl_.points->Latest(keys_));
    for (const SeriesPoint& p : latest) {
      if (Run* run = Find(p.series.run_key); run != nullptr) {
        MILL_ASSIGN_OR_RETURN(const std::string* name, Name(p.series.name_id));
        Metric& metric = run->metrics[*name];
        metric.key = *name;
        metric.value = p.point.value;
        metric.timestamp_ms = p.point.timestamp_ms;
        metric.step = p.point.step;
      }
    }
    return {};
  }

  Result<void> ReadDatasets() {
    // Where an input of a run stands in its list.
    std::unordered_map<std::int64_t, std::unordered_map<std::int64_t, std::size_t>> places;
    MILL_RETURN_IF_ERROR(For(
        "SELECT i.run_key, d.dataset_key, d.name, d.digest, d.source_type, d.source, d.schema, "
        "d.profile FROM dataset_inputs i JOIN datasets d ON d.dataset_key = i.dataset_key WHERE "
        "i.run_key IN ",
        " ORDER BY i.run_key, i.position", [&](RowView row) {
          Run* run = Find(Int(row[0]));
          if (run == nullptr) {
            return;
          }
          const auto text = [](const store::ValueView& value) {
            return store::IsNull(value) ? std::optional<std::string>() : Text(value);
          };
          places[Int(row[0])][Int(row[1])] = run->dataset_inputs.size();
          run->dataset_inputs.push_back(
              {{Text(row[2]), Text(row[3]), Text(row[4]), Text(row[5]), text(row[6]), text(row[7])},
               {}});
        }));
    if (places.empty()) {
      return {};
    }
    return For("SELECT run_key, dataset_key, key, value FROM dataset_input_tags WHERE run_key IN ",
               "", [&](RowView row) {
                 Run* run = Find(Int(row[0]));
                 const auto of_run = places.find(Int(row[0]));
                 if (run == nullptr || of_run == places.end()) {
                   return;
                 }
                 if (const auto at = of_run->second.find(Int(row[1])); at != of_run->second.end()) {
                   run->dataset_inputs[at->second].tags.emplace(Text(row[2]), Text(row[3]));
                 }
               });
  }

  Result<void> ReadModels() {
    MILL_RETURN_IF_ERROR(For("SELECT run_key, model_id FROM run_model_inputs WHERE run_key IN ",
                             " ORDER BY run_key, position", [&](RowView row) {
                               if (Run* run = Find(Int(row[0])); run != nullptr) {
                                 run->model_inputs.push_back({Text(row[1])});
                               }
                             }));
    return For("SELECT run_key, model_id, step FROM run_outputs WHERE run_key IN ",
               " ORDER BY run_key, position", [&](RowView row) {
                 if (Run* run = Find(Int(row[0])); run != nullptr) {
                   run->outputs.push_back({Text(row[1]), Int(row[2])});
                 }
               });
  }

  Result<void> For(std::string_view sql, std::string_view tail, const store::RowFunction& take) {
    return ForKeys(impl_.metadata, keys_, sql, tail, take);
  }

  /// Null for a run that is gone.
  Run* Find(std::int64_t key) {
    // Rows come by run: most often it is the one before.
    if (last_ != nullptr && key == last_key_) {
      return last_;
    }
    const auto found = runs_.find(key);
    last_key_ = key;
    last_ = found == runs_.end() ? nullptr : &found->second;
    return last_;
  }

  /// Valid while the page is.
  Result<const std::string*> Name(std::int64_t id) {
    auto found = names_.find(id);
    if (found == names_.end()) {
      MILL_ASSIGN_OR_RETURN(std::string name, impl_.names.Of(id));
      found = names_.emplace(id, std::move(name)).first;
    }
    return &found->second;
  }

  TrackingStore::Impl& impl_;
  const std::span<const std::int64_t> keys_;
  std::unordered_map<std::int64_t, Run> runs_;
  std::unordered_map<std::int64_t, std::string> names_;
  std::int64_t last_key_ = 0;
  Run* last_ = nullptr;
};

}  // namespace

Result<std::vector<Run>> ReadRuns(TrackingStore::Impl& impl,
                                  std::span<const std::int64_t> run_keys) {
  if (run_keys.empty()) {
    return std::vector<Run>();
  }
  return Page(impl, run_keys).Read();
}

}  // namespace millrace::tracking::internal
