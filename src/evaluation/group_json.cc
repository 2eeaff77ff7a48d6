// SPDX-License-Identifier: Apache-2.0
// segments.json and fairness.json: groups of rows as text and back.
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "evaluation/group_evaluation.h"

namespace millrace::evaluation {
namespace {

using Json = nlohmann::json;

// Values that reach disk: names are Fairlearn's and scikit-learn's.
constexpr std::pair<const char*, std::optional<GroupRate> GroupMetrics::*> kRates[] = {
    {"selection_rate", &GroupMetrics::selection_rate},
    {"true_positive_rate", &GroupMetrics::true_positive_rate},
    {"false_positive_rate", &GroupMetrics::false_positive_rate},
    {"precision", &GroupMetrics::precision},
    {"accuracy", &GroupMetrics::accuracy}};
constexpr std::pair<const char*, std::optional<double> GroupMetrics::*> kNumbers[] = {
    {"log_loss", &GroupMetrics::log_loss},
    {"brier", &GroupMetrics::brier},
    {"rmse", &GroupMetrics::rmse},
    {"mae", &GroupMetrics::mae}};

Json WithInterval(double value, const metrics::Interval& interval) {
  return {{"value", value}, {"lower", interval.lower}, {"upper", interval.upper}};
}

/// What is not defined is left out.
Json GroupToJson(const GroupMetrics& group) {
  Json json = {{"group", group.group},
               {"rows", group.rows},
               {"positives", group.positives},
               {"is_judged", group.is_judged}};
  if (group.roc_auc) {
    json["roc_auc"] = WithInterval(group.roc_auc->auc, group.roc_auc->interval);
    json["roc_auc"]["standard_error"] = group.roc_auc->standard_error;
  }
  for (const auto& [name, rate] : kRates) {
    if (group.*rate) {
      json[name] = WithInterval((group.*rate)->value, (group.*rate)->interval);
    }
  }
  for (const auto& [name, number] : kNumbers) {
    if (group.*number) {
      json[name] = *(group.*number);
    }
  }
  return json;
}

metrics::Interval IntervalFrom(const Json& json) {
  return {json.at("lower").get<double>(), json.at("upper").get<double>()};
}

GroupMetrics GroupFrom(const Json& json) {
  GroupMetrics group;
  group.group = json.at("group").get<std::string>();
  group.rows = json.at("rows").get<std::int64_t>();
  group.positives = json.at("positives").get<std::int64_t>();
  group.is_judged = json.at("is_judged").get<bool>();
  if (const auto auc = json.find("roc_auc"); auc != json.end()) {
    group.roc_auc =
        metrics::AucEstimate{auc->at("value").get<double>(),
                             auc->at("standard_error").get<double>(), IntervalFrom(*auc)};
  }
  for (const auto& [name, rate] : kRates) {
    if (const auto found = json.find(name); found != json.end()) {
      group.*rate = GroupRate{found->at("value").get<double>(), IntervalFrom(*found)};
    }
  }
  for (const auto& [name, number] : kNumbers) {
    if (const auto found = json.find(name); found != json.end()) {
      group.*number = found->get<double>();
    }
  }
  return group;
}

Json MeasureToJson(const FairnessMeasure& measure) {
  return {{"name", measure.name},
          {"value", measure.value ? Json(*measure.value) : Json()},
          {"lowest", measure.lowest},
          {"highest", measure.highest},
          {"note", measure.note}};
}

FairnessMeasure MeasureFrom(const Json& json) {
  FairnessMeasure measure;
  measure.name = json.at("name").get<std::string>();
  if (const Json& value = json.at("value"); !value.is_null()) {
    measure.value = value.get<double>();
  }
  measure.lowest = json.at("lowest").get<std::string>();
  measure.highest = json.at("highest").get<std::string>();
  measure.note = json.at("note").get<std::string>();
  return measure;
}

GroupTable TableFrom(const Json& json) {
  GroupTable table;
  table.column = json.at("column").get<std::string>();
  table.minimum_rows = json.at("minimum_rows").get<std::int64_t>();
  if (const auto threshold = json.find("threshold"); threshold != json.end()) {
    table.threshold =
        threshold->is_string() ? std::numeric_limits<double>::infinity() : threshold->get<double>();
  }
  for (const Json& group : json.at("groups")) {
    table.groups.push_back(GroupFrom(group));
  }
  for (const Json& measure : json.value("measures", Json::array())) {
    table.measures.push_back(MeasureFrom(measure));
  }
  return table;
}

}  // namespace

std::string GroupTablesToJson(std::span<const GroupTable> tables) {
  Json list = Json::array();
  for (const GroupTable& table : tables) {
    Json& json =
        list.emplace_back(Json{{"column", table.column}, {"minimum_rows", table.minimum_rows}});
    if (table.threshold) {
      json["threshold"] = *table.threshold;
    }
    json["groups"] = Json::array();
    for (const GroupMetrics& group : table.groups) {
      json["groups"].push_back(GroupToJson(group));
    }
    for (const FairnessMeasure& measure : table.measures) {
      json["measures"].push_back(MeasureToJson(measure));
    }
  }
  return base::DumpJsonPretty(list);
}

Result<std::vector<GroupTable>> ParseGroupTables(std::string_view text, std::string_view source) {
  MILL_ASSIGN_OR_RETURN(const Json json, base::ParseJson(text, source));
  std::vector<GroupTable> tables;
  try {
    for (const Json& table : json) {
      tables.push_back(TableFrom(table));
    }
  } catch (const Json::exception& error) {
    return base::InvalidArgument(std::string(source) +
                                 " holds no metrics by group: " + error.what());
  }
  return tables;
}

}  // namespace millrace::evaluation
