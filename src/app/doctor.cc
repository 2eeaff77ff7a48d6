// SPDX-License-Identifier: Apache-2.0
// `millrace doctor`: what this machine and project lack, and how to mend it.
#include "app/doctor.h"

#include <filesystem>
#include <functional>
#include <thread>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "app/environment.h"
#include "app/project.h"
#include "base/json.h"
#include "base/number_format.h"
#include "data/sql_engine.h"
#include "learners/registry.h"
#include "net/http_server.h"

namespace millrace::app {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
constexpr double kWantedMemoryGiB = 2;
constexpr double kWantedDiskGiB = 1;

/// What a check found: text and whether it will do; with a mending step where it will not.
struct Finding {
  std::string check;
  bool is_fine = true;
  std::string seen;
  std::string mend;
};

Finding FromResult(const std::string& check, const Result<std::string>& result) {
  if (result.ok()) {
    return {check, true, *result, ""};
  }
  return {check, false, result.error().message(), result.error().hint()};
}

Finding CheckMemory() {
  const double total = static_cast<double>(sysconf(_SC_PHYS_PAGES)) *
                       static_cast<double>(sysconf(_SC_PAGE_SIZE)) / kGiB;
  return {"memory", total >= kWantedMemoryGiB, base::FormatFixed(total, 1) + " GiB",
          total >= kWantedMemoryGiB ? "" : "use a machine with at least 2 GiB"};
}

Finding CheckDisk(const std::filesystem::path& dir) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(dir, error);
  if (error) {
    return {"disk", false, dir.string() + ": " + error.message(), "name an existing folder"};
  }
  const double free = static_cast<double>(space.available) / kGiB;
  return {
      "disk", free >= kWantedDiskGiB, base::FormatFixed(free, 1) + " GiB free at " + dir.string(),
      free >= kWantedDiskGiB ? ""
                             : "free some space, or put the workspace elsewhere with --workspace"};
}

Result<std::string> TrySql() {
  MILL_ASSIGN_OR_RETURN(const auto engine, data::OpenDuckDb());
  MILL_ASSIGN_OR_RETURN(const data::Table table,
                        engine->Query(Context{}, "SELECT version() AS version"));
  MILL_ASSIGN_OR_RETURN(const data::StringColumn version, table.Strings("version"));
  return "DuckDB " + version.values.at(0);
}

Result<std::string> TryLearners() {
  learners::LearnerRegistry registry;
  MILL_RETURN_IF_ERROR(learners::RegisterBuiltinLearners(registry));
  std::string names;
  for (const std::string& name : registry.Names()) {
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

Result<std::string> TryPort(const cli::Settings& settings) {
  net::ServerOptions options;
  options.host = settings.host;
  options.port = static_cast<std::uint16_t>(settings.port);
  options.threads = 1;
  MILL_ASSIGN_OR_RETURN(const auto server,
                        net::HttpServer::Start(options, [](const net::Request&, net::Reply reply) {
                          reply.Send(net::Response{});
                        }));
  return settings.host + ":" + std::to_string(settings.port) + " is free";
}

Result<std::string> TryWorkspace(const cli::Invocation& invocation) {
  MILL_ASSIGN_OR_RETURN(const auto environment, Environment::Open(invocation, /*create=*/false));
  MILL_RETURN_IF_ERROR(environment->workspace().CheckWritable());
  return environment->workspace().root().string() + " is writable";
}

Result<std::string> TryProject(const std::filesystem::path& root) {
  learners::LearnerRegistry registry;
  MILL_RETURN_IF_ERROR(learners::RegisterBuiltinLearners(registry));
  MILL_ASSIGN_OR_RETURN(const Project project, LoadProject(root, registry));
  return project.file.name + ", " + std::to_string(project.n_files) + " files without mistakes";
}

}  // namespace

Result<cli::Document> Doctor(const cli::Invocation& invocation) {
  std::optional<std::filesystem::path> root;
  MILL_ASSIGN_OR_RETURN(const cli::Settings settings, LoadSettings(invocation, root));
  std::vector<Finding> findings;
  findings.push_back({"cores", true, std::to_string(std::thread::hardware_concurrency()), ""});
  findings.push_back(CheckMemory());
  findings.push_back(CheckDisk(root.value_or(std::filesystem::current_path())));
  findings.push_back(FromResult("SQL engine", TrySql()));
  findings.push_back(FromResult("learners", TryLearners()));
  findings.push_back(FromResult("port", TryPort(settings)));
  if (root) {
    findings.push_back(FromResult("project", TryProject(*root)));
  }
  const Result<std::string> workspace = TryWorkspace(invocation);
  if (!workspace.ok() && workspace.error().code() == ErrorCode::kNotFound) {
    findings.push_back({"workspace", true, "none yet; millrace run makes it", ""});
  } else {
    findings.push_back(FromResult("workspace", workspace));
  }

  cli::Document document;
  cli::TextTable table{"", {"check", "verdict", "seen", "how to mend it"}, {}};
  nlohmann::json json = nlohmann::json::array();
  for (const Finding& finding : findings) {
    table.rows.push_back(
        {finding.check, finding.is_fine ? "ok" : "MISSING", finding.seen, finding.mend});
    json.push_back({{"check", finding.check},
                    {"ok", finding.is_fine},
                    {"seen", finding.seen},
                    {"mend", finding.mend}});
  }
  document.tables.push_back(std::move(table));
  document.json = base::DumpJson(json);
  return document;
}

}  // namespace millrace::app
