// SPDX-License-Identifier: Apache-2.0
// Where an endpoint takes stored feature values from: the online store, or a fake in tests.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "features/online.h"

namespace millrace::serving {

/// Stored feature values by view hash and key. Thread-safe; called on the request path, so it opens nothing and takes no lock
/// that a writer holds for long.
class FeatureReader {
 public:
  virtual ~FeatureReader() = default;
  /// Names of the values of a view, in the order of OnlineRow::values; nullopt while the view has not been published.
  virtual Result<std::optional<std::vector<std::string>>> Columns(const ContentHash& view) const = 0;
  /// One entry per key, in order; nullopt where nothing is stored.
  virtual Result<std::vector<std::optional<features::OnlineRow>>> GetMany(
      const ContentHash& view, std::span<const features::EntityKey> keys) const = 0;
};

/// A reader of the online store, which outlives it.
std::unique_ptr<FeatureReader> MakeOnlineReader(const features::OnlineStore& store);

}  // namespace millrace::serving
