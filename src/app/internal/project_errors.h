// SPDX-License-Identifier: Apache-2.0
// Mistakes of a project's files, gathered.
#pragma once

#include <utility>

#include "base/config.h"
#include "base/result.h"

namespace millrace::app::internal {

/// An error and its companions go into the list one by one.
inline void AddAll(const Error& error, base::ErrorList& errors) {
  Error first(error.code(), error.message());
  first = std::move(first).Hint(error.hint()).At(error.where());
  for (const std::string& doing : error.context()) {
    first = std::move(first).With(doing);
  }
  errors.Add(std::move(first));
  for (const Error& other : error.others()) {
    errors.Add(other);
  }
}

}  // namespace millrace::app::internal
