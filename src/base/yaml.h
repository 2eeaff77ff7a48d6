// SPDX-License-Identifier: Apache-2.0
// A YAML document with the line and column of every node; what project files are read through.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/result.h"

namespace millrace::base {

/// A node of a parsed YAML (1.2 core; aliases to finished nodes only, no tags) document: scalar,
/// list, map or null. Values are cheap to copy and keep the document alive. Immutable, thread-safe.
class YamlNode {
 public:
  enum class Kind { kNull, kScalar, kList, kMap };

  /// A null node without a place.
  YamlNode();

  /// Reads one document. Errors (syntax, duplicate keys, nesting over 64) carry file, line and
  /// column.
  static Result<YamlNode> Parse(std::string_view text, std::string_view file_name);

  Kind kind() const;
  bool IsNull() const { return kind() == Kind::kNull; }
  /// The scalar's text; empty for other kinds.
  const std::string& text() const;
  /// True where the scalar was quoted, so that "12" stays a text.
  bool is_quoted() const;
  SourceLocation where() const;
  const std::vector<YamlNode>& items() const;
  /// Key nodes and value nodes of a map in file order.
  const std::vector<std::pair<YamlNode, YamlNode>>& entries() const;
  /// The value of a key; nullopt if the map has none or this is no map.
  std::optional<YamlNode> Find(std::string_view key) const;

  /// Typed reads of a scalar; kInvalidArgument names file, line, column, the text seen and the type
  /// wanted.
  Result<std::int64_t> AsInt() const;
  Result<double> AsDouble() const;
  Result<bool> AsBool() const;
  Result<std::string> AsString() const;

  /// An error at this node's place.
  Error ErrorHere(std::string message) const;

 private:
  struct Data;
  explicit YamlNode(std::shared_ptr<const Data> data);
  std::shared_ptr<const Data> data_;
  friend struct YamlBuilder;
};

}  // namespace millrace::base
