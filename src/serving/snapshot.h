// SPDX-License-Identifier: Apache-2.0
// Snapshot: everything that answers requests with one model version; immutable, shared, replaced as
// a whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/context.h"
#include "base/result.h"
#include "data/table.h"
#include "features/online.h"
#include "models/model.h"
#include "serving/endpoint_spec.h"

namespace millrace::serving {

/// A version of a registered model, and the folder that holds it.
struct ModelVersion {
  std::string name;
  int version = 0;
  std::string model_id;
  /// Where its files lie, in the words of the resolver.
  std::string location;
  bool operator==(const ModelVersion&) const = default;
};

/// Rows to score, in the columns of a snapshot's signature. Reuse one per thread: clearing keeps
/// the memory.
struct RowBlock {
  std::size_t n_rows = 0;
  /// Row-major, n_rows x Snapshot::n_columns(); NaN where null or not given.
  std::vector<double> values;
  /// Same shape: 1 where the request gave the value (null counts as given).
  std::vector<std::uint8_t> given;
  /// One key per row, or empty where the request has no key column.
  std::vector<features::EntityKey> keys;

  /// Empties the block and gives it n rows of missing values.
  void Reset(std::size_t rows, std::size_t columns);
};

/// Answers to a block.
struct Scores {
  /// P(positive class), one per row.
  std::vector<double> values;
  /// As-of instants of the stored features that were used; nullopt where none were.
  std::optional<Timestamp> features_oldest;
  std::optional<Timestamp> features_newest;
};

class Snapshot {
 public:
  /// Binds the views that both the endpoint and the model name to columns of the signature.
  /// @param store  may be null where the endpoint has no key; outlives the snapshot
  ///         - kFailedPrecondition if the endpoint names a view that the model was not trained on.
  static Result<std::shared_ptr<const Snapshot>> Make(const EndpointSpec& spec,
                                                      const ModelVersion& version,
                                                      models::Model model,
                                                      const features::OnlineStore* store);

  const EndpointSpec& spec() const { return spec_; }
  const ModelVersion& version() const { return version_; }
  const models::Model& model() const { return model_; }
  const models::Engine& engine() const { return *engine_; }
  std::size_t n_columns() const { return model_.signature().inputs.size(); }
  const std::vector<models::ColumnSpec>& columns() const { return model_.signature().inputs; }
  /// The place of a column in the signature, or -1.
  int ColumnIndex(std::string_view name) const;
  /// True where rows may be completed by key.
  bool has_key() const { return !spec_.key.empty() && store_ != nullptr; }
  /// How keys of the endpoint's entity are stored; kInt64 until a view is published.
  data::ColumnType key_type() const { return key_type_; }
  /// False while a view of the endpoint has not been published under the model's hash; then a new
  /// snapshot must be made later.
  bool all_views_bound() const { return unbound_.empty(); }

  /// Completes the rows from the online store where they have keys, checks that no required column
  /// is missing, and predicts. A value that the request gives, null included, goes before the
  /// stored one. Without keys a column counts as given if any row gives it, as in a data frame.
  /// @param block  shaped for this snapshot; its missing values are filled in
  ///         - kInvalidArgument naming the first required column that is missing;
  ///         - kNotFound naming the first key that no view knows, where values of it are needed;
  ///         - kUnavailable if a view has not been published yet.
  /// Thread-safe.
  Result<void> Score(RowBlock& block, Scores& scores) const;

 private:
  struct View {
    std::string name;
    ContentHash hash;
    /// For each stored value the column it fills, or -1.
    std::vector<int> column_of_value;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  Snapshot(EndpointSpec spec, ModelVersion version, models::Model model,
           const features::OnlineStore* store);
  Result<void> BindViews();
  /// True if a required column of the row was neither given nor filled; `column` is its place.
  bool LacksColumn(const RowBlock& block, std::size_t row, std::size_t& column) const;
  Result<void> CheckGiven(const RowBlock& block) const;
  Result<void> Complete(RowBlock& block, Scores& scores) const;
  Error Incomplete(const RowBlock& block, std::size_t row, std::size_t column,
                   bool is_key_known) const;

  EndpointSpec spec_;
  ModelVersion version_;
  models::Model model_;
  std::unique_ptr<const models::Engine> engine_;
  const features::OnlineStore* store_ = nullptr;
  data::ColumnType key_type_ = data::ColumnType::kInt64;
  std::unordered_map<std::string, int, TextHash, std::equal_to<>> column_index_;
  std::vector<View> views_;
  std::vector<std::string> unbound_;
};

/// Scores of a whole table by the same engine that answers requests, so that both agree bit for
/// bit.
/// @param table  has every column of the signature; others are ignored; null is a missing value
///         - kInvalidArgument naming the first missing column.
/// Deterministic at any number of threads of context.cpu (null: the calling thread).
Result<std::vector<double>> ScoreTable(const Context& context, const models::Signature& signature,
                                       const models::Engine& engine, const data::Table& table);

}  // namespace millrace::serving
