// SPDX-License-Identifier: Apache-2.0
// What the scoring routes of both dialects share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_message.h"
#include "serving/endpoint.h"

namespace millrace::api::internal {

/// An endpoint and the snapshot that answers one request.
struct Answering {
  std::shared_ptr<serving::Endpoint> endpoint;
  std::shared_ptr<const serving::Snapshot> snapshot;
};

/// kNotFound if there is no such endpoint (names those there are); kUnavailable while it has no
/// snapshot.
Result<Answering> FindEndpoint(const serving::EndpointSet& endpoints, std::string_view name);

/// A thread's rows and scores, used again from request to request.
struct Workspace {
  serving::RowBlock block;
  serving::Scores scores;
};
Workspace& ThreadWorkspace();

/// As-of of the stored features that went into an answer, or nothing: one instant, or
/// "oldest/newest" where they differ.
std::optional<std::string> FeaturesAsOf(const serving::Scores& scores);

/// A media type in lower case without parameters, and its charset; nullopt if it has another
/// parameter.
struct MediaType {
  std::string type;
  std::string charset;
};
std::optional<MediaType> ParseMediaType(std::string_view content_type);

inline constexpr std::string_view kAsOfHeader = "Millrace-Features-As-Of";

}  // namespace millrace::api::internal
