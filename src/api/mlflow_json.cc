// SPDX-License-Identifier: Apache-2.0
// MLflow's four JSON input forms (mlflow/pyfunc/scoring_server/__init__.py) as rows.
#include <string>
#include <vector>

#include "api/internal/json_tape.h"
#include "api/internal/row_reader.h"

namespace millrace::api::internal {

namespace {

constexpr std::string_view kForms = "dataframe_split, dataframe_records, instances, inputs";

bool IsWritten(Target target) {
  return target.column >= 0 || target.is_key;
}

std::string_view NameOfKind(const JsonValue& value) {
  return value.is_array() ? "a list" : value.is_object() ? "an object" : "a scalar";
}

class MlflowReader {
 public:
  explicit MlflowReader(BlockWriter& writer) : writer_(writer) {}

  Result<void> Read(const JsonValue& root);

 private:
  Result<void> ReadForm(std::string_view form, const JsonValue& value);
  Result<void> ReadSplit(const JsonValue& split);
  Result<void> ReadColumnNames(const JsonValue& names);
  Result<void> ReadList(std::string_view form, const JsonValue& list);
  Result<void> ReadRecord(const JsonValue& record);
  /// A row of values in the order of targets_.
  Result<void> ReadRow(const JsonValue& row, std::string_view form);
  Result<void> ReadColumns(const JsonValue& columns);
  Result<std::size_t> ReadColumn(const JsonValue& value, Target target);

  BlockWriter& writer_;
  std::vector<Target> targets_;
  std::string scratch_;
};

Result<void> MlflowReader::Read(const JsonValue& root) {
  if (!root.is_object()) {
    return base::InvalidArgument("the request's body is not a JSON object")
        .Hint("wanted an object with one of " + std::string(kForms));
  }
  std::string seen;
  for (auto i = root.begin(); i != root.end(); ++i) {
    const std::string name((*i).Text(scratch_));
    ++i;
    if (name == "params") {
      if (!(*i).is_object() && (*i).kind() != JsonKind::kNull) {
        return base::InvalidArgument("\"params\" is " + std::string(NameOfKind(*i)) +
                                     "; wanted an object")
            .Hint("leave it out: this model has no parameters");
      }
      continue;
    }
    if (!seen.empty()) {
      return base::InvalidArgument("the request has both \"" + seen + "\" and \"" + name + "\"")
          .Hint("send exactly one of " + std::string(kForms));
    }
    seen = name;
    MILL_RETURN_IF_ERROR(ReadForm(name, *i));
  }
  if (seen.empty()) {
    return base::InvalidArgument("the request has none of " + std::string(kForms))
        .Hint("send exactly one of them");
  }
  return writer_.Finish();
}

Result<void> MlflowReader::ReadForm(std::string_view form, const JsonValue& value) {
  const bool wants_object = form == "dataframe_split";
  if (!wants_object && form != "dataframe_records" && form != "instances" && form != "inputs") {
    return base::InvalidArgument("unknown key \"" + std::string(form) + "\" in the request")
        .Hint("send exactly one of " + std::string(kForms));
  }
  if (value.is_object() && wants_object) {
    return ReadSplit(value);
  }
  if (value.is_object() && form == "inputs") {
    return ReadColumns(value);
  }
  if (value.is_array() && !wants_object) {
    return ReadList(form, value);
  }
  return base::InvalidArgument(
      "\"" + std::string(form) + "\" is " + std::string(NameOfKind(value)) + "; wanted " +
      (wants_object ? "an object with columns and data" : "a list of rows"));
}

Result<void> MlflowReader::ReadSplit(const JsonValue& split) {
  const JsonField names = FindField(split, "columns");
  if (!names.found || !names.value.is_array()) {
    return base::InvalidArgument("\"dataframe_split\" has no list \"columns\"")
        .Hint("name the columns of data");
  }
  MILL_RETURN_IF_ERROR(ReadColumnNames(names.value));
  const JsonField data = FindField(split, "data");
  if (!data.found || !data.value.is_array()) {
    return base::InvalidArgument("\"dataframe_split\" has no list \"data\"")
        .Hint("send a list of rows, each a list of values");
  }
  for (const JsonValue row : data.value) {
    if (!row.is_array()) {
      return base::InvalidArgument("row " + std::to_string(writer_.n_rows()) +
                                   " of \"dataframe_split\" is not a list");
    }
    MILL_RETURN_IF_ERROR(ReadRow(row, "dataframe_split"));
  }
  return {};
}

Result<void> MlflowReader::ReadColumnNames(const JsonValue& names) {
  for (const JsonValue element : names) {
    if (!element.is_string()) {
      return base::InvalidArgument("column " + std::to_string(targets_.size()) +
                                   " of \"dataframe_split\" has a name that is no text");
    }
    const std::string_view name = element.Text(scratch_);
    const Target target = writer_.Find(name, targets_.size());
    // A column that the model does not read may come twice; one that it reads may not.
    for (std::size_t i = 0; i < targets_.size() && IsWritten(target); ++i) {
      if (targets_[i].column == target.column && targets_[i].is_key == target.is_key) {
        return base::InvalidArgument("column \"" + std::string(name) +
                                     "\" occurs twice in \"dataframe_split\"");
      }
    }
    targets_.push_back(target);
  }
  return {};
}

Result<void> MlflowReader::ReadRow(const JsonValue& row, std::string_view form) {
  const std::size_t r = writer_.n_rows();
  writer_.AddRow();
  std::size_t i = 0;
  for (const JsonValue value : row) {
    if (i < targets_.size() && IsWritten(targets_[i])) {
      MILL_RETURN_IF_ERROR(WriteJson(value, r, targets_[i], writer_, false));
    }
    ++i;
  }
  if (i != targets_.size()) {
    return base::InvalidArgument("row " + std::to_string(r) + " of \"" + std::string(form) +
                                 "\" has " + std::to_string(i) + " values; wanted " +
                                 std::to_string(targets_.size()));
  }
  return {};
}

Result<void> MlflowReader::ReadList(std::string_view form, const JsonValue& list) {
  for (const JsonValue item : list) {
    if (item.is_object() && form != "inputs") {
      MILL_RETURN_IF_ERROR(ReadRecord(item));
    } else if (item.is_array() && form != "dataframe_records") {
      // Rows by position have the order of the signature.
      for (std::size_t c = targets_.size(); c < writer_.snapshot().n_columns(); ++c) {
        targets_.push_back({.column = static_cast<int>(c), .is_key = false});
      }
      MILL_RETURN_IF_ERROR(ReadRow(item, form));
    } else {
      return base::InvalidArgument(
          "row " + std::to_string(writer_.n_rows()) + " of \"" + std::string(form) + "\" is " +
          std::string(NameOfKind(item)) + "; wanted " +
          (form == "dataframe_records" ? "an object" : "a list of values") +
          (form == "instances" ? " or an object" : ""));
    }
  }
  return {};
}

Result<void> MlflowReader::ReadRecord(const JsonValue& record) {
  const std::size_t r = writer_.n_rows();
  writer_.AddRow();
  std::size_t guess = 0;
  for (auto i = record.begin(); i != record.end(); ++i) {
    const Target target = writer_.Find((*i).Text(scratch_), guess);
    guess = target.column >= 0 ? static_cast<std::size_t>(target.column) + 1 : guess;
    ++i;
    if (IsWritten(target)) {
      MILL_RETURN_IF_ERROR(WriteJson(*i, r, target, writer_, false));
    }
  }
  return {};
}

Result<void> MlflowReader::ReadColumns(const JsonValue& columns) {
  std::size_t n_rows = 0;
  bool is_first = true;
  for (auto i = columns.begin(); i != columns.end(); ++i) {
    const std::string name((*i).Text(scratch_));
    const Target target = writer_.Find(name, 0);
    ++i;
    if (!IsWritten(target)) {
      continue;
    }
    MILL_ASSIGN_OR_RETURN(const std::size_t n, ReadColumn(*i, target));
    if (!is_first && n != n_rows) {
      return base::InvalidArgument("column \"" + name + "\" of \"inputs\" has " +
                                   std::to_string(n) + " values, another has " +
                                   std::to_string(n_rows));
    }
    n_rows = n;
    is_first = false;
  }
  return {};
}

Result<std::size_t> MlflowReader::ReadColumn(const JsonValue& value, Target target) {
  const auto write = [&](const JsonValue& item, std::size_t row) -> Result<void> {
    if (row == writer_.n_rows()) {
      writer_.AddRow();
    }
    return WriteJson(item, row, target, writer_, false);
  };
  if (!value.is_array()) {
    MILL_RETURN_IF_ERROR(write(value, 0));
    return std::size_t{1};
  }
  std::size_t n_rows = 0;
  for (const JsonValue item : value) {
    if (!item.is_array()) {
      MILL_RETURN_IF_ERROR(write(item, n_rows));
    } else {
      // A column of shape [n, 1].
      const auto first = item.begin();
      auto second = first;
      if (first != item.end()) {
        ++second;
      }
      if (!(first != item.end()) || second != item.end()) {
        return writer_.WrongType(
            n_rows, target, first != item.end() ? "a list of several values" : "an empty list");
      }
      MILL_RETURN_IF_ERROR(write(*first, n_rows));
    }
    ++n_rows;
  }
  return n_rows;
}

}  // namespace

Result<void> ReadMlflowJson(std::string_view body, BlockWriter& writer) {
  thread_local JsonTape tape;
  MILL_RETURN_IF_ERROR(tape.Parse(body));
  return MlflowReader(writer).Read(tape.root());
}

}  // namespace millrace::api::internal
