// SPDX-License-Identifier: Apache-2.0
// Filters and orders runs column by column.
#include "tracking/internal/run_table.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace millrace::tracking::internal {
namespace {

struct Candidate {
  std::uint64_t key = 0;
  RunRow row = 0;
};

// The first k of all candidates in the full order. Only those whose key of the first term is good
// enough are compared in full.
template <typename Less>
std::vector<Candidate> First(std::vector<Candidate> candidates, std::size_t k, const Less& less) {
  if (candidates.size() > k) {
    std::nth_element(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(k),
                     candidates.end(), less);
    candidates.resize(k);
  }
  std::sort(candidates.begin(), candidates.end(), less);
  return candidates;
}

}  // namespace

Field ColumnField(const Field& field) {
  if (field.kind == FieldKind::kAttribute && field.key == "run_name") {
    return {FieldKind::kTag, "mlflow.runName"};
  }
  return field;
}

RunTable::RunTable() {
  users_.MakeDense();
  statuses_.MakeDense();
}

std::size_t RunTable::bytes() const {
  std::size_t total = run_keys_.capacity() * sizeof(std::int64_t) +
                      experiments_.capacity() * sizeof(std::uint32_t) + run_keys_.size() / 8 +
                      starts_.bytes() + ends_.bytes() + users_.bytes() + statuses_.bytes() +
                      run_ids_.bytes();
  for (const auto& column : columns_) {
    total += column->column().bytes();
  }
  return total;
}

void RunTable::Grow(std::size_t n) {
  run_keys_.resize(n);
  experiments_.resize(n);
  active_.Resize(n);
  starts_.Grow(n);
  ends_.Grow(n);
  users_.Grow(n);
  statuses_.Grow(n);
  run_ids_.Grow(n);
  for (const auto& column : columns_) {
    column->column().Grow(n);
  }
}

void RunTable::SetRun(RunRow row, const RunBase& run) {
  run_keys_[row] = run.run_key;
  const auto [at, is_new] = experiment_index_.try_emplace(
      run.experiment_id, static_cast<std::uint32_t>(experiment_ids_.size()));
  if (is_new) {
    experiment_ids_.push_back(run.experiment_id);
  }
  experiments_[row] = at->second;
  run.is_active ? active_.Set(row) : active_.Clear(row);
  starts_.Set(row, run.start_time);
  ends_.Set(row, run.end_time);
  users_.Set(row, run.user_id);
  statuses_.Set(row, RunStatusName(run.status));
  run_ids_.Set(row, run.run_id);
}

std::optional<RunRow> RunTable::Find(std::int64_t run_key) const {
  const auto at = std::lower_bound(run_keys_.begin(), run_keys_.end(), run_key);
  if (at == run_keys_.end() || *at != run_key) {
    return std::nullopt;
  }
  return static_cast<RunRow>(at - run_keys_.begin());
}

LoadedColumn* RunTable::FindColumn(const Field& field) const {
  for (const auto& column : columns_) {
    if (column->field == field) {
      return column.get();
    }
  }
  return nullptr;
}

void RunTable::AddColumn(std::unique_ptr<LoadedColumn> column) {
  columns_.push_back(std::move(column));
}

const RunColumn* RunTable::ColumnOf(const Field& written) const {
  const Field field = ColumnField(written);
  if (field.kind == FieldKind::kAttribute) {
    if (field.key == "start_time") {
      return &starts_;
    }
    if (field.key == "end_time") {
      return &ends_;
    }
    if (field.key == "user_id") {
      return &users_;
    }
    if (field.key == "status") {
      return &statuses_;
    }
    if (field.key == "run_id") {
      return &run_ids_;
    }
  }
  const LoadedColumn* loaded = FindColumn(field);
  return loaded == nullptr ? nullptr : &loaded->column();
}

RowSet RunTable::InScope(const IndexQuery& query) const {
  std::vector<std::uint8_t> is_asked(experiment_ids_.size());
  for (const std::int64_t id : query.experiment_ids) {
    if (const auto at = experiment_index_.find(id); at != experiment_index_.end()) {
      is_asked[at->second] = 1;
    }
  }
  RowSet rows = query.view == ViewType::kAll ? RowSet(n_runs(), true) : active_;
  if (query.view == ViewType::kDeletedOnly) {
    rows.Flip();
  }
  const bool asks_all =
      std::all_of(is_asked.begin(), is_asked.end(), [](std::uint8_t asked) { return asked != 0; });
  if (!asks_all) {
    const std::uint32_t* experiments = experiments_.data();
    rows.Keep([&](RunRow row) { return is_asked[experiments[row]] != 0; });
  }
  return rows;
}

void RunTable::Filter(const Clause& clause, RowSet& rows) const {
  const ClauseTest test(clause);
  const RunColumn* column = ColumnOf(clause.field);
  if (column != nullptr) {
    column->Filter(test, rows);
  } else if (!test(FieldValue())) {
    rows = RowSet(n_runs());
  }
}

std::vector<std::int64_t> RunTable::Select(const IndexQuery& query, RowSet rows) const {
  for (const Clause& clause : query.filter) {
    if (clause.field.kind != FieldKind::kDataset) {
      Filter(clause, rows);
    }
  }
  std::vector<std::pair<const RunColumn*, bool>> terms;
  for (const OrderTerm& term : query.order) {
    if (const RunColumn* column = ColumnOf(term.field)) {
      terms.emplace_back(column, term.is_ascending);
    }
  }
  terms.emplace_back(&starts_, false);
  const std::vector<RunRow> kept = rows.Rows();
  std::vector<std::uint64_t> keys(kept.size());
  terms[0].first->Keys(kept, terms[0].second, keys);

  const auto less = [&](const Candidate& a, const Candidate& b) {
    if (a.key != b.key) {
      return a.key < b.key;
    }
    for (const auto& [column, is_ascending] : terms) {
      const std::weak_ordering order = column->Compare(a.row, b.row, is_ascending);
      if (order != 0) {
        return order < 0;
      }
    }
    return run_ids_.Compare(a.row, b.row, true) < 0;
  };
  const auto offset = static_cast<std::size_t>(std::max<std::int64_t>(query.offset, 0));
  const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(query.limit, 0));
  if (offset >= kept.size()) {
    return {};
  }
  const std::size_t k = std::min(offset + limit + 1, kept.size());
  // Candidates wait in a buffer; whenever it is full, the k best stay and the last of them is the
  // mark that later ones have to reach.
  const std::size_t capacity = std::max<std::size_t>(2 * k, 4096);
  std::uint64_t mark = std::numeric_limits<std::uint64_t>::max();
  std::vector<Candidate> buffer;
  buffer.reserve(std::min(capacity, kept.size()));
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (keys[i] > mark) {
      continue;
    }
    buffer.push_back({keys[i], kept[i]});
    if (buffer.size() == capacity) {
      std::nth_element(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(k - 1),
                       buffer.end(), less);
      buffer.resize(k);
      mark = buffer[k - 1].key;
    }
  }
  const std::vector<Candidate> first = First(std::move(buffer), k, less);
  std::vector<std::int64_t> result;
  for (std::size_t i = offset; i < first.size(); ++i) {
    result.push_back(run_keys_[first[i].row]);
  }
  return result;
}

}  // namespace millrace::tracking::internal
