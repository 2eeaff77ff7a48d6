// SPDX-License-Identifier: Apache-2.0
// Values to PostgreSQL's texts and back: numbers in decimal, by the type numbers of the answer.
#include "store/internal/postgres_values.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace millrace::store::internal {
namespace {

// Type numbers of pg_catalog.pg_type, which never change.
constexpr Oid kBool = 16;
constexpr Oid kInt8 = 20;
constexpr Oid kInt2 = 21;
constexpr Oid kInt4 = 23;
constexpr Oid kFloat4 = 700;
constexpr Oid kFloat8 = 701;
constexpr Oid kNumeric = 1700;

template <typename Number>
bool ParseAll(std::string_view text, Number& number) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  return status == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string KindsOf(std::span<const Value> params) {
  std::string kinds;
  for (const Value& value : params) {
    kinds += "nidt"[value.index()];
  }
  return kinds;
}

std::vector<Oid> TypesOf(std::span<const Value> params) {
  std::vector<Oid> types;
  for (const Value& value : params) {
    types.push_back(std::holds_alternative<std::int64_t>(value) ? kInt8
                    : std::holds_alternative<double>(value)     ? kFloat8
                                                                : 0);
  }
  return types;
}

Result<Texts> ToTexts(std::span<const Value> params) {
  Texts texts;
  texts.numbers.reserve(params.size());
  std::array<char, 32> buffer;
  for (const Value& value : params) {
    if (const auto* text = std::get_if<std::string>(&value)) {
      if (text->find('\0') != std::string::npos) {
        return base::InvalidArgument("PostgreSQL keeps no NUL characters in texts; got one in \"" +
                                     std::string(text->c_str()) + "\"");
      }
      texts.values.push_back(text->c_str());
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), *integer).ptr;
      texts.values.push_back(texts.numbers.emplace_back(buffer.data(), end).c_str());
    } else if (const auto* real = std::get_if<double>(&value)) {
      const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), *real).ptr;
      texts.values.push_back(texts.numbers.emplace_back(buffer.data(), end).c_str());
    } else {
      texts.values.push_back(nullptr);
    }
  }
  return texts;
}

ValueView Column(const PGresult* result, int row, int column) {
  if (PQgetisnull(result, row, column) != 0) {
    return std::monostate();
  }
  const std::string_view text(PQgetvalue(result, row, column),
                              static_cast<std::size_t>(PQgetlength(result, row, column)));
  std::int64_t integer = 0;
  double real = 0;
  switch (PQftype(result, column)) {
    case kBool:
      return std::int64_t{text == "t" ? 1 : 0};
    case kInt2:
    case kInt4:
    case kInt8:
      ParseAll(text, integer);
      return integer;
    case kNumeric:  // a SUM of BIGINT
      if (ParseAll(text, integer)) {
        return integer;
      }
      [[fallthrough]];
    case kFloat4:
    case kFloat8:
      ParseAll(text, real);
      return real;
    default:
      return text;
  }
}

}  // namespace millrace::store::internal
