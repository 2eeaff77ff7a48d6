// SPDX-License-Identifier: Apache-2.0
// An expectation against the columns of a table: what to accumulate, or the verdict where no row is
// needed.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "quality/internal/accumulator.h"
#include "quality/suite.h"

namespace millrace::quality::internal {

struct Compiled {
  /// kind, subject, wanted, severity; for expectations about the table alone also the verdict, and
  /// `problem` where there is one.
  ExpectationResult result;
  /// Makes an accumulator; null where no scan is needed.
  std::function<std::unique_ptr<Accumulator>()> make;
};

/// The columns that a scan must read, each once.
class ColumnSet {
 public:
  explicit ColumnSet(std::vector<data::ColumnInfo> existing) : existing_(std::move(existing)) {}

  /// The place of a column in Block::columns. kInvalidArgument names an unknown column and the
  /// nearest.
  Result<std::size_t> Use(const std::string& column);
  data::ColumnType TypeAt(std::size_t place) const { return types_[place]; }
  const std::vector<std::string>& used() const { return used_; }
  const std::vector<data::ColumnInfo>& existing() const { return existing_; }

 private:
  std::vector<data::ColumnInfo> existing_;
  std::vector<std::string> used_;
  std::vector<data::ColumnType> types_;
};

/// Never fails: what is wrong becomes `result.problem`.
Compiled Compile(const Expectation& expectation, std::int64_t n_rows, ColumnSet& columns);

}  // namespace millrace::quality::internal
