// SPDX-License-Identifier: Apache-2.0
// Declared settings without templates: reading maps, ranges, JSON Schema and reference tables.
#include "base/config.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/nearest_name.h"
#include "base/number_format.h"

namespace millrace::base {

using nlohmann::json;

Error ErrorList::ToError() const {
  MILL_CHECK(!errors_.empty());
  Error first = errors_.front();
  for (std::size_t i = 1; i < errors_.size(); ++i) {
    first = std::move(first).And(errors_[i]);
  }
  return first;
}

void ObjectSchema::AddField(FieldInfo info, Reader reader, Writer writer) {
  for (const FieldInfo& field : fields_) {
    MILL_CHECK(field.name != info.name);
  }
  fields_.push_back(std::move(info));
  readers_.push_back(std::move(reader));
  writers_.push_back(std::move(writer));
}

void ObjectSchema::Read(const YamlNode& node, void* target, ErrorList& errors) const {
  // An empty file is an empty map; its missing keys are told below.
  if (!internal::ExpectMap(node, errors)) {
    return;
  }
  std::vector<bool> is_seen(fields_.size());
  for (const auto& [key, value] : node.entries()) {
    const auto field =
        std::find_if(fields_.begin(), fields_.end(),
                     [&name = key.text()](const FieldInfo& info) { return info.name == name; });
    if (field == fields_.end()) {
      std::vector<std::string> names;
      for (const FieldInfo& known : fields_) {
        names.push_back(known.name);
      }
      errors.Add(key.ErrorHere("unknown key \"" + key.text() + "\" of " + title_ +
                               DidYouMean(key.text(), names)));
      continue;
    }
    const auto index = static_cast<std::size_t>(field - fields_.begin());
    is_seen[index] = true;
    if (value.IsNull() && field->required) {
      errors.Add(key.ErrorHere("the key \"" + key.text() + "\" of " + title_ + " has no value"));
      continue;
    }
    ErrorList of_field;
    readers_[index](value, target, of_field);
    for (Error error : of_field.errors()) {
      errors.Add(std::move(error).With(key.text()));
    }
  }
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].required && !is_seen[i]) {
      errors.Add(node.ErrorHere("the key \"" + fields_[i].name + "\" of " + title_ + " is missing")
                     .Hint(fields_[i].name + ": " + fields_[i].description));
    }
  }
}

std::vector<SettingOrigin> ObjectSchema::Resolve(const SettingSources& sources, void* target,
                                                 ErrorList& errors) const {
  if (sources.file) {
    Read(*sources.file, target, errors);
  }
  std::vector<std::string> names;
  std::vector<SettingOrigin> origins;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    const std::string& name = fields_[i].name;
    names.push_back(name);
    SettingOrigin found{name, "", "default"};
    if (const std::optional<YamlNode> node =
            sources.file ? sources.file->Find(name) : std::nullopt) {
      const SourceLocation where = node->where();
      found.origin =
          where.file + ":" + std::to_string(where.line) + ":" + std::to_string(where.column);
    }
    std::optional<std::string> text;
    if (sources.environment) {
      std::string variable = sources.environment_prefix;
      for (const char c : name) {
        variable += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
      }
      text = sources.environment(variable);
      if (text) {
        found.origin = "environment " + variable;
      }
    }
    if (const auto flag = sources.flags.find(name); flag != sources.flags.end()) {
      text = flag->second;
      found.origin = "flag --" + name;
    }
    if (text) {
      const Result<YamlNode> node = YamlNode::Parse(*text, found.origin);
      if (node.ok()) {
        readers_[i](*node, target, errors);
      } else {
        errors.Add(node.error());
      }
    }
    found.value_json = writers_[i](target);
    origins.push_back(std::move(found));
  }
  for (const auto& [name, value] : sources.flags) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      errors.Add(InvalidArgument("unknown setting \"" + name + "\"" + DidYouMean(name, names)));
    }
  }
  return origins;
}

namespace {

json ParseOwn(const std::string& text) {
  Result<json> value = ParseJson(text, "declaration");
  MILL_CHECK_OK(value);
  return *std::move(value);
}

json SchemaOf(const std::string& title, const std::string& description,
              const std::vector<FieldInfo>& fields) {
  json schema = {{"title", title},
                 {"description", description},
                 {"type", "object"},
                 {"additionalProperties", false}};
  json properties = json::object();
  json required = json::array();
  for (const FieldInfo& field : fields) {
    json property = ParseOwn(field.schema_json);
    property["description"] = field.description;
    if (!field.default_json.empty() && field.default_json != "null") {
      property["default"] = ParseOwn(field.default_json);
    }
    properties[field.name] = std::move(property);
    if (field.required) {
      required.push_back(field.name);
    }
  }
  schema["properties"] = std::move(properties);
  if (!required.empty()) {
    schema["required"] = std::move(required);
  }
  return schema;
}

// "integer", "list of text", "one of a, b": the type column of a reference table.
std::string TypeText(const json& schema) {
  if (schema.contains("enum")) {
    std::string text = "one of";
    for (const json& value : schema["enum"]) {
      text += (text.size() > 6 ? ", `" : " `") + value.get<std::string>() + "`";
    }
    return text;
  }
  if (schema.contains("x-type")) {
    return schema["x-type"].get<std::string>();
  }
  const std::string type = schema.value("type", "any value");
  if (type == "array") {
    return "list of " + TypeText(schema["items"]);
  }
  if (type == "object") {
    return schema.contains("title") ? "map, see " + schema["title"].get<std::string>()
           : schema.contains("additionalProperties") && schema["additionalProperties"].is_object()
               ? "map of name to " + TypeText(schema["additionalProperties"])
               : "map";
  }
  std::string text = type == "string" ? "text" : type;
  if (schema.contains("minimum")) {
    text += ", at least " + FormatDouble(schema["minimum"].get<double>());
  }
  if (schema.contains("maximum")) {
    text += ", at most " + FormatDouble(schema["maximum"].get<double>());
  }
  return text;
}

}  // namespace

json ObjectSchema::JsonSchema() const {
  json schema = SchemaOf(title_, description_, fields_);
  schema["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  return schema;
}

std::string ObjectSchema::JsonSchemaText() const {
  return DumpJson(SchemaOf(title_, description_, fields_));
}

std::string ObjectSchema::ToJson(const void* source) const {
  std::string text = "{";
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    text += (i > 0 ? "," : "") + internal::JsonQuote(fields_[i].name) + ":" + writers_[i](source);
  }
  return text + "}";
}

std::string ObjectSchema::ReferenceMarkdown() const {
  std::string text = "| key | type | default | meaning |\n|---|---|---|---|\n";
  for (const FieldInfo& field : fields_) {
    const std::string fallback = field.required ? "required"
                                 : field.default_json.empty() || field.default_json == "null"
                                     ? ""
                                     : "`" + field.default_json + "`";
    text += "| `" + field.name + "` | " + TypeText(ParseOwn(field.schema_json)) + " | " + fallback +
            " | " + field.description + " |\n";
  }
  return text;
}

namespace internal {

std::string JsonQuote(std::string_view text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string RangeSchema(const FieldOptions& options) {
  std::string text;
  if (options.minimum) {
    text += ",\"minimum\":" + FormatDouble(*options.minimum);
  }
  if (options.maximum) {
    text += ",\"maximum\":" + FormatDouble(*options.maximum);
  }
  return text;
}

void CheckRange(const YamlNode& node, double value, const FieldOptions& options,
                ErrorList& errors) {
  // Written so that NaN is out of every range.
  if (options.minimum && !(value >= *options.minimum)) {
    errors.Add(node.ErrorHere("found " + node.text() + ", wanted at least " +
                              FormatDouble(*options.minimum)));
  } else if (options.maximum && !(value <= *options.maximum)) {
    errors.Add(node.ErrorHere("found " + node.text() + ", wanted at most " +
                              FormatDouble(*options.maximum)));
  }
}

std::string TextSchema(const FieldOptions& options) {
  if (options.one_of.empty()) {
    return R"({"type":"string"})";
  }
  return DumpJson({{"type", "string"}, {"enum", options.one_of}});
}

void ReadText(const YamlNode& node, std::string& out, const FieldOptions& options,
              ErrorList& errors) {
  const std::size_t before = errors.errors().size();
  Take(node.AsString(), out, errors);
  if (errors.errors().size() == before && !options.one_of.empty() &&
      std::find(options.one_of.begin(), options.one_of.end(), out) == options.one_of.end()) {
    std::string known;
    for (const std::string& text : options.one_of) {
      known += (known.empty() ? "" : ", ") + text;
    }
    const std::optional<std::string> nearest = NearestName(out, options.one_of);
    errors.Add(node.ErrorHere("found \"" + out + "\", wanted one of " + known +
                              (nearest ? "; did you mean \"" + *nearest + "\"?" : "")));
  }
}

void ReadInteger(const YamlNode& node, std::int64_t& out, std::int64_t least, std::int64_t most,
                 const FieldOptions& options, ErrorList& errors) {
  const Result<std::int64_t> value = node.AsInt();
  if (!value.ok()) {
    errors.Add(value.error());
  } else if (*value < least || *value > most) {
    errors.Add(node.ErrorHere("found " + node.text() + ", wanted a whole number from " +
                              std::to_string(least) + " to " + std::to_string(most)));
  } else {
    CheckRange(node, static_cast<double>(*value), options, errors);
    out = *value;
  }
}

void ReadUnsigned(const YamlNode& node, std::uint64_t& out, const FieldOptions& options,
                  ErrorList& errors) {
  const std::string& text = node.text();
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (node.is_quoted() || text.empty() || result.ec != std::errc() ||
      result.ptr != text.data() + text.size()) {
    errors.Add(node.ErrorHere("found \"" + text +
                              "\", wanted a whole number from 0 to 18446744073709551615"));
    return;
  }
  CheckRange(node, static_cast<double>(value), options, errors);
  out = value;
}

void ReadDouble(const YamlNode& node, double& out, const FieldOptions& options, ErrorList& errors) {
  const Result<double> value = node.AsDouble();
  if (!value.ok()) {
    errors.Add(value.error());
    return;
  }
  CheckRange(node, *value, options, errors);
  out = *value;
}

std::string DoubleToJson(double value) {
  return DumpJson(json(value));
}

bool ExpectList(const YamlNode& node, ErrorList& errors) {
  if (node.kind() == YamlNode::Kind::kList || node.IsNull()) {
    return true;
  }
  errors.Add(node.ErrorHere(node.kind() == YamlNode::Kind::kMap
                                ? "found a map, wanted a list"
                                : "found \"" + node.text() + "\", wanted a list")
                 .Hint("write one value a line after \"- \", or [a, b]"));
  return false;
}

bool ExpectMap(const YamlNode& node, ErrorList& errors) {
  if (node.kind() == YamlNode::Kind::kMap || node.IsNull()) {
    return true;
  }
  errors.Add(node.ErrorHere(node.kind() == YamlNode::Kind::kList
                                ? "found a list, wanted a map"
                                : "found \"" + node.text() + "\", wanted a map")
                 .Hint("write \"key: value\" lines"));
  return false;
}

std::string YamlToJson(const YamlNode& node) {
  std::string text;
  switch (node.kind()) {
    case YamlNode::Kind::kNull:
      return "null";
    case YamlNode::Kind::kList:
      for (const YamlNode& item : node.items()) {
        text += (text.empty() ? "" : ",") + YamlToJson(item);
      }
      return "[" + text + "]";
    case YamlNode::Kind::kMap:
      for (const auto& [key, item] : node.entries()) {
        text += (text.empty() ? "" : ",") + JsonQuote(key.text()) + ":" + YamlToJson(item);
      }
      return "{" + text + "}";
    case YamlNode::Kind::kScalar:
      break;
  }
  if (const Result<std::int64_t> number = node.AsInt(); number.ok()) {
    return std::to_string(*number);
  }
  if (const Result<double> number = node.AsDouble(); number.ok()) {
    return DoubleToJson(*number);
  }
  if (const Result<bool> flag = node.AsBool(); flag.ok()) {
    return *flag ? "true" : "false";
  }
  return JsonQuote(node.text());
}

}  // namespace internal

void ConfigType<Duration>::Read(const YamlNode& node, Duration& out, const FieldOptions&,
                                ErrorList& errors) {
  Result<Duration> value = ParseDuration(node.text());
  if (value.ok()) {
    out = *value;
  } else {
    errors.Add(std::move(value).error().At(node.where()));
  }
}
std::string ConfigType<Duration>::SchemaJson(const FieldOptions&) {
  return R"({"type":"string","pattern":"^[0-9]+(w|d|h|m|s|ms|us)$","x-type":"duration such as `30d`"})";
}
std::string ConfigType<Duration>::ToJson(Duration value) {
  return internal::JsonQuote(FormatDuration(value));
}

void ConfigType<Timestamp>::Read(const YamlNode& node, Timestamp& out, const FieldOptions&,
                                 ErrorList& errors) {
  Result<Timestamp> value = ParseTimestamp(node.text());
  if (value.ok()) {
    out = *value;
  } else {
    errors.Add(std::move(value).error().At(node.where()));
  }
}
std::string ConfigType<Timestamp>::SchemaJson(const FieldOptions&) {
  return R"json({"type":"string","pattern":"^[0-9]{4}-[0-9]{2}-[0-9]{2}","x-type":"date or instant, UTC"})json";
}
std::string ConfigType<Timestamp>::ToJson(Timestamp value) {
  return internal::JsonQuote(FormatDate(value));
}

}  // namespace millrace::base
