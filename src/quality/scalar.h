// SPDX-License-Identifier: Apache-2.0
// Scalar: a number, text or instant in a project file whose type only the table's column decides.
#pragma once

#include <string>

#include "base/config.h"

namespace millrace::quality {

/// The text as written.
struct Scalar {
  std::string text;
  bool operator==(const Scalar&) const = default;
};

}  // namespace millrace::quality

namespace millrace::base {

template <>
struct ConfigType<quality::Scalar> {
  static void Read(const YamlNode& node, quality::Scalar& out, const FieldOptions& options,
                   ErrorList& errors) {
    ConfigType<std::string>::Read(node, out.text, options, errors);
  }
  static std::string SchemaJson(const FieldOptions&) {
    return R"({"type":["number","string","boolean"]})";
  }
  static std::string ToJson(const quality::Scalar& value) {
    return internal::JsonQuote(value.text);
  }
};

}  // namespace millrace::base
