// SPDX-License-Identifier: Apache-2.0
// Errors as replies, in the three forms that clients expect.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http_message.h"

namespace millrace::api::internal {

net::Response JsonReply(std::string body, int status = 200);
net::Response TextReply(std::string body, int status = 200);

/// `{"error_code":"...","message":"...","sqlstate":"...","error_class":"..."}` with MLflow's
/// status; the last two only for codes that have them.
net::Response MlflowError(const Error& error);
net::Response MlflowError(int status, std::string_view error_code, std::string_view message);
/// The same with the hint in a field of its own, so that the message is MLflow's to the letter.
net::Response RestError(const Error& error);
/// `{"error":"..."}` of the Open Inference Protocol, with the native status.
net::Response InferenceError(const Error& error);
net::Response InferenceError(int status, std::string_view message);
/// `{"error_code":"...","message":"...","hint":"..."}` with the native status.
net::Response NativeError(const Error& error);

/// Message and hint as one sentence for forms that have no place for a hint.
std::string OneLine(const Error& error);

}  // namespace millrace::api::internal
