// SPDX-License-Identifier: Apache-2.0
// How values of each type are read from YAML, described as JSON Schema and printed as JSON.
// Included by config.h only.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/config.h"

namespace millrace::base {

/// A value with its place in the file, for errors found after reading.
template <typename T>
struct Located {
  T value{};
  SourceLocation where;
  bool operator==(const Located& other) const { return value == other.value; }
};

/// A map whose order and places matter: keys in file order.
template <typename T>
using OrderedMap = std::vector<std::pair<Located<std::string>, T>>;

namespace internal {

/// "\"text\"" with JSON escapes.
std::string JsonQuote(std::string_view text);
/// `minimum` and `maximum` of a schema as text that follows a comma; checks a value against them.
std::string RangeSchema(const FieldOptions& options);
void CheckRange(const YamlNode& node, double value, const FieldOptions& options, ErrorList& errors);
std::string TextSchema(const FieldOptions& options);
void ReadText(const YamlNode& node, std::string& out, const FieldOptions& options,
              ErrorList& errors);
void ReadInteger(const YamlNode& node, std::int64_t& out, std::int64_t least, std::int64_t most,
                 const FieldOptions& options, ErrorList& errors);
void ReadUnsigned(const YamlNode& node, std::uint64_t& out, const FieldOptions& options,
                  ErrorList& errors);
void ReadDouble(const YamlNode& node, double& out, const FieldOptions& options, ErrorList& errors);
std::string DoubleToJson(double value);
/// False, with an error, if the node is not of the kind. A null counts as an empty list or map.
bool ExpectList(const YamlNode& node, ErrorList& errors);
bool ExpectMap(const YamlNode& node, ErrorList& errors);
std::string YamlToJson(const YamlNode& node);

/// The value of a Result, or its error in the list.
template <typename T>
void Take(Result<T> result, T& out, ErrorList& errors) {
  if (result.ok()) {
    out = *std::move(result);
  } else {
    errors.Add(std::move(result).error());
  }
}

}  // namespace internal

template <>
struct ConfigType<bool> {
  static void Read(const YamlNode& node, bool& out, const FieldOptions&, ErrorList& errors) {
    internal::Take(node.AsBool(), out, errors);
  }
  static std::string SchemaJson(const FieldOptions&) { return R"({"type":"boolean"})"; }
  static std::string ToJson(bool value) { return value ? "true" : "false"; }
};

template <>
struct ConfigType<std::int64_t> {
  static void Read(const YamlNode& node, std::int64_t& out, const FieldOptions& options,
                   ErrorList& errors) {
    using Limits = std::numeric_limits<std::int64_t>;
    internal::ReadInteger(node, out, Limits::min(), Limits::max(), options, errors);
  }
  static std::string SchemaJson(const FieldOptions& options) {
    return R"({"type":"integer")" + internal::RangeSchema(options) + "}";
  }
  static std::string ToJson(std::int64_t value) { return std::to_string(value); }
};

template <>
struct ConfigType<int> {
  static void Read(const YamlNode& node, int& out, const FieldOptions& options, ErrorList& errors) {
    std::int64_t wide = out;
    using Limits = std::numeric_limits<int>;
    internal::ReadInteger(node, wide, Limits::min(), Limits::max(), options, errors);
    out = static_cast<int>(wide);
  }
  static std::string SchemaJson(const FieldOptions& options) {
    return ConfigType<std::int64_t>::SchemaJson(options);
  }
  static std::string ToJson(int value) { return std::to_string(value); }
};

template <>
struct ConfigType<std::uint64_t> {
  static void Read(const YamlNode& node, std::uint64_t& out, const FieldOptions& options,
                   ErrorList& errors) {
    internal::ReadUnsigned(node, out, options, errors);
  }
  static std::string SchemaJson(const FieldOptions& options) {
    FieldOptions limited = options;
    if (!limited.minimum) {
      limited.minimum = 0;
    }
    return ConfigType<std::int64_t>::SchemaJson(limited);
  }
  static std::string ToJson(std::uint64_t value) { return std::to_string(value); }
};

template <>
struct ConfigType<double> {
  static void Read(const YamlNode& node, double& out, const FieldOptions& options,
                   ErrorList& errors) {
    internal::ReadDouble(node, out, options, errors);
  }
  static std::string SchemaJson(const FieldOptions& options) {
    return R"({"type":"number")" + internal::RangeSchema(options) + "}";
  }
  static std::string ToJson(double value) { return internal::DoubleToJson(value); }
};

template <>
struct ConfigType<std::string> {
  static void Read(const YamlNode& node, std::string& out, const FieldOptions& options,
                   ErrorList& errors) {
    internal::ReadText(node, out, options, errors);
  }
  static std::string SchemaJson(const FieldOptions& options) {
    return internal::TextSchema(options);
  }
  static std::string ToJson(const std::string& value) { return internal::JsonQuote(value); }
};

template <>
struct ConfigType<Duration> {
  static void Read(const YamlNode& node, Duration& out, const FieldOptions& options,
                   ErrorList& errors);
  static std::string SchemaJson(const FieldOptions& options);
  static std::string ToJson(Duration value);
};

template <>
struct ConfigType<Timestamp> {
  static void Read(const YamlNode& node, Timestamp& out, const FieldOptions& options,
                   ErrorList& errors);
  static std::string SchemaJson(const FieldOptions& options);
  static std::string ToJson(Timestamp value);
};

/// Any YAML value, to be read later by the owner of the field.
template <>
struct ConfigType<YamlNode> {
  static void Read(const YamlNode& node, YamlNode& out, const FieldOptions&, ErrorList&) {
    out = node;
  }
  static std::string SchemaJson(const FieldOptions&) { return "{}"; }
  static std::string ToJson(const YamlNode& value) { return internal::YamlToJson(value); }
};

template <typename T>
struct ConfigType<std::optional<T>> {
  static void Read(const YamlNode& node, std::optional<T>& out, const FieldOptions& options,
                   ErrorList& errors) {
    if (node.IsNull()) {
      out.reset();
      return;
    }
    ConfigType<T>::Read(node, out.emplace(), options, errors);
  }
  static std::string SchemaJson(const FieldOptions& options) {
    return ConfigType<T>::SchemaJson(options);
  }
  static std::string ToJson(const std::optional<T>& value) {
    return value ? ConfigType<T>::ToJson(*value) : "null";
  }
};

template <typename T>
struct ConfigType<Located<T>> {
  static void Read(const YamlNode& node, Located<T>& out, const FieldOptions& options,
                   ErrorList& errors) {
    out.where = node.where();
    ConfigType<T>::Read(node, out.value, options, errors);
  }
  static std::string SchemaJson(const FieldOptions& options) {
    return ConfigType<T>::SchemaJson(options);
  }
  static std::string ToJson(const Located<T>& value) { return ConfigType<T>::ToJson(value.value); }
};

/// Options of a list or map hold for each of its values.
template <typename T>
struct ConfigType<std::vector<T>> {
  static void Read(const YamlNode& node, std::vector<T>& out, const FieldOptions& options,
                   ErrorList& errors) {
    if (!internal::ExpectList(node, errors)) {
      return;
    }
    out.clear();
    for (const YamlNode& item : node.items()) {
      T value{};
      ConfigType<T>::Read(item, value, options, errors);
      out.push_back(std::move(value));
    }
  }
  static std::string SchemaJson(const FieldOptions& options) {
    return R"({"type":"array","items":)" + ConfigType<T>::SchemaJson(options) + "}";
  }
  static std::string ToJson(const std::vector<T>& value) {
    std::string text = "[";
    for (const T& item : value) {
      text += (text.size() > 1 ? "," : "") + ConfigType<T>::ToJson(item);
    }
    return text + "]";
  }
};

template <typename T>
struct ConfigType<std::map<std::string, T>> {
  static void Read(const YamlNode& node, std::map<std::string, T>& out, const FieldOptions& options,
                   ErrorList& errors) {
    if (!internal::ExpectMap(node, errors)) {
      return;
    }
    out.clear();
    for (const auto& [key, item] : node.entries()) {
      ConfigType<T>::Read(item, out[key.text()], options, errors);
    }
  }
  static std::string SchemaJson(const FieldOptions& options) {
    return R"({"type":"object","additionalProperties":)" + ConfigType<T>::SchemaJson(options) + "}";
  }
  static std::string ToJson(const std::map<std::string, T>& value) {
    std::string text = "{";
    for (const auto& [key, item] : value) {
      text += (text.size() > 1 ? "," : "") + internal::JsonQuote(key) + ":" +
              ConfigType<T>::ToJson(item);
    }
    return text + "}";
  }
};

template <typename T>
struct ConfigType<std::vector<std::pair<Located<std::string>, T>>> {
  static void Read(const YamlNode& node, OrderedMap<T>& out, const FieldOptions& options,
                   ErrorList& errors) {
    if (!internal::ExpectMap(node, errors)) {
      return;
    }
    out.clear();
    for (const auto& [key, item] : node.entries()) {
      T value{};
      ConfigType<T>::Read(item, value, options, errors);
      out.emplace_back(Located<std::string>{key.text(), key.where()}, std::move(value));
    }
  }
  static std::string SchemaJson(const FieldOptions& options) {
    return ConfigType<std::map<std::string, T>>::SchemaJson(options);
  }
  static std::string ToJson(const OrderedMap<T>& value) {
    std::string text = "{";
    for (const auto& [key, item] : value) {
      text += (text.size() > 1 ? "," : "") + internal::JsonQuote(key.value) + ":" +
              ConfigType<T>::ToJson(item);
    }
    return text + "}";
  }
};

/// A struct with its own declaration.
template <typename T>
  requires requires { T::Declared().schema(); }
struct ConfigType<T> {
  static void Read(const YamlNode& node, T& out, const FieldOptions&, ErrorList& errors) {
    T::Declared().schema().Read(node, &out, errors);
  }
  static std::string SchemaJson(const FieldOptions&) {
    return T::Declared().schema().JsonSchemaText();
  }
  static std::string ToJson(const T& value) { return T::Declared().schema().ToJson(&value); }
};

}  // namespace millrace::base

namespace millrace {
using base::Located;
using base::OrderedMap;
}  // namespace millrace
