// SPDX-License-Identifier: Apache-2.0
// What the clauses and orders of a search mean for values, and the tokens of its pages.
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tracking/internal/search_regex.h"
#include "tracking/search.h"

namespace millrace::tracking {
namespace {

using base::InvalidArgument;

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool IsContinuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

template <typename T>
bool CompareBy(Comparator comparator, const T& a, const T& b) {
  switch (comparator) {
    case Comparator::kEqual:
      return a == b;
    case Comparator::kNotEqual:
      return a != b;
    case Comparator::kLess:
      return a < b;
    case Comparator::kLessEqual:
      return a <= b;
    case Comparator::kGreater:
      return a > b;
    case Comparator::kGreaterEqual:
      return a >= b;
    default:
      return false;
  }
}

// Which of missing, NaN and plain values come first, whatever the direction.
int RankOf(const FieldValue& value) {
  if (std::holds_alternative<std::monostate>(value)) {
    return 3;
  }
  if (const double* number = std::get_if<double>(&value);
      number != nullptr && std::isnan(*number)) {
    return 2;
  }
  return std::holds_alternative<std::string_view>(value) ? 1 : 0;
}

std::weak_ordering ComparePlain(const FieldValue& a, const FieldValue& b) {
  if (const auto* text = std::get_if<std::string_view>(&a)) {
    return *text <=> std::get<std::string_view>(b);
  }
  const auto* whole_a = std::get_if<std::int64_t>(&a);
  const auto* whole_b = std::get_if<std::int64_t>(&b);
  if (whole_a != nullptr && whole_b != nullptr) {
    return *whole_a <=> *whole_b;
  }
  const double x = whole_a != nullptr ? static_cast<double>(*whole_a) : std::get<double>(a);
  const double y = whole_b != nullptr ? static_cast<double>(*whole_b) : std::get<double>(b);
  return x < y ? std::weak_ordering::less
               : (x > y ? std::weak_ordering::greater : std::weak_ordering::equivalent);
}

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Nothing where the text is no base64 with padding.
// With its padding, as Python wants it.
std::optional<std::string> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return std::nullopt;
  }
  for (int n_padding = 0; n_padding < 2 && text.ends_with('='); ++n_padding) {
    text.remove_suffix(1);
  }
  std::string bytes;
  std::uint32_t bits = 0;
  int n_bits = 0;
  for (const char c : text) {
    const std::size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    n_bits += 6;
    if (n_bits >= 8) {
      n_bits -= 8;
      bytes += static_cast<char>((bits >> n_bits) & 0xFF);
    }
  }
  return n_bits == 6 ? std::nullopt : std::optional(bytes);
}

}  // namespace

bool Like(std::string_view text, std::string_view pattern, bool ignore_case) {
  std::size_t t = 0;
  std::size_t p = 0;
  // Where to go on if the text behind the last '%' does not match: that '%' takes one byte more.
  std::size_t retry_p = std::string_view::npos;
  std::size_t retry_t = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      retry_p = ++p;
      retry_t = t;
      continue;
    }
    if (p < pattern.size() && pattern[p] == '_') {
      ++p;
      ++t;
      while (t < text.size() && IsContinuation(text[t])) {
        ++t;
      }
      continue;
    }
    if (p < pattern.size() &&
        (text[t] == pattern[p] || (ignore_case && Lower(text[t]) == Lower(pattern[p])))) {
      ++p;
      ++t;
      continue;
    }
    if (retry_p == std::string_view::npos) {
      return false;
    }
    p = retry_p;
    t = ++retry_t;
    // A '%' ends between characters, not inside one.
    while (t < text.size() && IsContinuation(text[t])) {
      t = ++retry_t;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') {
    ++p;
  }
  return p == pattern.size();
}

std::string PageToken(std::int64_t offset, const std::vector<TokenPart>& parts) {
  std::string json = "{\"offset\": " + std::to_string(offset);
  for (const TokenPart& part : parts) {
    json += ", " + base::DumpJson(std::string(part.key)) + ": " + base::DumpJson(part.text);
  }
  json += "}";
  std::string token;
  for (std::size_t i = 0; i < json.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = (bits << 8) | (i + k < json.size() ? static_cast<unsigned char>(json[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      token += i + k <= json.size() ? kAlphabet[(bits >> (18 - 6 * k)) & 0x3F] : '=';
    }
  }
  return token;
}

Result<std::int64_t> ParsePageToken(std::string_view token, const std::vector<TokenPart>& parts) {
  if (token.empty()) {
    return 0;
  }
  const std::optional<std::string> text = DecodeBase64(token);
  if (!text.has_value()) {
    return InvalidArgument("Invalid page token, could not base64-decode");
  }
  const Result<nlohmann::json> value = base::ParseJson(*text, "page token");
  if (!value.ok() || !value->is_object()) {
    return InvalidArgument("Invalid page token, decoded value=" + *text);
  }
  const auto offset = value->find("offset");
  if (offset == value->end() || !offset->is_number_integer() || offset->get<std::int64_t>() <= 0) {
    return InvalidArgument("Invalid page token, parsed value=" + base::DumpJson(*value));
  }
  for (const TokenPart& part : parts) {
    const auto found = value->find(part.key);
    if (found == value->end() || *found != part.text) {
      return InvalidArgument(std::string(part.mismatch));
    }
  }
  return offset->get<std::int64_t>();
}

ClauseTest::ClauseTest(Clause clause) : clause_(std::move(clause)) {
  const auto* text = std::get_if<std::string>(&clause_.value);
  if (clause_.comparator == Comparator::kRLike && text != nullptr) {
    pattern_ = std::make_shared<const internal::SearchRegex>(*text);
  }
}

bool ClauseTest::operator()(std::string_view text) const {
  if (clause_.comparator == Comparator::kIsNotNull) {
    return true;
  }
  if (const auto* list = std::get_if<std::vector<std::string>>(&clause_.value)) {
    const bool is_in = std::find(list->begin(), list->end(), text) != list->end();
    return is_in == (clause_.comparator == Comparator::kIn);
  }
  const auto* wanted = std::get_if<std::string>(&clause_.value);
  if (wanted == nullptr) {
    return clause_.comparator == Comparator::kNotEqual;
  }
  switch (clause_.comparator) {
    case Comparator::kLike:
      return Like(text, *wanted, false);
    case Comparator::kILike:
      return Like(text, *wanted, true);
    case Comparator::kRLike:
      return pattern_ != nullptr && pattern_->Search(text);
    default:
      return CompareBy(clause_.comparator, text, std::string_view(*wanted));
  }
}

bool ClauseTest::operator()(double number) const {
  if (clause_.comparator == Comparator::kIsNotNull) {
    return true;
  }
  if (const auto* wanted = std::get_if<double>(&clause_.value)) {
    return CompareBy(clause_.comparator, number, *wanted);
  }
  if (const auto* wanted = std::get_if<std::int64_t>(&clause_.value)) {
    return CompareBy(clause_.comparator, number, static_cast<double>(*wanted));
  }
  return clause_.comparator == Comparator::kNotEqual || clause_.comparator == Comparator::kNotIn;
}

bool ClauseTest::operator()(const FieldValue& value) const {
  if (std::holds_alternative<std::monostate>(value)) {
    return clause_.comparator == Comparator::kIsNull;
  }
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return (*this)(*text);
  }
  if (const auto* number = std::get_if<double>(&value)) {
    return (*this)(*number);
  }
  const std::int64_t whole = std::get<std::int64_t>(value);
  if (const auto* wanted = std::get_if<std::int64_t>(&clause_.value)) {
    return CompareBy(clause_.comparator, whole, *wanted);
  }
  return (*this)(static_cast<double>(whole));
}

std::weak_ordering CompareValues(const FieldValue& a, const FieldValue& b, bool is_ascending) {
  const int rank_a = RankOf(a);
  const int rank_b = RankOf(b);
  if (rank_a != rank_b) {
    return rank_a <=> rank_b;
  }
  if (rank_a >= 2) {
    return std::weak_ordering::equivalent;
  }
  return is_ascending ? ComparePlain(a, b) : ComparePlain(b, a);
}

}  // namespace millrace::tracking
