// SPDX-License-Identifier: Apache-2.0
// What a team writes in features/*.yaml: entities, feature views, and the texts of their features.
#pragma once

#include <optional>
#include <string>

#include "base/config.h"

namespace millrace::features {

/// One feature view as declared: features of one entity from one source, with its rules of time.
struct ViewSpec {
  std::string description;
  /// The table or source that holds the events.
  base::Located<std::string> source;
  /// The column of event times.
  base::Located<std::string> time;
  /// How long the key's newest event keeps the view alive; absent = for ever.
  std::optional<Duration> ttl;
  /// The column that says when a row became known; absent = with its event time.
  std::optional<base::Located<std::string>> created;
  /// With `created`: "as_known_then" sees only rows with created <= as-of, "as_corrected" sees all.
  std::string history = "as_known_then";
  /// Upper end of rows looked up by latest(x): "<=" or "<".
  std::string as_of = "<=";
  /// Moves the aggregates' interval from [t - w, t) to (t - w, t].
  bool include_now = false;
  /// Feature name -> an aggregate, an optional filter, an optional window.
  base::OrderedMap<base::Located<std::string>> features;
  /// Feature name -> an expression over features.
  base::OrderedMap<base::Located<std::string>> derived;

  static const base::Declaration<ViewSpec>& Declared();
};

/// One features/*.yaml.
struct FeatureFile {
  /// What the features describe: customer, product.
  base::Located<std::string> entity;
  /// The column of the source that identifies it; integer or string.
  base::Located<std::string> key;
  base::OrderedMap<ViewSpec> views;

  static const base::Declaration<FeatureFile>& Declared();
};

}  // namespace millrace::features
