// SPDX-License-Identifier: Apache-2.0
// The page on which a user is made, and what it sends. Who may see it: access_rules.cc.
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/internal/access_guard.h"
#include "api/internal/message.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "base/hash.h"
#include "base/hmac.h"
#include "base/password.h"
#include "plots/figure.h"

namespace millrace::api::internal {

namespace {

constexpr std::string_view kFormType = "application/x-www-form-urlencoded";
constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;margin:10vh auto;max-width:22rem;padding:0 1rem}"
    "label{display:block;margin-top:1rem}"
    "input{box-sizing:border-box;font:inherit;padding:.5rem;width:100%}"
    "button{font:inherit;margin-top:1.5rem;padding:.5rem 1.5rem}";

net::Response Page(std::string_view content) {
  net::Response response;
  response.content_type = "text/html; charset=utf-8";
  response.body =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Millrace: sign up"
      "</title>\n<meta name=\"viewport\" content=\"width=device-width\">\n<style>" +
      std::string(kStyle) + "</style></head>\n<body>\n" + std::string(content) + "</body></html>\n";
  // Nothing but this page's own style, no frames, and the form goes here only.
  response.headers.emplace_back("Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; form-action "
                                "'self'; frame-ancestors 'none'; base-uri 'none'");
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

// A page of somebody else cannot read this one, so it cannot know the token and send the form in
// the name of who looks at it. It holds as long as this process, for this user.
class FormTokens {
 public:
  std::string For(std::string_view username) const {
    return base::Sha256Hex(base::HmacSha256(key_, "signup:" + std::string(username)));
  }
  bool IsRight(std::string_view token, std::string_view username) const {
    // Of hashes, the time of a comparison tells nothing.
    return base::Sha256Hex(token) == base::Sha256Hex(For(username));
  }

 private:
  const std::string key_ = base::NewSecret();
};

net::Response Form(const std::string& token) {
  return Page(
      "<h1>Sign up</h1>\n<form method=\"post\" action=\"/api/2.0/mlflow/users/create-ui\">\n"
      "<input type=\"hidden\" name=\"csrf_token\" value=\"" +
      token +
      "\">\n<label for=\"username\">User name</label>\n"
      "<input id=\"username\" name=\"username\" required maxlength=\"255\" "
      "autocomplete=\"off\">\n"
      "<label for=\"password\">Password</label>\n"
      "<input id=\"password\" name=\"password\" type=\"password\" required minlength=\"12\" "
      "maxlength=\"255\" autocomplete=\"new-password\">\n"
      "<button>Make the user</button>\n</form>\n");
}

std::optional<std::string> Only(const std::vector<std::pair<std::string, std::string>>& form,
                                std::string_view name) {
  for (const auto& [key, value] : form) {
    if (key == name) {
      return value;
    }
  }
  return std::nullopt;
}

net::Response MakeUser(tracking::Access& access, const FormTokens& tokens,
                       const RoutedRequest& request) {
  const std::string_view type = request.http.Header("Content-Type");
  const bool is_form = net::EqualsIgnoringCase(type.substr(0, type.find(';')), kFormType);
  const auto form = ParseQuery(is_form ? request.http.body : std::string_view());
  const std::optional<std::string> token = Only(form, "csrf_token");
  if (!token) {
    return TextReply("The CSRF token is missing.", 400);
  }
  if (!tokens.IsRight(*token, request.user)) {
    return TextReply("The CSRF token is invalid.", 400);
  }
  const std::string username = Only(form, "username").value_or("");
  const std::string password = Only(form, "password").value_or("");
  if (username.empty() || password.empty()) {
    return TextReply("Username and password cannot be empty.", 400);
  }
  if (const Result<void> is_long = CheckNewPassword(password); !is_long.ok()) {
    return RestError(is_long.error());
  }
  const Result<tracking::User> made = access.CreateUser(username, password, false);
  if (!made.ok() && made.error().code() == ErrorCode::kAlreadyExists) {
    return Page("<p>Username has already been taken: " + plots::EscapeXml(username) +
                "</p>\n<p><a href=\"/signup\">Choose another one</a></p>\n");
  }
  if (!made.ok()) {
    return RestError(made.error());
  }
  return Page("<p>Successfully signed up user: " + plots::EscapeXml(username) +
              "</p>\n<p><a href=\"/\">Go on</a></p>\n");
}

}  // namespace

// MLflow asks for as much.
Result<void> CheckNewPassword(std::string_view password) {
  constexpr std::size_t kLeast = 12;
  std::size_t length = 0;
  for (const char c : password) {
    length += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  }
  if (length < kLeast) {
    return base::InvalidArgument("Password must be at least 12 characters.");
  }
  return {};
}

void AddSignupRoutes(tracking::Access& access, Router& router) {
  const auto tokens = std::make_shared<const FormTokens>();
  router.Add("GET", "/signup",
             [tokens](const RoutedRequest& request) { return Form(tokens->For(request.user)); });
  for (const std::string root : {"/api/2.0", "/ajax-api/2.0"}) {
    router.Add(
        "POST", root + "/mlflow/users/create-ui",
        {.answer = [&access, tokens](
                       const RoutedRequest& request) { return MakeUser(access, *tokens, request); },
         .blocks = true});
  }
}

}  // namespace millrace::api::internal
