// SPDX-License-Identifier: Apache-2.0
// Reads bounds and sets, and says them in words.
#include "quality/internal/bounds.h"

#include <charconv>
#include <cmath>
#include <utility>

#include "base/clock.h"
#include "base/number_format.h"

namespace millrace::quality::internal {
namespace {

using data::ColumnType;

std::optional<double> ParseNumber(const std::string& text) {
  double value = 0;
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || std::isnan(value)) {
    return std::nullopt;
  }
  return value;
}

Result<double> ReadBound(const std::string& text, const char* name, ColumnType type) {
  if (type == ColumnType::kTimestamp) {
    auto instant = base::ParseTimestamp(text);
    if (!instant.ok()) {
      return base::InvalidArgument(std::string(name) + " is \"" + text +
                                   "\"; the column holds timestamps, wanted a "
                                   "date or instant such as 2010-06-01");
    }
    return static_cast<double>(instant.value().micros);
  }
  const std::optional<double> number = ParseNumber(text);
  if (!number.has_value()) {
    return base::InvalidArgument(std::string(name) + " is \"" + text + "\"; wanted a number");
  }
  return *number;
}

std::optional<std::uint64_t> ReadMember(const std::string& text, ColumnType type) {
  if (type == ColumnType::kBool) {
    if (text == "true" || text == "True" || text == "1") {
      return 1;
    }
    return text == "false" || text == "False" || text == "0" ? std::optional<std::uint64_t>(0)
                                                             : std::nullopt;
  }
  if (type == ColumnType::kTimestamp) {
    const auto instant = base::ParseTimestamp(text);
    return instant.ok() ? std::optional(static_cast<std::uint64_t>(instant.value().micros))
                        : std::nullopt;
  }
  if (type == ColumnType::kInt64) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc() && end == text.data() + text.size()) {
      return static_cast<std::uint64_t>(value);
    }
    // 3.0 equals 3.
    const std::optional<double> number = ParseNumber(text);
    static constexpr double kExact = 9007199254740992.0;
    return number && *number == std::floor(*number) && std::fabs(*number) <= kExact
               ? std::optional(static_cast<std::uint64_t>(static_cast<std::int64_t>(*number)))
               : std::nullopt;
  }
  const std::optional<double> number = ParseNumber(text);
  return number ? std::optional(DoubleBits(*number)) : std::nullopt;
}

}  // namespace

Result<NumberRange> ReadRange(const Expectation& expectation, ColumnType type) {
  NumberRange range;
  range.strict_min = expectation.strict_min;
  range.strict_max = expectation.strict_max;
  if (expectation.min.has_value()) {
    MILL_ASSIGN_OR_RETURN(range.min, ReadBound(expectation.min->text, "min", type));
  }
  if (expectation.max.has_value()) {
    MILL_ASSIGN_OR_RETURN(range.max, ReadBound(expectation.max->text, "max", type));
  }
  if (range.min && range.max && *range.min > *range.max) {
    return base::InvalidArgument("min " + expectation.min->text + " is above max " +
                                 expectation.max->text);
  }
  return range;
}

Result<std::shared_ptr<const ValueSet>> ReadSet(const Expectation& expectation, ColumnType type) {
  auto set = std::make_shared<ValueSet>();
  for (const Scalar& member : expectation.value_set) {
    if (type == ColumnType::kString) {
      set->texts.push_back(member.text);
      continue;
    }
    const std::optional<std::uint64_t> bits = ReadMember(member.text, type);
    if (!bits.has_value()) {
      return base::InvalidArgument("value_set has \"" + member.text + "\"; the column holds " +
                                   std::string(data::ColumnTypeName(type)) +
                                   " values, which cannot equal it");
    }
    set->bits.push_back(*bits);
  }
  return std::shared_ptr<const ValueSet>(std::move(set));
}

std::string RangeInWords(const Expectation& e) {
  if (e.min && e.max && !e.strict_min && !e.strict_max) {
    return "between " + e.min->text + " and " + e.max->text;
  }
  std::string out;
  if (e.min) {
    out = (e.strict_min ? "above " : "at least ") + e.min->text;
  }
  if (e.max) {
    out +=
        (out.empty() ? "" : ", ") + std::string(e.strict_max ? "below " : "at most ") + e.max->text;
  }
  return out;
}

std::string SetInWords(const Expectation& e) {
  std::string out = "the set of " + std::to_string(e.value_set.size()) + ": ";
  for (std::size_t i = 0; i < e.value_set.size(); ++i) {
    if (i == kMaxExamples) {
      return out + ", ...";
    }
    out += (i == 0 ? "" : ", ") + e.value_set[i].text;
  }
  return out;
}

std::string MostlyInWords(double mostly) {
  // Rounded to ten digits: 100 * 0.999 is 99.90000000000001 otherwise.
  return mostly == 1 ? ""
                     : " for at least " + base::FormatDouble(std::round(mostly * 1e12) / 1e10) +
                           "% of values";
}

}  // namespace millrace::quality::internal
