// SPDX-License-Identifier: Apache-2.0
// Routes by which other processes of this machine reach the online store, whose one writer is this
// process.
#include <nlohmann/json.hpp>

#include "api/internal/online_json.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "api/internal/scoring.h"
#include "base/json.h"

namespace millrace::api::internal {

namespace {

using nlohmann::json;

// A web page that a user of this machine has open must not write here: it can neither send this
// content type without asking first, nor (by a name that it lets point to 127.0.0.1) a Host of
// loopback.
bool IsFromThisMachine(const net::Request& request) {
  const auto media = ParseMediaType(request.Header("content-type"));
  std::string_view host = request.Header("host");
  host = host.substr(0, host.starts_with('[') ? host.find(']') + 1 : host.find(':'));
  const bool is_local_name = host == "127.0.0.1" || host == "localhost" || host == "[::1]";
  return request.is_loopback && is_local_name && media && media->type == "application/json";
}

json EntryToJson(const store::Entry& entry) {
  return {{"value", ToBase64(entry.value)}, {"version", VersionToJson(entry.version)}};
}

Result<const json*> ListOf(const json& body, const char* name) {
  const auto found = body.is_object() ? body.find(name) : body.end();
  if (!body.is_object() || found == body.end() || !found->is_array()) {
    return base::InvalidArgument("\"" + std::string(name) + "\" is missing or no list");
  }
  return &*found;
}

Result<json> Put(store::KeyValue& store, const json& body) {
  MILL_ASSIGN_OR_RETURN(const json* const list, ListOf(body, "puts"));
  std::vector<store::Put> puts;
  for (const json& entry : *list) {
    store::Put put;
    MILL_ASSIGN_OR_RETURN(put.key, BytesFromJson(entry, "key"));
    MILL_ASSIGN_OR_RETURN(put.value, BytesFromJson(entry, "value"));
    MILL_ASSIGN_OR_RETURN(put.version,
                          VersionFromJson(entry.contains("version") ? entry["version"] : json()));
    if (put.key.empty()) {
      return base::InvalidArgument("an entry of \"puts\" has an empty key");
    }
    puts.push_back(std::move(put));
  }
  MILL_RETURN_IF_ERROR(store.PutMany(puts));
  return json{{"count", puts.size()}};
}

Result<json> Get(store::KeyValue& store, const json& body) {
  MILL_ASSIGN_OR_RETURN(const json* const list, ListOf(body, "keys"));
  std::vector<std::string> keys;
  for (const json& entry : *list) {
    if (!entry.is_string()) {
      return base::InvalidArgument("\"keys\" holds something that is no text");
    }
    MILL_ASSIGN_OR_RETURN(std::string key, FromBase64(entry.get_ref<const std::string&>()));
    keys.push_back(std::move(key));
  }
  MILL_ASSIGN_OR_RETURN(const auto found, store.GetMany(keys));
  json entries = json::array();
  for (const std::optional<store::Entry>& entry : found) {
    entries.push_back(entry ? EntryToJson(*entry) : json());
  }
  return json{{"entries", std::move(entries)}};
}

Result<json> Scan(store::KeyValue& store, const json& body) {
  MILL_ASSIGN_OR_RETURN(const std::string prefix, BytesFromJson(body, "prefix"));
  json entries = json::array();
  MILL_RETURN_IF_ERROR(store.Scan(prefix, [&](std::string_view key, const store::Entry& entry) {
    entries.push_back(EntryToJson(entry));
    entries.back()["key"] = ToBase64(key);
    return true;
  }));
  return json{{"entries", std::move(entries)}};
}

Result<json> Drop(store::KeyValue& store, const json& body) {
  MILL_ASSIGN_OR_RETURN(const std::string prefix, BytesFromJson(body, "prefix"));
  MILL_RETURN_IF_ERROR(store.DeletePrefix(prefix));
  return json::object();
}

using Call = Result<json> (*)(store::KeyValue&, const json&);

net::Response Serve(store::KeyValue& store, Call call, const net::Request& request) {
  if (!IsFromThisMachine(request)) {
    return NativeError(Error(ErrorCode::kPermissionDenied,
                             "the online store takes writes only from programs on this machine")
                           .Hint("run the command on the machine of the server"));
  }
  const Result<json> body = base::ParseJson(request.body, "the request's body");
  if (!body.ok()) {
    return NativeError(body.error());
  }
  const Result<json> answer = call(store, *body);
  return answer.ok() ? JsonReply(base::DumpJson(*answer)) : NativeError(answer.error());
}

}  // namespace

void AddOnlineRoutes(store::KeyValue& store, Router& router) {
  const std::pair<const char*, Call> calls[] = {
      {"put", Put}, {"get", Get}, {"scan", Scan}, {"drop", Drop}};
  for (const auto& [name, call] : calls) {
    router.Add("POST", std::string(kOnlinePath) + name,
               [&store, made = call](const RoutedRequest& request) {
                 return Serve(store, made, request.http);
               });
  }
}

}  // namespace millrace::api::internal
