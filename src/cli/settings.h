// SPDX-License-Identifier: Apache-2.0
// The settings of a command: declared once, taken from flag, environment, project file or default,
// in this order.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace millrace::cli {

/// One declared setting. Its flag is `--name` with dashes, its variable `MILLRACE_NAME`, its key in
/// millrace.yaml `name`.
struct SettingInfo {
  std::string name;
  std::string default_value;
  std::string description;
  /// Inclusive range of a whole number; none for texts.
  std::optional<std::pair<std::int64_t, std::int64_t>> range;
  /// Allowed texts; empty for any.
  std::vector<std::string> one_of;
  /// MLflow's variable of the same meaning, read after ours; empty for none.
  std::string mlflow_variable = {};
};

/// All settings, in the order in which help and `config show` list them.
const std::vector<SettingInfo>& SettingDeclarations();
/// "--log-level" of "log_level".
std::string FlagOf(const SettingInfo& info);
/// "MILLRACE_LOG_LEVEL" of "log_level".
std::string VariableOf(const SettingInfo& info);

/// A resolved value and where it came from: "flag --port", "environment MILLRACE_PORT",
/// "millrace.yaml", "default".
struct ResolvedSetting {
  std::string value;
  std::string origin;
};

/// Every setting's value, parsed.
struct Settings {
  std::string
      workspace;  ///< empty: `.millrace` in the project, or in the current folder without one
  std::string backend_store_uri;      ///< empty: the workspace's own database
  std::string artifacts_destination;  ///< empty: the workspace
  bool is_durable_on_disk = true;
  int threads = 0;  ///< 0: as many as the machine has cores
  base::LogLevel log_level = base::LogLevel::kWarn;
  std::string host;
  bool has_access_control = false;
  std::string default_permission;  ///< MLflow's word
  int port = 0;
  std::uint64_t seed = 0;
  std::string default_artifact_root;     ///< URI under which new experiments keep artifacts
  std::string artifact_folders;          ///< local folders that `serve` reads, comma-separated
  bool takes_sources_of_others = false;  ///< RegistryOptions of `serve`
  bool requires_signature = false;       ///< of model versions that clients make
  bool truncates_long_values = true;
  std::string allowed_hosts;         ///< comma-separated; empty: this machine and private addresses
  std::string cors_allowed_origins;  ///< comma-separated
  std::string x_frame_options;
  std::string deployments_target;  ///< empty: none
  bool disable_security = false;
  /// As they are shown: without passwords.
  std::map<std::string, ResolvedSetting> resolved;
};

using Values = std::map<std::string, std::string>;

/// Resolves every setting.
///
/// @param flags        values given on the command line, by setting name
/// @param environment  reads a variable; nullopt where it is not set
/// @param file         values of millrace.yaml, by setting name
/// @return kInvalidArgument naming the setting, its origin, the value seen and the values wanted.
Result<Settings> ResolveSettings(
    const Values& flags,
    const std::function<std::optional<std::string>(const std::string&)>& environment,
    const Values& file);

}  // namespace millrace::cli
