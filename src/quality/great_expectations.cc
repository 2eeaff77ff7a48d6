// SPDX-License-Identifier: Apache-2.0
// Great Expectations' suite files. JSON is read as the YAML that it also is, so that errors have
// lines.
#include <array>
#include <map>
#include <utility>

#include "base/yaml.h"
#include "quality/suite.h"

namespace millrace::quality {
namespace {

using base::YamlNode;

// Keyword arguments whose names differ from ours.
const std::map<std::string, std::string>& Renamed() {
  static const std::map<std::string, std::string> names = {{"min_value", "min"},
                                                           {"max_value", "max"},
                                                           {"type_", "type"},
                                                           {"column_A", "column_a"},
                                                           {"column_B", "column_b"}};
  return names;
}

bool IsIgnored(const std::string& name) {
  static constexpr std::array<std::string_view, 8> kIgnored = {"result_format",
                                                               "include_config",
                                                               "catch_exceptions",
                                                               "meta",
                                                               "notes",
                                                               "id",
                                                               "batch_id",
                                                               "parse_strings_as_datetimes"};
  for (const std::string_view ignored : kIgnored) {
    if (name == ignored) {
      return true;
    }
  }
  return false;
}

std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return out + "\"";
}

// Arguments that are there but stand for a meaning that cannot be had here must not be dropped in
// silence.
bool HasUnsupported(const YamlNode& kwargs, base::ErrorList& errors) {
  bool found = false;
  for (const auto& [key, value] : kwargs.entries()) {
    const bool is_parameter =
        value.kind() == YamlNode::Kind::kMap && value.Find("$PARAMETER").has_value();
    const bool is_condition = key.text() == "row_condition" || key.text() == "condition_parser";
    if ((is_condition && !value.IsNull()) || is_parameter) {
      errors.Add(base::Unimplemented(is_parameter ? "\"" + key.text() + "\" is a suite parameter"
                                                  : "\"" + key.text() + "\" is a row condition")
                     .At(key.where())
                     .Hint("write the value itself, or check a table that SQL has filtered"));
      found = true;
    }
  }
  return found;
}

// The fields whose values are lists are read by their own declarations, scalars by their text.
void ReadKwargs(const YamlNode& kwargs, Expectation& out, base::ErrorList& errors) {
  for (const auto& [key, value] : kwargs.entries()) {
    if (IsIgnored(key.text()) || value.IsNull() || key.text() == "row_condition" ||
        key.text() == "condition_parser") {
      continue;
    }
    const auto renamed = Renamed().find(key.text());
    const std::string name = renamed == Renamed().end() ? key.text() : renamed->second;
    const base::FieldOptions options;
    const auto read = [&](auto& field) {
      base::ConfigType<std::remove_reference_t<decltype(field)>>::Read(value, field, options,
                                                                       errors);
    };
    if (name == "column") {
      read(out.column);
    } else if (name == "column_a") {
      read(out.column_a);
    } else if (name == "column_b") {
      read(out.column_b);
    } else if (name == "column_list") {
      read(out.column_list);
    } else if (name == "column_set") {
      read(out.column_set);
    } else if (name == "min") {
      read(out.min);
    } else if (name == "max") {
      read(out.max);
    } else if (name == "strict_min") {
      read(out.strict_min);
    } else if (name == "strict_max") {
      read(out.strict_max);
    } else if (name == "value") {
      read(out.value);
    } else if (name == "value_set") {
      read(out.value_set);
    } else if (name == "regex") {
      read(out.regex);
    } else if (name == "type") {
      read(out.type);
    } else if (name == "mostly") {
      read(out.mostly);
    } else if (name == "strictly") {
      read(out.strictly);
    } else if (name == "or_equal") {
      read(out.or_equal);
    } else if (name == "exact_match") {
      read(out.exact_match);
    } else if (name == "ignore_row_if") {
      read(out.ignore_row_if);
    } else {
      errors.Add(base::InvalidArgument("unknown argument " + Quoted(key.text())).At(key.where()));
    }
  }
}

void ReadOne(const YamlNode& node, Suite& suite, base::ErrorList& errors) {
  auto type = node.Find("type");
  if (!type.has_value()) {
    type = node.Find("expectation_type");
  }
  if (!type.has_value()) {
    errors.Add(node.ErrorHere("an expectation without \"type\""));
    return;
  }
  Expectation expectation;
  expectation.expect = {type->text(), type->where()};
  if (const auto severity = node.Find("severity"); severity.has_value() && !severity->IsNull()) {
    expectation.severity = severity->text() == "critical" ? "error" : "warn";
  }
  if (const auto description = node.Find("description"); description.has_value()) {
    expectation.description = description->text();
  }
  const std::size_t before = errors.errors().size();
  if (const auto kwargs = node.Find("kwargs");
      kwargs.has_value() && !HasUnsupported(*kwargs, errors)) {
    ReadKwargs(*kwargs, expectation, errors);
  }
  if (errors.errors().size() == before) {
    ValidateExpectation(expectation, errors);
  }
  suite.expectations.push_back(std::move(expectation));
}

}  // namespace

Result<Suite> ReadGreatExpectations(std::string_view json, std::string_view file_name,
                                    std::string_view table) {
  MILL_ASSIGN_OR_RETURN(const YamlNode root, YamlNode::Parse(json, file_name));
  const auto expectations = root.Find("expectations");
  if (!expectations.has_value() || expectations->kind() != YamlNode::Kind::kList) {
    return root.ErrorHere("no list \"expectations\"; wanted a suite of Great Expectations");
  }
  Suite suite;
  suite.table.where = root.where();
  suite.table.value = table;
  for (const char* key : {"name", "expectation_suite_name"}) {
    if (const auto name = root.Find(key); suite.table.value.empty() && name.has_value()) {
      suite.table = {name->text(), name->where()};
    }
  }
  base::ErrorList errors;
  for (const YamlNode& node : expectations->items()) {
    ReadOne(node, suite, errors);
  }
  if (!errors.empty()) {
    return errors.ToError();
  }
  return suite;
}

}  // namespace millrace::quality
