// SPDX-License-Identifier: Apache-2.0
// Table::Hash: a hash of what a table says, whatever its chunks, bitmaps and offsets look like in
// memory.
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include <arrow/api.h>

#include "data/internal/normalize.h"
#include "data/table.h"

namespace millrace::data {
namespace {

// Values reach the hasher in blocks: per-value calls would cost more than SHA-256 itself.
class BlockWriter {
 public:
  explicit BlockWriter(base::Hasher& hasher) : hasher_(hasher) { block_.reserve(kBlock); }

  template <typename T>
  void Put(T value) {
    const auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
    block_.insert(block_.end(), bytes.begin(), bytes.end());
    FlushWhenFull();
  }
  void Put(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    block_.insert(block_.end(), bytes.begin(), bytes.end());
    FlushWhenFull();
  }
  void Flush() {
    hasher_.AddBytes(block_);
    block_.clear();
  }

 private:
  static constexpr std::size_t kBlock = 1 << 16;
  void FlushWhenFull() {
    if (block_.size() >= kBlock - 64) {
      Flush();
    }
  }

  base::Hasher& hasher_;
  std::vector<std::byte> block_;
};

void HashNulls(const arrow::ChunkedArray& column, base::Hasher& hasher) {
  hasher.Add(column.null_count());
  if (column.null_count() == 0) {
    return;
  }
  BlockWriter writer(hasher);
  for (const std::shared_ptr<arrow::Array>& chunk : column.chunks()) {
    for (std::int64_t i = 0; i < chunk->length(); ++i) {
      writer.Put(static_cast<std::uint8_t>(chunk->IsNull(i) ? 1 : 0));
    }
  }
  writer.Flush();
}

// `canonical` maps equal values to equal bits; bytes behind nulls are whatever was there, so they
// count as zero.
template <typename Array, typename Value, typename Canonical>
void HashValues(const arrow::ChunkedArray& column, base::Hasher& hasher,
                const Canonical& canonical) {
  BlockWriter writer(hasher);
  for (const std::shared_ptr<arrow::Array>& chunk : column.chunks()) {
    const auto& array = static_cast<const Array&>(*chunk);
    const bool has_nulls = array.null_count() > 0;
    for (std::int64_t i = 0; i < array.length(); ++i) {
      writer.Put(has_nulls && array.IsNull(i) ? Value{}
                                              : static_cast<Value>(canonical(array.Value(i))));
    }
  }
  writer.Flush();
}

void HashStrings(const arrow::ChunkedArray& column, base::Hasher& hasher) {
  BlockWriter writer(hasher);
  for (const std::shared_ptr<arrow::Array>& chunk : column.chunks()) {
    const auto& array = static_cast<const arrow::StringArray&>(*chunk);
    for (std::int64_t i = 0; i < array.length(); ++i) {
      const std::string_view text = array.IsNull(i) ? std::string_view() : array.GetView(i);
      writer.Put(static_cast<std::uint64_t>(text.size()));
      writer.Put(text);
    }
  }
  writer.Flush();
}

}  // namespace

ContentHash Table::Hash() const {
  base::Hasher hasher;
  hasher.Add("millrace table 1").Add(rows()).Add(static_cast<std::int64_t>(table_->num_columns()));
  for (int c = 0; c < table_->num_columns(); ++c) {
    const arrow::ChunkedArray& column = *table_->column(c);
    const ColumnType type = *internal::TargetType(*column.type());
    hasher.Add(table_->field(c)->name()).Add(ColumnTypeName(type));
    HashNulls(column, hasher);
    switch (type) {
      case ColumnType::kBool:
        HashValues<arrow::BooleanArray, std::uint8_t>(column, hasher,
                                                      [](bool v) { return v ? 1 : 0; });
        break;
      case ColumnType::kInt64:
        HashValues<arrow::Int64Array, std::int64_t>(column, hasher,
                                                    [](std::int64_t v) { return v; });
        break;
      case ColumnType::kDouble:
        HashValues<arrow::DoubleArray, double>(column, hasher, [](double v) {
          return std::isnan(v) ? std::numeric_limits<double>::quiet_NaN() : v;
        });
        break;
      case ColumnType::kString:
        HashStrings(column, hasher);
        break;
      case ColumnType::kTimestamp:
        HashValues<arrow::TimestampArray, std::int64_t>(column, hasher,
                                                        [](std::int64_t v) { return v; });
        break;
    }
  }
  return hasher.Finish();
}

}  // namespace millrace::data
