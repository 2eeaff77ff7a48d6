// SPDX-License-Identifier: Apache-2.0
// From an endpoint to the handlers of its two paths.
#include "api/internal/mount.h"

#include <memory>
#include <utility>

#include "api/internal/replies.h"

namespace millrace::api::internal {

namespace {

MessageBuffers& BuffersOfThisThread() {
  thread_local MessageBuffers buffers;
  return buffers;
}

net::Response Reply(const RoutedRequest& request, std::span<const Field> fields,
                    const Endpoint& endpoint) {
  const Result<Message> message = Message::Read(request, fields, BuffersOfThisThread());
  if (!message.ok()) {
    return RestError(message.error());
  }
  Result<std::string> body = endpoint(*message);
  return body.ok() ? JsonReply(std::move(*body)) : RestError(body.error());
}

}  // namespace

void Mount::AddBoth(std::string_view method, std::string_view path,
                    const RouteAction& action) const {
  for (const std::string_view root : {"/api/", "/ajax-api/"}) {
    router_.Add(method, std::string(root) + version_ + std::string(path), action);
  }
}

void Mount::Add(std::string_view method, std::string_view path, std::span<const Field> fields,
                const Endpoint& endpoint) const {
  const auto answer = [fields, endpoint](const RoutedRequest& request) {
    return Reply(request, fields, endpoint);
  };
  AddBoth(method, path, {.answer = answer, .blocks = true, .fields = fields});
}

void Mount::AddAction(std::string_view method, std::string_view path, std::span<const Field> fields,
                      const Action& action) const {
  Add(method, path, fields, [action](const Message& in) -> Result<std::string> {
    MILL_RETURN_IF_ERROR(action(in));
    return std::string("{}");
  });
}

void Mount::AddAsync(std::string_view method, std::string_view path, std::span<const Field> fields,
                     const AsyncAction& action) const {
  AddAsyncEndpoint(method, path, fields, [action](const Message& in, FinishBody finish) {
    action(in, [finish = std::move(finish)](Result<void> done) {
      finish(done.ok() ? Result<std::string>("{}") : std::move(done).error());
    });
  });
}

void Mount::AddAsyncEndpoint(std::string_view method, std::string_view path,
                             std::span<const Field> fields, const AsyncEndpoint& endpoint) const {
  const auto answer = [fields, endpoint](const RoutedRequest& request, net::Reply reply) {
    const Result<Message> message = Message::Read(request, fields, BuffersOfThisThread());
    if (!message.ok()) {
      reply.Send(RestError(message.error()));
      return;
    }
    // A std::function must be copyable, which a Reply is not.
    const auto owed = std::make_shared<net::Reply>(std::move(reply));
    endpoint(*message, [owed](Result<std::string> body) {
      owed->Send(body.ok() ? JsonReply(*std::move(body)) : RestError(body.error()));
    });
  };
  AddBoth(method, path, {.answer_later = answer, .fields = fields});
}

}  // namespace millrace::api::internal
