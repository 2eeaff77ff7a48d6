// SPDX-License-Identifier: Apache-2.0
// Mounts endpoints of MLflow's REST interface: one declaration gives both paths, the check of the
// request and the form of errors.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "api/internal/message.h"
#include "api/router.h"
#include "base/result.h"

namespace millrace::api::internal {

/// Answers a checked request with the JSON of its reply.
using Endpoint = std::function<Result<std::string>(const Message&)>;

/// Does what a checked request asks; the reply is "{}".
using Action = std::function<Result<void>(const Message&)>;

/// Called once when an action is done, from any thread.
using Finish = std::function<void(Result<void>)>;
/// Begins what a checked request asks without waiting; the message is gone when it returns.
using AsyncAction = std::function<void(const Message&, Finish)>;
/// The same for endpoints whose reply has a body.
using FinishBody = std::function<void(Result<std::string>)>;
using AsyncEndpoint = std::function<void(const Message&, FinishBody)>;

/// Adds endpoints to a router under /api/<version>.0 and /ajax-api/<version>.0.
class Mount {
 public:
  /// The router outlives the mount.
  explicit Mount(Router& router, std::string_view version = "2.0")
      : router_(router), version_(version) {}

  /// @param path    "/mlflow/runs/create"
  /// @param fields  a constant of the program: the request is checked by them
  void Add(std::string_view method, std::string_view path, std::span<const Field> fields,
           const Endpoint& endpoint) const;
  void AddAction(std::string_view method, std::string_view path, std::span<const Field> fields,
                 const Action& action) const;
  /// For what is called thousands of times a second: begins on the thread that serves the
  /// connection.
  void AddAsync(std::string_view method, std::string_view path, std::span<const Field> fields,
                const AsyncAction& action) const;
  void AddAsyncEndpoint(std::string_view method, std::string_view path,
                        std::span<const Field> fields, const AsyncEndpoint& endpoint) const;

 private:
  void AddBoth(std::string_view method, std::string_view path, const RouteAction& action) const;

  Router& router_;
  std::string version_;
};

}  // namespace millrace::api::internal
