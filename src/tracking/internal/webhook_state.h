// SPDX-License-Identifier: Apache-2.0
// What the sources of Webhooks share.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "store/metadata.h"
#include "tracking/webhooks.h"

namespace millrace::tracking {

struct Webhooks::Impl {
  Impl(store::Metadata& metadata_in, const base::Clock& clock_in, WebhookSender& sender_in,
       WebhookOptions options_in)
      : metadata(metadata_in), clock(clock_in), sender(sender_in), options(std::move(options_in)) {}

  std::int64_t NowMs() const { return clock.Now().micros / 1000; }
  /// The secret of a webhook as its owner gave it.
  Result<std::string> Secret(const std::string& kept) const;
  Result<WebhookReply> Send(const std::string& url, const std::string& kept_secret,
                            const std::string& delivery_id, const std::string& body);

  store::Metadata& metadata;
  const base::Clock& clock;
  WebhookSender& sender;
  const WebhookOptions options;
  // The threads wait here between looks at the queue.
  std::mutex mutex;
  std::condition_variable_any wake;
  /// Last: joined before the rest goes.
  std::vector<std::jthread> threads;
};

}  // namespace millrace::tracking
