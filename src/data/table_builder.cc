// SPDX-License-Identifier: Apache-2.0
// TableBuilder: vectors become Arrow arrays; numbers are taken over without a copy.
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include <arrow/api.h>

#include "base/check.h"
#include "data/internal/arrow_status.h"
#include "data/internal/normalize.h"
#include "data/table.h"

namespace millrace::data {
namespace {

// One bit per value, set where it is present; null where no value is missing.
std::shared_ptr<arrow::Buffer> ValidityBits(const std::vector<std::uint8_t>& is_null,
                                            std::int64_t* null_count) {
  *null_count = 0;
  std::vector<std::uint8_t> bits((is_null.size() + 7) / 8);
  for (std::size_t i = 0; i < is_null.size(); ++i) {
    if (is_null[i] != 0) {
      ++*null_count;
    } else {
      bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | (1U << (i % 8)));
    }
  }
  return *null_count == 0 ? nullptr : arrow::Buffer::FromVector(std::move(bits));
}

}  // namespace

struct TableBuilder::Impl {
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> columns;
  std::optional<Error> error;

  void Fail(Error e) {
    if (!error.has_value()) {
      error = std::move(e);
    }
  }

  bool CheckNulls(const std::string& name, std::size_t n,
                  const std::vector<std::uint8_t>& is_null) {
    if (is_null.empty() || is_null.size() == n) {
      return true;
    }
    Fail(base::InvalidArgument("column \"" + name + "\" has " + std::to_string(n) + " values but " +
                               std::to_string(is_null.size()) +
                               " null marks; wanted as many or none"));
    return false;
  }

  void Add(std::string name, ColumnType type, std::shared_ptr<arrow::ArrayData> data) {
    fields.push_back(arrow::field(std::move(name), internal::ArrowType(type)));
    columns.push_back(std::make_shared<arrow::ChunkedArray>(arrow::MakeArray(data)));
  }

  template <typename T>
  void AddNumbers(std::string name, ColumnType type, std::vector<T> values,
                  const std::vector<std::uint8_t>& is_null) {
    if (!CheckNulls(name, values.size(), is_null)) {
      return;
    }
    std::int64_t null_count = 0;
    std::shared_ptr<arrow::Buffer> validity = ValidityBits(is_null, &null_count);
    const auto n = static_cast<std::int64_t>(values.size());
    Add(std::move(name), type,
        arrow::ArrayData::Make(internal::ArrowType(type), n,
                               {std::move(validity), arrow::Buffer::FromVector(std::move(values))},
                               null_count));
  }

  // `text_of(i)` is the text of row i, nullopt for null.
  template <typename TextOf>
  void AddTexts(std::string name, std::size_t n, const TextOf& text_of) {
    arrow::StringBuilder builder;
    arrow::Status status = builder.Reserve(static_cast<std::int64_t>(n));
    for (std::size_t i = 0; i < n && status.ok(); ++i) {
      const std::optional<std::string_view> text = text_of(i);
      status = text.has_value() ? builder.Append(*text) : builder.AppendNull();
    }
    std::shared_ptr<arrow::Array> array;
    if (status.ok()) {
      status = builder.Finish(&array);
    }
    if (!status.ok()) {
      Fail(internal::ToError(status, "building column", "\"" + name + "\""));
      return;
    }
    Add(std::move(name), ColumnType::kString, array->data());
  }
};

TableBuilder::TableBuilder() : impl_(std::make_unique<Impl>()) {
}
TableBuilder::~TableBuilder() = default;
TableBuilder::TableBuilder(TableBuilder&&) noexcept = default;
TableBuilder& TableBuilder::operator=(TableBuilder&&) noexcept = default;

TableBuilder& TableBuilder::AddDoubles(std::string name, std::vector<double> values) {
  std::vector<std::uint8_t> is_null;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(values[i])) {
      is_null.resize(values.size());
      is_null[i] = 1;
    }
  }
  impl_->AddNumbers(std::move(name), ColumnType::kDouble, std::move(values), is_null);
  return *this;
}

TableBuilder& TableBuilder::AddInt64s(std::string name, std::vector<std::int64_t> values,
                                      const std::vector<std::uint8_t>& is_null) {
  impl_->AddNumbers(std::move(name), ColumnType::kInt64, std::move(values), is_null);
  return *this;
}

TableBuilder& TableBuilder::AddInt64s(std::string name, Int64Column column) {
  return AddInt64s(std::move(name), std::move(column.values), column.is_null);
}

TableBuilder& TableBuilder::AddTimestamps(std::string name, std::vector<std::int64_t> micros,
                                          const std::vector<std::uint8_t>& is_null) {
  impl_->AddNumbers(std::move(name), ColumnType::kTimestamp, std::move(micros), is_null);
  return *this;
}

TableBuilder& TableBuilder::AddTimestamps(std::string name, Int64Column column) {
  return AddTimestamps(std::move(name), std::move(column.values), column.is_null);
}

TableBuilder& TableBuilder::AddStrings(std::string name, const StringColumn& column) {
  for (const std::int32_t code : column.codes) {
    if (code < -1 || code >= static_cast<std::int32_t>(column.values.size())) {
      impl_->Fail(base::InvalidArgument("column \"" + name + "\" has the code " +
                                        std::to_string(code) + " but " +
                                        std::to_string(column.values.size()) + " texts"));
      return *this;
    }
  }
  impl_->AddTexts(std::move(name), column.codes.size(),
                  [&](std::size_t i) -> std::optional<std::string_view> {
                    const std::int32_t code = column.codes[i];
                    if (code < 0) {
                      return std::nullopt;
                    }
                    return column.values[static_cast<std::size_t>(code)];
                  });
  return *this;
}

TableBuilder& TableBuilder::AddStrings(std::string name, const std::vector<std::string>& values,
                                       const std::vector<std::uint8_t>& is_null) {
  if (impl_->CheckNulls(name, values.size(), is_null)) {
    impl_->AddTexts(std::move(name), values.size(),
                    [&](std::size_t i) -> std::optional<std::string_view> {
                      if (!is_null.empty() && is_null[i] != 0) {
                        return std::nullopt;
                      }
                      return values[i];
                    });
  }
  return *this;
}

TableBuilder& TableBuilder::AddBools(std::string name, const std::vector<std::uint8_t>& values,
                                     const std::vector<std::uint8_t>& is_null) {
  if (!impl_->CheckNulls(name, values.size(), is_null)) {
    return *this;
  }
  std::int64_t null_count = 0;
  std::shared_ptr<arrow::Buffer> validity = ValidityBits(is_null, &null_count);
  std::vector<std::uint8_t> bits((values.size() + 7) / 8);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != 0) {
      bits[i / 8] = static_cast<std::uint8_t>(bits[i / 8] | (1U << (i % 8)));
    }
  }
  impl_->Add(std::move(name), ColumnType::kBool,
             arrow::ArrayData::Make(
                 arrow::boolean(), static_cast<std::int64_t>(values.size()),
                 {std::move(validity), arrow::Buffer::FromVector(std::move(bits))}, null_count));
  return *this;
}

TableBuilder& TableBuilder::AddColumn(const Table& table, std::string_view name) {
  const int index = table.arrow()->schema()->GetFieldIndex(std::string(name));
  if (index < 0) {
    impl_->Fail(UnknownColumn(name, table.names()));
    return *this;
  }
  impl_->fields.push_back(table.arrow()->field(index));
  impl_->columns.push_back(table.arrow()->column(index));
  return *this;
}

Result<Table> TableBuilder::Finish() {
  const std::unique_ptr<Impl> impl = std::exchange(impl_, std::make_unique<Impl>());
  if (impl->error.has_value()) {
    return *std::move(impl->error);
  }
  for (std::size_t i = 1; i < impl->columns.size(); ++i) {
    if (impl->columns[i]->length() != impl->columns[0]->length()) {
      return base::InvalidArgument(
          "column \"" + impl->fields[i]->name() + "\" has " +
          std::to_string(impl->columns[i]->length()) + " rows but \"" + impl->fields[0]->name() +
          "\" has " + std::to_string(impl->columns[0]->length()) + "; wanted equal lengths");
    }
  }
  const std::int64_t rows = impl->columns.empty() ? 0 : impl->columns[0]->length();
  return Table::FromArrow(arrow::Table::Make(arrow::schema(impl->fields), impl->columns, rows));
}

}  // namespace millrace::data
