// SPDX-License-Identifier: Apache-2.0
// The online store of a workspace whose lock another process holds: the same interface, over HTTP
// to that process.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "store/key_value.h"

namespace millrace::api {

/// @param base_url  address in the workspace's lock file, "http://127.0.0.1:5000"
///         - as net::HttpClient::Make; kUnavailable if nobody answers there.
/// Thread-safe; calls run one after the other on one connection.
Result<std::unique_ptr<store::KeyValue>> OpenRemoteKeyValue(std::string_view base_url);

}  // namespace millrace::api
