// SPDX-License-Identifier: Apache-2.0
// `millrace predict`: the champion's answers for keys or for a file of rows, without a server.
#include "app/predict.h"

#include <charconv>

#include <nlohmann/json.hpp>

#include "app/deployments.h"
#include "app/documents.h"
#include "app/stages_serve.h"
#include "base/json.h"
#include "base/nearest_name.h"
#include "base/number_format.h"
#include "data/csv.h"
#include "data/parquet.h"
#include "serving/snapshot.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kShownRows = 20;

Result<serving::EndpointSpec> ChooseEndpoint(Environment& environment, const std::string& name) {
  MILL_ASSIGN_OR_RETURN(std::vector<serving::EndpointSpec> specs,
                        ListDeployments(environment.metadata()));
  if (specs.empty()) {
    return base::NotFound("no endpoint is deployed in this workspace")
        .Hint("deploy one with: millrace run");
  }
  if (name.empty() && specs.size() == 1) {
    return specs.front();
  }
  std::vector<std::string> names;
  for (serving::EndpointSpec& spec : specs) {
    if (spec.name == name) {
      return spec;
    }
    names.push_back(spec.name);
  }
  if (name.empty()) {
    return base::InvalidArgument("several endpoints are deployed; name one with --endpoint" +
                                 base::DidYouMean("", names));
  }
  return base::NotFound("endpoint \"" + name + "\" is not deployed" +
                        base::DidYouMean(name, names));
}

Result<std::vector<features::EntityKey>> ParseKeys(const std::vector<std::string>& texts,
                                                   data::ColumnType type) {
  std::vector<features::EntityKey> keys;
  for (const std::string& text : texts) {
    if (type == data::ColumnType::kString) {
      keys.emplace_back(text);
      continue;
    }
    std::int64_t number = 0;
    const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc() || stop != text.data() + text.size()) {
      return base::InvalidArgument("key \"" + text +
                                   "\" is no whole number; the endpoint's keys are integers");
    }
    keys.emplace_back(number);
  }
  return keys;
}

/// Fills the block from a table: the columns of the signature that it has, and the key column.
Result<void> FillBlock(const data::Table& table, const serving::Snapshot& snapshot,
                       serving::RowBlock& block) {
  const auto rows = static_cast<std::size_t>(table.rows());
  const std::size_t n_columns = snapshot.n_columns();
  block.Reset(rows, n_columns);
  for (std::size_t c = 0; c < n_columns; ++c) {
    const std::string& name = snapshot.columns()[c].name;
    if (!table.Has(name)) {
      continue;
    }
    MILL_ASSIGN_OR_RETURN(const std::vector<double> values, table.Doubles(name));
    for (std::size_t r = 0; r < rows; ++r) {
      block.values[r * n_columns + c] = values[r];
      block.given[r * n_columns + c] = 1;
    }
  }
  if (snapshot.has_key() && table.Has(snapshot.spec().key)) {
    MILL_ASSIGN_OR_RETURN(const features::KeyColumn keys,
                          features::KeyColumn::FromTable(table, snapshot.spec().key));
    for (std::size_t r = 0; r < rows; ++r) {
      if (keys.IsNull(r)) {
        return base::InvalidArgument("column \"" + snapshot.spec().key + "\": row " +
                                     std::to_string(r) + " has no key");
      }
      block.keys.push_back(keys.At(r));
    }
  }
  return {};
}

Result<cli::Document> Describe(const Context& context, const cli::PredictOptions& options,
                               const serving::Snapshot& snapshot, const serving::RowBlock& block,
                               const serving::Scores& scores) {
  cli::Document document;
  Json predictions = Json::array();
  cli::TextTable table{
      "", {snapshot.spec().key.empty() ? "row" : snapshot.spec().key, "score"}, {}};
  for (std::size_t r = 0; r < scores.values.size(); ++r) {
    const std::string name = block.keys.empty() ? std::to_string(r) : KeyCell(block.keys[r]);
    const bool is_text = !block.keys.empty() && std::holds_alternative<std::string>(block.keys[r]);
    const Json key = is_text              ? Json(name)
                     : block.keys.empty() ? Json(r)
                                          : Json(std::get<std::int64_t>(block.keys[r]));
    predictions.push_back({{"key", key}, {"score", scores.values[r]}});
    if (r < kShownRows) {
      table.rows.push_back({name, base::FormatFixed(scores.values[r], 6)});
    }
  }
  document.lines.push_back("model " + snapshot.version().name + " version " +
                           std::to_string(snapshot.version().version));
  Json json = {{"endpoint", snapshot.spec().name},
               {"model", snapshot.version().name},
               {"version", snapshot.version().version}};
  if (scores.features_newest) {
    json["features_as_of"] = base::FormatTimestamp(*scores.features_newest);
    document.lines.push_back("features as of " + base::FormatTimestamp(*scores.features_newest));
  }
  if (options.output) {
    data::TableBuilder builder;
    if (!block.keys.empty()) {
      AddKeys(block.keys, snapshot.spec().key, builder);
    }
    builder.AddDoubles("score", scores.values);
    MILL_ASSIGN_OR_RETURN(const data::Table written, builder.Finish());
    MILL_RETURN_IF_ERROR(data::WriteParquet(context, written, *options.output));
    document.lines.push_back(base::FormatCount(written.rows()) + " scores written to " +
                             options.output->string());
  } else {
    json["predictions"] = std::move(predictions);
    if (scores.values.size() > kShownRows) {
      document.lines.push_back("(first " + std::to_string(kShownRows) + " of " +
                               base::FormatCount(static_cast<std::int64_t>(scores.values.size())) +
                               " rows; --output writes all)");
    }
    document.tables.push_back(std::move(table));
  }
  document.json = base::DumpJson(json);
  return document;
}

}  // namespace

Result<cli::Document> Predict(Environment& environment, const cli::PredictOptions& options) {
  if (options.keys.empty() == !options.input.has_value()) {
    return base::InvalidArgument("predict needs either --key or --input")
        .Hint("millrace predict --help shows examples");
  }
  const Context context = environment.MakeContext();
  MILL_ASSIGN_OR_RETURN(const serving::EndpointSpec endpoint,
                        ChooseEndpoint(environment, options.endpoint));
  MILL_ASSIGN_OR_RETURN(const Champion champion, LoadChampion(environment, endpoint));
  MILL_ASSIGN_OR_RETURN(const features::OnlineStore online, environment.OnlineForReading());
  MILL_ASSIGN_OR_RETURN(const auto snapshot, serving::Snapshot::Make(endpoint, champion.version,
                                                                     *champion.model, &online));
  serving::RowBlock block;
  if (options.input) {
    MILL_ASSIGN_OR_RETURN(const data::Table rows, data::ReadAny(context, *options.input));
    MILL_RETURN_IF_ERROR(
        FillBlock(rows, *snapshot, block).With("reading " + options.input->string()));
  } else {
    block.Reset(options.keys.size(), snapshot->n_columns());
    MILL_ASSIGN_OR_RETURN(block.keys, ParseKeys(options.keys, snapshot->key_type()));
  }
  serving::Scores scores;
  MILL_RETURN_IF_ERROR(snapshot->Score(block, scores));
  return Describe(context, options, *snapshot, block, scores);
}

}  // namespace millrace::app
