// SPDX-License-Identifier: Apache-2.0
// Cache entries as JSON.
#include "pipelines/internal/entry_json.h"

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace millrace::pipelines::internal {
namespace {

using nlohmann::json;

// The writer turns what JSON cannot say into texts.
double NumberFrom(const json& value) {
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    return text == "Infinity"    ? std::numeric_limits<double>::infinity()
           : text == "-Infinity" ? -std::numeric_limits<double>::infinity()
                                 : std::numeric_limits<double>::quiet_NaN();
  }
  return value.get<double>();
}

ContentHash HashFrom(const json& value) {
  // Thrown errors end in EntryFromJson.
  Result<ContentHash> hash = base::ParseContentHash(value.get<std::string>());
  if (!hash.ok()) {
    throw std::runtime_error(hash.error().message());
  }
  return *hash;
}

}  // namespace

std::string EntryToJson(const std::string& step, const RecordedEntry& entry) {
  json inputs = json::object();
  for (const auto& [name, hash] : entry.parts.inputs) {
    inputs[name] = hash.Hex();
  }
  json outputs = json::array();
  for (const RecordedOutput& output : entry.outputs) {
    outputs.push_back({{"name", output.name},
                       {"file", output.file},
                       {"hash", output.hash.Hex()},
                       {"stamp", output.stamp}});
  }
  const json text = {{"format", kEntryFormat},
                     {"step", step},
                     {"key_parts",
                      {{"version", entry.parts.version},
                       {"params", entry.parts.params.Hex()},
                       {"seed", entry.parts.seed},
                       {"inputs", std::move(inputs)}}},
                     {"rows", entry.result.rows},
                     {"metrics", entry.result.metrics},
                     {"notes", entry.result.notes},
                     {"json", entry.result.json},
                     {"outputs", std::move(outputs)}};
  return base::DumpJsonPretty(text);
}

std::optional<RecordedEntry> EntryFromJson(std::string_view text) {
  const Result<json> parsed = base::ParseJson(text, "entry.json");
  if (!parsed.ok()) {
    return std::nullopt;
  }
  try {
    const json& value = *parsed;
    if (value.at("format") != kEntryFormat) {
      return std::nullopt;
    }
    RecordedEntry entry;
    const json& parts = value.at("key_parts");
    entry.parts.version = parts.at("version").get<int>();
    entry.parts.params = HashFrom(parts.at("params"));
    entry.parts.seed = parts.at("seed").get<std::uint64_t>();
    for (const auto& [name, hash] : parts.at("inputs").items()) {
      entry.parts.inputs[name] = HashFrom(hash);
    }
    entry.result.rows = value.at("rows").get<std::int64_t>();
    for (const auto& [name, metric] : value.at("metrics").items()) {
      entry.result.metrics[name] = NumberFrom(metric);
    }
    entry.result.notes = value.at("notes").get<std::vector<std::string>>();
    entry.result.json = value.at("json").get<std::string>();
    for (const json& output : value.at("outputs")) {
      entry.outputs.push_back({output.at("name").get<std::string>(),
                               output.at("file").get<std::string>(), HashFrom(output.at("hash")),
                               output.at("stamp").get<std::string>()});
    }
    return entry;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace millrace::pipelines::internal
