// SPDX-License-Identifier: Apache-2.0
// Routes of MLflow's server behind which it asks language models, runs Python or keeps what this
// server does not keep.
#pragma once

#include <span>
#include <string_view>

#include "api/router.h"

namespace millrace::api::internal {

struct SwitchedOffRoute {
  std::string_view method;
  /// "/mlflow/..." and "/jobs/..." are below /api/3.0 and /ajax-api/3.0, others where they say.
  std::string_view pattern;
  /// Says what is off, as MLflow 3.17.2 does with that feature switched off.
  net::Response (*answer)(const RoutedRequest& request);
};

/// All of them; every user may ask, as the answers say nothing about anybody's work.
std::span<const SwitchedOffRoute> SwitchedOffRoutes();

void AddSwitchedOffRoutes(Router& router);

}  // namespace millrace::api::internal
