// SPDX-License-Identifier: Apache-2.0
// Speaking to an MLflow tracking server: calls, errors, members of its objects.
#include "app/internal/transfer_rest.h"

#include <cctype>
#include <chrono>
#include <cmath>
#include <cstdlib>

#include "base/json.h"

namespace millrace::app::internal {

using Json = nlohmann::json;

std::string TextOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t IntOf(const Json& json, const char* key, std::int64_t fallback) {
  const auto found = json.find(key);
  if (found == json.end()) {
    return fallback;
  }
  if (found->is_number()) {
    return found->get<std::int64_t>();
  }
  return found->is_string() ? std::strtoll(found->get<std::string>().c_str(), nullptr, 10)
                            : fallback;
}

double DoubleOf(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end()) {
    return 0;
  }
  if (found->is_number()) {
    return found->get<double>();
  }
  const std::string text = found->is_string() ? found->get<std::string>() : "";
  return text == "NaN" ? std::nan("") : std::strtod(text.c_str(), nullptr);
}

const Json& ListOf(const Json& json, const char* key) {
  static const Json empty = Json::array();
  const auto found = json.find(key);
  return found != json.end() && found->is_array() ? *found : empty;
}

tracking::Tags PairsOf(const Json& json, const char* key) {
  tracking::Tags pairs;
  for (const Json& pair : ListOf(json, key)) {
    pairs[TextOf(pair, "key")] = TextOf(pair, "value");
  }
  return pairs;
}

Json ListFrom(const tracking::Tags& pairs) {
  Json list = Json::array();
  for (const auto& [key, value] : pairs) {
    list.push_back({{"key", key}, {"value", value}});
  }
  return list;
}

tracking::LifecycleStage LifecycleOf(const Json& json) {
  return TextOf(json, "lifecycle_stage") == "deleted" ? tracking::LifecycleStage::kDeleted
                                                      : tracking::LifecycleStage::kActive;
}

namespace {

Result<void> Check(const net::ClientResponse& response, const std::string& what) {
  if (response.status >= 200 && response.status < 300) {
    return {};
  }
  std::string message = response.body.substr(0, 500);
  std::string code;
  if (const auto json = base::ParseJson(response.body, "answer"); json.ok() && json->is_object()) {
    message = TextOf(*json, "message");
    code = TextOf(*json, "error_code");
  }
  const std::string text =
      "the server answers " + std::to_string(response.status) + " to " + what + ": " + message;
  if (code == "RESOURCE_ALREADY_EXISTS") {
    return base::AlreadyExists(text);
  }
  if (code == "NOT_IMPLEMENTED" || code == "FEATURE_DISABLED" || response.status == 501) {
    return Error(base::ErrorCode::kUnimplemented, text);
  }
  if (response.status == 404) {
    return base::NotFound(text);
  }
  if (response.status == 401 || response.status == 403) {
    return Error(base::ErrorCode::kPermissionDenied, text);
  }
  return response.status >= 500 ? base::Unavailable(text) : base::InvalidArgument(text);
}

}  // namespace

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

Result<Rest> Rest::Connect(const std::string& url) {
  net::ClientOptions options;
  options.request_timeout = std::chrono::minutes(5);
  options.max_body_bytes = std::size_t{4} << 30;
  MILL_ASSIGN_OR_RETURN(net::HttpClient client, net::HttpClient::Make(url, options));
  return Rest(std::move(client));
}

Result<Json> Rest::Call(std::string_view method, const std::string& path, const Json& body) {
  const std::string target = path.starts_with("/api/") ? path : "/api/2.0/mlflow/" + path;
  MILL_ASSIGN_OR_RETURN(const net::ClientResponse response,
                        client_.Send(method, target, method == "GET" ? "" : body.dump(),
                                     {{"Content-Type", "application/json"}}));
  MILL_RETURN_IF_ERROR(Check(response, std::string(method) + " " + target));
  return base::ParseJson(response.body, target);
}

Result<std::string> Rest::Bytes(const std::string& target) {
  MILL_ASSIGN_OR_RETURN(net::ClientResponse response, client_.Get(target));
  MILL_RETURN_IF_ERROR(Check(response, "GET " + target));
  return std::move(response.body);
}

Result<void> Rest::Put(const std::string& target, std::string_view bytes) {
  MILL_ASSIGN_OR_RETURN(
      const net::ClientResponse response,
      client_.Send("PUT", target, bytes, {{"Content-Type", "application/octet-stream"}}));
  return Check(response, "PUT " + target);
}

Result<void> Rest::PostRaw(const std::string& target, std::string_view body,
                           const std::vector<std::pair<std::string, std::string>>& headers) {
  MILL_ASSIGN_OR_RETURN(const net::ClientResponse response,
                        client_.Send("POST", target, body, headers));
  return Check(response, "POST " + target);
}

std::string ProxyPath(const std::string& location) {
  std::string path = location.substr(kProxyScheme.size());
  if (path.starts_with("//")) {
    const std::size_t slash = path.find('/', 2);
    path = slash == std::string::npos ? "" : path.substr(slash);
  }
  path.erase(0, path.find_first_not_of('/'));
  return path;
}

std::string ProxyTarget(const std::string& path) {
  return "/api/2.0/mlflow-artifacts/artifacts/" + UrlEncode(path);
}

}  // namespace millrace::app::internal
