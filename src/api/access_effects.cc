// SPDX-License-Identifier: Apache-2.0
// What access control does around a permitted request: lists hold what their reader may read, and
// permissions follow what is made, renamed and deleted.
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include "api/internal/access_guard.h"
#include "api/internal/message.h"
#include "api/internal/replies.h"
#include "base/json.h"

namespace millrace::api::internal {

namespace {

using json = nlohmann::json;
using tracking::Permission;
using tracking::Resource;
using tracking::ResourceKind;
using tracking::User;

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
        (byte >= '0' && byte <= '9')) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kDigits[byte >> 4U];
      encoded += kDigits[byte & 15U];
    }
  }
  return encoded;
}

/// A request for another page of a search, with the memory that its views need.
class PageRequest {
 public:
  PageRequest(const net::Request& first, const std::string& token, std::size_t max_results)
      : request_(first) {
    if (!first.body.empty()) {
      json body = json::parse(first.body, nullptr, /*allow_exceptions=*/false);
      if (!body.is_object()) {
        body = json::object();
      }
      body["page_token"] = token;
      body["max_results"] = max_results;
      body_ = base::DumpJson(body);
      request_.body = body_;
      return;
    }
    target_ = std::string(first.path()) + "?page_token=" + PercentEncode(token) +
              "&max_results=" + std::to_string(max_results);
    for (const auto& [name, value] : ParseQuery(first.query())) {
      if (name != "page_token" && name != "max_results") {
        target_ += "&" + PercentEncode(name) + "=" + PercentEncode(value);
      }
    }
    request_.target = target_;
  }
  PageRequest(const PageRequest&) = delete;
  PageRequest& operator=(const PageRequest&) = delete;
  const net::Request& request() const { return request_; }

 private:
  std::string body_;
  std::string target_;
  net::Request request_;
};

/// Names of a search's reply: its list, and what tells the resource of an item.
struct ListNames {
  const char* list;
  const char* id;
  ResourceKind kind;
};

ListNames NamesOf(AccessEffect effect) {
  switch (effect) {
    case AccessEffect::kFilterExperiments:
      return {"experiments", "experiment_id", ResourceKind::kExperiment};
    case AccessEffect::kFilterModels:
      return {"registered_models", "name", ResourceKind::kRegisteredModel};
    default:
      return {"model_versions", "name", ResourceKind::kRegisteredModel};
  }
}

/// What a user may read, looked up once for a whole list.
class Readable {
 public:
  static Result<Readable> Of(tracking::Access& access, const User& user, ResourceKind kind) {
    Readable readable;
    MILL_ASSIGN_OR_RETURN(readable.grants_, access.ListGrants(user.username, kind));
    readable.default_ = access.default_permission();
    return readable;
  }
  bool operator()(const std::string& id) const {
    const auto found = grants_.find(id);
    return (found == grants_.end() ? default_ : found->second) >= Permission::kRead;
  }

 private:
  std::map<std::string, Permission> grants_;
  Permission default_ = Permission::kNone;
};

}  // namespace

net::Response AccessGuard::AnswerNarrowed(const User& user, const AccessRule& rule,
                                          const RoutedRequest& request,
                                          const Router::Match& match) const {
  const Result<Readable> readable = Readable::Of(access_, user, ResourceKind::kExperiment);
  if (!readable.ok()) {
    return RestError(readable.error());
  }
  json body = json::parse(request.http.body, nullptr, /*allow_exceptions=*/false);
  const std::string field(rule.field);
  if (!body.is_object() || !body.contains(field) || !body[field].is_array() ||
      body[field].empty()) {
    return match.action->answer(request);  // names no experiment, so nothing is found
  }
  json kept = json::array();
  for (const json& id : body[field]) {
    // A value of another type is the handler's to refuse.
    const std::string text = id.is_string()           ? id.get<std::string>()
                             : id.is_number_integer() ? std::to_string(id.get<std::int64_t>())
                                                      : "";
    if (text.empty() || (*readable)(text)) {
      kept.push_back(id);
    }
  }
  if (kept.empty()) {
    return JsonReply("{}");
  }
  if (kept.size() == body[field].size()) {
    return match.action->answer(request);
  }
  body[field] = std::move(kept);
  const std::string text = base::DumpJson(body);
  net::Request narrowed = request.http;
  narrowed.body = text;
  return match.action->answer({narrowed, request.params});
}

// Pages are filled up by asking on, as MLflow does: at most for as many as are still missing, so
// that the token of the last page goes on exactly behind it.
net::Response AccessGuard::AnswerFiltered(const User& user, const AccessRule& rule,
                                          const RoutedRequest& request,
                                          const Router::Match& match) const {
  const ListNames names = NamesOf(rule.effect);
  const Result<Readable> readable = Readable::Of(access_, user, names.kind);
  if (!readable.ok()) {
    return RestError(readable.error());
  }
  json kept = json::array();
  std::size_t wanted = 0;
  std::string token;
  for (bool is_first = true; is_first || (!token.empty() && kept.size() < wanted);
       is_first = false) {
    std::optional<PageRequest> page;
    if (!is_first) {
      page.emplace(request.http, token, wanted - kept.size());
    }
    net::Response response =
        match.action->answer({page ? page->request() : request.http, request.params});
    json reply = json::parse(response.body, nullptr, /*allow_exceptions=*/false);
    if (response.status != 200 || !reply.is_object()) {
      return response;
    }
    json items = reply.value(names.list, json::array());
    if (is_first) {
      // A page with a successor is full, so its size is what was asked for.
      wanted = items.size();
    }
    token = reply.value("next_page_token", "");
    for (json& item : items) {
      if ((*readable)(item.value(names.id, ""))) {
        kept.push_back(std::move(item));
      }
    }
  }
  json result = json::object();
  if (!kept.empty()) {
    result[names.list] = std::move(kept);
  }
  if (!token.empty()) {
    result["next_page_token"] = token;
  }
  return JsonReply(base::DumpJson(result));
}

Result<void> AccessGuard::Follow(const User& user, const AccessRule& rule,
                                 const RoutedRequest& request, const Router::Match& match,
                                 const net::Response& response) const {
  const json reply = json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (rule.effect == AccessEffect::kOwnExperiment) {
    const Resource made{ResourceKind::kExperiment, reply.value("experiment_id", "")};
    return access_.PutGrant(user.username, made, Permission::kManage);
  }
  if (rule.effect == AccessEffect::kOwnModel) {
    const json model = reply.value("registered_model", json::object());
    const Resource made{ResourceKind::kRegisteredModel, model.value("name", "")};
    // What was said about an earlier model of that name does not count.
    MILL_RETURN_IF_ERROR(access_.ForgetResource(made));
    return access_.PutGrant(user.username, made, Permission::kManage);
  }
  MessageBuffers buffers;
  MILL_ASSIGN_OR_RETURN(const Message in, Message::Read(request, match.action->fields, buffers));
  const Resource model{ResourceKind::kRegisteredModel, in.Text("name")};
  if (rule.effect == AccessEffect::kRenameModel) {
    return access_.RenameResource(model, in.Text("new_name"));
  }
  return access_.ForgetResource(model);
}

}  // namespace millrace::api::internal
