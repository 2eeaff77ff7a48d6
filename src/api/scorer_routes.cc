// SPDX-License-Identifier: Apache-2.0
// Endpoints of MLflow's scorers.
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "api/internal/json_writer.h"
#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "base/json.h"
#include "tracking/scorers.h"

namespace millrace::api::internal {

namespace {

using nlohmann::json;
using tracking::Scorers;
using tracking::ScorerVersion;
using enum FieldType;

constexpr Field kRegister[] = {{.name = "experiment_id", .is_required = true},
                               {.name = "name", .is_required = true},
                               {.name = "serialized_scorer", .is_required = true}};
constexpr Field kList[] = {{.name = "experiment_id"}, {.name = "experiment_ids", .type = kTexts}};
constexpr Field kNamed[] = {{.name = "experiment_id", .is_required = true},
                            {.name = "name", .is_required = true}};
constexpr Field kVersion[] = {{.name = "experiment_id", .is_required = true},
                              {.name = "name", .is_required = true},
                              {.name = "version", .type = kInt32}};
constexpr Field kSchedules[] = {{.name = "scorer_ids", .type = kTexts, .is_required = true}};
constexpr Field kPutSchedule[] = {{.name = "experiment_id", .is_required = true},
                                  {.name = "name", .is_required = true},
                                  {.name = "sample_rate", .type = kDouble, .is_required = true},
                                  {.name = "filter_string"}};

void WriteScorer(const ScorerVersion& scorer, JsonWriter& out) {
  out.BeginObject();
  // A number here, though a text wherever else it stands.
  out.Int("experiment_id", std::stoll(scorer.experiment_id));
  out.Text("scorer_name", scorer.name);
  out.Int("scorer_version", scorer.version);
  out.Text("serialized_scorer", scorer.serialized_scorer);
  out.Int("creation_time", scorer.creation_time_ms);
  out.Text("scorer_id", scorer.scorer_id);
  out.EndObject();
}

Result<std::string> ListReply(const Result<std::vector<ScorerVersion>>& scorers) {
  if (!scorers.ok()) {
    return scorers.error();
  }
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.List("scorers", *scorers, [&](const ScorerVersion& scorer) { WriteScorer(scorer, out); });
  out.EndObject();
  return body;
}

Result<std::string> Register(Scorers& scorers, const Message& in) {
  MILL_ASSIGN_OR_RETURN(
      const ScorerVersion scorer,
      scorers.Register(in.Text("experiment_id"), in.Text("name"), in.Text("serialized_scorer")));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Int("version", scorer.version);
  out.Text("scorer_id", scorer.scorer_id);
  out.Text("experiment_id", scorer.experiment_id);
  out.Text("name", scorer.name);
  out.Text("serialized_scorer", scorer.serialized_scorer);
  out.Int("creation_time", scorer.creation_time_ms);
  out.EndObject();
  return body;
}

Result<std::string> List(Scorers& scorers, const Message& in) {
  const std::string experiment_id = in.Text("experiment_id");
  const bool has_many = in.Has("experiment_ids");
  if (!experiment_id.empty() && has_many) {
    return base::InvalidArgument(
        "Cannot specify both 'experiment_id' and 'experiment_ids'. Use 'experiment_ids' to scope "
        "the query to multiple experiments, or 'experiment_id' to scope it to a single "
        "experiment.");
  }
  if (!experiment_id.empty()) {
    return ListReply(scorers.ListOf(experiment_id));
  }
  return ListReply(
      scorers.List(has_many ? std::optional(in.Texts("experiment_ids")) : std::nullopt));
}

Result<std::string> Get(Scorers& scorers, const Message& in) {
  MILL_ASSIGN_OR_RETURN(
      const ScorerVersion scorer,
      scorers.Get(in.Text("experiment_id"), in.Text("name"), in.IntIfSet("version")));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key("scorer");
  WriteScorer(scorer, out);
  out.EndObject();
  return body;
}

json ScheduleJson(const tracking::ScorerSchedule& schedule) {
  json object = {{"online_scoring_config_id", schedule.schedule_id},
                 {"scorer_id", schedule.scorer_id},
                 {"sample_rate", schedule.sample_rate},
                 {"experiment_id", schedule.experiment_id}};
  if (schedule.filter.has_value()) {
    object["filter_string"] = *schedule.filter;
  }
  return object;
}

Result<std::string> Schedules(Scorers& scorers, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const auto schedules, scorers.Schedules(in.Texts("scorer_ids")));
  json configs = json::array();
  for (const tracking::ScorerSchedule& schedule : schedules) {
    configs.push_back(ScheduleJson(schedule));
  }
  return base::DumpJson({{"configs", configs}});
}

Result<std::string> PutSchedule(Scorers& scorers, const Message& in) {
  MILL_ASSIGN_OR_RETURN(
      const tracking::ScorerSchedule schedule,
      scorers.PutSchedule(in.Text("experiment_id"), in.Text("name"), in.Double("sample_rate"),
                          in.TextIfSet("filter_string")));
  return base::DumpJson({{"config", ScheduleJson(schedule)}});
}

}  // namespace

void AddScorerRoutes(Scorers& scorers, Router& router) {
  const Mount mount(router, "3.0");
  mount.Add("POST", "/mlflow/scorers/register", kRegister,
            [&](const Message& in) { return Register(scorers, in); });
  mount.Add("GET", "/mlflow/scorers/list", kList,
            [&](const Message& in) { return List(scorers, in); });
  mount.Add("GET", "/mlflow/scorers/versions", kNamed, [&](const Message& in) {
    return ListReply(scorers.Versions(in.Text("experiment_id"), in.Text("name")));
  });
  mount.Add("GET", "/mlflow/scorers/get", kVersion,
            [&](const Message& in) { return Get(scorers, in); });
  mount.AddAction("DELETE", "/mlflow/scorers/delete", kVersion, [&](const Message& in) {
    return scorers.Delete(in.Text("experiment_id"), in.Text("name"), in.IntIfSet("version"));
  });
  mount.Add("GET", "/mlflow/scorers/online-configs", kSchedules,
            [&](const Message& in) { return Schedules(scorers, in); });
  mount.Add("PUT", "/mlflow/scorers/online-config", kPutSchedule,
            [&](const Message& in) { return PutSchedule(scorers, in); });
}

}  // namespace millrace::api::internal
