// SPDX-License-Identifier: Apache-2.0
// Errors as replies.
#include "api/internal/replies.h"

#include <string>
#include <utility>

#include "api/internal/json_writer.h"
#include "base/error_map.h"

namespace millrace::api::internal {

namespace {

// The finer classes that MLflow adds to its codes (mlflow/error_classification.py of 3.17.2).
struct ErrorKind {
  std::string_view sqlstate = "KAM00";
  std::string_view error_class;
};

ErrorKind KindOf(std::string_view error_code) {
  if (error_code == "INTERNAL_ERROR" || error_code == "TEMPORARILY_UNAVAILABLE") {
    return {"XXM00", "CLIENT_INTERNAL_ERROR"};
  }
  if (error_code == "INVALID_PARAMETER_VALUE" || error_code == "BAD_REQUEST") {
    return {.error_class = "INVALID_PARAMETER_VALUE"};
  }
  if (error_code == "RESOURCE_DOES_NOT_EXIST" || error_code == "ENDPOINT_NOT_FOUND") {
    return {.error_class = "RESOURCE_NOT_FOUND"};
  }
  if (error_code == "RESOURCE_ALREADY_EXISTS" || error_code == "PERMISSION_DENIED") {
    return {.error_class = error_code};
  }
  return {};
}

}  // namespace

net::Response JsonReply(std::string body, int status) {
  net::Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

net::Response TextReply(std::string body, int status) {
  net::Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

std::string OneLine(const Error& error) {
  if (error.hint().empty()) {
    return error.message();
  }
  return error.message() + "; " + error.hint();
}

namespace {

net::Response MlflowForm(int status, std::string_view error_code, std::string_view message,
                         std::string_view hint) {
  std::string body = "{\"error_code\":";
  AppendJsonString(error_code, body);
  body.append(",\"message\":");
  AppendJsonString(message, body);
  const ErrorKind kind = KindOf(error_code);
  if (!kind.error_class.empty()) {
    body.append(",\"sqlstate\":\"").append(kind.sqlstate);
    body.append("\",\"error_class\":\"").append(kind.error_class).push_back('"');
  }
  if (!hint.empty()) {
    body.append(",\"hint\":");
    AppendJsonString(hint, body);
  }
  body.push_back('}');
  return JsonReply(std::move(body), status);
}

}  // namespace

net::Response MlflowError(int status, std::string_view error_code, std::string_view message) {
  return MlflowForm(status, error_code, message, "");
}

net::Response RestError(const Error& error) {
  return MlflowForm(base::MlflowHttpStatus(error.code()), base::MlflowErrorCode(error.code()),
                    error.message(), error.hint());
}

net::Response MlflowError(const Error& error) {
  return MlflowError(base::MlflowHttpStatus(error.code()), base::MlflowErrorCode(error.code()),
                     OneLine(error));
}

net::Response InferenceError(int status, std::string_view message) {
  std::string body = "{\"error\":";
  AppendJsonString(message, body);
  body.push_back('}');
  return JsonReply(std::move(body), status);
}

net::Response InferenceError(const Error& error) {
  return InferenceError(base::NativeHttpStatus(error.code()), OneLine(error));
}

net::Response NativeError(const Error& error) {
  std::string body = "{\"error_code\":";
  AppendJsonString(base::ErrorCodeName(error.code()), body);
  body.append(",\"message\":");
  AppendJsonString(error.message(), body);
  body.append(",\"hint\":");
  AppendJsonString(error.hint(), body);
  body.push_back('}');
  return JsonReply(std::move(body), base::NativeHttpStatus(error.code()));
}

}  // namespace millrace::api::internal
