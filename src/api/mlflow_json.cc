// SPDX-License-Identifier: Apache-2.0
// MLflow's four JSON input forms (mlflow/pyfunc/scoring_server/__init__.py), read in one pass into rows.
#include <vector>

#include "api/internal/json_cursor.h"
#include "api/internal/row_reader.h"

namespace millrace::api::internal {

namespace {

constexpr std::string_view kForms = "dataframe_split, dataframe_records, instances, inputs";

class MlflowReader {
 public:
  MlflowReader(JsonBody& json, BlockWriter& writer) : json_(json), writer_(writer) {}

  Result<void> Read();

 private:
  Result<void> ReadForm(std::string_view form, od::value& value);
  Result<void> ReadSplit(od::object object);
  Result<void> ReadColumnNames(od::array names);
  Result<void> ReadList(std::string_view form, od::array list);
  Result<void> ReadRecord(od::object record);
  /// A row of values by position. `by_name` says whether targets_ came from the request; otherwise the signature's order holds.
  Result<void> ReadRow(od::array row, std::string_view form);
  Result<void> ReadColumns(od::object columns);
  Result<void> ReadColumn(od::value& value, Target target, std::size_t& n_rows);
  Result<void> Write(od::value& value, std::size_t row, Target target) {
    return WriteScalar(json_, value, row, target, writer_, false);
  }
  void TakeSignature();

  JsonBody& json_;
  BlockWriter& writer_;
  std::vector<Target> targets_;
};

bool IsWritten(Target target) { return target.column >= 0 || target.is_key; }

Result<void> MlflowReader::Read() {
  od::object object;
  if (const auto error = json_.document().get_object().get(object)) {
    if (error == simdjson::INCORRECT_TYPE) {
      return base::InvalidArgument("the request's body is not a JSON object").Hint("wanted an object with one of " + std::string(kForms));
    }
    return json_.Bad(error);
  }
  std::string seen;
  for (auto field : object) {
    std::string_view key;
    od::value value;
    if (const auto error = field.unescaped_key().get(key)) {
      return json_.Bad(error);
    }
    const std::string name(key);
    if (const auto error = field.value().get(value)) {
      return json_.Bad(error);
    }
    if (name == "params") {
      if (Token(value).substr(0, 1) != "{" && Token(value) != "null") {
        return base::InvalidArgument("\"params\" is not an object").Hint("leave it out: this model has no parameters");
      }
      continue;
    }
    if (!seen.empty()) {
      return base::InvalidArgument("the request has both \"" + seen + "\" and \"" + name + "\"").Hint("send exactly one of " + std::string(kForms));
    }
    seen = name;
    MILL_RETURN_IF_ERROR(ReadForm(name, value));
  }
  if (seen.empty()) {
    return base::InvalidArgument("the request has none of " + std::string(kForms)).Hint("send exactly one of them");
  }
  if (!json_.IsAtEnd()) {
    return base::InvalidArgument("the request's body goes on after its JSON object").Hint("send one JSON object");
  }
  return writer_.Finish();
}

Result<void> MlflowReader::ReadForm(std::string_view form, od::value& value) {
  const std::string_view token = Token(value);
  const char first = token.empty() ? '\0' : token.front();
  const bool wants_object = form == "dataframe_split";
  if (form != "dataframe_split" && form != "dataframe_records" && form != "instances" && form != "inputs") {
    return base::InvalidArgument("unknown key \"" + std::string(form) + "\" in the request").Hint("send exactly one of " + std::string(kForms));
  }
  if (first == '{' && (wants_object || form == "inputs")) {
    od::object object;
    if (const auto error = value.get_object().get(object)) {
      return json_.Bad(error);
    }
    return wants_object ? ReadSplit(object) : ReadColumns(object);
  }
  if (first == '[' && !wants_object) {
    od::array list;
    if (const auto error = value.get_array().get(list)) {
      return json_.Bad(error);
    }
    return ReadList(form, list);
  }
  return base::InvalidArgument("\"" + std::string(form) + "\" is " + (first == '[' ? "a list" : first == '{' ? "an object" : "a scalar") +
                               "; wanted " + (wants_object ? "an object with columns and data" : "a list of rows"));
}

Result<void> MlflowReader::ReadSplit(od::object object) {
  od::array names;
  od::array data;
  if (object.find_field_unordered("columns").get_array().get(names)) {
    return base::InvalidArgument("\"dataframe_split\" has no list \"columns\"").Hint("name the columns of data");
  }
  MILL_RETURN_IF_ERROR(ReadColumnNames(names));
  if (object.find_field_unordered("data").get_array().get(data)) {
    return base::InvalidArgument("\"dataframe_split\" has no list \"data\"").Hint("send a list of rows, each a list of values");
  }
  for (auto element : data) {
    od::array row;
    if (const auto error = element.get_array().get(row)) {
      if (error != simdjson::INCORRECT_TYPE) {
        return json_.Bad(error);
      }
      return base::InvalidArgument("row " + std::to_string(writer_.n_rows()) + " of \"dataframe_split\" is not a list");
    }
    MILL_RETURN_IF_ERROR(ReadRow(row, "dataframe_split"));
  }
  return {};
}

Result<void> MlflowReader::ReadColumnNames(od::array names) {
  std::vector<std::string> seen;
  for (auto element : names) {
    std::string_view name;
    if (element.get_string().get(name)) {
      return base::InvalidArgument("column " + std::to_string(targets_.size()) + " of \"dataframe_split\" has a name that is no text");
    }
    const Target target = writer_.Find(name, targets_.size());
    // A column that the model does not read may come twice; one that it reads may not.
    for (std::size_t i = 0; i < targets_.size() && IsWritten(target); ++i) {
      if (targets_[i].column == target.column && targets_[i].is_key == target.is_key) {
        return base::InvalidArgument("column \"" + std::string(name) + "\" occurs twice in \"dataframe_split\"");
      }
    }
    targets_.push_back(target);
  }
  return {};
}

void MlflowReader::TakeSignature() {
  for (std::size_t c = 0; c < writer_.snapshot().n_columns(); ++c) {
    targets_.push_back({.column = static_cast<int>(c), .is_key = false});
  }
}

Result<void> MlflowReader::ReadRow(od::array row, std::string_view form) {
  const std::size_t r = writer_.n_rows();
  writer_.AddRow();
  std::size_t i = 0;
  for (auto element : row) {
    od::value value;
    if (const auto error = element.get(value)) {
      return json_.Bad(error);
    }
    if (i < targets_.size() && IsWritten(targets_[i])) {
      MILL_RETURN_IF_ERROR(Write(value, r, targets_[i]));
    }
    ++i;
  }
  if (i != targets_.size()) {
    return base::InvalidArgument("row " + std::to_string(r) + " of \"" + std::string(form) + "\" has " + std::to_string(i) +
                                 " values; wanted " + std::to_string(targets_.size()));
  }
  return {};
}

Result<void> MlflowReader::ReadList(std::string_view form, od::array list) {
  for (auto element : list) {
    od::value value;
    if (const auto error = element.get(value)) {
      return json_.Bad(error);
    }
    const char first = Token(value).empty() ? '\0' : Token(value).front();
    if (first == '{' && form != "inputs") {
      od::object record;
      if (const auto error = value.get_object().get(record)) {
        return json_.Bad(error);
      }
      MILL_RETURN_IF_ERROR(ReadRecord(record));
    } else if (first == '[' && form != "dataframe_records") {
      od::array row;
      if (const auto error = value.get_array().get(row)) {
        return json_.Bad(error);
      }
      if (targets_.empty()) {
        TakeSignature();
      }
      MILL_RETURN_IF_ERROR(ReadRow(row, form));
    } else {
      return base::InvalidArgument("row " + std::to_string(writer_.n_rows()) + " of \"" + std::string(form) + "\" is not " +
                                   (form == "dataframe_records" ? "an object" : "a list of values" ) +
                                   (form == "instances" ? " or an object" : ""));
    }
  }
  return {};
}

Result<void> MlflowReader::ReadRecord(od::object record) {
  const std::size_t r = writer_.n_rows();
  writer_.AddRow();
  std::size_t guess = 0;
  for (auto field : record) {
    std::string_view name;
    if (const auto error = field.unescaped_key().get(name)) {
      return json_.Bad(error);
    }
    const Target target = writer_.Find(name, guess);
    guess = target.column >= 0 ? static_cast<std::size_t>(target.column) + 1 : guess;
    od::value value;
    if (const auto error = field.value().get(value)) {
      return json_.Bad(error);
    }
    if (IsWritten(target)) {
      MILL_RETURN_IF_ERROR(Write(value, r, target));
    }
  }
  return {};
}

Result<void> MlflowReader::ReadColumns(od::object columns) {
  std::size_t n_rows = 0;
  bool is_first = true;
  for (auto field : columns) {
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) {
      return json_.Bad(error);
    }
    const std::string name(key);
    const Target target = writer_.Find(name, 0);
    od::value value;
    if (const auto error = field.value().get(value)) {
      return json_.Bad(error);
    }
    if (!IsWritten(target)) {
      continue;
    }
    std::size_t n = 0;
    MILL_RETURN_IF_ERROR(ReadColumn(value, target, n));
    if (!is_first && n != n_rows) {
      return base::InvalidArgument("column \"" + name + "\" of \"inputs\" has " + std::to_string(n) + " values, another has " +
                                   std::to_string(n_rows));
    }
    n_rows = n;
    is_first = false;
  }
  return {};
}

Result<void> MlflowReader::ReadColumn(od::value& value, Target target, std::size_t& n_rows) {
  if (Token(value).substr(0, 1) != "[") {
    if (writer_.n_rows() == 0) {
      writer_.AddRow();
    }
    n_rows = 1;
    return Write(value, 0, target);
  }
  od::array list;
  if (const auto error = value.get_array().get(list)) {
    return json_.Bad(error);
  }
  n_rows = 0;
  for (auto element : list) {
    od::value item;
    if (const auto error = element.get(item)) {
      return json_.Bad(error);
    }
    if (n_rows == writer_.n_rows()) {
      writer_.AddRow();
    }
    if (Token(item).substr(0, 1) == "[") {
      // A column of shape [n, 1].
      od::array one;
      if (const auto error = item.get_array().get(one)) {
        return json_.Bad(error);
      }
      std::size_t i = 0;
      for (auto inner : one) {
        od::value scalar;
        if (const auto error = inner.get(scalar)) {
          return json_.Bad(error);
        }
        if (i++ > 0) {
          return writer_.WrongType(n_rows, target, "a list of several values");
        }
        MILL_RETURN_IF_ERROR(Write(scalar, n_rows, target));
      }
    } else {
      MILL_RETURN_IF_ERROR(Write(item, n_rows, target));
    }
    ++n_rows;
  }
  return {};
}

}  // namespace

Result<void> ReadMlflowJson(std::string_view body, BlockWriter& writer) {
  thread_local JsonBody json;
  MILL_RETURN_IF_ERROR(json.Open(body));
  return MlflowReader(json, writer).Read();
}

}  // namespace millrace::api::internal
