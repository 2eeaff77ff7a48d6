// SPDX-License-Identifier: Apache-2.0
// JSON read through nlohmann's SAX interface by a builder that refuses what RFC 8259 only
// discourages, and written by hand, because nlohmann's doubles are not always the shortest and its
// NaN becomes null.
#include "base/json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/number_format.h"

namespace millrace::base {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDepth = 128;

// Walks over the text and tells the reader how far the parser has come; SAX callbacks carry no
// position.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    *furthest_ = at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

SourceLocation PlaceOf(std::string_view text, std::size_t offset, std::string_view source) {
  SourceLocation where{std::string(source), 1, 1};
  for (const char c : text.substr(0, offset)) {
    if (c == '\n') {
      ++where.line;
      where.column = 1;
    } else {
      ++where.column;
    }
  }
  return where;
}

class Builder final : public json::json_sax_t {
 public:
  Builder(std::string_view text, std::string_view source)
      : text_(text), source_(source), furthest_(text.data()) {}

  bool null() override { return Put(json(nullptr)); }
  bool boolean(bool value) override { return Put(json(value)); }
  bool number_integer(number_integer_t value) override { return Put(json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Put(json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return Put(json(value)); }
  bool string(string_t& value) override { return Put(json(std::move(value))); }
  bool binary(binary_t&) override { return Fail("binary values are not JSON"); }
  bool start_object(std::size_t) override { return Open(json::object()); }
  bool start_array(std::size_t) override { return Open(json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& value) override {
    if (stack_.back()->contains(value)) {
      return Fail("the key \"" + value + "\" appears twice");
    }
    key_ = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error ...": the
    // place is said by `where`.
    std::string message = error.what();
    if (const std::size_t colon = message.find(": "); colon != std::string::npos) {
      message.erase(0, colon + 2);
    }
    error_ = InvalidArgument("not valid JSON: " + message)
                 .At(PlaceOf(text_, position > 0 ? position - 1 : 0, source_));
    return false;
  }

  const char** furthest() { return &furthest_; }
  Result<json> Finish(bool is_read) && {
    if (!is_read) {
      return error_ ? *std::move(error_)
                    : InvalidArgument("not valid JSON").At(PlaceOf(text_, 0, source_));
    }
    return std::move(root_);
  }

 private:
  bool Fail(std::string message) {
    const auto offset = static_cast<std::size_t>(furthest_ - text_.data());
    error_ = InvalidArgument(std::move(message)).At(PlaceOf(text_, offset, source_));
    return false;
  }
  json* Place(json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    json& slot = parent[key_];
    slot = std::move(value);
    return &slot;
  }
  bool Put(json value) {
    Place(std::move(value));
    return true;
  }
  bool Open(json value) {
    if (stack_.size() >= kMaxDepth) {
      return Fail("nesting deeper than " + std::to_string(kMaxDepth) + " levels");
    }
    // The pointer stays valid: while a child is open nothing is added to its parent.
    stack_.push_back(Place(std::move(value)));
    return true;
  }
  bool Close() {
    stack_.pop_back();
    return true;
  }

  std::string_view text_;
  std::string_view source_;
  const char* furthest_;
  json root_;
  std::vector<json*> stack_;
  std::string key_;
  std::optional<Error> error_;
};

class Writer {
 public:
  explicit Writer(bool is_pretty) : is_pretty_(is_pretty) {}

  void Write(const json& value, int depth) {
    switch (value.type()) {
      case json::value_t::object:
        WriteObject(value, depth);
        break;
      case json::value_t::array:
        WriteArray(value, depth);
        break;
      case json::value_t::number_float:
        WriteDouble(value.get<double>());
        break;
      case json::value_t::string:
      default:
        // Texts that are not UTF-8 get the replacement character: the output is always JSON.
        text_ += value.dump(-1, ' ', false, json::error_handler_t::replace);
        break;
    }
  }
  std::string Finish() && { return std::move(text_); }

 private:
  void WriteObject(const json& value, int depth) {
    // nlohmann::json keeps its keys sorted.
    text_ += '{';
    bool is_first = true;
    for (const auto& [key, item] : value.items()) {
      Separate(is_first, depth + 1);
      text_ += json(key).dump(-1, ' ', false, json::error_handler_t::replace);
      text_ += is_pretty_ ? ": " : ":";
      Write(item, depth + 1);
    }
    Close(is_first, depth, '}');
  }
  void WriteArray(const json& value, int depth) {
    text_ += '[';
    bool is_first = true;
    for (const json& item : value) {
      Separate(is_first, depth + 1);
      Write(item, depth + 1);
    }
    Close(is_first, depth, ']');
  }
  void WriteDouble(double value) {
    const std::string digits = FormatDouble(value);
    if (!std::isfinite(value)) {
      text_ += "\"" + digits + "\"";
      return;
    }
    text_ += digits;
    // "1" would be read back as an integer.
    if (digits.find_first_of(".e") == std::string::npos) {
      text_ += ".0";
    }
  }
  void Separate(bool& is_first, int depth) {
    if (!is_first) {
      text_ += ',';
    }
    is_first = false;
    Indent(depth);
  }
  void Close(bool is_empty, int depth, char bracket) {
    if (!is_empty) {
      Indent(depth);
    }
    text_ += bracket;
  }
  void Indent(int depth) {
    if (is_pretty_) {
      text_ += '\n';
      text_.append(static_cast<std::size_t>(2 * depth), ' ');
    }
  }

  const bool is_pretty_;
  std::string text_;
};

}  // namespace

Result<json> ParseJson(std::string_view text, std::string_view source) {
  // The library takes a NUL for the end of the text and would not see what follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    const auto line =
        1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
    return InvalidArgument("not valid JSON: a NUL byte at offset " + std::to_string(nul))
        .At({std::string(source), static_cast<int>(line), 0});
  }
  try {
    Builder builder(text, source);
    const CountingIterator begin(text.data(), builder.furthest());
    const CountingIterator end(text.data() + text.size(), builder.furthest());
    const bool is_read = json::sax_parse(begin, end, &builder);
    return std::move(builder).Finish(is_read);
  } catch (const std::exception& error) {
    return InvalidArgument(std::string("not valid JSON: ") + error.what())
        .At({std::string(source), 0, 0});
  }
}

std::string DumpJson(const json& value) {
  Writer writer(false);
  writer.Write(value, 0);
  return std::move(writer).Finish();
}

std::string DumpJsonPretty(const json& value) {
  Writer writer(true);
  writer.Write(value, 0);
  return std::move(writer).Finish() + "\n";
}

}  // namespace millrace::base
