// SPDX-License-Identifier: Apache-2.0
// Declared settings: name, type, default, range, unit and one sentence, declared once. Reading a
// YAML map into a plain struct, all errors at once, the JSON Schema and the reference page all come
// from the declaration.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "base/yaml.h"

namespace millrace::base {

/// Collects the mistakes of one or more files, so that they are told all at once.
class ErrorList {
 public:
  void Add(Error error) { errors_.push_back(std::move(error)); }
  bool empty() const { return errors_.empty(); }
  const std::vector<Error>& errors() const { return errors_; }
  /// The first error with the others attached; call only when not empty.
  Error ToError() const;

 private:
  std::vector<Error> errors_;
};

/// What a field reads from YAML and how it is described. Erased, so that the schema code is
/// compiled once.
struct FieldInfo {
  std::string name;
  std::string description;
  bool required = false;
  /// The JSON Schema of the value, as text; made by the typed factories below.
  std::string schema_json;
  /// The default as JSON text; empty if there is none.
  std::string default_json;
};

/// Where settings come from, lowest precedence first.
struct SettingSources {
  std::optional<YamlNode> file;
  /// Looked up as prefix + upper-case name ("MILLRACE_PORT"); usually a wrapper of getenv.
  std::function<std::optional<std::string>(const std::string& variable)> environment;
  std::string environment_prefix = "MILLRACE_";
  /// Values given on the command line by setting name.
  std::map<std::string, std::string> flags;
};

/// The value of one setting and what said so, for `config show`.
struct SettingOrigin {
  std::string name;
  std::string value_json;
  /// "default", "millrace.yaml:3:1", "environment MILLRACE_PORT", "flag --port".
  std::string origin;
};

/// The erased declaration of a struct: its fields and their readers.
class ObjectSchema {
 public:
  /// Reads one field's node into the object behind `target`; adds to `errors` instead of stopping.
  using Reader = std::function<void(const YamlNode& node, void* target, ErrorList& errors)>;
  /// The JSON text of one field of the object behind `source`.
  using Writer = std::function<std::string(const void* source)>;

  ObjectSchema(std::string title, std::string description)
      : title_(std::move(title)), description_(std::move(description)) {}

  void AddField(FieldInfo info, Reader reader, Writer writer);
  /// Reads a map: unknown keys are errors with a nearest-name hint, missing required keys are
  /// errors, every error has its line and column.
  void Read(const YamlNode& node, void* target, ErrorList& errors) const;
  /// JSON Schema (draft 2020-12) of the object, `additionalProperties: false`.
  nlohmann::json JsonSchema() const;
  /// The same as text, without "$schema": for nesting in another one.
  std::string JsonSchemaText() const;
  /// The object as JSON text, every field present.
  std::string ToJson(const void* source) const;
  /// A Markdown table of the fields: key, type, default, meaning.
  std::string ReferenceMarkdown() const;
  /// Reads settings by precedence flag, environment, file; the rest keep their defaults.
  std::vector<SettingOrigin> Resolve(const SettingSources& sources, void* target,
                                     ErrorList& errors) const;
  const std::string& title() const { return title_; }
  const std::vector<FieldInfo>& fields() const { return fields_; }

 private:
  std::string title_;
  std::string description_;
  std::vector<FieldInfo> fields_;
  std::vector<Reader> readers_;
  std::vector<Writer> writers_;
};

/// How a value of type T is read and described. Specialised for bool, integers, double, string,
/// Duration, Timestamp, vector, map with string keys, optional, and (below) every struct that has
/// `static const Declaration<T>& Declared()`.
template <typename T>
struct ConfigType;

/// Limits and extras of a field.
struct FieldOptions {
  bool required = false;
  std::optional<double> minimum = std::nullopt;
  std::optional<double> maximum = std::nullopt;
  /// Allowed texts of a string field.
  std::vector<std::string> one_of = {};
};

/// The declaration of a struct T: `Declaration<Split>("split", "How rows are split by
/// time.").Field("train_until", &Split::train_until, "Last ...", {.required = true})`. A field that
/// is not required keeps the value that T's own initialiser gave it, which is also its documented
/// default.
template <typename T>
class Declaration {
 public:
  Declaration(std::string title, std::string description)
      : schema_(std::move(title), std::move(description)) {}

  template <typename M>
  Declaration& Field(std::string name, M T::* member, std::string description,
                     FieldOptions options = {}) {
    FieldInfo info;
    info.name = std::move(name);
    info.description = std::move(description);
    info.required = options.required;
    info.schema_json = ConfigType<M>::SchemaJson(options);
    if (!options.required) {
      info.default_json = ConfigType<M>::ToJson(T{}.*member);
    }
    schema_.AddField(
        std::move(info),
        [member, options](const YamlNode& node, void* target, ErrorList& errors) {
          ConfigType<M>::Read(node, static_cast<T*>(target)->*member, options, errors);
        },
        [member](const void* source) {
          return ConfigType<M>::ToJson(static_cast<const T*>(source)->*member);
        });
    return *this;
  }

  /// Reads a map into a T, adding every mistake to `errors`.
  T Read(const YamlNode& node, ErrorList& errors) const {
    T value{};
    schema_.Read(node, &value, errors);
    return value;
  }
  /// Reads settings by precedence flag, environment, file, default; tells where each value came
  /// from.
  T Resolve(const SettingSources& sources, ErrorList& errors,
            std::vector<SettingOrigin>* origins = nullptr) const {
    T value{};
    std::vector<SettingOrigin> found = schema_.Resolve(sources, &value, errors);
    if (origins != nullptr) {
      *origins = std::move(found);
    }
    return value;
  }
  const ObjectSchema& schema() const { return schema_; }

 private:
  ObjectSchema schema_;
};

/// Parses a text and reads it; every mistake of the file in one Error.
template <typename T>
Result<T> ReadConfig(const Declaration<T>& declaration, std::string_view text,
                     std::string_view file_name) {
  MILL_ASSIGN_OR_RETURN(const YamlNode node, YamlNode::Parse(text, file_name));
  ErrorList errors;
  T value = declaration.Read(node, errors);
  if (!errors.empty()) {
    return errors.ToError();
  }
  return value;
}

}  // namespace millrace::base

#include "base/config_types.h"  // IWYU pragma: export
