// SPDX-License-Identifier: Apache-2.0
// Recursive descent over UBJSON's one-byte markers; all numbers are big-endian.
#include "models/internal/ubjson.h"

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

namespace millrace::models::internal {

namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

/// What stands between an opening bracket and the first element.
struct ContainerHead {
  /// Marker of every element, or 0.
  char type = 0;
  std::optional<std::uint64_t> count;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  Result<json> Document() {
    MILL_ASSIGN_OR_RETURN(const char marker, Marker());
    MILL_ASSIGN_OR_RETURN(json value, Value(marker, 0));
    if (at_ != bytes_.size()) {
      return Bad(std::to_string(bytes_.size() - at_) + " bytes follow the value");
    }
    return value;
  }

 private:
  Error Bad(const std::string& message) const {
    return base::DataLoss("UBJSON, byte " + std::to_string(at_) + " of " +
                          std::to_string(bytes_.size()) + ": " + message)
        .Hint("the file is truncated or damaged; save the model again");
  }

  std::uint64_t Left() const { return bytes_.size() - at_; }

  /// The next marker; no-op markers are skipped.
  Result<char> Marker() {
    while (at_ < bytes_.size() && bytes_[at_] == 'N') {
      ++at_;
    }
    if (at_ == bytes_.size()) {
      return Bad("the bytes end where a value should start");
    }
    return bytes_[at_++];
  }

  template <typename Unsigned>
  Result<Unsigned> BigEndian() {
    if (Left() < sizeof(Unsigned)) {
      return Bad("the bytes end inside a number of " + std::to_string(sizeof(Unsigned)) + " bytes");
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(Unsigned); ++i) {
      value = value << 8 | static_cast<std::uint8_t>(bytes_[at_++]);
    }
    return static_cast<Unsigned>(value);
  }

  template <typename Unsigned, typename Number>
  Result<json> NumberAs() {
    MILL_ASSIGN_OR_RETURN(const Unsigned bits, BigEndian<Unsigned>());
    return json(std::bit_cast<Number>(bits));
  }

  static bool IsInteger(char marker) {
    return std::string_view("iUIlL").find(marker) != std::string_view::npos;
  }

  Result<std::uint64_t> Length() {
    MILL_ASSIGN_OR_RETURN(const char marker, Marker());
    if (!IsInteger(marker)) {
      return Bad("a length starts with marker '" + std::string(1, marker) + "', wanted an integer");
    }
    MILL_ASSIGN_OR_RETURN(const json value, Value(marker, 0));
    if (value.is_number_integer() && !value.is_number_unsigned() && value.get<std::int64_t>() < 0) {
      return Bad("a length of " + value.dump());
    }
    return value.get<std::uint64_t>();
  }

  Result<std::string> Text() {
    MILL_ASSIGN_OR_RETURN(const std::uint64_t size, Length());
    if (size > Left()) {
      return Bad("a text of " + std::to_string(size) + " bytes, but " + std::to_string(Left()) +
                 " remain");
    }
    std::string text(bytes_.substr(at_, size));
    at_ += size;
    return text;
  }

  Result<ContainerHead> Head() {
    ContainerHead head;
    if (at_ < bytes_.size() && bytes_[at_] == '$') {
      ++at_;
      MILL_ASSIGN_OR_RETURN(head.type, Marker());
      if (at_ == bytes_.size() || bytes_[at_] != '#') {
        return Bad("a typed container without a count");
      }
    }
    if (at_ < bytes_.size() && bytes_[at_] == '#') {
      ++at_;
      MILL_ASSIGN_OR_RETURN(const std::uint64_t count, Length());
      // Values without a body (null, true, false) of one type would need no bytes at all; nobody
      // writes them.
      if (count > Left()) {
        return Bad("a container of " + std::to_string(count) + " elements, but " +
                   std::to_string(Left()) + " bytes remain");
      }
      head.count = count;
    }
    return head;
  }

  /// True when the container is over; consumes the closing bracket of one without a count.
  Result<bool> AtEnd(const ContainerHead& head, std::uint64_t n_read, char closing) {
    if (head.count) {
      return n_read == *head.count;
    }
    if (at_ == bytes_.size()) {
      return Bad("the bytes end inside a container, wanted '" + std::string(1, closing) + "'");
    }
    if (bytes_[at_] == closing) {
      ++at_;
      return true;
    }
    return false;
  }

  Result<json> Element(const ContainerHead& head, int depth) {
    if (head.type != 0) {
      return Value(head.type, depth);
    }
    MILL_ASSIGN_OR_RETURN(const char marker, Marker());
    return Value(marker, depth);
  }

  Result<json> Array(int depth) {
    MILL_ASSIGN_OR_RETURN(const ContainerHead head, Head());
    json::array_t list;
    while (true) {
      MILL_ASSIGN_OR_RETURN(const bool is_over, AtEnd(head, list.size(), ']'));
      if (is_over) {
        return json(std::move(list));
      }
      MILL_ASSIGN_OR_RETURN(json value, Element(head, depth));
      list.push_back(std::move(value));
    }
  }

  Result<json> Object(int depth) {
    MILL_ASSIGN_OR_RETURN(const ContainerHead head, Head());
    json::object_t map;
    std::uint64_t n_read = 0;
    while (true) {
      MILL_ASSIGN_OR_RETURN(const bool is_over, AtEnd(head, n_read, '}'));
      if (is_over) {
        return json(std::move(map));
      }
      MILL_ASSIGN_OR_RETURN(std::string key, Text());
      MILL_ASSIGN_OR_RETURN(json value, Element(head, depth));
      if (!map.emplace(key, std::move(value)).second) {
        return Bad("the key \"" + key + "\" stands twice in one object");
      }
      ++n_read;
    }
  }

  Result<json> Value(char marker, int depth) {
    if (depth > kMaxDepth) {
      return Bad("nesting deeper than " + std::to_string(kMaxDepth));
    }
    switch (marker) {
      case 'Z':
        return json(nullptr);
      case 'T':
        return json(true);
      case 'F':
        return json(false);
      case 'i':
        return NumberAs<std::uint8_t, std::int8_t>();
      case 'U':
        return NumberAs<std::uint8_t, std::uint8_t>();
      case 'I':
        return NumberAs<std::uint16_t, std::int16_t>();
      case 'l':
        return NumberAs<std::uint32_t, std::int32_t>();
      case 'L':
        return NumberAs<std::uint64_t, std::int64_t>();
      case 'd':
        return NumberAs<std::uint32_t, float>();
      case 'D':
        return NumberAs<std::uint64_t, double>();
      case 'C': {
        MILL_ASSIGN_OR_RETURN(const auto letter, BigEndian<std::uint8_t>());
        return json(std::string(1, static_cast<char>(letter)));
      }
      case 'S': {
        MILL_ASSIGN_OR_RETURN(std::string text, Text());
        return json(std::move(text));
      }
      case '[':
        return Array(depth + 1);
      case '{':
        return Object(depth + 1);
      default:
        return Bad("unknown marker '" + std::string(1, marker) + "'");
    }
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

}  // namespace

Result<json> ParseUbjson(std::string_view bytes) {
  return Reader(bytes).Document();
}

}  // namespace millrace::models::internal
