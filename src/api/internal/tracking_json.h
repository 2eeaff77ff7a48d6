// SPDX-License-Identifier: Apache-2.0
// Experiments, runs, metrics, logged models, registered models and versions as MLflow's JSON: what
// is unset is left out, empty lists too.
#pragma once

#include <span>
#include <string_view>

#include "api/internal/json_writer.h"
#include "api/internal/message.h"
#include "tracking/types.h"

namespace millrace::api::internal {

/// The fields of a tag or a parameter: {key, value}.
inline constexpr Field kPairFields[] = {{.name = "key", .is_required = true}, {.name = "value"}};
/// The names of ViewType, in the order of its numbers.
inline constexpr std::string_view kViewTypes[] = {"ACTIVE_ONLY", "DELETED_ONLY", "ALL"};

/// The pairs of a list of {key, value}; of equal keys the last one counts.
tracking::Tags ReadTags(const Object& object, std::string_view name);

/// Each writes one object.
void WriteExperiment(const tracking::Experiment& experiment, JsonWriter& out);
void WriteRunInfo(const tracking::RunInfo& info, JsonWriter& out);
void WriteRun(const tracking::Run& run, JsonWriter& out);
void WriteMetric(const tracking::Metric& metric, JsonWriter& out);
/// A point of a history; `run_id` is written where it is not empty.
void WritePoint(const tracking::MetricPoint& point, std::string_view key, std::string_view run_id,
                JsonWriter& out);
void WriteLoggedModel(const tracking::LoggedModel& model, JsonWriter& out);
void WriteRegisteredModel(const tracking::RegisteredModel& model, JsonWriter& out);
void WriteModelVersion(const tracking::ModelVersion& version, JsonWriter& out);
/// "tags": [{key, value}], nothing where there are none.
void WritePairs(std::string_view name, const tracking::Tags& pairs, JsonWriter& out);

/// `{"name": <object>}`
template <typename T>
std::string WrappedJson(std::string_view name, const T& value,
                        void (*write)(const T&, JsonWriter&)) {
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Key(name);
  write(value, out);
  out.EndObject();
  return body;
}

/// `{"name": [<object>, ...], "next_page_token": "..."}`
template <typename T>
std::string PageJson(std::string_view name, const tracking::Page<T>& page,
                     void (*write)(const T&, JsonWriter&)) {
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.List(name, page.items, [&](const T& item) { write(item, out); });
  out.TextIfAny("next_page_token", page.next_page_token);
  out.EndObject();
  return body;
}

}  // namespace millrace::api::internal
