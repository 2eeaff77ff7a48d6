// SPDX-License-Identifier: Apache-2.0
// A JSON text read once into a flat list of nodes, for request bodies: strict, without an
// allocation per value.
//
// Not simdjson: libparquet and libarrow of the prebuilt Arrow export a simdjson of another version
// under the same names, so that a second one in the process binds to theirs, or theirs to it, and
// either crashes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::api::internal {

enum class JsonKind : std::uint8_t {
  kNull,
  kTrue,
  kFalse,
  kNumber,
  kNaN,
  kInfinity,
  kMinusInfinity,
  kString,
  kArray,
  kObject
};

class JsonTape;

/// A value of a tape; as cheap as a pointer, valid until the tape parses again.
class JsonValue {
 public:
  JsonValue(const JsonTape& tape, std::uint32_t index) : tape_(&tape), index_(index) {}

  JsonKind kind() const;
  bool is_array() const { return kind() == JsonKind::kArray; }
  bool is_object() const { return kind() == JsonKind::kObject; }
  bool is_string() const { return kind() == JsonKind::kString; }
  /// The value as it stands in the text; of a string without its quotes, escapes not decoded.
  std::string_view raw() const;
  /// A string's value; `scratch` holds it where it has escapes.
  std::string_view Text(std::string& scratch) const;
  /// A number, NaN or an infinity as a double; a number too large for a double is an infinity.
  double Number() const;

  /// Visits the items of an array or, key and value in turn, of an object.
  class Iterator {
   public:
    Iterator(const JsonTape& tape, std::uint32_t index) : tape_(&tape), index_(index) {}
    JsonValue operator*() const { return {*tape_, index_}; }
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return index_ != other.index_; }

   private:
    const JsonTape* tape_;
    std::uint32_t index_;
  };
  Iterator begin() const { return {*tape_, index_ + 1}; }
  Iterator end() const;

 private:
  const JsonTape* tape_;
  std::uint32_t index_;
};

/// Reused from text to text: the list keeps its memory.
class JsonTape {
 public:
  /// RFC 8259, nesting up to 64, and the NaN, Infinity and -Infinity that Python writes.
  /// kInvalidArgument says what is wrong at which byte. The text outlives the use of its values.
  Result<void> Parse(std::string_view text);
  JsonValue root() const { return {*this, 0}; }

 private:
  friend class JsonValue;
  friend class JsonValue::Iterator;
  struct Node {
    JsonKind kind = JsonKind::kNull;
    bool has_escapes = false;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    /// Index of the node behind this one and all it holds.
    std::uint32_t next = 0;
  };

  Error Bad(std::string_view what) const;
  void SkipBlanks();
  Result<void> ParseValue(int depth);
  Result<void> ParseContainer(bool is_object, int depth);
  Result<void> ParseString();
  Result<void> ParseNumber();
  bool TakeWord(std::string_view word, JsonKind kind);
  void AddScalar(JsonKind kind, std::size_t begin, std::size_t end);

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Node> nodes_;
};

inline JsonKind JsonValue::kind() const {
  return tape_->nodes_[index_].kind;
}
inline JsonValue::Iterator& JsonValue::Iterator::operator++() {
  index_ = tape_->nodes_[index_].next;
  return *this;
}
inline JsonValue::Iterator JsonValue::end() const {
  return {*tape_, tape_->nodes_[index_].next};
}

/// The value under a key of an object; `found` says whether it is there. The last one counts.
struct JsonField {
  bool found = false;
  JsonValue value;
};
JsonField FindField(const JsonValue& object, std::string_view key);

}  // namespace millrace::api::internal
