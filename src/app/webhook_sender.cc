// SPDX-License-Identifier: Apache-2.0
// Posts deliveries of webhooks.
#include "app/webhook_sender.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "net/http_client.h"

namespace millrace::app {
namespace {

/// As much of a reply as is worth showing.
constexpr std::size_t kReplyBytes = 64 * 1024;

Result<int> Number(const std::string& name, const std::string& text, int least, int most) {
  int number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || number < least ||
      number > most) {
    return base::InvalidArgument("variable " + name + " is \"" + text + "\"; a whole number from " +
                                 std::to_string(least) + " to " + std::to_string(most) +
                                 " is wanted");
  }
  return number;
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : list + ",") {
    if (c == ',') {
      if (!word.empty()) {
        words.push_back(std::exchange(word, {}));
      }
    } else if (c != ' ') {
      word += c;
    }
  }
  return words;
}

}  // namespace

Result<tracking::WebhookOptions> ReadWebhookOptions(
    const std::function<std::optional<std::string>(const std::string&)>& variable) {
  tracking::WebhookOptions options;
  if (const auto schemes = variable("MLFLOW_WEBHOOK_ALLOWED_SCHEMES")) {
    options.allowed_schemes = Split(*schemes);
  }
  const std::string allow = variable("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS").value_or("");
  options.allow_private_addresses = allow == "true" || allow == "True" || allow == "1";
  options.secret_key = variable("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY").value_or("");
  const std::string timeout = "MLFLOW_WEBHOOK_REQUEST_TIMEOUT";
  if (const auto text = variable(timeout)) {
    MILL_ASSIGN_OR_RETURN(const int seconds, Number(timeout, *text, 1, 600));
    options.timeout = std::chrono::seconds(seconds);
  }
  const std::string retries = "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES";
  if (const auto text = variable(retries)) {
    MILL_ASSIGN_OR_RETURN(const int number, Number(retries, *text, 0, 1000));
    options.max_attempts = number + 1;
  }
  return options;
}

Result<tracking::WebhookReply> HttpWebhookSender::Post(const std::string& url,
                                                       const Headers& headers,
                                                       const std::string& body) {
  // "https://host:port" and "/path?query".
  const std::size_t authority = url.find("://");
  const std::size_t path = std::min(
      url.find_first_of("/?#", authority == std::string::npos ? 0 : authority + 3), url.size());
  std::string target = url.substr(path, url.find('#', path) - path);
  if (!target.starts_with('/')) {
    target.insert(0, 1, '/');
  }
  MILL_ASSIGN_OR_RETURN(
      net::HttpClient client,
      net::HttpClient::Make(url.substr(0, path),
                            {.connect_timeout = std::chrono::seconds(10),
                             .request_timeout = options_.timeout,
                             .max_body_bytes = kReplyBytes,
                             .public_addresses_only = !options_.allow_private_addresses}));
  MILL_ASSIGN_OR_RETURN(net::ClientResponse response, client.Send("POST", target, body, headers));
  tracking::WebhookReply reply;
  reply.status = response.status;
  const std::string_view after = response.Header("Retry-After");
  int seconds = 0;
  std::from_chars(after.data(), after.data() + after.size(), seconds);
  reply.retry_after = std::chrono::seconds(std::clamp(seconds, 0, 3600));
  reply.body = std::move(response.body);
  return reply;
}

}  // namespace millrace::app
