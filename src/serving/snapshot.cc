// SPDX-License-Identifier: Apache-2.0
// Binding of stored features to a model's columns, completion of rows by key, prediction.
#include "serving/snapshot.h"

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "base/thread_pool.h"

namespace millrace::serving {

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
// Rows that one task of ScoreTable scores: large enough to hide the hand-over, small enough to
// spread.
constexpr std::size_t kBlockRows = 1024;

void NoteAsOf(Timestamp as_of, Scores& scores) {
  scores.features_oldest =
      scores.features_oldest ? std::min(*scores.features_oldest, as_of) : as_of;
  scores.features_newest =
      scores.features_newest ? std::max(*scores.features_newest, as_of) : as_of;
}

std::string JoinNames(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

}  // namespace

void RowBlock::Reset(std::size_t rows, std::size_t columns) {
  n_rows = rows;
  values.assign(rows * columns, kMissing);
  given.assign(rows * columns, 0);
  keys.clear();
}

Snapshot::Snapshot(EndpointSpec spec, ModelVersion version, models::Model model,
                   const features::OnlineStore* store)
    : spec_(std::move(spec)),
      version_(std::move(version)),
      model_(std::move(model)),
      engine_(model_.estimator()->MakeEngine()),
      store_(store) {
  for (std::size_t i = 0; i < columns().size(); ++i) {
    column_index_.emplace(columns()[i].name, static_cast<int>(i));
  }
}

Result<std::shared_ptr<const Snapshot>> Snapshot::Make(const EndpointSpec& spec,
                                                       const ModelVersion& version,
                                                       models::Model model,
                                                       const features::OnlineStore* store) {
  MILL_RETURN_IF_ERROR(CheckEndpointSpec(spec));
  std::shared_ptr<Snapshot> snapshot(new Snapshot(spec, version, std::move(model), store));
  MILL_CHECK(snapshot->engine_->n_features() == snapshot->n_columns());
  if (snapshot->has_key()) {
    MILL_RETURN_IF_ERROR(snapshot->BindViews());
  }
  // The first request should not be the one that brings the model into the caches.
  const std::vector<double> row(snapshot->n_columns(), kMissing);
  double score = 0.0;
  snapshot->engine_->Predict(row.data(), 1, &score);
  return std::shared_ptr<const Snapshot>(std::move(snapshot));
}

Result<void> Snapshot::BindViews() {
  const auto& trained_on = model_.metadata().view_hashes;
  std::vector<std::string> names = spec_.views;
  if (names.empty()) {
    for (const auto& [name, hash] : trained_on) {
      names.push_back(name);
    }
  }
  std::vector<std::uint8_t> is_filled(n_columns(), 0);
  for (const std::string& name : names) {
    const auto found = trained_on.find(name);
    if (found == trained_on.end()) {
      std::vector<std::string> known;
      for (const auto& [known_name, hash] : trained_on) {
        known.push_back(known_name);
      }
      return base::FailedPrecondition("endpoint \"" + spec_.name + "\" names view \"" + name +
                                      "\", but version " + std::to_string(version_.version) +
                                      " of model \"" + version_.name + "\" was trained on " +
                                      (known.empty() ? "no view" : JoinNames(known)))
          .Hint("correct views in the endpoint's file, or train a model on that view");
    }
    MILL_ASSIGN_OR_RETURN(const std::optional<features::PublishedView> published,
                          store_->FindView(found->second));
    if (!published) {
      unbound_.push_back(name);
      continue;
    }
    key_type_ = published->key_type;
    View view{.name = name, .hash = found->second, .column_of_value = {}};
    for (const features::FeatureColumn& column : published->columns) {
      const int index = ColumnIndex(column.name);
      const bool is_wanted = index >= 0 && is_filled[static_cast<std::size_t>(index)] == 0;
      view.column_of_value.push_back(is_wanted ? index : -1);
      if (is_wanted) {
        is_filled[static_cast<std::size_t>(index)] = 1;
      }
    }
    views_.push_back(std::move(view));
  }
  return {};
}

int Snapshot::ColumnIndex(std::string_view name) const {
  const auto found = column_index_.find(name);
  return found == column_index_.end() ? -1 : found->second;
}

bool Snapshot::LacksColumn(const RowBlock& block, std::size_t row, std::size_t& column) const {
  const std::uint8_t* const given = block.given.data() + row * n_columns();
  for (std::size_t c = 0; c < n_columns(); ++c) {
    if (given[c] == 0 && columns()[c].required) {
      column = c;
      return true;
    }
  }
  return false;
}

Result<void> Snapshot::CheckGiven(const RowBlock& block) const {
  for (std::size_t c = 0; c < n_columns(); ++c) {
    bool is_given = !columns()[c].required || block.n_rows == 0;
    for (std::size_t r = 0; r < block.n_rows && !is_given; ++r) {
      is_given = block.given[r * n_columns() + c] != 0;
    }
    if (!is_given) {
      const std::string by_key =
          has_key() ? "; or send \"" + spec_.key + "\" alone to use stored features" : "";
      return base::InvalidArgument("Failed to enforce schema: column \"" + columns()[c].name +
                                   "\" is missing; model \"" + version_.name + "\" wants " +
                                   std::to_string(n_columns()) + " columns")
          .Hint("send every column of the model's signature" + by_key);
    }
  }
  return {};
}

Error Snapshot::Incomplete(const RowBlock& block, std::size_t row, std::size_t column,
                           bool is_key_known) const {
  const std::string key = spec_.key + " " + features::KeyText(block.keys[row]);
  if (!unbound_.empty()) {
    return base::Unavailable("features of " + key + " cannot be looked up: view " +
                             JoinNames(unbound_) + " has not been published for version " +
                             std::to_string(version_.version))
        .Hint("run the pipeline's deploy stage, or send the features in the request");
  }
  if (!is_key_known) {
    return base::NotFound("no stored features for " + key)
        .Hint("publish features of this " + spec_.entity + ", or send them in the request");
  }
  return base::InvalidArgument("Failed to enforce schema: column \"" + columns()[column].name +
                               "\" of " + key + " is in none of the endpoint's views")
      .Hint("send this column beside the key");
}

Result<void> Snapshot::Complete(RowBlock& block, Scores& scores) const {
  // Rows that any view knew. One byte per row, made once per block: keys are looked up in a store,
  // so this is not what costs.
  std::vector<std::uint8_t> is_known(block.n_rows, 0);
  std::size_t column = 0;
  std::vector<std::uint8_t> needs(block.n_rows, 0);
  bool any_needs = false;
  for (std::size_t r = 0; r < block.n_rows; ++r) {
    needs[r] = LacksColumn(block, r, column) ? 1 : 0;
    any_needs = any_needs || needs[r] != 0;
  }
  if (!any_needs) {
    return {};
  }
  for (const View& view : views_) {
    MILL_ASSIGN_OR_RETURN(const auto rows, store_->GetMany(view.hash, block.keys));
    for (std::size_t r = 0; r < block.n_rows; ++r) {
      if (needs[r] == 0 || !rows[r]) {
        continue;
      }
      if (rows[r]->values.size() != view.column_of_value.size()) {
        return base::DataLoss("view " + view.name + " holds " +
                              std::to_string(rows[r]->values.size()) + " values for " + spec_.key +
                              " " + features::KeyText(block.keys[r]) + "; wanted " +
                              std::to_string(view.column_of_value.size()))
            .Hint("publish the view again");
      }
      is_known[r] = 1;
      NoteAsOf(rows[r]->as_of, scores);
      for (std::size_t v = 0; v < view.column_of_value.size(); ++v) {
        if (view.column_of_value[v] < 0) {
          continue;
        }
        const std::size_t cell =
            r * n_columns() + static_cast<std::size_t>(view.column_of_value[v]);
        if (block.given[cell] == 0) {
          block.given[cell] = 1;
          block.values[cell] = rows[r]->values[v];
        }
      }
    }
  }
  for (std::size_t r = 0; r < block.n_rows; ++r) {
    while (needs[r] != 0 && LacksColumn(block, r, column)) {
      // A key that one view knows and another does not has nulls there: no match gives nulls.
      const bool is_in_a_view =
          is_known[r] != 0 && std::any_of(views_.begin(), views_.end(), [&](const View& view) {
            return std::find(view.column_of_value.begin(), view.column_of_value.end(),
                             static_cast<int>(column)) != view.column_of_value.end();
          });
      if (!is_in_a_view) {
        return Incomplete(block, r, column, is_known[r] != 0);
      }
      block.given[r * n_columns() + column] = 1;
    }
  }
  return {};
}

Result<void> Snapshot::Score(RowBlock& block, Scores& scores) const {
  scores.features_oldest.reset();
  scores.features_newest.reset();
  scores.values.resize(block.n_rows);
  if (block.keys.empty() || !has_key()) {
    MILL_RETURN_IF_ERROR(CheckGiven(block));
  } else {
    MILL_CHECK(block.keys.size() == block.n_rows);
    MILL_RETURN_IF_ERROR(Complete(block, scores));
  }
  engine_->Predict(block.values.data(), block.n_rows, scores.values.data());
  return {};
}

Result<std::vector<double>> ScoreTable(const Context& context, const models::Signature& signature,
                                       const models::Engine& engine, const data::Table& table) {
  const std::size_t n = static_cast<std::size_t>(table.rows());
  const std::size_t n_columns = signature.inputs.size();
  MILL_CHECK(engine.n_features() == n_columns);
  std::vector<double> rows(n * n_columns, kMissing);
  for (std::size_t c = 0; c < n_columns; ++c) {
    const models::ColumnSpec& column = signature.inputs[c];
    if (!column.required && !table.Has(column.name)) {
      continue;
    }
    MILL_ASSIGN_OR_RETURN(const std::vector<double> values, table.Doubles(column.name));
    for (std::size_t r = 0; r < n; ++r) {
      rows[r * n_columns + c] = values[r];
    }
  }
  std::vector<double> scores(n);
  const auto score = [&](std::size_t begin, std::size_t end) -> Result<void> {
    MILL_RETURN_IF_ERROR(context.Check());
    engine.Predict(rows.data() + begin * n_columns, end - begin, scores.data() + begin);
    return {};
  };
  if (context.cpu != nullptr) {
    MILL_RETURN_IF_ERROR(context.cpu->ParallelFor(context, n, kBlockRows, score));
  } else {
    for (std::size_t begin = 0; begin < n; begin += kBlockRows) {
      MILL_RETURN_IF_ERROR(score(begin, std::min(n, begin + kBlockRows)));
    }
  }
  return scores;
}

}  // namespace millrace::serving
