// SPDX-License-Identifier: Apache-2.0
// Speaking to an MLflow tracking server as its own client does (REST 2.0 and the artifact proxy):
// what the source and the sink share.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "app/transfer.h"
#include "base/result.h"
#include "net/http_client.h"
#include "tracking/types.h"

namespace millrace::app::internal {

/// Percent-encoded for a path (slashes stay) or a query.
std::string UrlEncode(std::string_view text);

inline constexpr std::string_view kProxyScheme = "mlflow-artifacts:";

// Members of the server's objects; those that are missing are empty. Numbers may come as texts
// (int64 in proto JSON).
std::string TextOf(const nlohmann::json& json, const char* key);
std::int64_t IntOf(const nlohmann::json& json, const char* key, std::int64_t fallback = 0);
double DoubleOf(const nlohmann::json& json, const char* key);
const nlohmann::json& ListOf(const nlohmann::json& json, const char* key);
/// [{"key": "a", "value": "b"}]
tracking::Tags PairsOf(const nlohmann::json& json, const char* key);
nlohmann::json ListFrom(const tracking::Tags& pairs);
tracking::LifecycleStage LifecycleOf(const nlohmann::json& json);

/// Calls with the errors of the server as errors of ours.
class Rest {
 public:
  static Result<Rest> Connect(const std::string& url);

  /// @param path  from /api/ on, or below /api/2.0/mlflow/
  Result<nlohmann::json> Call(std::string_view method, const std::string& path,
                              const nlohmann::json& body);
  Result<nlohmann::json> Get(const std::string& path) { return Call("GET", path, {}); }
  Result<nlohmann::json> Post(const std::string& path, const nlohmann::json& body) {
    return Call("POST", path, body);
  }
  Result<std::string> Bytes(const std::string& target);
  Result<void> Put(const std::string& target, std::string_view bytes);
  Result<void> PostRaw(const std::string& target, std::string_view body,
                       const std::vector<std::pair<std::string, std::string>>& headers);

 private:
  explicit Rest(net::HttpClient client) : client_(std::move(client)) {}

  net::HttpClient client_;
};

/// The path below the proxy's root of "mlflow-artifacts:/0/run/artifacts" or
/// "mlflow-artifacts://host/0/run/artifacts".
std::string ProxyPath(const std::string& location);
std::string ProxyTarget(const std::string& path);

/// Ids of the source to those that the server gave.
using IdMap = std::map<std::string, std::string>;

// The references outlive what is made.
std::unique_ptr<GenaiSource> MakeRestGenaiSource(Rest& rest);
std::unique_ptr<GenaiSink> MakeRestGenaiSink(Rest& rest, const IdMap& new_runs);

}  // namespace millrace::app::internal
