// SPDX-License-Identifier: Apache-2.0
// Scorers, their versions and schedules over the metadata database.
#include "tracking/scorers.h"

#include <nlohmann/json.hpp>

#include "base/ids.h"
#include "base/json.h"
#include "store/metadata.h"
#include "tracking/internal/evaluation_rows.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/webhook_events.h"
#include "tracking/search.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

using base::InvalidArgument;
using base::NotFound;
using internal::Int;
using internal::Text;
using nlohmann::json;
using store::Row;

constexpr std::string_view kSelect =
    "SELECT s.scorer_id, s.experiment_id, s.name, v.version, v.content, v.creation_time FROM "
    "scorers AS s JOIN scorer_versions AS v ON v.scorer_id = s.scorer_id ";
constexpr std::string_view kIsNewest =
    "v.version = (SELECT MAX(w.version) FROM scorer_versions AS w WHERE w.scorer_id = s.scorer_id)";

ScorerVersion FromRow(const Row& row) {
  return {Text(row[0]), std::to_string(Int(row[1])), Text(row[2]), Int(row[3]), Text(row[4]),
          Int(row[5])};
}

Error NoScorer(const std::string& experiment_id, const std::string& name,
               std::optional<std::int64_t> version = {}) {
  return NotFound("Scorer with name '" + name + "'" +
                  (version ? " and version " + std::to_string(*version) : std::string()) +
                  " not found for experiment " + experiment_id + ".");
}

Result<std::vector<ScorerVersion>> Select(store::Metadata& metadata, const std::string& condition,
                                          const std::vector<store::Value>& params) {
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        metadata.Query(std::string(kSelect) + condition, params));
  std::vector<ScorerVersion> scorers;
  for (const Row& row : rows) {
    scorers.push_back(FromRow(row));
  }
  return scorers;
}

/// The language model that a scorer asks; null where it asks none.
json ModelOf(const json& scorer, int depth = 0) {
  for (const char* const key : {"instructions_judge_pydantic_data", "builtin_scorer_pydantic_data",
                                "memory_augmented_judge_data", "third_party_scorer_data"}) {
    const auto data = scorer.find(key);
    if (data == scorer.end() || !data->is_object() || data->empty()) {
      continue;
    }
    const auto judge = data->find("base_judge");
    if (std::string_view(key) == "memory_augmented_judge_data") {
      return judge != data->end() && judge->is_object() && depth < 8 ? ModelOf(*judge, depth + 1)
                                                                     : json();
    }
    return data->value("model", json());
  }
  return {};
}

Result<void> CheckContent(const std::string& serialized_scorer) {
  const auto scorer = base::ParseJson(serialized_scorer, "serialized_scorer");
  if (!scorer.ok() || !scorer->is_object()) {
    return InvalidArgument("serialized_scorer must be valid JSON");
  }
  const json model = ModelOf(*scorer);
  if (model.is_null()) {
    return {};
  }
  if (!model.is_string()) {
    return InvalidArgument(std::string("Scorer model must be a string, got ") + model.type_name() +
                           ".");
  }
  const std::string name = model.get<std::string>();
  if (name.find_first_not_of(" \t\r\n") == std::string::npos) {
    return InvalidArgument("Scorer model cannot be empty or contain only whitespace.");
  }
  constexpr std::string_view kGateway = "gateway:/";
  if (name.starts_with(kGateway)) {
    return NotFound("GatewayEndpoint not found (name='" +
                    name.substr(name.find_first_not_of('/', kGateway.size()) == std::string::npos
                                    ? name.size()
                                    : name.find_first_not_of('/', kGateway.size())) +
                    "')");
  }
  return {};
}

Result<std::string> ScorerId(store::Metadata& sql, const std::string& experiment_id,
                             const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t experiment,
                        internal::CheckActiveExperiment(sql, experiment_id));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<Row> rows,
      sql.Query("SELECT scorer_id FROM scorers WHERE experiment_id = ? AND name = ?",
                {experiment, name}));
  return rows.empty() ? Result<std::string>(NoScorer(experiment_id, name))
                      : Result<std::string>(Text(rows[0][0]));
}

}  // namespace

Result<std::unique_ptr<Scorers>> Scorers::Open(TrackingStore& tracking, store::Metadata& metadata,
                                               const base::Clock& clock) {
  MILL_RETURN_IF_ERROR(internal::MigrateEvaluation(metadata).With("making the tables of scorers"));
  return std::make_unique<Scorers>(tracking, metadata, clock);
}

Result<ScorerVersion> Scorers::Register(const std::string& experiment_id, const std::string& name,
                                        const std::string& serialized_scorer) {
  if (name.find_first_not_of(" \t\r\n") == std::string::npos) {
    return InvalidArgument("Scorer name cannot be empty or contain only whitespace.");
  }
  ScorerVersion made;
  const auto write = [&](store::Metadata& sql) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const std::int64_t experiment,
                          internal::CheckActiveExperiment(sql, experiment_id));
    MILL_RETURN_IF_ERROR(CheckContent(serialized_scorer));
    MILL_RETURN_IF_ERROR(
        sql.Execute("INSERT INTO scorers (scorer_id, experiment_id, name) VALUES (?, ?, ?) ON "
                    "CONFLICT (experiment_id, name) DO NOTHING",
                    {internal::NewUuid(), experiment, name}));
    MILL_ASSIGN_OR_RETURN(const std::string scorer_id, ScorerId(sql, experiment_id, name));
    MILL_ASSIGN_OR_RETURN(
        const std::vector<Row> last,
        sql.Query("SELECT COALESCE(MAX(version), 0) FROM scorer_versions WHERE scorer_id = ?",
                  {scorer_id}));
    made = {scorer_id, experiment_id, name, Int(last[0][0]) + 1, serialized_scorer, NowMs()};
    return sql.Execute(
        "INSERT INTO scorer_versions (scorer_id, version, content, creation_time) VALUES (?, ?, ?, "
        "?)",
        {scorer_id, made.version, serialized_scorer, made.creation_time_ms});
  };
  MILL_RETURN_IF_ERROR(tracking_.Write(write));
  return made;
}

Result<std::vector<ScorerVersion>> Scorers::List(
    const std::optional<std::vector<std::string>>& experiment_ids) {
  std::string condition = "WHERE " + std::string(kIsNewest) +
                          " AND s.experiment_id IN (SELECT experiment_id FROM experiments WHERE "
                          "lifecycle_stage = 'active')";
  std::vector<store::Value> params;
  if (experiment_ids.has_value()) {
    for (const std::string& id : *experiment_ids) {
      MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
      params.emplace_back(std::int64_t{number});
    }
    if (params.empty()) {
      return std::vector<ScorerVersion>();
    }
    condition += " AND s.experiment_id IN (" + internal::Marks(params.size()) + ")";
  }
  return Select(metadata_, condition + " ORDER BY s.experiment_id, s.name", params);
}

Result<std::vector<ScorerVersion>> Scorers::ListOf(const std::string& experiment_id) {
  MILL_RETURN_IF_ERROR(internal::CheckActiveExperiment(metadata_, experiment_id));
  return List(std::vector<std::string>{experiment_id});
}

Result<std::vector<ScorerVersion>> Scorers::AllVersions(const std::string& experiment_id) {
  MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(experiment_id));
  return Select(metadata_, "WHERE s.experiment_id = ? ORDER BY s.name, v.version",
                {std::int64_t{number}});
}

Result<std::vector<ScorerVersion>> Scorers::Versions(const std::string& experiment_id,
                                                     const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const std::string scorer_id, ScorerId(metadata_, experiment_id, name));
  MILL_ASSIGN_OR_RETURN(std::vector<ScorerVersion> versions,
                        Select(metadata_, "WHERE s.scorer_id = ? ORDER BY v.version", {scorer_id}));
  if (versions.empty()) {
    return NoScorer(experiment_id, name);
  }
  return versions;
}

Result<ScorerVersion> Scorers::Get(const std::string& experiment_id, const std::string& name,
                                   std::optional<std::int64_t> version) {
  MILL_ASSIGN_OR_RETURN(const std::string scorer_id, ScorerId(metadata_, experiment_id, name));
  std::vector<store::Value> params = {scorer_id};
  if (version) {
    params.emplace_back(*version);
  }
  const std::string which = version ? "v.version = ?" : std::string(kIsNewest);
  MILL_ASSIGN_OR_RETURN(std::vector<ScorerVersion> found,
                        Select(metadata_, "WHERE s.scorer_id = ? AND " + which, params));
  if (found.empty()) {
    return NoScorer(experiment_id, name, version);
  }
  return std::move(found.front());
}

Result<void> Scorers::Delete(const std::string& experiment_id, const std::string& name,
                             std::optional<std::int64_t> version) {
  return tracking_.Write([&](store::Metadata& sql) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(const std::string scorer_id, ScorerId(sql, experiment_id, name));
    if (!version) {
      return sql.Execute("DELETE FROM scorers WHERE scorer_id = ?", {scorer_id});
    }
    MILL_ASSIGN_OR_RETURN(
        const std::int64_t n,
        sql.ExecuteCounted("DELETE FROM scorer_versions WHERE scorer_id = ? AND version = ?",
                           {scorer_id, *version}));
    return n == 0 ? Result<void>(NoScorer(experiment_id, name, version)) : Result<void>();
  });
}

Result<std::vector<ScorerSchedule>> Scorers::Schedules(const std::vector<std::string>& scorer_ids) {
  std::vector<ScorerSchedule> schedules;
  MILL_RETURN_IF_ERROR(internal::ForKeys(
      metadata_, scorer_ids,
      "SELECT o.schedule_id, o.scorer_id, s.experiment_id, o.sample_rate, o.filter FROM "
      "scorer_schedules AS o JOIN scorers AS s ON s.scorer_id = o.scorer_id WHERE o.scorer_id IN ",
      " ORDER BY o.scorer_id", [&](store::RowView row) {
        ScorerSchedule schedule{Text(row[0]),
                                Text(row[1]),
                                std::to_string(Int(row[2])),
                                store::DoubleOr(row[3], 0),
                                {}};
        if (!store::IsNull(row[4])) {
          schedule.filter = Text(row[4]);
        }
        schedules.push_back(std::move(schedule));
      }));
  return schedules;
}

Result<ScorerSchedule> Scorers::PutSchedule(const std::string& experiment_id,
                                            const std::string& name, double sample_rate,
                                            const std::optional<std::string>& filter) {
  if (!(sample_rate >= 0 && sample_rate <= 1)) {
    return InvalidArgument("sample_rate must be between 0.0 and 1.0, got " +
                           base::DumpJson(sample_rate));
  }
  MILL_RETURN_IF_ERROR(ParseFilter(filter.value_or(""), SearchTarget::kTraces));
  ScorerSchedule schedule{base::NewRunId(), {}, experiment_id, sample_rate, filter};
  const auto write = [&](store::Metadata& sql) -> Result<void> {
    MILL_ASSIGN_OR_RETURN(schedule.scorer_id, ScorerId(sql, experiment_id, name));
    if (sample_rate > 0) {
      return InvalidArgument("Scorer '" + name +
                             "' does not use a gateway model. Automatic evaluation is only "
                             "supported for scorers that use gateway models.");
    }
    return sql.Execute(
        "INSERT INTO scorer_schedules (scorer_id, schedule_id, sample_rate, filter) VALUES (?, ?, "
        "?, ?) ON CONFLICT (scorer_id) DO UPDATE SET schedule_id = excluded.schedule_id, "
        "sample_rate = excluded.sample_rate, filter = excluded.filter",
        {schedule.scorer_id, schedule.schedule_id, sample_rate, internal::OrNull(filter)});
  };
  MILL_RETURN_IF_ERROR(tracking_.Write(write));
  return schedule;
}

}  // namespace millrace::tracking
