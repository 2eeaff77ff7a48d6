// SPDX-License-Identifier: Apache-2.0
// What endpoints/*.yaml declares: which model answers under which name, and where its features come
// from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/result.h"

namespace millrace::serving {

/// One file of endpoints/.
struct EndpointSpec {
  /// The URL's part: /endpoints/<name>/invocations and /v2/models/<name>/infer.
  std::string name;
  std::string description;
  /// The registered model, and the alias whose version answers.
  std::string model;
  std::string alias = "champion";
  /// The entity that a request may name instead of sending features, and the column that holds its
  /// key. Both empty: full rows only.
  std::string entity;
  std::string key;
  /// Feature views whose stored values complete a row, by name; a later view never overrides a
  /// column of an earlier one.
  std::vector<std::string> views;
  /// The instant as of which `deploy` publishes feature values.
  std::optional<Timestamp> as_of;

  bool operator==(const EndpointSpec&) const = default;
  static const base::Declaration<EndpointSpec>& Declared();
};

/// What the declaration cannot say: the name can stand in a URL (a letter or digit, then letters,
/// digits, "-", "_", at most 63), entity and key come together, views come with a key.
/// kInvalidArgument names the first mistake.
Result<void> CheckEndpointSpec(const EndpointSpec& spec);

}  // namespace millrace::serving
