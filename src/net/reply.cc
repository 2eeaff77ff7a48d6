// SPDX-License-Identifier: Apache-2.0
// Sending and dropping of replies.
#include "net/reply.h"

#include <exception>

#include "base/check.h"

namespace millrace::net {

namespace {

class FunctionTarget final : public ReplyTarget {
 public:
  explicit FunctionTarget(std::function<void(Response)> deliver) : deliver_(std::move(deliver)) {}
  void Deliver(Response response) override { deliver_(std::move(response)); }
  void DeliverDropped() override {
    Response response;
    response.status = 500;
    response.content_type = "text/plain; charset=utf-8";
    response.body = "the server dropped this request without an answer\n";
    deliver_(std::move(response));
  }

 private:
  std::function<void(Response)> deliver_;
};

}  // namespace

Reply Reply::To(std::function<void(Response)> deliver) {
  return Reply(std::make_shared<FunctionTarget>(std::move(deliver)));
}

Reply& Reply::operator=(Reply&& other) noexcept {
  if (this != &other) {
    Drop();
    target_ = std::move(other.target_);
  }
  return *this;
}

void Reply::Send(Response response) {
  MILL_CHECK(target_ != nullptr);
  const std::shared_ptr<ReplyTarget> target = std::move(target_);
  target->Deliver(std::move(response));
}

void Reply::Drop() noexcept {
  if (target_ == nullptr) {
    return;
  }
  const std::shared_ptr<ReplyTarget> target = std::move(target_);
  try {
    target->DeliverDropped();
  } catch (const std::exception&) {
    // Memory is out: the connection stays without an answer until its client gives up.
  }
}

}  // namespace millrace::net
