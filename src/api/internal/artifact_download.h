// SPDX-License-Identifier: Apache-2.0
// An artifact as an HTTP reply: ranges, conditions, names and types.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/http_message.h"
#include "store/artifacts.h"

namespace millrace::api::internal {

/// Answers a GET with the artifact, streamed: 200, 206 for one range of bytes, 304 where the client
/// has it, 416 for a range beyond its end, 500 where its first bytes are damaged. Always as an
/// attachment, so that no browser runs it in this server's name.
net::Response DownloadReply(const net::Request& request, std::string_view path,
                            std::unique_ptr<store::ArtifactReader> reader);

/// As MLflow's server guesses: text/plain for code and configuration, application/octet-stream for
/// what is not known.
std::string_view GuessMimeType(std::string_view path);

}  // namespace millrace::api::internal
