// SPDX-License-Identifier: Apache-2.0
// The copying itself, the same for every pair of stores; and what the stores on this machine share.
#include "app/transfer.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <system_error>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "app/internal/transfer_forms.h"
#include "base/file.h"
#include "base/json.h"
#include "base/number_format.h"

namespace millrace::app {
namespace {

class Transferrer {
 public:
  Transferrer(const Context& context, TransferSource& source, TransferSink& sink,
              const std::filesystem::path& scratch)
      : context_(context), source_(source), sink_(sink), scratch_(scratch) {}

  Result<TransferCounts> Run() {
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::Experiment> experiments,
                          source_.Experiments());
    for (const tracking::Experiment& experiment : experiments) {
      Result<void> done = CopyExperiment(experiment);
      if (!done.ok()) {
        return std::move(done).error().With("copying experiment " + experiment.id + " \"" +
                                            experiment.name + "\"");
      }
    }
    MILL_ASSIGN_OR_RETURN(std::vector<TransferModel> models, source_.Models());
    for (TransferModel& model : models) {
      for (tracking::ModelVersion& version : model.versions) {
        version.storage_location = Moved(version.storage_location);
        version.source = Moved(version.source);
      }
      MILL_RETURN_IF_ERROR(
          sink_.PutModel(model).With("copying registered model \"" + model.model.name + "\""));
      ++counts_.models;
      counts_.versions += static_cast<std::int64_t>(model.versions.size());
    }
    return counts_;
  }

 private:
  Result<void> CheckStop() const {
    if (context_.stop.stop_requested()) {
      return base::Cancelled("the transfer was stopped; what was copied stays")
          .Hint("run it again: what is there already is not copied twice");
    }
    return {};
  }

  Result<void> CopyExperiment(const tracking::Experiment& experiment) {
    MILL_ASSIGN_OR_RETURN(const tracking::Experiment there, sink_.PutExperiment(experiment));
    ++counts_.experiments;
    if (context_.progress != nullptr) {
      context_.progress->Start("runs of " + experiment.name, 0);
    }
    const auto copy_run = [&](TransferRun run) -> Result<void> {
      MILL_RETURN_IF_ERROR(CheckStop());
      const std::string from = run.run.info.artifact_uri;
      MILL_ASSIGN_OR_RETURN(const std::string to, sink_.PutRun(there, run));
      MILL_RETURN_IF_ERROR(CopyFiles(from, to).With("run " + run.run.info.run_id));
      ++counts_.runs;
      for (const auto& [name, points] : run.histories) {
        counts_.points += static_cast<std::int64_t>(points.size());
      }
      if (context_.progress != nullptr) {
        context_.progress->Advance(1);
      }
      return {};
    };
    MILL_RETURN_IF_ERROR(source_.ForEachRun(experiment, copy_run));
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::LoggedModel> models,
                          source_.LoggedModels(experiment));
    for (const tracking::LoggedModel& model : models) {
      MILL_RETURN_IF_ERROR(CheckStop());
      MILL_ASSIGN_OR_RETURN(const std::string to, sink_.PutLoggedModel(there, model));
      MILL_RETURN_IF_ERROR(CopyFiles(model.artifact_location, to).With("model " + model.model_id));
      ++counts_.logged_models;
    }
    if (context_.progress != nullptr) {
      context_.progress->Finish();
    }
    return sink_.Finish(there, experiment.lifecycle == tracking::LifecycleStage::kDeleted);
  }

  Result<void> CopyFiles(const std::string& from, const std::string& to) {
    Result<std::vector<std::string>> files = source_.Files(from);
    if (!files.ok() && files.error().code() == base::ErrorCode::kUnimplemented) {
      counts_.left_files.push_back(from);
      return {};
    }
    MILL_RETURN_IF_ERROR(files);
    moved_[from] = to;
    for (const std::string& path : *files) {
      MILL_ASSIGN_OR_RETURN(const std::filesystem::path file, source_.Fetch(from, path, scratch_));
      Result<void> put = sink_.PutFile(to, path, file);
      if (file.parent_path() == scratch_) {
        std::error_code ignored;
        std::filesystem::remove(file, ignored);
      }
      MILL_RETURN_IF_ERROR(std::move(put).With("file " + path));
      ++counts_.files;
    }
    return {};
  }

  // A location inside one whose files were copied, as it is now.
  std::string Moved(const std::string& location) const {
    for (const auto& [from, to] : moved_) {
      if (!from.empty() && location.starts_with(from) &&
          (location.size() == from.size() || location[from.size()] == '/')) {
        return to + location.substr(from.size());
      }
    }
    return location;
  }

  const Context& context_;
  TransferSource& source_;
  TransferSink& sink_;
  const std::filesystem::path& scratch_;
  TransferCounts counts_;
  std::map<std::string, std::string> moved_;
};

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

cli::Document Told(const TransferCounts& counts, const std::string& what) {
  cli::Document document;
  const auto number = [](std::int64_t n) { return base::FormatCount(n); };
  document.lines.push_back(
      what + " " + number(counts.experiments) + " experiments, " + number(counts.runs) +
      " runs with " + number(counts.points) + " metric values, " + number(counts.logged_models) +
      " logged models, " + number(counts.models) + " registered models with " +
      number(counts.versions) + " versions, " + number(counts.files) + " files");
  for (const std::string& location : counts.left_files) {
    document.lines.push_back("files stay at " + location +
                             ": only clients with its credentials can read them");
  }
  document.json = base::DumpJson({{"experiments", counts.experiments},
                                  {"runs", counts.runs},
                                  {"metric_values", counts.points},
                                  {"logged_models", counts.logged_models},
                                  {"registered_models", counts.models},
                                  {"versions", counts.versions},
                                  {"files", counts.files},
                                  {"left_files", counts.left_files}});
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

namespace internal {

std::string UrlEncode(std::string_view text) {
  static constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~' || c == '/') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace internal

Result<TransferCounts> Transfer(const Context& context, TransferSource& source, TransferSink& sink,
                                const std::filesystem::path& scratch) {
  return Transferrer(context, source, sink, scratch).Run();
}

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
  const auto sink = MakeWorkspaceSink(environment);
  MILL_ASSIGN_OR_RETURN(const TransferCounts counts, TransferInFolder(environment, *source, *sink));
  return Told(counts, "imported");
}

Result<cli::Document> ExportMlflow(Environment& environment, const std::string& to) {
  MILL_ASSIGN_OR_RETURN(const auto sink, OpenMlflowSink(to));
  const auto source = MakeWorkspaceSource(environment);
  MILL_ASSIGN_OR_RETURN(const TransferCounts counts, TransferInFolder(environment, *source, *sink));
  return Told(counts, "exported");
}

}  // namespace millrace::app
