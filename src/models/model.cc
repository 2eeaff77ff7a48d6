// SPDX-License-Identifier: Apache-2.0
// Models and signatures: checks and the JSON form of columns.
#include "models/model.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace millrace::models {

std::optional<std::size_t> Signature::Find(std::string_view name) const {
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const ColumnSpec& column) { return column.name == name; });
  if (found == inputs.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - inputs.begin());
}

std::string_view ColumnTypeName(ColumnSpec::Type type) {
  switch (type) {
    case ColumnSpec::Type::kDouble:
      return "double";
    case ColumnSpec::Type::kLong:
      return "long";
    case ColumnSpec::Type::kString:
      return "string";
  }
  return "unknown";
}

std::string ColumnsToJson(const std::vector<ColumnSpec>& columns) {
  nlohmann::json list = nlohmann::json::array();
  for (const ColumnSpec& column : columns) {
    list.push_back({{"name", column.name},
                    {"required", column.required},
                    {"type", ColumnTypeName(column.type)}});
  }
  return base::DumpJson(list);
}

Result<std::vector<ColumnSpec>> ColumnsFromJson(std::string_view text, std::string_view source) {
  MILL_ASSIGN_OR_RETURN(const nlohmann::json list, base::ParseJson(text, source));
  const auto bad = [&](std::size_t i, const std::string& message) {
    return base::InvalidArgument(std::string(source) + ": column " + std::to_string(i) + ": " +
                                 message);
  };
  if (!list.is_array()) {
    return base::InvalidArgument(std::string(source) + ": wanted a list of columns, it is " +
                                 list.type_name());
  }
  std::vector<ColumnSpec> columns;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const nlohmann::json& entry = list[i];
    const bool has_texts = entry.is_object() && entry.contains("type") && entry["type"].is_string();
    if (!has_texts) {
      return bad(i, "it has no type");
    }
    const auto type = entry["type"].get<std::string>();
    if (!entry.contains("name") || !entry["name"].is_string()) {
      return bad(
          i, "a " + type + " without a name; wanted named columns of type double, long or string");
    }
    ColumnSpec column;
    column.name = entry["name"].get<std::string>();
    if (type == "double" || type == "float") {
      column.type = ColumnSpec::Type::kDouble;
    } else if (type == "long" || type == "integer") {
      column.type = ColumnSpec::Type::kLong;
    } else if (type == "string") {
      column.type = ColumnSpec::Type::kString;
    } else {
      return bad(i,
                 "\"" + column.name + "\" is of type " + type + "; wanted double, long or string");
    }
    if (entry.contains("required")) {
      if (!entry["required"].is_boolean()) {
        return bad(i, "\"" + column.name + "\": required is neither true nor false");
      }
      column.required = entry["required"].get<bool>();
    }
    columns.push_back(std::move(column));
  }
  return columns;
}

Signature DoubleSignature(const std::vector<std::string>& names) {
  Signature signature;
  for (const std::string& name : names) {
    signature.inputs.push_back({name, ColumnSpec::Type::kDouble, true});
  }
  return signature;
}

Result<void> CheckSignature(const Signature& signature,
                            const std::vector<std::string>& feature_names) {
  if (signature.inputs.size() != feature_names.size()) {
    return base::InvalidArgument("the signature has " + std::to_string(signature.inputs.size()) +
                                 " columns, the estimator " + std::to_string(feature_names.size()) +
                                 " features");
  }
  for (std::size_t i = 0; i < feature_names.size(); ++i) {
    const ColumnSpec& column = signature.inputs[i];
    if (column.name != feature_names[i]) {
      return base::InvalidArgument("column " + std::to_string(i) + " of the signature is \"" +
                                   column.name + "\", the estimator's feature is \"" +
                                   feature_names[i] + "\"");
    }
    if (column.type == ColumnSpec::Type::kString) {
      return base::InvalidArgument("column \"" + column.name +
                                   "\" of the signature is a string, the feature a number")
          .Hint("encode it before training");
    }
    if (signature.Find(column.name) != i) {
      return base::InvalidArgument("the signature has two columns \"" + column.name + "\"");
    }
    for (const ColumnSpec& output : signature.outputs) {
      if (output.name == column.name) {
        return base::InvalidArgument("column \"" + column.name +
                                     "\" is an input and the output of the signature")
            .Hint("rename the feature");
      }
    }
  }
  return {};
}

Result<Model> Model::Make(Signature signature, std::shared_ptr<const Estimator> estimator,
                          ModelMetadata metadata) {
  MILL_CHECK(estimator != nullptr);
  MILL_RETURN_IF_ERROR(CheckSignature(signature, estimator->feature_names()));
  return Model(std::move(signature), std::move(estimator), std::move(metadata));
}

}  // namespace millrace::models
