// SPDX-License-Identifier: Apache-2.0
// Appends JSON to a string: what the server answers, without a document in between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

namespace millrace::api::internal {

/// Length of the UTF-8 sequence (RFC 3629) that begins at a place of the text, or 0 where there is
/// none.
std::size_t Utf8Length(std::string_view text, std::size_t at);
/// The text in quotes, escaped. Bytes that are no UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string& out);
/// Shortest text that reads back as the same double; null where it is not finite.
void AppendJsonDouble(double value, std::string& out);
/// "[0.25,1]".
void AppendJsonDoubles(std::span<const double> values, std::string& out);
void AppendJsonInt(std::int64_t value, std::string& out);

/// Appends objects and lists member by member, commas included, as MLflow's JSON of its messages:
/// the caller leaves out what is unset. Keys are constants of the program and are not escaped.
class JsonWriter {
 public:
  /// Appends to `out`, which outlives the writer.
  explicit JsonWriter(std::string& out) : out_(out) {}

  void BeginObject();
  void EndObject() { out_.push_back('}'); }
  void BeginList();
  void EndList() { out_.push_back(']'); }
  /// A key whose value follows by BeginObject, BeginList or a value without key.
  void Key(std::string_view key);

  void Text(std::string_view value);
  void Int(std::int64_t value);
  /// "0.0", "1e+20", and in quotes "NaN", "Infinity", "-Infinity".
  void Double(double value);

  void Text(std::string_view key, std::string_view value);
  /// Nothing where the text is empty.
  void TextIfAny(std::string_view key, std::string_view value);
  void Int(std::string_view key, std::int64_t value);
  void Double(std::string_view key, double value);
  void Bool(std::string_view key, bool value);

  /// Nothing where the list is empty; `item` writes one value.
  template <typename Items, typename Item>
  void List(std::string_view key, const Items& items, const Item& item) {
    if (std::empty(items)) {
      return;
    }
    Key(key);
    BeginList();
    for (const auto& each : items) {
      item(each);
    }
    EndList();
  }

 private:
  void Separate();

  std::string& out_;
};

}  // namespace millrace::api::internal
