// SPDX-License-Identifier: Apache-2.0
// The online store: the last published feature values of every key, per view hash, over any
// key-value store.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/hash.h"
#include "base/result.h"
#include "data/table.h"
#include "features/key.h"
#include "features/plan.h"

namespace millrace::store {
class KeyValue;
}

namespace millrace::features {

/// The stored features of one key.
struct OnlineRow {
  /// The instant to which the values belong.
  Timestamp as_of;
  /// One per column of the view, in its order; NaN is null.
  std::vector<double> values;
};

/// What is known about a published view; enough to show and to serve it without the project's
/// files.
struct PublishedView {
  ContentHash hash;
  std::string name;
  std::string entity;
  std::string key;
  data::ColumnType key_type = data::ColumnType::kInt64;
  std::string source;
  std::vector<FeatureColumn> columns;
  /// As-of of the newest publication, and how many keys it wrote.
  Timestamp as_of;
  std::int64_t keys = 0;
};

/// Feature values by (view hash, key). Thread-safe as the key-value store beneath, which must
/// outlive it. Format: docs/formats/online.md.
class OnlineStore {
 public:
  explicit OnlineStore(store::KeyValue& kv) : kv_(&kv) {}

  /// Writes one row per key at `as_of`; keys that hold a newer as-of keep theirs (rule 8). Durable
  /// on return; calling again with the same rows changes nothing.
  ///
  /// @param keys    n keys without nulls or duplicates.
  /// @param values  n rows with the plan's columns by name.
  Result<void> Publish(const Context& context, const ViewPlan& plan, const KeyColumn& keys,
                       Timestamp as_of, const data::Table& values);

  /// The row of a key; nullopt if it was never published. kDataLoss if the stored bytes are
  /// damaged.
  Result<std::optional<OnlineRow>> Get(const ContentHash& view, const EntityKey& key) const;
  /// One per key, in order.
  Result<std::vector<std::optional<OnlineRow>>> GetMany(const ContentHash& view,
                                                        std::span<const EntityKey> keys) const;

  /// Every published view, by name, then hash.
  Result<std::vector<PublishedView>> Views() const;
  Result<std::optional<PublishedView>> FindView(const ContentHash& view) const;
  /// Every stored key of a view with its row, ascending by stored key, at most `limit`.
  Result<std::vector<std::pair<EntityKey, OnlineRow>>> Rows(const ContentHash& view,
                                                            std::size_t limit) const;
  /// Removes the view and its rows.
  Result<void> DropView(const ContentHash& view);

 private:
  store::KeyValue* kv_;
};

}  // namespace millrace::features
