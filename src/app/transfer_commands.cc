// SPDX-License-Identifier: Apache-2.0
// The commands `import mlflow` and `export mlflow`: which store a text names, and what they tell.
#include <algorithm>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "app/internal/transfer_forms.h"
#include "app/transfer.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"

namespace millrace::app {
namespace {

Result<TransferCounts> TransferInFolder(Environment& environment, TransferSource& source,
                                        TransferSink& sink) {
  const std::filesystem::path scratch =
      environment.workspace().CacheDir() / ("transfer-" + std::to_string(getpid()));
  MILL_RETURN_IF_ERROR(base::MakeDirectories(scratch));
  const Context context = environment.MakeContext();
  Result<TransferCounts> counts = Transfer(context, source, sink, scratch);
  std::error_code ignored;
  std::filesystem::remove_all(scratch, ignored);
  return counts;
}

std::string Number(std::int64_t n) {
  return base::FormatCount(n);
}

cli::Document Told(const TransferCounts& counts, const std::string& what) {
  const std::pair<const char*, std::int64_t> kinds[] = {{"experiments", counts.experiments},
                                                        {"runs", counts.runs},
                                                        {"metric_values", counts.points},
                                                        {"logged_models", counts.logged_models},
                                                        {"registered_models", counts.models},
                                                        {"versions", counts.versions},
                                                        {"traces", counts.traces},
                                                        {"spans", counts.spans},
                                                        {"assessments", counts.assessments},
                                                        {"issues", counts.issues},
                                                        {"scorer_versions", counts.scorers},
                                                        {"evaluation_datasets", counts.datasets},
                                                        {"evaluation_records", counts.records},
                                                        {"webhooks", counts.webhooks},
                                                        {"files", counts.files}};
  cli::Document document;
  nlohmann::json json = {{"left_files", counts.left_files}, {"skipped", nlohmann::json::array()}};
  cli::TextTable table{what, {"kind", "number"}, {}};
  for (const auto& [kind, n] : kinds) {
    std::string words = kind;
    std::replace(words.begin(), words.end(), '_', ' ');
    table.rows.push_back({words, Number(n)});
    json[kind] = n;
  }
  document.tables.push_back(std::move(table));
  cli::TextTable left{"left out", {"what", "number", "why"}, {}};
  for (const TransferSkip& skip : counts.skips) {
    left.rows.push_back({skip.what, skip.n == 0 ? "" : Number(skip.n), skip.why});
    json["skipped"].push_back({{"what", skip.what}, {"n", skip.n}, {"why", skip.why}});
  }
  if (!left.rows.empty()) {
    document.tables.push_back(std::move(left));
  }
  for (const std::string& location : counts.left_files) {
    document.lines.push_back("files stay at " + location +
                             ": only clients with its credentials can read them");
  }
  document.json = base::DumpJson(json);
  return document;
}

// What a text names: a server, a database file or a folder.
enum class Form { kRest, kSqlite, kFiles };

Result<std::pair<Form, std::string>> FormOf(const std::string& where, bool must_exist) {
  if (where.starts_with("http://") || where.starts_with("https://")) {
    return std::pair{Form::kRest, where};
  }
  const bool is_sqlite_uri = where.starts_with("sqlite:///");
  std::string path = where;
  if (is_sqlite_uri) {
    path = where.substr(std::string_view("sqlite:///").size());
  } else if (where.starts_with("file://")) {
    path = where.substr(std::string_view("file://").size());
  } else if (where.find("://") != std::string::npos) {
    return base::InvalidArgument("\"" + where +
                                 "\" is none of MLflow's stores that can be reached "
                                 "from here")
        .Hint(
            "wanted http(s)://HOST:PORT, sqlite:///FILE, or a folder; other databases through a "
            "running `mlflow server`");
  }
  std::error_code code;
  if (must_exist && !std::filesystem::exists(path, code)) {
    return base::NotFound("\"" + path + "\" does not exist");
  }
  const bool is_database = is_sqlite_uri || std::filesystem::is_regular_file(path, code) ||
                           (!must_exist && path.ends_with(".db"));
  return std::pair{is_database ? Form::kSqlite : Form::kFiles, path};
}

}  // namespace

Result<std::unique_ptr<TransferSource>> OpenMlflowSource(const std::string& where) {
  MILL_ASSIGN_OR_RETURN(const auto form, FormOf(where, /*must_exist=*/true));
  switch (form.first) {
    case Form::kRest:
      return internal::OpenRestSource(form.second);
    case Form::kSqlite:
      return internal::OpenSqliteSource(form.second);
    case Form::kFiles:
      break;
  }
  return internal::OpenFilesSource(form.second);
}

Result<std::unique_ptr<TransferSink>> OpenMlflowSink(const std::string& where) {
  MILL_ASSIGN_OR_RETURN(const auto form, FormOf(where, /*must_exist=*/false));
  switch (form.first) {
    case Form::kRest:
      return internal::OpenRestSink(form.second);
    case Form::kSqlite:
      return internal::OpenSqliteSink(form.second);
    case Form::kFiles:
      break;
  }
  return internal::OpenFilesSink(form.second);
}

Result<cli::Document> ImportMlflow(Environment& environment, const std::string& from) {
  MILL_ASSIGN_OR_RETURN(const auto source, OpenMlflowSource(from));
  MILL_ASSIGN_OR_RETURN(const auto sink, MakeWorkspaceSink(environment));
  MILL_ASSIGN_OR_RETURN(const TransferCounts counts, TransferInFolder(environment, *source, *sink));
  return Told(counts, "imported");
}

Result<cli::Document> ExportMlflow(Environment& environment, const std::string& to) {
  MILL_ASSIGN_OR_RETURN(const auto sink, OpenMlflowSink(to));
  MILL_ASSIGN_OR_RETURN(const auto source, MakeWorkspaceSource(environment));
  MILL_ASSIGN_OR_RETURN(const TransferCounts counts, TransferInFolder(environment, *source, *sink));
  return Told(counts, "exported");
}

Result<cli::Document> CountImport(const Context& context, const std::string& from) {
  MILL_ASSIGN_OR_RETURN(const auto source, OpenMlflowSource(from));
  const auto sink = MakeDrySink();
  MILL_ASSIGN_OR_RETURN(const TransferCounts counts,
                        Transfer(context, *source, *sink, std::nullopt));
  return Told(counts, "would be imported");
}

Result<cli::Document> CountExport(Environment& environment) {
  MILL_ASSIGN_OR_RETURN(const auto source, MakeWorkspaceSource(environment));
  const auto sink = MakeDrySink();
  MILL_ASSIGN_OR_RETURN(const TransferCounts counts,
                        Transfer(environment.MakeContext(), *source, *sink, std::nullopt));
  return Told(counts, "would be exported");
}

}  // namespace millrace::app
