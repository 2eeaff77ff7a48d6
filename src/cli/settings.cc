// SPDX-License-Identifier: Apache-2.0
// The settings of a command: declared once, taken from flag, environment, project file or default,
// in this order.
#include "cli/settings.h"

#include <algorithm>
#include <charconv>

#include "base/uri.h"

namespace millrace::cli {
namespace {

Result<void> CheckValue(const SettingInfo& info, const ResolvedSetting& setting) {
  const std::string name = "setting " + info.name + " (" + setting.origin + ")";
  if (!info.one_of.empty() &&
      std::find(info.one_of.begin(), info.one_of.end(), setting.value) == info.one_of.end()) {
    std::string wanted;
    for (const std::string& choice : info.one_of) {
      wanted += (wanted.empty() ? "" : ", ") + choice;
    }
    return base::InvalidArgument(name + " is \"" + setting.value + "\"; wanted: one of " + wanted);
  }
  if (info.range) {
    std::int64_t number = 0;
    const char* end = setting.value.data() + setting.value.size();
    const auto [stop, status] = std::from_chars(setting.value.data(), end, number);
    if (status != std::errc() || stop != end || number < info.range->first ||
        number > info.range->second) {
      return base::InvalidArgument(
          name + " is \"" + setting.value + "\"; wanted: a whole number from " +
          std::to_string(info.range->first) + " to " + std::to_string(info.range->second));
    }
  }
  return {};
}

base::LogLevel ParseLevel(const std::string& text) {
  if (text == "debug") {
    return base::LogLevel::kDebug;
  }
  if (text == "info") {
    return base::LogLevel::kInfo;
  }
  return text == "error" ? base::LogLevel::kError : base::LogLevel::kWarn;
}

}  // namespace

const std::vector<SettingInfo>& SettingDeclarations() {
  static const std::vector<SettingInfo> settings = {
      {"workspace",
       "",
       "Folder for everything that is kept; default .millrace in the project, or here without a "
       "project.",
       {},
       {}},
      {"backend_store_uri",
       "",
       "Database of experiments, runs and models: postgresql://user@host/database, sqlite:///path, "
       "or empty for the workspace's own.",
       {},
       {}},
      {"artifacts_destination",
       "",
       "Where artifacts are kept: a folder, s3://bucket/folder, "
       "abfss://container@account.dfs.core.windows.net/folder, or empty for the workspace.",
       {},
       {},
       "_MLFLOW_SERVER_ARTIFACT_DESTINATION"},
      {"durability",
       "disk",
       "What an acknowledged write survives: a power failure (disk), or only the end of this "
       "program (process).",
       {},
       {"disk", "process"}},
      {"threads",
       "0",
       "Threads for features and training; 0 takes the number of cores.",
       {{0, 1024}},
       {}},
      {"log_level",
       "warn",
       "Least level of log lines on standard error.",
       {},
       {"debug", "info", "warn", "error"}},
      {"host", "127.0.0.1", "Address that `serve` listens on.", {}, {}},
      {"port", "5000", "Port that `serve` listens on; 0 picks a free one.", {{0, 65535}}, {}},
      {"auth",
       "off",
       "Whether `serve` asks who sends a request (users: millrace users create NAME); needed on an "
       "address that other machines reach.",
       {},
       {"on", "off"}},
      {"default_permission",
       "READ",
       "What a user may do with experiments and models on which they were given no permission.",
       {},
       {"NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE"}},
      {"seed", "42", "Start of every random choice.", {{0, INT64_MAX}}, {}},
      {"default_artifact_root",
       "mlflow-artifacts:",
       "URI under which new experiments keep artifacts; mlflow-artifacts: sends them through "
       "`serve`, with others clients reach the files themselves.",
       {},
       {},
       "MLFLOW_DEFAULT_ARTIFACT_ROOT"},
      {"artifact_folders",
       "",
       "Folders of this machine in which `serve` reads and writes artifacts of experiments that "
       "keep them there, comma-separated; that of --default-artifact-root always is one.",
       {},
       {}},
      {"version_sources",
       "own",
       "Which files `serve` lets a client make a model version of: those of the run or logged "
       "model "
       "that it names (own, as MLflow since 3.17), or those of any run (any).",
       {},
       {"own", "any"}},
      {"model_signature",
       "warn",
       "What becomes of a model version that a client makes of a model without signature or input "
       "example: a warning on its card (warn), or an error (refuse).",
       {},
       {"warn", "refuse"}},
      {"truncate_long_values",
       "true",
       "Whether `serve` cuts parameters longer than 6000 and tags longer than 8000 characters, or "
       "refuses them.",
       {},
       {},
       "MLFLOW_TRUNCATE_LONG_VALUES"},
      {"allowed_hosts",
       "",
       "Host names by which `serve` may be asked, comma-separated, * for any text; default: names "
       "of this machine and private addresses.",
       {},
       {},
       "MLFLOW_SERVER_ALLOWED_HOSTS"},
      {"cors_allowed_origins",
       "",
       "Origins of web pages that may change what `serve` keeps, comma-separated; those of this "
       "machine always may.",
       {},
       {},
       "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"},
      {"x_frame_options",
       "SAMEORIGIN",
       "Value of the header X-Frame-Options of `serve`; NONE leaves it out.",
       {},
       {},
       "MLFLOW_SERVER_X_FRAME_OPTIONS"},
      {"deployments_target",
       "",
       "URL of MLflow's deployments server, which `serve` asks for the prompt lab (gateway-proxy); "
       "default: none.",
       {},
       {},
       "MLFLOW_DEPLOYMENTS_TARGET"},
      {"disable_security",
       "false",
       "true switches off the checks of Host and Origin by `serve`.",
       {},
       {},
       "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE"},
  };
  return settings;
}

std::string FlagOf(const SettingInfo& info) {
  std::string flag = "--" + info.name;
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

std::string VariableOf(const SettingInfo& info) {
  std::string variable = "MILLRACE_" + info.name;
  std::transform(variable.begin(), variable.end(), variable.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return variable;
}

Result<Settings> ResolveSettings(
    const Values& flags,
    const std::function<std::optional<std::string>(const std::string&)>& environment,
    const Values& file) {
  Settings settings;
  for (const SettingInfo& info : SettingDeclarations()) {
    ResolvedSetting resolved{info.default_value, "default"};
    if (const auto flag = flags.find(info.name); flag != flags.end()) {
      resolved = {flag->second, "flag " + FlagOf(info)};
    } else if (const auto variable = environment(VariableOf(info));
               variable && !variable->empty()) {
      resolved = {*variable, "environment " + VariableOf(info)};
    } else if (const auto theirs =
                   info.mlflow_variable.empty() ? std::nullopt : environment(info.mlflow_variable);
               theirs && !theirs->empty()) {
      resolved = {*theirs, "environment " + info.mlflow_variable};
    } else if (const auto entry = file.find(info.name); entry != file.end()) {
      resolved = {entry->second, "millrace.yaml"};
    }
    MILL_RETURN_IF_ERROR(CheckValue(info, resolved));
    settings.resolved[info.name] = std::move(resolved);
  }
  const auto value = [&](const char* name) { return settings.resolved.at(name).value; };
  settings.workspace = value("workspace");
  settings.backend_store_uri = value("backend_store_uri");
  settings.artifacts_destination = value("artifacts_destination");
  settings.is_durable_on_disk = value("durability") == "disk";
  settings.threads = std::stoi(value("threads"));
  settings.log_level = ParseLevel(value("log_level"));
  settings.host = value("host");
  settings.has_access_control = value("auth") == "on";
  settings.default_permission = value("default_permission");
  settings.port = std::stoi(value("port"));
  settings.seed = std::stoull(value("seed"));
  std::string& shown = settings.resolved.at("backend_store_uri").value;
  shown = base::WithoutPassword(shown);
  settings.default_artifact_root = value("default_artifact_root");
  settings.artifact_folders = value("artifact_folders");
  settings.takes_sources_of_others = value("version_sources") == "any";
  settings.requires_signature = value("model_signature") == "refuse";
  const std::string truncates = value("truncate_long_values");
  settings.truncates_long_values = truncates != "false" && truncates != "False" && truncates != "0";
  settings.allowed_hosts = value("allowed_hosts");
  settings.cors_allowed_origins = value("cors_allowed_origins");
  settings.x_frame_options = value("x_frame_options");
  settings.deployments_target = value("deployments_target");
  settings.disable_security = value("disable_security") == "true";
  return settings;
}

}  // namespace millrace::cli
