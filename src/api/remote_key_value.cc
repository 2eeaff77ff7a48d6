// SPDX-License-Identifier: Apache-2.0
// A key-value store behind the routes of another process.
#include "api/remote_key_value.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "api/internal/online_json.h"
#include "base/json.h"
#include "base/mutex.h"
#include "net/http_client.h"

namespace millrace::api {

namespace {

using nlohmann::json;

// Larger writes go in several requests. Each is atomic; the whole is not, but writing it again
// changes nothing (a version decides).
constexpr std::size_t kPutsPerRequest = 5000;

ErrorCode CodeOfStatus(int status) {
  switch (status) {
    case 400:
      return ErrorCode::kInvalidArgument;
    case 403:
      return ErrorCode::kPermissionDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kFailedPrecondition;
    case 413:
      return ErrorCode::kResourceExhausted;
    case 429:
      return ErrorCode::kResourceExhausted;
    case 503:
      return ErrorCode::kUnavailable;
    default:
      return ErrorCode::kInternal;
  }
}

class RemoteKeyValue final : public store::KeyValue {
 public:
  RemoteKeyValue(net::HttpClient client, std::string url)
      : client_(std::move(client)), url_(std::move(url)) {}

  Result<void> PutMany(std::span<const store::Put> puts) override {
    for (std::size_t begin = 0; begin < puts.size(); begin += kPutsPerRequest) {
      json list = json::array();
      for (const store::Put& put :
           puts.subspan(begin, std::min(kPutsPerRequest, puts.size() - begin))) {
        list.push_back({{"key", internal::ToBase64(put.key)},
                        {"value", internal::ToBase64(put.value)},
                        {"version", internal::VersionToJson(put.version)}});
      }
      MILL_RETURN_IF_ERROR(Call("put", {{"puts", std::move(list)}}));
    }
    return {};
  }

  Result<std::vector<std::optional<store::Entry>>> GetMany(
      std::span<const std::string> keys) const override {
    json list = json::array();
    for (const std::string& key : keys) {
      list.push_back(internal::ToBase64(key));
    }
    MILL_ASSIGN_OR_RETURN(const json answer, Call("get", {{"keys", std::move(list)}}));
    const auto entries = answer.find("entries");
    if (entries == answer.end() || !entries->is_array() || entries->size() != keys.size()) {
      return Unexpected();
    }
    std::vector<std::optional<store::Entry>> found;
    for (const json& entry : *entries) {
      if (entry.is_null()) {
        found.emplace_back();
        continue;
      }
      MILL_ASSIGN_OR_RETURN(store::Entry read, ReadEntry(entry));
      found.emplace_back(std::move(read));
    }
    return found;
  }

  Result<void> Scan(std::string_view prefix,
                    const std::function<bool(std::string_view key, const store::Entry& entry)>&
                        visit) const override {
    MILL_ASSIGN_OR_RETURN(const json answer,
                          Call("scan", {{"prefix", internal::ToBase64(prefix)}}));
    const auto entries = answer.find("entries");
    if (entries == answer.end() || !entries->is_array()) {
      return Unexpected();
    }
    for (const json& entry : *entries) {
      MILL_ASSIGN_OR_RETURN(const std::string key, internal::BytesFromJson(entry, "key"));
      MILL_ASSIGN_OR_RETURN(const store::Entry read, ReadEntry(entry));
      if (!visit(key, read)) {
        break;
      }
    }
    return {};
  }

  Result<void> DeletePrefix(std::string_view prefix) override {
    MILL_RETURN_IF_ERROR(Call("drop", {{"prefix", internal::ToBase64(prefix)}}));
    return {};
  }

 private:
  Error Unexpected() const {
    return base::DataLoss("server " + url_ +
                          " answered something else than entries of the online store");
  }

  Result<store::Entry> ReadEntry(const json& entry) const {
    store::Entry read;
    MILL_ASSIGN_OR_RETURN(read.value, internal::BytesFromJson(entry, "value"));
    MILL_ASSIGN_OR_RETURN(read.version, internal::VersionFromJson(
                                            entry.contains("version") ? entry["version"] : json()));
    return read;
  }

  Result<json> Call(const char* name, const json& body) const {
    const base::MutexLock lock(mutex_);
    const std::string target = std::string(internal::kOnlinePath) + name;
    MILL_ASSIGN_OR_RETURN(const net::ClientResponse response,
                          client_.Post(target, "application/json", base::DumpJson(body)));
    Result<json> answer = base::ParseJson(response.body, "the answer of " + url_);
    if (response.status != 200) {
      std::string message = "server " + url_ + " answered " + std::to_string(response.status);
      if (answer.ok() && answer->is_object() && answer->contains("message") &&
          (*answer)["message"].is_string()) {
        message += ": " + (*answer)["message"].get<std::string>();
      }
      return Error(CodeOfStatus(response.status), std::move(message))
          .Hint("see the log of `millrace serve`");
    }
    if (!answer.ok() || !answer->is_object()) {
      return Unexpected();
    }
    return answer;
  }

  mutable base::Mutex mutex_;
  mutable net::HttpClient client_ MILL_GUARDED_BY(mutex_);
  const std::string url_;
};

}  // namespace

Result<std::unique_ptr<store::KeyValue>> OpenRemoteKeyValue(std::string_view base_url) {
  MILL_ASSIGN_OR_RETURN(net::HttpClient client, net::HttpClient::Make(base_url));
  MILL_ASSIGN_OR_RETURN(const net::ClientResponse health, client.Get("/health"));
  if (health.status != 200) {
    return base::Unavailable("server " + std::string(base_url) +
                             " is not healthy: /health answers " + std::to_string(health.status));
  }
  return std::unique_ptr<store::KeyValue>(
      std::make_unique<RemoteKeyValue>(std::move(client), std::string(base_url)));
}

}  // namespace millrace::api
