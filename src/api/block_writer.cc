// SPDX-License-Identifier: Apache-2.0
// Typed writes into a RowBlock, and the CSV reader.
#include <charconv>
#include <cmath>
#include <limits>
#include <set>

#include "api/internal/row_reader.h"

namespace millrace::api::internal {

namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
// Doubles up to here hold every integer exactly.
constexpr double kExactIntegers = 9007199254740992.0;
constexpr std::size_t kShownBytes = 40;

std::string Quoted(std::string_view text) {
  return "\"" + std::string(text.substr(0, kShownBytes)) +
         (text.size() > kShownBytes ? "...\"" : "\"");
}

std::string NumberText(double value) {
  char digits[32];
  return std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

bool IsWhole(double value) {
  return std::trunc(value) == value && std::abs(value) <= kExactIntegers;
}

template <typename T>
bool ParseWhole(std::string_view text, T& value) {
  text.remove_prefix(text.starts_with('+') ? 1 : 0);
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && !text.empty();
}

bool IsMissingText(std::string_view text) {
  return text.empty() || text == "NA" || text == "NaN" || text == "nan" || text == "null" ||
         text == "NULL" || text == "N/A";
}

}  // namespace

BlockWriter::BlockWriter(const serving::Snapshot& snapshot, serving::RowBlock& block)
    : snapshot_(snapshot), block_(block) {
  block_.Reset(0, snapshot_.n_columns());
}

Target BlockWriter::Find(std::string_view name, std::size_t guess) const {
  Target target;
  target.is_key = snapshot_.has_key() && name == snapshot_.spec().key;
  target.column = guess < snapshot_.n_columns() && snapshot_.columns()[guess].name == name
                      ? static_cast<int>(guess)
                      : snapshot_.ColumnIndex(name);
  return target;
}

std::string BlockWriter::NameOf(Target target) const {
  return target.is_key ? snapshot_.spec().key
                       : snapshot_.columns()[static_cast<std::size_t>(target.column)].name;
}

void BlockWriter::AddRows(std::size_t n) {
  block_.n_rows += n;
  block_.values.resize(block_.n_rows * snapshot_.n_columns(), kMissing);
  block_.given.resize(block_.n_rows * snapshot_.n_columns(), 0);
  if (n_keys_ > 0) {
    block_.keys.resize(block_.n_rows);
  }
}

Error BlockWriter::WrongType(std::size_t row, Target target, std::string_view seen) const {
  std::string_view wanted = "a number";
  if (target.is_key) {
    wanted = snapshot_.key_type() == data::ColumnType::kString ? "a text" : "an integer";
  } else if (snapshot_.columns()[static_cast<std::size_t>(target.column)].type ==
             models::ColumnSpec::Type::kLong) {
    wanted = "an integer";
  }
  return base::InvalidArgument("Failed to enforce schema: column \"" + NameOf(target) + "\", row " +
                               std::to_string(row) + ": " + std::string(seen) + " is not " +
                               std::string(wanted));
}

Result<void> BlockWriter::SetNull(std::size_t row, Target target) {
  if (target.is_key) {
    return base::InvalidArgument("key \"" + NameOf(target) + "\", row " + std::to_string(row) +
                                 " is null")
        .Hint("a null key matches nothing; send a value");
  }
  SetCell(row, target.column, kMissing);
  return {};
}

Result<void> BlockWriter::SetKey(std::size_t row, features::EntityKey key) {
  block_.keys.resize(block_.n_rows);
  block_.keys[row] = std::move(key);
  ++n_keys_;
  return {};
}

Result<void> BlockWriter::SetDouble(std::size_t row, Target target, double value) {
  if (std::isnan(value)) {
    return SetNull(row, target);
  }
  if (target.is_key) {
    // Data frames turn integers into doubles where a column has a null.
    if (snapshot_.key_type() != data::ColumnType::kInt64 || !IsWhole(value)) {
      return WrongType(row, target, NumberText(value));
    }
    MILL_RETURN_IF_ERROR(SetKey(row, static_cast<std::int64_t>(value)));
  }
  if (target.column >= 0) {
    const bool is_long = snapshot_.columns()[static_cast<std::size_t>(target.column)].type ==
                         models::ColumnSpec::Type::kLong;
    if (is_long && !IsWhole(value)) {
      return WrongType(row, target, NumberText(value));
    }
    SetCell(row, target.column, value);
  }
  return {};
}

Result<void> BlockWriter::SetInt(std::size_t row, Target target, std::int64_t value) {
  if (target.is_key) {
    if (snapshot_.key_type() != data::ColumnType::kInt64 && snapshot_.all_views_bound()) {
      return WrongType(row, target, std::to_string(value));
    }
    MILL_RETURN_IF_ERROR(SetKey(row, value));
  }
  if (target.column >= 0) {
    SetCell(row, target.column, static_cast<double>(value));
  }
  return {};
}

Result<void> BlockWriter::SetText(std::size_t row, Target target, std::string_view text) {
  const bool is_text_key = target.is_key && (snapshot_.key_type() == data::ColumnType::kString ||
                                             !snapshot_.all_views_bound());
  if (!is_text_key || target.column >= 0) {
    return WrongType(row, target, Quoted(text));
  }
  return SetKey(row, std::string(text));
}

Result<void> BlockWriter::SetUntyped(std::size_t row, Target target, std::string_view text) {
  if (target.is_key && snapshot_.key_type() == data::ColumnType::kString && !text.empty()) {
    return SetText(row, target, text);
  }
  if (IsMissingText(text)) {
    return SetNull(row, target);
  }
  std::int64_t whole = 0;
  double value = 0.0;
  if (ParseWhole(text, whole)) {
    return SetInt(row, target, whole);
  }
  if (ParseWhole(text, value)) {
    return SetDouble(row, target, value);
  }
  return WrongType(row, target, Quoted(text));
}

Result<void> BlockWriter::Finish() {
  if (n_keys_ != 0 && n_keys_ != block_.n_rows) {
    return base::InvalidArgument("key \"" + snapshot_.spec().key + "\" is given for " +
                                 std::to_string(n_keys_) + " of " + std::to_string(block_.n_rows) +
                                 " rows")
        .Hint("give it for every row or for none");
  }
  return {};
}

Result<void> WriteJson(const JsonValue& value, std::size_t row, Target target, BlockWriter& writer,
                       bool accept_nan_text) {
  const std::string_view raw = value.raw();
  switch (value.kind()) {
    case JsonKind::kNull:
    case JsonKind::kNaN:
      return writer.SetNull(row, target);
    case JsonKind::kInfinity:
    case JsonKind::kMinusInfinity:
      return writer.SetDouble(row, target, value.Number());
    case JsonKind::kNumber:
      break;
    case JsonKind::kString: {
      std::string scratch;
      const std::string_view text = value.Text(scratch);
      return accept_nan_text && text == "NaN" && !target.is_key ? writer.SetNull(row, target)
                                                                : writer.SetText(row, target, text);
    }
    case JsonKind::kArray:
      return writer.WrongType(row, target, "a list");
    case JsonKind::kObject:
      return writer.WrongType(row, target, "an object");
    case JsonKind::kTrue:
    case JsonKind::kFalse:
      return writer.WrongType(row, target, raw);
  }
  if (target.is_key && raw.find_first_of(".eE") == std::string_view::npos) {
    std::int64_t whole = 0;
    return ParseWhole(raw, whole) ? writer.SetInt(row, target, whole)
                                  : Result<void>(writer.WrongType(row, target, raw));
  }
  const double number = value.Number();
  return std::isinf(number) ? Result<void>(writer.WrongType(row, target, raw))
                            : writer.SetDouble(row, target, number);
}

namespace {

// The fields of CSV text one by one; quotes as in RFC 4180.
class CsvCursor {
 public:
  explicit CsvCursor(std::string_view text) : text_(text) {
    text_.remove_prefix(text_.starts_with("\xEF\xBB\xBF") ? 3 : 0);
  }
  bool AtEnd() const { return at_ >= text_.size(); }
  int line() const { return line_; }

  /// Reads a field and what ends it. `is_last` is true at the end of a record. False for a quote
  /// that is not closed.
  bool Next(std::string& field, bool& is_last) {
    field.clear();
    if (at_ < text_.size() && text_[at_] == '"') {
      if (!ReadQuoted(field)) {
        return false;
      }
    }
    while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n' && text_[at_] != '\r') {
      field.push_back(text_[at_++]);
    }
    is_last = at_ >= text_.size() || text_[at_] != ',';
    if (is_last) {
      EndLine();
    } else {
      ++at_;
    }
    return true;
  }

 private:
  bool ReadQuoted(std::string& field) {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] != '"') {
        line_ += text_[at_] == '\n' ? 1 : 0;
        field.push_back(text_[at_]);
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        field.push_back('"');
        ++at_;
      } else {
        ++at_;
        return true;
      }
    }
    return false;
  }
  void EndLine() {
    at_ += at_ < text_.size() && text_[at_] == '\r' ? 1 : 0;
    at_ += at_ < text_.size() && text_[at_] == '\n' ? 1 : 0;
    ++line_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

Result<void> ReadCsvRows(std::string_view body, BlockWriter& writer) {
  CsvCursor cursor(body);
  std::vector<Target> targets;
  std::set<std::string> names;
  std::string field;
  bool is_last = cursor.AtEnd();
  if (is_last) {
    return base::InvalidArgument("the CSV body is empty")
        .Hint("send a header line with the column names, then one line per row");
  }
  const auto unclosed = [&] {
    return base::InvalidArgument("CSV: a quote that opens before line " +
                                 std::to_string(cursor.line() + 1) + " is not closed");
  };
  while (!is_last) {
    if (!cursor.Next(field, is_last)) {
      return unclosed();
    }
    if (!names.insert(field).second) {
      return base::InvalidArgument("CSV: column \"" + field + "\" occurs twice in the header line");
    }
    targets.push_back(writer.Find(field, targets.size()));
  }
  while (!cursor.AtEnd()) {
    const int line = cursor.line();
    std::size_t n_fields = 0;
    is_last = false;
    const std::size_t row = writer.n_rows();
    while (!is_last) {
      if (!cursor.Next(field, is_last)) {
        return unclosed();
      }
      if (n_fields == 0 && is_last && field.empty() && targets.size() > 1) {
        break;  // An empty line.
      }
      if (n_fields == 0) {
        writer.AddRow();
      }
      const Target target = n_fields < targets.size() ? targets[n_fields] : Target{};
      if (target.column >= 0 || target.is_key) {
        MILL_RETURN_IF_ERROR(writer.SetUntyped(row, target, field));
      }
      ++n_fields;
    }
    if (n_fields != 0 && n_fields != targets.size()) {
      return base::InvalidArgument("CSV line " + std::to_string(line) + " has " +
                                   std::to_string(n_fields) + " fields; the header has " +
                                   std::to_string(targets.size()));
    }
  }
  return writer.Finish();
}

}  // namespace millrace::api::internal
