// SPDX-License-Identifier: Apache-2.0
// What access control does around a permitted request: lists hold what their reader may read, and
// permissions follow what is made, renamed and deleted.
#include <algorithm>
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
};

ListNames NamesOf(AccessEffect effect) {
  switch (effect) {
    case AccessEffect::kFilterExperiments:
      return {"experiments", "experiment_id"};
    case AccessEffect::kFilterModels:
      return {"registered_models", "name"};
    case AccessEffect::kFilterScorers:
      return {"scorers", "scorer_name"};
    default:
      return {"model_versions", "name"};
  }
}

bool IsPrompt(const json& item) {
  for (const json& tag : item.value("tags", json::array())) {
    if (tag.value("key", "") == "mlflow.prompt.is_prompt") {
      std::string value = tag.value("value", "");
      std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
      });
      return value == "true";
    }
  }
  return false;
}

/// What of a list its reader may see.
class Readable {
 public:
  Readable(tracking::UserGrants grants, AccessEffect effect)
      : grants_(std::move(grants)), effect_(effect), names_(NamesOf(effect)) {}

  bool operator()(const json& item) const {
    const std::string id = item.value(names_.id, "");
    switch (effect_) {
      case AccessEffect::kFilterExperiments:
        return Reads({ResourceKind::kExperiment, id});
      case AccessEffect::kFilterScorers: {
        const std::string experiment = std::to_string(item.value("experiment_id", 0LL));
        return Reads({ResourceKind::kExperiment, experiment}) &&
               Reads({ResourceKind::kScorer, tracking::ScorerResourceId(experiment, id)}) &&
               !IsDenied(ResourceKind::kScorerVersion);
      }
      case AccessEffect::kFilterModels:
        return Reads({KindOf(item), id});
      default:
        return Reads({KindOf(item), id}) && !HidesVersions(item);
    }
  }
  bool ReadsExperiment(const std::string& id) const {
    return Reads({ResourceKind::kExperiment, id});
  }
  bool IsDenied(ResourceKind kind) const {
    return grants_.Of(tracking::GrantSet::Every(kind)) == Permission::kDeny;
  }
  /// Whether the versions in a model, or the version itself, are not to be seen.
  bool HidesVersions(const json& item) const {
    return IsDenied(IsPrompt(item) ? ResourceKind::kPromptVersion
                                   : ResourceKind::kRegisteredModelVersion);
  }

 private:
  static ResourceKind KindOf(const json& item) {
    return IsPrompt(item) ? ResourceKind::kPrompt : ResourceKind::kRegisteredModel;
  }
  bool Reads(const Resource& resource) const { return grants_.Of(resource) >= Permission::kRead; }

  tracking::UserGrants grants_;
  AccessEffect effect_;
  ListNames names_;
};

}  // namespace

net::Response AccessGuard::AnswerNarrowed(const User& user, const AccessRule& rule,
                                          const RoutedRequest& request,
                                          const Router::Match& match) const {
  const Result<tracking::UserGrants> grants = access_.GrantsOf(user);
  if (!grants.ok()) {
    return RestError(grants.error());
  }
  const Readable readable(*grants, AccessEffect::kFilterExperiments);
  if (rule.part != ResourceKind::kWorkspace && readable.IsDenied(rule.part)) {
    return JsonReply("{}");
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
    if (text.empty() || readable.ReadsExperiment(text)) {
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
  const Result<tracking::UserGrants> grants = access_.GrantsOf(user);
  if (!grants.ok()) {
    return RestError(grants.error());
  }
  const Readable readable(*grants, rule.effect);
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
      if (!readable(item)) {
        continue;
      }
      if (rule.effect == AccessEffect::kFilterModels && readable.HidesVersions(item)) {
        item.erase("latest_versions");
      }
      kept.push_back(std::move(item));
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
    const Resource made{IsPrompt(model) ? ResourceKind::kPrompt : ResourceKind::kRegisteredModel,
                        model.value("name", "")};
    // What was said about an earlier one of that name does not count.
    MILL_RETURN_IF_ERROR(ForgetModel(made.id));
    return access_.PutGrant(user.username, made, Permission::kManage);
  }
  MessageBuffers buffers;
  MILL_ASSIGN_OR_RETURN(const Message in, Message::Read(request, match.action->fields, buffers));
  const std::string name = in.Text("name");
  const Resource scorer{ResourceKind::kScorer,
                        tracking::ScorerResourceId(in.Text("experiment_id"), name)};
  switch (rule.effect) {
    case AccessEffect::kOwnScorer:
      return access_.PutGrant(user.username, scorer, Permission::kManage);
    case AccessEffect::kForgetScorer:
      return in.Has("version") ? Result<void>() : access_.ForgetResource(scorer);
    case AccessEffect::kRenameModel:
      MILL_RETURN_IF_ERROR(
          access_.RenameResource({ResourceKind::kPrompt, name}, in.Text("new_name")));
      return access_.RenameResource({ResourceKind::kRegisteredModel, name}, in.Text("new_name"));
    default:
      return ForgetModel(name);
  }
}

Result<void> AccessGuard::ForgetModel(const std::string& name) const {
  MILL_RETURN_IF_ERROR(access_.ForgetResource({ResourceKind::kPrompt, name}));
  return access_.ForgetResource({ResourceKind::kRegisteredModel, name});
}

}  // namespace millrace::api::internal
