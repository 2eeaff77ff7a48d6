// SPDX-License-Identifier: Apache-2.0
// Errors as replies.
#include "api/internal/replies.h"

#include "api/internal/json_writer.h"
#include "base/error_map.h"

namespace millrace::api::internal {

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
  return error.hint().empty() ? error.message() : error.message() + "; " + error.hint();
}

net::Response MlflowError(int status, std::string_view error_code, std::string_view message) {
  std::string body = "{\"error_code\":";
  AppendJsonString(error_code, body);
  body.append(",\"message\":");
  AppendJsonString(message, body);
  body.push_back('}');
  return JsonReply(std::move(body), status);
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
