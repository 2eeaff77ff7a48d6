// SPDX-License-Identifier: Apache-2.0
// MLflow's scoring protocol: /invocations and /endpoints/{name}/invocations.
#include <algorithm>

#include "api/internal/json_writer.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "api/internal/row_reader.h"
#include "api/internal/scoring.h"

namespace millrace::api::internal {

namespace {

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

std::string EndpointNames(const serving::EndpointSet& endpoints) {
  std::string names;
  for (const auto& endpoint : *endpoints.All()) {
    names += (names.empty() ? "" : ", ") + endpoint->name();
  }
  return names.empty() ? "there is none" : "there is " + names;
}

net::Response UnsupportedType(std::string_view content_type) {
  return TextReply(
      "This server reads the content types application/json and text/csv (charset utf-8), not \"" +
          std::string(content_type.substr(0, 100)) +
          "\"; add -H 'Content-Type: application/json'\n",
      415);
}

Result<Answering> TheEndpoint(const serving::EndpointSet& endpoints) {
  if (const auto only = endpoints.Only()) {
    return FindEndpoint(endpoints, only->name());
  }
  return base::NotFound("/invocations is the route of the only endpoint, but " +
                        EndpointNames(endpoints))
      .Hint("ask /endpoints/<name>/invocations");
}

Result<void> ReadRows(const net::Request& request, bool is_csv, BlockWriter& writer) {
  return is_csv ? ReadCsvRows(request.body, writer) : ReadMlflowJson(request.body, writer);
}

net::Response Predictions(const serving::Scores& scores) {
  net::Response response;
  response.body.reserve(64 + scores.values.size() * 24);
  response.body.append("{\"predictions\":");
  AppendJsonDoubles(scores.values, response.body);
  if (const auto as_of = FeaturesAsOf(scores)) {
    response.body.append(",\"features_as_of\":");
    AppendJsonString(*as_of, response.body);
    response.headers.emplace_back(kAsOfHeader, *as_of);
  }
  response.body.push_back('}');
  return response;
}

net::Response Invoke(const Result<Answering>& answering, const net::Request& request) {
  const std::string_view content_type = request.Header("content-type");
  bool is_csv = false;
  // The usual case without a copy.
  if (content_type != "application/json") {
    const std::optional<MediaType> media = ParseMediaType(content_type);
    if (!media || (media->type != "application/json" && media->type != "text/csv") ||
        (!media->charset.empty() && media->charset != "utf-8")) {
      return UnsupportedType(content_type);
    }
    is_csv = media->type == "text/csv";
  }
  if (!answering.ok()) {
    return MlflowError(answering.error());
  }
  Workspace& workspace = ThreadWorkspace();
  BlockWriter writer(*answering->snapshot, workspace.block);
  if (const Result<void> read = ReadRows(request, is_csv, writer); !read.ok()) {
    return MlflowError(read.error());
  }
  if (const Result<void> scored = answering->snapshot->Score(workspace.block, workspace.scores);
      !scored.ok()) {
    return MlflowError(scored.error());
  }
  answering->endpoint->CountRows(workspace.block.n_rows);
  return Predictions(workspace.scores);
}

}  // namespace

Result<Answering> FindEndpoint(const serving::EndpointSet& endpoints, std::string_view name) {
  Answering answering;
  answering.endpoint = endpoints.Find(name);
  if (!answering.endpoint) {
    return base::NotFound("no endpoint \"" + std::string(name) + "\"; " + EndpointNames(endpoints))
        .Hint("check the name in the URL");
  }
  answering.snapshot = answering.endpoint->Current();
  if (!answering.snapshot) {
    return base::Unavailable("endpoint \"" + std::string(name) +
                             "\" does not answer yet: " + answering.endpoint->problem())
        .Hint("train and deploy a model that passes its gates");
  }
  return answering;
}

Workspace& ThreadWorkspace() {
  // A block that one large request made is not kept for ever.
  constexpr std::size_t kKeptCells = 1 << 20;
  thread_local Workspace workspace;
  if (workspace.block.values.capacity() > kKeptCells) {
    workspace = Workspace();
  }
  return workspace;
}

std::optional<std::string> FeaturesAsOf(const serving::Scores& scores) {
  if (!scores.features_oldest) {
    return std::nullopt;
  }
  std::string text = base::FormatTimestamp(*scores.features_oldest);
  if (scores.features_newest != scores.features_oldest) {
    text += "/" + base::FormatTimestamp(*scores.features_newest);
  }
  return text;
}

std::optional<MediaType> ParseMediaType(std::string_view content_type) {
  MediaType media;
  std::size_t semicolon = content_type.find(';');
  media.type = LowerCase(Trim(content_type.substr(0, semicolon)));
  while (semicolon != std::string_view::npos) {
    content_type.remove_prefix(semicolon + 1);
    semicolon = content_type.find(';');
    const std::string parameter = LowerCase(Trim(content_type.substr(0, semicolon)));
    if (parameter.empty()) {
      continue;
    }
    if (!parameter.starts_with("charset=")) {
      return std::nullopt;
    }
    media.charset = parameter.substr(8);
    if (media.charset.size() >= 2 && media.charset.front() == '"' && media.charset.back() == '"') {
      media.charset = media.charset.substr(1, media.charset.size() - 2);
    }
  }
  return media;
}

void AddScoringRoutes(const ApiParts& parts, Router& router) {
  const serving::EndpointSet& endpoints = *parts.endpoints;
  router.Add("POST", "/invocations", [&endpoints](const RoutedRequest& request) {
    return Invoke(TheEndpoint(endpoints), request.http);
  });
  router.Add("POST", "/endpoints/{name}/invocations", [&endpoints](const RoutedRequest& request) {
    return Invoke(FindEndpoint(endpoints, request.params[0]), request.http);
  });
}

}  // namespace millrace::api::internal
