// SPDX-License-Identifier: Apache-2.0
// The stages after registration: deploy, score, monitor. They follow the champion, whoever that is.
#include "app/stages_serve.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <set>
#include <thread>

#include <nlohmann/json.hpp>

#include "api/server_api.h"
#include "app/artifact_files.h"
#include "app/deployments.h"
#include "app/registration.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"
#include "base/rng.h"
#include "data/matrix.h"
#include "data/parquet.h"
#include "evaluation/report.h"
#include "models/mlflow_layout.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "serving/endpoint.h"

namespace millrace::app {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

/// The rows of a view's table at one as-of time.
Result<data::Table> RowsAt(const data::Table& values, Timestamp as_of) {
  MILL_ASSIGN_OR_RETURN(const data::Int64Column times, values.Timestamps("as_of"));
  std::vector<std::int64_t> rows;
  for (std::size_t i = 0; i < times.values.size(); ++i) {
    if (times.values[i] == as_of.micros) {
      rows.push_back(static_cast<std::int64_t>(i));
    }
  }
  return values.Take(rows);
}

/// The view hashes that some alias of some model still needs.
Result<std::set<ContentHash>> NeededViews(Environment& environment) {
  std::set<ContentHash> needed;
  MILL_ASSIGN_OR_RETURN(const auto models, environment.registry().ListModels());
  for (const tracking::RegisteredModel& model : models) {
    for (const auto& [alias, number] : model.aliases) {
      MILL_ASSIGN_OR_RETURN(const tracking::ModelVersion version,
                            environment.registry().GetVersion(model.name, number));
      MILL_ASSIGN_OR_RETURN(const models::Model loaded, LoadVersion(environment, version));
      for (const auto& [name, hash] : loaded.metadata().view_hashes) {
        needed.insert(hash);
      }
    }
  }
  return needed;
}

/// A running server may still answer with the champion before this one, until it has looked again.
Result<void> WaitForServers(const Context& context) {
  const auto end = std::chrono::steady_clock::now() + 2 * serving::Refresher::Options().interval;
  while (std::chrono::steady_clock::now() < end) {
    MILL_RETURN_IF_ERROR(context.Check());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return {};
}

Result<void> DropUnneededViews(const Context& context, Environment& environment,
                               features::OnlineStore& online,
                               const std::vector<ViewValues>& published, StageOutput& output) {
  MILL_ASSIGN_OR_RETURN(std::set<ContentHash> needed, NeededViews(environment));
  for (const ViewValues& view : published) {
    needed.insert(view.plan->hash);
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<features::PublishedView> views, online.Views());
  const auto is_needed = [&](const features::PublishedView& view) {
    return needed.contains(view.hash);
  };
  if (environment.is_online_remote() && !std::all_of(views.begin(), views.end(), is_needed)) {
    MILL_RETURN_IF_ERROR(WaitForServers(context));
  }
  for (const features::PublishedView& view : views) {
    if (!is_needed(view)) {
      MILL_RETURN_IF_ERROR(online.DropView(view.hash));
      output.notes.push_back("dropped the stored values of view " + view.name + " of hash " +
                             view.hash.Hex() + ": no alias needs them");
    }
  }
  return {};
}

/// A server over the deployed endpoints, on a free port, as long as it lives.
class LocalServer {
 public:
  static Result<std::unique_ptr<LocalServer>> Start(const Context& context,
                                                    Environment& environment) {
    MILL_ASSIGN_OR_RETURN(features::OnlineStore online, environment.Online());
    auto server = std::unique_ptr<LocalServer>(new LocalServer(context, environment, online));
    MILL_RETURN_IF_ERROR(server->refresher_.RefreshOnce());
    net::ServerOptions options = server->api_->ServerOptions();
    options.threads = 1;
    MILL_ASSIGN_OR_RETURN(server->http_, net::HttpServer::Start(options, server->api_->Handler()));
    return server;
  }
  std::string url() const { return http_->url(); }

 private:
  LocalServer(const Context& context, Environment& environment, features::OnlineStore online)
      : online_(online),
        resolver_(environment),
        refresher_(context, endpoints_, resolver_, &online_, {}),
        api_(std::make_unique<api::Api>(context, api::ApiParts{&endpoints_, nullptr})) {}

  features::OnlineStore online_;
  serving::EndpointSet endpoints_;
  RegistryResolver resolver_;
  serving::Refresher refresher_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<net::HttpServer> http_;
};

/// A request body for one row: by key, or with every column of the model.
std::string RequestBody(const std::string& key_column, const Json& key, const data::Matrix& rows,
                        std::size_t row, bool by_key) {
  if (by_key) {
    return base::DumpJson({{"dataframe_records", Json::array({{{key_column, key}}})}});
  }
  Json values = Json::array();
  for (std::size_t c = 0; c < rows.columns(); ++c) {
    const double value = rows.At(row, c);
    values.push_back(std::isnan(value) ? Json(nullptr) : Json(value));
  }
  return base::DumpJson(
      {{"dataframe_split", {{"columns", rows.names}, {"data", Json::array({std::move(values)})}}}});
}

double Quantile(const std::vector<double>& sorted, double share) {
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1));
  return sorted[index];
}

/// Asks the server `requests` times, half by key and half by full row, and compares each answer
/// with the batch score.
Result<std::vector<double>> AskServer(const Context& context, const std::string& url,
                                      const serving::EndpointSpec& endpoint,
                                      const features::KeyColumn& keys, const data::Matrix& rows,
                                      const std::vector<double>& scores, std::int64_t requests) {
  MILL_ASSIGN_OR_RETURN(net::HttpClient client, net::HttpClient::Make(url));
  const std::string target = "/endpoints/" + endpoint.name + "/invocations";
  base::Rng rng(context.seed);
  std::vector<double> milliseconds;
  for (std::int64_t i = 0; i < requests; ++i) {
    MILL_RETURN_IF_ERROR(context.Check());
    const std::size_t row = rng.Below(rows.rows);
    const features::EntityKey key = keys.At(row);
    const Json key_json = std::holds_alternative<std::int64_t>(key)
                              ? Json(std::get<std::int64_t>(key))
                              : Json(std::get<std::string>(key));
    const std::string body = RequestBody(endpoint.key, key_json, rows, row, i % 2 == 0);
    const auto start = std::chrono::steady_clock::now();
    MILL_ASSIGN_OR_RETURN(const net::ClientResponse response,
                          client.Post(target, "application/json", body));
    milliseconds.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
    if (response.status != 200) {
      return base::Internal("endpoint \"" + endpoint.name + "\" answered " +
                            std::to_string(response.status) + " for key " + features::KeyText(key) +
                            ": " + response.body);
    }
    MILL_ASSIGN_OR_RETURN(const Json answer,
                          base::ParseJson(response.body, "answer of the endpoint"));
    const Json prediction = answer.value("/predictions/0"_json_pointer, Json());
    if (!prediction.is_number()) {
      return base::Internal("endpoint \"" + endpoint.name + "\" answered " + response.body +
                            "; wanted one number in \"predictions\"");
    }
    const double score = prediction.get<double>();
    if (score != scores[row]) {
      return base::DataLoss("endpoint \"" + endpoint.name + "\" answered " +
                            base::FormatDouble(score) + " for key " + features::KeyText(key) +
                            "; its batch score is " + base::FormatDouble(scores[row]))
          .Hint("both must agree bit for bit; please report this");
    }
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  return milliseconds;
}

}  // namespace

Result<StageOutput> Deploy(const Context& context, Environment& environment,
                           const serving::EndpointSpec& endpoint,
                           const std::vector<ViewValues>& views, const fs::path& out) {
  MILL_ASSIGN_OR_RETURN(features::OnlineStore online, environment.Online());
  StageOutput output;
  Json deployed = Json::array();
  cli::TextTable table{"Online store", {"view", "keys", "features", "as of", "hash"}, {}};
  for (const ViewValues& view : views) {
    MILL_ASSIGN_OR_RETURN(const data::Table all, data::ReadParquet(context, view.values));
    MILL_ASSIGN_OR_RETURN(const data::Table rows, RowsAt(all, *endpoint.as_of));
    MILL_ASSIGN_OR_RETURN(const features::KeyColumn keys,
                          features::KeyColumn::FromTable(rows, view.plan->key));
    MILL_ASSIGN_OR_RETURN(const data::Table values, rows.Select(view.plan->ColumnNames()));
    MILL_RETURN_IF_ERROR(online.Publish(context, *view.plan, keys, *endpoint.as_of, values)
                             .With("publishing view " + view.plan->name));
    output.rows += rows.rows();
    deployed.push_back({{"view", view.plan->name},
                        {"hash", view.plan->hash.Hex()},
                        {"keys", rows.rows()},
                        {"values", rows.Hash().Hex()}});
    table.rows.push_back({view.plan->name, base::FormatCount(rows.rows()),
                          std::to_string(view.plan->columns.size()),
                          base::FormatDate(*endpoint.as_of), view.plan->hash.Hex().substr(0, 12)});
  }
  MILL_RETURN_IF_ERROR(SaveDeployment(environment.metadata(), endpoint));
  MILL_RETURN_IF_ERROR(DropUnneededViews(context, environment, online, views, output));
  output.tables.push_back(std::move(table));
  MILL_ASSIGN_OR_RETURN(const Champion champion, LoadChampion(environment, endpoint));
  output.notes.push_back("endpoint " + endpoint.name + " serves model " + champion.version.name +
                         " version " + std::to_string(champion.version.version) + " (" +
                         champion.model->metadata().learner + ")");
  MILL_RETURN_IF_ERROR(
      base::WriteFileAtomic(out / "deployed.json",
                            base::DumpJsonPretty({{"endpoint", endpoint.name},
                                                  {"as_of", base::FormatTimestamp(*endpoint.as_of)},
                                                  {"views", deployed}})));
  return output;
}

void AddKeys(const std::vector<features::EntityKey>& keys, const std::string& name,
             data::TableBuilder& builder) {
  std::vector<std::int64_t> numbers;
  std::vector<std::string> texts;
  for (const features::EntityKey& key : keys) {
    if (const auto* number = std::get_if<std::int64_t>(&key)) {
      numbers.push_back(*number);
    } else {
      texts.push_back(std::get<std::string>(key));
    }
  }
  if (texts.empty()) {
    builder.AddInt64s(name, std::move(numbers));
  } else {
    builder.AddStrings(name, texts);
  }
}

Result<Champion> LoadChampion(Environment& environment, const serving::EndpointSpec& endpoint) {
  RegistryResolver resolver(environment);
  Champion champion;
  MILL_ASSIGN_OR_RETURN(champion.version, resolver.Resolve(endpoint.model, endpoint.alias));
  MILL_ASSIGN_OR_RETURN(models::Model model, resolver.Load(champion.version));
  champion.model = std::move(model);
  MILL_ASSIGN_OR_RETURN(
      const tracking::ModelVersion version,
      environment.registry().GetVersion(champion.version.name, champion.version.version));
  champion.run_id = version.run_id;
  return champion;
}

Result<data::Table> StoredFeatures(Environment& environment, const serving::EndpointSpec& endpoint,
                                   const Champion& champion) {
  MILL_ASSIGN_OR_RETURN(features::OnlineStore online, environment.Online());
  const models::Signature& signature = champion.model->signature();
  std::vector<features::EntityKey> keys;
  std::vector<std::vector<double>> columns(signature.inputs.size());
  for (const std::string& name : endpoint.views) {
    const auto hash = champion.model->metadata().view_hashes.find(name);
    if (hash == champion.model->metadata().view_hashes.end()) {
      continue;
    }
    MILL_ASSIGN_OR_RETURN(const auto view, online.FindView(hash->second));
    if (!view) {
      return base::FailedPrecondition("view \"" + name + "\" of hash " + hash->second.Hex() +
                                      " has no stored values")
          .Hint("publish them with: millrace run --no-cache");
    }
    if (keys.empty()) {
      MILL_ASSIGN_OR_RETURN(const auto rows,
                            online.Rows(hash->second, std::numeric_limits<std::size_t>::max()));
      for (const auto& [key, row] : rows) {
        if (row.as_of == *endpoint.as_of) {
          keys.push_back(key);
        }
      }
    }
    MILL_ASSIGN_OR_RETURN(const auto rows, online.GetMany(hash->second, keys));
    for (std::size_t c = 0; c < view->columns.size(); ++c) {
      const auto index = signature.Find(view->columns[c].name);
      if (!index || !columns[*index].empty()) {
        continue;
      }
      for (const auto& row : rows) {
        columns[*index].push_back(row ? row->values[c] : std::numeric_limits<double>::quiet_NaN());
      }
    }
  }
  if (keys.empty()) {
    return base::FailedPrecondition("endpoint \"" + endpoint.name +
                                    "\" has no stored features as of " +
                                    base::FormatTimestamp(*endpoint.as_of))
        .Hint("publish them with: millrace run --no-cache");
  }
  data::TableBuilder builder;
  AddKeys(keys, endpoint.key, builder);
  builder.AddTimestamps("as_of", std::vector<std::int64_t>(keys.size(), endpoint.as_of->micros));
  for (std::size_t c = 0; c < columns.size(); ++c) {
    builder.AddDoubles(signature.inputs[c].name, std::move(columns[c]));
  }
  return builder.Finish();
}

Result<StageOutput> Score(const Context& context, Environment& environment,
                          const serving::EndpointSpec& endpoint, std::int64_t requests,
                          const fs::path& out) {
  MILL_ASSIGN_OR_RETURN(const Champion champion, LoadChampion(environment, endpoint));
  MILL_ASSIGN_OR_RETURN(const data::Table stored, StoredFeatures(environment, endpoint, champion));
  const auto engine = champion.model->estimator()->MakeEngine();
  MILL_ASSIGN_OR_RETURN(const std::vector<double> scores,
                        serving::ScoreTable(context, champion.model->signature(), *engine, stored));
  data::TableBuilder builder;
  for (const std::string& name : stored.names()) {
    builder.AddColumn(stored, name);
  }
  builder.AddDoubles("score", scores);
  MILL_ASSIGN_OR_RETURN(const data::Table table, builder.Finish());
  MILL_RETURN_IF_ERROR(data::WriteParquet(context, table, out / "scores.parquet"));

  MILL_ASSIGN_OR_RETURN(const auto server, LocalServer::Start(context, environment));
  MILL_ASSIGN_OR_RETURN(const features::KeyColumn keys,
                        features::KeyColumn::FromTable(stored, endpoint.key));
  MILL_ASSIGN_OR_RETURN(const data::Matrix rows,
                        data::ToMatrix(stored, champion.model->estimator()->feature_names()));
  MILL_ASSIGN_OR_RETURN(const std::vector<double> times,
                        AskServer(context, server->url(), endpoint, keys, rows, scores, requests));
  StageOutput output;
  output.rows = stored.rows();
  output.champion = champion.version.model_id;
  output.metrics = {{"requests", static_cast<double>(requests)},
                    {"p50_ms", Quantile(times, 0.5)},
                    {"p99_ms", Quantile(times, 0.99)}};
  output.notes.push_back(
      "batch: " + base::FormatCount(stored.rows()) + " rows; HTTP: " + base::FormatCount(requests) +
      " requests, by key and by full row, p50 " + base::FormatFixed(Quantile(times, 0.5), 3) +
      " ms, p99 " + base::FormatFixed(Quantile(times, 0.99), 3) +
      " ms; every answer equals its batch score bit for bit");
  return output;
}

Result<StageOutput> Monitor(const Context& context, Environment& environment,
                            const serving::EndpointSpec& endpoint,
                            const monitoring::MonitorSpec& monitor, const fs::path& scores,
                            const fs::path& report, const fs::path& out) {
  MILL_ASSIGN_OR_RETURN(const Champion champion, LoadChampion(environment, endpoint));
  MILL_ASSIGN_OR_RETURN(const tracking::Run run, environment.tracking().GetRun(champion.run_id));
  MILL_ASSIGN_OR_RETURN(
      const fs::path reference_file,
      FetchArtifacts(environment, run.info.artifact_uri + "/evaluation/reference.parquet"));
  MILL_ASSIGN_OR_RETURN(const data::Table reference, data::ReadParquet(context, reference_file));
  MILL_ASSIGN_OR_RETURN(const data::Table current, data::ReadParquet(context, scores));
  std::vector<std::string> columns = monitor.columns.empty() ? reference.names() : monitor.columns;
  MILL_ASSIGN_OR_RETURN(const monitoring::DriftReport drift,
                        monitoring::ComputeDrift(context, reference, current, columns,
                                                 monitor.thresholds, monitor.minimum_rows));
  const evaluation::DriftSection section = monitoring::ToReportSection(
      drift, "training rows of the champion: " + base::FormatCount(reference.rows()),
      base::FormatCount(current.rows()) + " rows scored as of " +
          base::FormatDate(*endpoint.as_of));

  StageOutput output;
  output.rows = current.rows();
  output.champion = champion.version.model_id;
  Json json = Json::array();
  cli::TextTable table{
      "Drift against training", {"column", "PSI", "Wasserstein", "KS", "KS p", "verdict"}, {}};
  for (const evaluation::DriftRow& row : section.rows) {
    json.push_back({{"column", row.column},
                    {"psi", row.psi},
                    {"wasserstein", row.wasserstein},
                    {"ks", row.ks},
                    {"ks_p_value", row.ks_p_value},
                    {"verdict", row.verdict},
                    {"reason", row.reason}});
    table.rows.push_back({row.column, base::FormatFixed(row.psi, 3),
                          base::FormatFixed(row.wasserstein, 3), base::FormatFixed(row.ks, 3),
                          base::FormatFixed(row.ks_p_value, 4), row.verdict});
    output.metrics["psi_" + row.column] = row.psi;
  }
  output.metrics["drifted_columns"] =
      static_cast<double>(drift.CountOf(monitoring::Verdict::kDrift));
  output.tables.push_back(std::move(table));
  output.notes.push_back(drift.Summary());
  MILL_RETURN_IF_ERROR(base::WriteFileAtomic(out / "drift.json", base::DumpJsonPretty(json)));
  MILL_ASSIGN_OR_RETURN(const std::string html, base::ReadFile(report));
  MILL_ASSIGN_OR_RETURN(const std::string with_drift, evaluation::WithDriftSection(html, section));
  MILL_RETURN_IF_ERROR(base::WriteFileAtomic(out / "report.html", with_drift));
  auto plots = evaluation::WriteDriftPlots(out / "plots", section);
  if (!plots.ok()) {
    return std::move(plots).error();
  }
  return output;
}

}  // namespace millrace::app
