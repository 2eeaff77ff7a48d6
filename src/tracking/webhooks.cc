// SPDX-License-Identifier: Apache-2.0
// Keeps webhooks: who wants to be told of what.
#include "tracking/webhooks.h"

#include <algorithm>
#include <cctype>

#include "base/public_address.h"
#include "base/seal.h"
#include "store/metadata.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/sources.h"
#include "tracking/internal/webhook_events.h"
#include "tracking/internal/webhook_state.h"
#include "tracking/search.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using store::Transaction;

constexpr std::string_view kColumns =
    "SELECT webhook_id, name, url, description, status, creation_time, last_updated_time FROM "
    "webhooks ";

Result<void> CheckName(const std::string& name) {
  const auto is_end = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  const bool is_good = !name.empty() && name.size() <= 63 && is_end(name.front()) &&
                       is_end(name.back()) && std::all_of(name.begin(), name.end(), [&](char c) {
                         return is_end(c) || c == '.' || c == '_' || c == '-';
                       });
  if (!is_good) {
    return base::InvalidArgument("Webhook name '" + name +
                                 "' is invalid. It must start and end with a letter or digit, be "
                                 "less than 63 characters long, and contain only letters, digits, "
                                 "dots (.), underscores (_), and hyphens (-).");
  }
  return {};
}

Result<void> CheckEvents(const std::vector<WebhookEvent>& events) {
  if (events.empty()) {
    return base::InvalidArgument(
        "Webhook events must be a non-empty list of WebhookEvent objects: [].");
  }
  for (const WebhookEvent& event : events) {
    MILL_RETURN_IF_ERROR(internal::CheckEvent(event));
  }
  return {};
}

Result<Webhook> FromRow(store::Metadata& metadata, const store::Row& row) {
  Webhook webhook;
  webhook.webhook_id = Text(row[0]);
  webhook.name = Text(row[1]);
  webhook.url = Text(row[2]);
  webhook.description = Text(row[3]);
  webhook.is_active = Text(row[4]) == "ACTIVE";
  webhook.creation_time_ms = Int(row[5]);
  webhook.last_update_time_ms = Int(row[6]);
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> events,
      metadata.Query("SELECT event FROM webhook_events WHERE webhook_id = ? ORDER BY position",
                     {row[0]}));
  for (const store::Row& event : events) {
    const std::string name = Text(event[0]);
    const std::size_t dot = name.find('.');
    webhook.events.push_back({name.substr(0, dot), name.substr(dot + 1)});
  }
  return webhook;
}

Result<void> PutEvents(store::Metadata& metadata, const std::string& webhook_id,
                       const std::vector<WebhookEvent>& events) {
  MILL_RETURN_IF_ERROR(
      metadata.Execute("DELETE FROM webhook_events WHERE webhook_id = ?", {webhook_id}));
  std::int64_t position = 0;
  for (const WebhookEvent& event : events) {
    MILL_RETURN_IF_ERROR(metadata.Execute(
        "INSERT INTO webhook_events (webhook_id, event, position) VALUES (?, ?, ?) "
        "ON CONFLICT (webhook_id, event) DO NOTHING",
        {webhook_id, internal::EventName(event), position++}));
  }
  return {};
}

/// A secret as it is kept: nothing, sealed, or, without a key, as it is.
std::string Kept(const std::string& secret, const WebhookOptions& options) {
  return secret.empty()               ? ""
         : options.secret_key.empty() ? "plain:" + secret
                                      : base::Seal(options.secret_key, secret);
}

}  // namespace

namespace internal {

Result<void> CheckWebhookUrl(const std::string& url, const WebhookOptions& options) {
  if (url.find_first_not_of(" \t\r\n") == std::string::npos) {
    return base::InvalidArgument("Webhook URL cannot be empty or just whitespace: '" + url + "'");
  }
  const Uri uri = ParseUri(url);
  if (std::find(options.allowed_schemes.begin(), options.allowed_schemes.end(), uri.scheme) ==
      options.allowed_schemes.end()) {
    // A host that opens a bracket and never closes it is no URL at all.
    if (uri.authority.find('[') != std::string::npos &&
        uri.authority.find(']') == std::string::npos) {
      return base::InvalidArgument("Invalid webhook URL '" + url + "': a host is wanted");
    }
    std::string schemes;
    for (const std::string& scheme : options.allowed_schemes) {
      schemes += (schemes.empty() ? "" : ", ") + scheme;
    }
    return base::InvalidArgument("Invalid webhook URL scheme: '" + uri.scheme +
                                 "'. Allowed schemes are: " + schemes + ".");
  }
  const bool has_control = std::any_of(url.begin(), url.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
  });
  std::string host = uri.authority.substr(uri.authority.rfind('@') + 1);
  const std::size_t bracket = host.find(']');
  const bool is_ipv6 = host.starts_with('[');
  if (has_control || (is_ipv6 && bracket == std::string::npos)) {
    return base::InvalidArgument("Invalid webhook URL '" + url + "': a host is wanted");
  }
  host = is_ipv6 ? host.substr(1, bracket - 1) : host.substr(0, host.find(':'));
  if (host.empty()) {
    return base::InvalidArgument("Webhook URL must include a hostname: '" + url + "'");
  }
  // Spellings such as 127.1 or 0x7f.1 reach the same machine as 127.0.0.1; whoever means an address
  // writes it in full.
  const bool is_address =
      is_ipv6 || host.find_first_not_of("0123456789.xXabcdefABCDEF") == std::string::npos;
  const bool has_digit_first = std::isdigit(static_cast<unsigned char>(host[0])) != 0;
  const bool is_local_name = host == "localhost" || host.ends_with(".localhost");
  if (!options.allow_private_addresses &&
      (is_local_name ||
       (is_address && (is_ipv6 || has_digit_first) && !base::IsPublicAddress(host)))) {
    return base::InvalidArgument("Webhook URL must not resolve to a non-public IP address. '" +
                                 host + "' is not public.");
  }
  return {};
}

}  // namespace internal

Result<std::unique_ptr<Webhooks>> Webhooks::Open(store::Metadata& metadata,
                                                 const base::Clock& clock, WebhookSender& sender,
                                                 const WebhookOptions& options) {
  MILL_RETURN_IF_ERROR(internal::MigrateAll(metadata).With("making the tables of webhooks"));
  return std::make_unique<Webhooks>(metadata, clock, sender, options);
}

Webhooks::Webhooks(store::Metadata& metadata, const base::Clock& clock, WebhookSender& sender,
                   WebhookOptions options)
    : impl_(std::make_unique<Impl>(metadata, clock, sender, std::move(options))) {
}

Webhooks::~Webhooks() = default;

Result<Webhook> Webhooks::Create(const WebhookRequest& request) {
  MILL_RETURN_IF_ERROR(CheckName(request.name));
  MILL_RETURN_IF_ERROR(internal::CheckWebhookUrl(request.url, impl_->options));
  MILL_RETURN_IF_ERROR(CheckEvents(request.events));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(impl_->metadata));
  const std::string id = internal::NewUuid();
  const std::int64_t now = impl_->NowMs();
  MILL_RETURN_IF_ERROR(impl_->metadata.Execute(
      "INSERT INTO webhooks (webhook_id, name, url, description, secret, status, creation_time, "
      "last_updated_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      {id, request.name, request.url, request.description, Kept(request.secret, impl_->options),
       std::string(request.is_active ? "ACTIVE" : "DISABLED"), now, now}));
  MILL_RETURN_IF_ERROR(PutEvents(impl_->metadata, id, request.events));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return Get(id);
}

Result<void> Webhooks::Import(const Webhook& webhook) {
  MILL_RETURN_IF_ERROR(CheckName(webhook.name));
  MILL_RETURN_IF_ERROR(CheckEvents(webhook.events));
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(impl_->metadata));
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t n_made,
      impl_->metadata.ExecuteCounted(
          "INSERT INTO webhooks (webhook_id, name, url, description, secret, status, "
          "creation_time, last_updated_time) VALUES (?, ?, ?, ?, '', ?, ?, ?) ON CONFLICT "
          "(webhook_id) DO NOTHING",
          {webhook.webhook_id, webhook.name, webhook.url, webhook.description,
           std::string(webhook.is_active ? "ACTIVE" : "DISABLED"), webhook.creation_time_ms,
           webhook.last_update_time_ms}));
  if (n_made > 0) {
    MILL_RETURN_IF_ERROR(PutEvents(impl_->metadata, webhook.webhook_id, webhook.events));
  }
  return transaction.Commit();
}

Result<Webhook> Webhooks::Get(const std::string& webhook_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      impl_->metadata.Query(std::string(kColumns) + "WHERE webhook_id = ?", {webhook_id}));
  if (rows.empty()) {
    return base::NotFound("Webhook with ID " + webhook_id + " not found.");
  }
  return FromRow(impl_->metadata, rows[0]);
}

Result<Page<Webhook>> Webhooks::List(int max_results, const std::string& page_token) {
  if (max_results < 1 || max_results > 1000) {
    return base::InvalidArgument("max_results must be between 1 and 1000.");
  }
  MILL_ASSIGN_OR_RETURN(const std::int64_t offset, ParsePageToken(page_token));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      impl_->metadata.Query(
          std::string(kColumns) + "ORDER BY creation_time DESC, webhook_id LIMIT ? OFFSET ?",
          {std::int64_t{max_results} + 1, offset}));
  Page<Webhook> page;
  for (const store::Row& row : rows) {
    if (page.items.size() == static_cast<std::size_t>(max_results)) {
      page.next_page_token = PageToken(offset + max_results);
      break;
    }
    MILL_ASSIGN_OR_RETURN(Webhook webhook, FromRow(impl_->metadata, row));
    page.items.push_back(std::move(webhook));
  }
  return page;
}

Result<Webhook> Webhooks::Update(const std::string& webhook_id, const WebhookUpdate& update) {
  store::Metadata& metadata = impl_->metadata;
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata));
  MILL_ASSIGN_OR_RETURN(const Webhook before, Get(webhook_id));
  const auto set = [&](const char* column, const std::string& value) {
    return metadata.Execute(
        std::string("UPDATE webhooks SET ") + column + " = ? WHERE webhook_id = ?",
        {value, webhook_id});
  };
  if (update.name) {
    MILL_RETURN_IF_ERROR(CheckName(*update.name));
    MILL_RETURN_IF_ERROR(set("name", *update.name));
  }
  if (update.url) {
    MILL_RETURN_IF_ERROR(internal::CheckWebhookUrl(*update.url, impl_->options));
    MILL_RETURN_IF_ERROR(set("url", *update.url));
  }
  if (update.events) {
    MILL_RETURN_IF_ERROR(CheckEvents(*update.events));
    MILL_RETURN_IF_ERROR(PutEvents(metadata, webhook_id, *update.events));
  }
  if (update.description) {
    MILL_RETURN_IF_ERROR(set("description", *update.description));
  }
  if (update.secret) {
    MILL_RETURN_IF_ERROR(set("secret", Kept(*update.secret, impl_->options)));
  }
  if (update.is_active) {
    MILL_RETURN_IF_ERROR(set("status", *update.is_active ? "ACTIVE" : "DISABLED"));
  }
  // Later than before, also within one millisecond: clients see by it that something changed.
  const std::int64_t now = std::max(impl_->NowMs(), before.last_update_time_ms + 1);
  MILL_RETURN_IF_ERROR(metadata.Execute(
      "UPDATE webhooks SET last_updated_time = ? WHERE webhook_id = ?", {now, webhook_id}));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return Get(webhook_id);
}

Result<void> Webhooks::Delete(const std::string& webhook_id) {
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t deleted,
      impl_->metadata.ExecuteCounted("DELETE FROM webhooks WHERE webhook_id = ?", {webhook_id}));
  if (deleted == 0) {
    return base::NotFound("Webhook with ID " + webhook_id + " not found.");
  }
  return {};
}

}  // namespace millrace::tracking
