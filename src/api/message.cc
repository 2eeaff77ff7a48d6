// SPDX-License-Identifier: Apache-2.0
// Reading and checking requests. The words of errors are MLflow's (mlflow/server/handlers.py and
// mlflow/utils/validation.py of 3.17.2): its clients and tests match on them.
#include "api/internal/message.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "api/internal/json_writer.h"

namespace millrace::api::internal {

namespace {

constexpr std::string_view kSeeDocs =
    " See the API docs for more information about request parameters.";
// Enough to see what came; a body of megabytes is not sent back.
constexpr std::size_t kShownBytes = 2000;

bool IsNumber(JsonKind kind) {
  return kind == JsonKind::kNumber || kind == JsonKind::kNaN || kind == JsonKind::kInfinity ||
         kind == JsonKind::kMinusInfinity;
}

// Whether `camel` is the JSON name that protocol buffers give the field: "maxResults" for
// "max_results".
bool IsCamelCase(std::string_view name, std::string_view camel) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < name.size(); ++i, ++at) {
    char wanted = name[i];
    if (wanted == '_' && i + 1 < name.size()) {
      wanted = static_cast<char>(std::toupper(static_cast<unsigned char>(name[++i])));
    }
    if (at >= camel.size() || camel[at] != wanted) {
      return false;
    }
  }
  return at == camel.size();
}

struct Found {
  std::optional<JsonValue> value;
  bool has_both_names = false;
};

// The value of a field under either of its names, if it is there and not null.
Found FindEither(const JsonValue& object, std::string_view name) {
  Found found;
  std::optional<JsonValue> camel;
  std::string scratch;
  for (auto i = object.begin(); i != object.end(); ++i) {
    const std::string_view key = (*i).Text(scratch);
    const bool is_name = key == name;
    const bool is_camel = !is_name && key.size() < name.size() && IsCamelCase(name, key);
    ++i;
    if (is_name) {
      found.value = *i;
    } else if (is_camel) {
      camel = *i;
    }
  }
  found.has_both_names = found.value.has_value() && camel.has_value();
  found.value = found.value ? found.value : camel;
  if (found.value && found.value->kind() == JsonKind::kNull) {
    found.value.reset();
  }
  return found;
}

std::optional<JsonValue> FindSet(const JsonValue& object, std::string_view name) {
  return FindEither(object, name).value;
}

std::optional<std::int64_t> ParseInt(std::string_view text) {
  std::int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size()) {
    return value;
  }
  return std::nullopt;
}

// A number without a fraction, or a text that is one.
std::optional<std::int64_t> IntOf(const JsonValue& value) {
  if (value.is_string()) {
    std::string scratch;
    return ParseInt(value.Text(scratch));
  }
  if (value.kind() != JsonKind::kNumber) {
    return std::nullopt;
  }
  if (const auto whole = ParseInt(value.raw())) {
    return whole;
  }
  const double number = value.Number();
  // Beyond 2^63 the cast has no meaning; 2^63 itself is the first double outside.
  if (number == std::floor(number) && std::abs(number) < 9223372036854775808.0) {
    return static_cast<std::int64_t>(number);
  }
  return std::nullopt;
}

std::optional<double> DoubleOf(const JsonValue& value) {
  if (IsNumber(value.kind())) {
    return value.Number();
  }
  if (!value.is_string()) {
    return std::nullopt;
  }
  std::string scratch;
  const std::string_view text = value.Text(scratch);
  if (text == "NaN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (text == "Infinity" || text == "inf") {
    return std::numeric_limits<double>::infinity();
  }
  if (text == "-Infinity" || text == "-inf") {
    return -std::numeric_limits<double>::infinity();
  }
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = read.ptr == text.data() + text.size() && !text.empty();
  const bool is_digits =
      is_whole && (text.back() == '.' || (text.back() >= '0' && text.back() <= '9'));
  return read.ec == std::errc() && is_digits ? std::optional<double>(number) : std::nullopt;
}

std::optional<std::int64_t> EnumOf(const Field& field, const JsonValue& value) {
  if (value.is_string()) {
    std::string scratch;
    const std::string_view text = value.Text(scratch);
    for (std::size_t i = 0; i < field.names.size(); ++i) {
      if (field.names[i] == text) {
        return static_cast<std::int64_t>(i + 1);
      }
    }
  }
  const std::optional<std::int64_t> number = IntOf(value);
  const bool is_known =
      number && *number >= 1 && *number <= static_cast<std::int64_t>(field.names.size());
  return is_known ? number : std::nullopt;
}

bool IsTexts(const JsonValue& value) {
  if (!value.is_array()) {
    return false;
  }
  for (const JsonValue item : value) {
    if (!item.is_string()) {
      return false;
    }
  }
  return true;
}

bool IsObjects(const JsonValue& value) {
  if (!value.is_array()) {
    return false;
  }
  for (const JsonValue item : value) {
    if (!item.is_object()) {
      return false;
    }
  }
  return true;
}

bool HasType(const Field& field, const JsonValue& value) {
  switch (field.type) {
    case FieldType::kText:
      return value.is_string();
    case FieldType::kInt32: {
      const auto number = IntOf(value);
      return number && *number >= std::numeric_limits<std::int32_t>::min() &&
             *number <= std::numeric_limits<std::int32_t>::max();
    }
    case FieldType::kInt64:
      return IntOf(value).has_value();
    case FieldType::kDouble:
      return DoubleOf(value).has_value();
    case FieldType::kBool:
      return value.kind() == JsonKind::kTrue || value.kind() == JsonKind::kFalse;
    case FieldType::kEnum:
      return EnumOf(field, value).has_value();
    case FieldType::kTexts:
      return IsTexts(value);
    case FieldType::kObject:
      return value.is_object();
    case FieldType::kObjects:
      return IsObjects(value);
    case FieldType::kAny:
      return true;
  }
  return false;
}

// Python's name of a JSON value's type: MLflow's hint speaks of it.
std::string_view PythonType(const JsonValue& value) {
  switch (value.kind()) {
    case JsonKind::kNull:
      return "NoneType";
    case JsonKind::kTrue:
    case JsonKind::kFalse:
      return "bool";
    case JsonKind::kNumber:
      return value.raw().find_first_of(".eE") == std::string_view::npos ? "int" : "float";
    case JsonKind::kNaN:
    case JsonKind::kInfinity:
    case JsonKind::kMinusInfinity:
      return "float";
    case JsonKind::kString:
      return "str";
    case JsonKind::kArray:
      return "list";
    case JsonKind::kObject:
      return "dict";
  }
  return "";
}

// Where a field stands, made into text only when something is wrong: "metrics[3].key".
struct Place {
  const Place* outer = nullptr;
  std::string_view name;
  std::int64_t index = -1;

  std::string Path() const {
    std::string path = outer == nullptr ? "" : outer->Path() + ".";
    path += name;
    return index < 0 ? path : path + "[" + std::to_string(index) + "]";
  }
};

Result<void> Check(const JsonValue& object, std::span<const Field> fields, const Place* outer);

Result<void> CheckInside(const Field& field, const JsonValue& value, const Place* outer) {
  if (field.fields.empty()) {
    return {};
  }
  if (field.type == FieldType::kObject) {
    const Place place{outer, field.name, -1};
    return Check(value, field.fields, &place);
  }
  std::int64_t index = 0;
  for (const JsonValue item : value) {
    const Place place{outer, field.name, index++};
    MILL_RETURN_IF_ERROR(Check(item, field.fields, &place));
  }
  return {};
}

Result<void> Check(const JsonValue& object, std::span<const Field> fields, const Place* outer) {
  for (const Field& field : fields) {
    const Found found = FindEither(object, field.name);
    if (found.has_both_names) {
      // Whoever checks one and acts by the other would be misled.
      return base::InvalidArgument("Request specifies both '" + std::string(field.name) +
                                   "' and its camelCase form; provide only one of them.");
    }
    std::optional<JsonValue> value = found.value;
    if (!value && !field.old_name.empty()) {
      value = FindSet(object, field.old_name);
    }
    const Place place{outer, field.name, -1};
    if (value && !HasType(field, *value)) {
      return InvalidParameter(
          place.Path(), *value,
          " Hint: Value was of type '" + std::string(PythonType(*value)) + "'.");
    }
    if (field.is_required && (!value || (value->is_string() && value->raw().empty()))) {
      return MissingParameter(place.Path());
    }
    if (!value) {
      continue;
    }
    if (field.max > 0 && IntOf(*value).value_or(0) > field.max) {
      return InvalidParameter(
          place.Path(), *value,
          " Hint: Value was of type '" + std::string(PythonType(*value)) + "'.");
    }
    MILL_RETURN_IF_ERROR(CheckInside(field, *value, outer));
  }
  return {};
}

Result<void> CheckContentType(const net::Request& request) {
  if (request.method != "POST" && request.method != "PUT") {
    return {};
  }
  const std::string_view type = request.Header("Content-Type");
  if (type.empty()) {
    return base::InvalidArgument("Bad Request. Content-Type header is missing.");
  }
  std::string_view bare = type.substr(0, type.find(';'));
  bare = bare.substr(0, bare.find_last_not_of(" \t") + 1);
  if (!net::EqualsIgnoringCase(bare, "application/json")) {
    return base::InvalidArgument("Bad Request. Content-Type must be one of ['application/json'].");
  }
  return {};
}

// The query as the JSON object that the same request would have as a body.
Result<void> QueryToJson(std::string_view query, std::span<const Field> fields, std::string& text) {
  const auto pairs = ParseQuery(query);
  text.clear();
  JsonWriter out(text);
  out.BeginObject();
  for (const Field& field : fields) {
    const bool is_list = field.type == FieldType::kTexts;
    bool is_found = false;
    for (const auto& [name, value] : pairs) {
      const bool is_it = name == field.name || (!name.empty() && name == field.old_name);
      if (!is_it || (is_found && !is_list)) {
        continue;
      }
      if (!is_found) {
        out.Key(field.name);
        if (is_list) {
          out.BeginList();
        }
      }
      is_found = true;
      if (field.type != FieldType::kBool) {
        out.Text(value);
        continue;
      }
      const bool is_true = net::EqualsIgnoringCase(value, "true");
      if (!is_true && !net::EqualsIgnoringCase(value, "false")) {
        return base::InvalidArgument("Invalid boolean value: " + value +
                                     ", must be 'true' or 'false'.");
      }
      text.append(is_true ? "true" : "false");
    }
    if (is_found && is_list) {
      out.EndList();
    }
  }
  out.EndObject();
  return {};
}

constexpr std::string_view kNothing = "{}";

// Leaves an object at the tape's root, whatever the body is.
void ParseBody(std::string_view body, MessageBuffers& buffers) {
  bool is_parsed = buffers.tape.Parse(body).ok();
  if (is_parsed && buffers.tape.root().is_string()) {
    // Some old clients send JSON in a JSON string.
    std::string scratch;
    buffers.text = buffers.tape.root().Text(scratch);
    is_parsed = buffers.tape.Parse(buffers.text).ok();
  }
  if (!is_parsed || !buffers.tape.root().is_object()) {
    (void)buffers.tape.Parse(kNothing).ok();
  }
}

}  // namespace

Error InvalidParameter(std::string_view path, const JsonValue& value, std::string_view why) {
  std::string shown;
  if (value.is_string()) {
    std::string scratch;
    AppendJsonString(value.Text(scratch).substr(0, kShownBytes), shown);
  } else {
    shown = value.raw().substr(0, kShownBytes);
  }
  return base::InvalidArgument("Invalid value " + shown + " for parameter '" + std::string(path) +
                               "' supplied: " + std::string(why) + std::string(kSeeDocs));
}

Error MissingParameter(std::string_view path) {
  return base::InvalidArgument("Missing value for required parameter '" + std::string(path) + "'." +
                               std::string(kSeeDocs));
}

Result<Message> Message::Read(const RoutedRequest& request, std::span<const Field> fields,
                              MessageBuffers& buffers) {
  const net::Request& http = request.http;
  const bool is_get = http.method == "GET" || http.method == "HEAD";
  if (is_get && !http.query().empty()) {
    MILL_RETURN_IF_ERROR(QueryToJson(http.query(), fields, buffers.text));
    MILL_RETURN_IF_ERROR(buffers.tape.Parse(buffers.text));
  } else {
    MILL_RETURN_IF_ERROR(CheckContentType(http));
    ParseBody(http.body, buffers);
  }
  const Message message(request, buffers.tape.root());
  MILL_RETURN_IF_ERROR(Check(message.value_, fields, nullptr));
  return message;
}

bool Object::Has(std::string_view name) const {
  return FindSet(value_, name).has_value();
}

std::string Object::Text(std::string_view name) const {
  return TextIfSet(name).value_or("");
}

std::optional<std::string> Object::TextIfSet(std::string_view name) const {
  const std::optional<JsonValue> value = FindSet(value_, name);
  if (!value) {
    return std::nullopt;
  }
  std::string scratch;
  return std::string(value->Text(scratch));
}

std::int64_t Object::Int(std::string_view name, std::int64_t otherwise) const {
  return IntIfSet(name).value_or(otherwise);
}

std::optional<std::int64_t> Object::IntIfSet(std::string_view name) const {
  const std::optional<JsonValue> value = FindSet(value_, name);
  return value ? IntOf(*value) : std::nullopt;
}

int Object::Count(std::string_view name, int otherwise) const {
  const std::int64_t value = Int(name, otherwise);
  return static_cast<int>(std::clamp<std::int64_t>(value, std::numeric_limits<int>::min(),
                                                   std::numeric_limits<int>::max()));
}

double Object::Double(std::string_view name) const {
  const std::optional<JsonValue> value = FindSet(value_, name);
  return value ? DoubleOf(*value).value_or(0.0) : 0.0;
}

bool Object::Bool(std::string_view name, bool otherwise) const {
  const std::optional<JsonValue> value = FindSet(value_, name);
  return value ? value->kind() == JsonKind::kTrue : otherwise;
}

std::int64_t Object::Enum(const Field& field, std::int64_t otherwise) const {
  const std::optional<JsonValue> value = FindSet(value_, field.name);
  return value ? EnumOf(field, *value).value_or(otherwise) : otherwise;
}

std::vector<std::string> Object::Texts(std::string_view name) const {
  std::vector<std::string> texts;
  if (const std::optional<JsonValue> value = FindSet(value_, name)) {
    std::string scratch;
    for (const JsonValue item : *value) {
      texts.emplace_back(item.Text(scratch));
    }
  }
  return texts;
}

std::vector<Object> Object::Objects(std::string_view name) const {
  std::vector<Object> objects;
  if (const std::optional<JsonValue> value = FindSet(value_, name)) {
    for (const JsonValue item : *value) {
      objects.emplace_back(item);
    }
  }
  return objects;
}

std::optional<Object> Object::ObjectIfSet(std::string_view name) const {
  const std::optional<JsonValue> value = FindSet(value_, name);
  return value ? std::optional<Object>(Object(*value)) : std::nullopt;
}

std::optional<JsonValue> Object::Value(std::string_view name) const {
  const JsonField field = FindField(value_, name);
  return field.found ? std::optional<JsonValue>(field.value) : std::nullopt;
}

std::vector<std::pair<std::string, std::string>> ParseQuery(std::string_view query) {
  const auto decode = [](std::string_view text) {
    std::string plain(text);
    for (char& c : plain) {
      c = c == '+' ? ' ' : c;
    }
    return PercentDecode(plain);
  };
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (!pair.empty()) {
      pairs.emplace_back(decode(pair.substr(0, equals)),
                         equals == std::string_view::npos ? "" : decode(pair.substr(equals + 1)));
    }
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
  }
  return pairs;
}

}  // namespace millrace::api::internal
