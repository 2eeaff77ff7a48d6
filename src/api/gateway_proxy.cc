// SPDX-License-Identifier: Apache-2.0
// Hands requests of MLflow's prompt lab to the deployments server that the operator named. A client
// names neither a server nor a path of its choice, so that it reaches nothing else.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "base/json.h"
#include "net/http_client.h"

namespace millrace::api::internal {

namespace {

using enum FieldType;

constexpr Field kFields[] = {{.name = "gateway_path"}, {.name = "json_data", .type = kAny}};

// Language models take their time. The threads that wait for them are those that wait for disks as
// well: half of them stay free.
constexpr std::chrono::seconds kAnswerTimeout{60};
constexpr int kMostAtOnce = 4;
constexpr std::size_t kMostBytes = 16UL * 1024 * 1024;
constexpr std::size_t kMostShown = 2000;

struct Proxy {
  std::string target;
  std::atomic<int> n_waiting{0};
};

class Slot {
 public:
  explicit Slot(std::atomic<int>& n) : n_(n), is_free_(n.fetch_add(1) < kMostAtOnce) {}
  ~Slot() { n_.fetch_sub(1); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;
  bool is_free() const { return is_free_; }

 private:
  std::atomic<int>& n_;
  bool is_free_;
};

/// What MLflow allows as the name of an endpoint, without those that lead elsewhere.
bool IsEndpointName(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

/// "/api/2.0/endpoints/" or "/gateway/<name>/invocations": MLflow's own deployments server answers
/// the first without its last slash by a redirection.
Result<std::string> ReadPath(std::string_view method, const std::string& gateway_path) {
  if (gateway_path.empty()) {
    return base::InvalidArgument("Deployments proxy request must specify a gateway_path.");
  }
  std::string_view path = gateway_path;
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  path = path.substr(0, path.find_last_not_of('/') + 1);
  constexpr std::string_view kBegin = "gateway/";
  constexpr std::string_view kEnd = "/invocations";
  const bool is_allowed = method == "POST"
                              ? path.size() > kBegin.size() + kEnd.size() &&
                                    path.starts_with(kBegin) && path.ends_with(kEnd) &&
                                    IsEndpointName(path.substr(
                                        kBegin.size(), path.size() - kBegin.size() - kEnd.size()))
                              : path == "api/2.0/endpoints";
  if (!is_allowed) {
    return base::InvalidArgument("Invalid gateway_path: " + gateway_path +
                                 " for method: " + std::string(method));
  }
  return "/" + std::string(path) + (method == "POST" ? "" : "/");
}

/// Empty where there is none.
std::string ReadBody(const Message& in) {
  const auto data = in.Value("json_data");
  if (!data || data->kind() == JsonKind::kNull) {
    return {};
  }
  const std::string raw(data->raw());
  return data->is_string() ? "\"" + raw + "\"" : raw;
}

Error Failed(ErrorCode code, const std::string& why) {
  return Error(code, "Deployments proxy request failed" + why);
}

/// MLflow answers 500 to all of these.
Error Refused(const net::ClientResponse& response) {
  const bool is_of_client = response.status >= 400 && response.status < 500;
  const ErrorCode code = response.status == 429 ? ErrorCode::kResourceExhausted
                         : is_of_client         ? ErrorCode::kInvalidArgument
                                                : ErrorCode::kUnavailable;
  return Failed(code, " with error code " + std::to_string(response.status) +
                          ". Error message: " + response.body.substr(0, kMostShown));
}

Result<std::string> Ask(Proxy& proxy, std::string_view method, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const std::string path, ReadPath(method, in.Text("gateway_path")));
  const std::string body = method == "POST" ? ReadBody(in) : "";
  if (body.size() > kMostBytes) {
    return base::InvalidArgument("json_data has " + std::to_string(body.size()) +
                                 " bytes; at most " + std::to_string(kMostBytes) + " are sent on");
  }
  const Slot slot(proxy.n_waiting);
  if (!slot.is_free()) {
    return Failed(ErrorCode::kResourceExhausted,
                  ": " + std::to_string(kMostAtOnce) + " others are under way; try again");
  }
  MILL_ASSIGN_OR_RETURN(net::HttpClient client,
                        net::HttpClient::Make(proxy.target, {.request_timeout = kAnswerTimeout,
                                                             .max_body_bytes = kMostBytes}));
  // Nothing of the client's header is sent on: neither its password nor its cookies. A redirection
  // is not followed.
  net::HttpClient::Headers headers = {{"Accept", "application/json"}};
  if (!body.empty()) {
    headers.emplace_back("Content-Type", "application/json");
  }
  Result<net::ClientResponse> response = client.Send(method, path, body, headers);
  if (!response.ok()) {
    const bool is_late = response.error().code() == ErrorCode::kDeadlineExceeded;
    return Failed(is_late ? ErrorCode::kDeadlineExceeded : ErrorCode::kUnavailable,
                  ": " + response.error().message());
  }
  if (response->status != 200) {
    return Refused(*response);
  }
  if (!base::ParseJson(response->body, "reply").ok()) {
    return Failed(ErrorCode::kUnavailable, ": the answer of " + proxy.target + " is no JSON");
  }
  return std::move(response->body);
}

}  // namespace

void AddGatewayProxyRoutes(std::string_view deployments_target, Router& router) {
  const Mount mount(router);
  const auto proxy = std::make_shared<Proxy>();
  proxy->target = std::string(deployments_target);
  for (const char* const method : {"GET", "POST"}) {
    mount.Add(method, "/mlflow/gateway-proxy", kFields,
              [proxy, method](const Message& in) -> Result<std::string> {
                // As MLflow: as if a gateway without endpoints were there.
                return proxy->target.empty() ? std::string(R"({"endpoints":[]})")
                                             : Ask(*proxy, method, in);
              });
  }
}

}  // namespace millrace::api::internal
