// SPDX-License-Identifier: Apache-2.0
// A request of MLflow's REST interface, checked against declared fields in one place and read by
// name.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/internal/field.h"
#include "api/internal/json_tape.h"
#include "api/router.h"
#include "base/result.h"

namespace millrace::api::internal {

/// A JSON object that has been checked; getters give the type that was declared. Valid as long as
/// the Message it belongs to.
class Object {
 public:
  explicit Object(JsonValue value) : value_(value) {}

  bool Has(std::string_view name) const;
  /// Empty where unset.
  std::string Text(std::string_view name) const;
  /// Of kRunId.
  std::string RunId() const { return TextIfSet("run_id").value_or(Text("run_uuid")); }
  std::optional<std::string> TextIfSet(std::string_view name) const;
  std::int64_t Int(std::string_view name, std::int64_t otherwise = 0) const;
  std::optional<std::int64_t> IntIfSet(std::string_view name) const;
  /// The same, clamped to what an int holds.
  int Count(std::string_view name, int otherwise = 0) const;
  double Double(std::string_view name) const;
  bool Bool(std::string_view name, bool otherwise = false) const;
  /// The number of an enum's value.
  std::int64_t Enum(const Field& field, std::int64_t otherwise = 0) const;
  std::vector<std::string> Texts(std::string_view name) const;
  std::vector<Object> Objects(std::string_view name) const;
  std::optional<Object> ObjectIfSet(std::string_view name) const;
  /// Any value, null too.
  std::optional<JsonValue> Value(std::string_view name) const;
  JsonValue json() const { return value_; }

 protected:
  JsonValue value_;
};

/// Memory of one thread for reading requests, used again from request to request.
struct MessageBuffers {
  JsonTape tape;
  /// The query as JSON, or the inner text of a body that is JSON in a JSON string.
  std::string text;
};

/// A whole request: the body, or the query of a GET request that has one.
class Message : public Object {
 public:
  /// Reads and checks. Bytes that are no JSON object count as an empty one, as in MLflow.
  ///   - kInvalidArgument, in MLflow's words: a missing required field, a value of another type, a
  ///   Content-Type other than application/json.
  /// The request and the buffers outlive the message.
  static Result<Message> Read(const RoutedRequest& request, std::span<const Field> fields,
                              MessageBuffers& buffers);

  /// The value of the n-th {parameter} of the path.
  const std::string& param(std::size_t n) const { return request_->params[n]; }
  const net::Request& http() const { return request_->http; }
  /// Who sends it; empty where nobody has to say.
  const std::string& user() const { return request_->user; }

 private:
  Message(const RoutedRequest& request, JsonValue value) : Object(value), request_(&request) {}

  const RoutedRequest* request_;
};

/// kInvalidArgument: "Invalid value <json> for parameter 'path' supplied: why See the API docs for
/// more information about request parameters."
Error InvalidParameter(std::string_view path, const JsonValue& value, std::string_view why);
/// kInvalidArgument: "Missing value for required parameter 'path'. See the API docs ...".
Error MissingParameter(std::string_view path);

/// Name and value of each pair of a query, percent-decoded, "+" as a blank.
std::vector<std::pair<std::string, std::string>> ParseQuery(std::string_view query);

}  // namespace millrace::api::internal
