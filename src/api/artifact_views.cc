// SPDX-License-Identifier: Apache-2.0
// Artifacts as those of a run, a model version or a logged model: what MLflow's pages ask.
#include <string>

#include "api/internal/artifact_download.h"
#include "api/internal/artifact_json.h"
#include "api/internal/artifact_places.h"
#include "api/internal/mount.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "store/artifact_path.h"
#include "store/artifacts.h"
#include "tracking/artifact_uri.h"
#include "tracking/registry.h"
#include "tracking/store.h"

namespace millrace::api::internal {

namespace {

using enum FieldType;

constexpr std::size_t kMaxUploadBytes = 10 * 1024 * 1024;
constexpr Field kListFields[] = {kRunId, {.name = "path"}, {.name = "page_token"}};
constexpr Field kDirectoryFields[] = {{.name = "artifact_directory_path"}, {.name = "page_token"}};
constexpr Field kPresignedFields[] = {{.name = "run_id"},
                                      {.name = "model_id"},
                                      {.name = "path", .is_required = true},
                                      {.name = "expiration", .type = kInt64}};

std::string QueryValue(const net::Request& request, std::string_view name) {
  for (auto& [key, value] : ParseQuery(request.query())) {
    if (key == name) {
      return std::move(value);
    }
  }
  return {};
}

// Answers with the file at a path, as the client wrote it, below what a URI names.
net::Response FileBelow(const ArtifactPlaces& places, const net::Request& request,
                        const Result<std::string>& uri, const std::string& text) {
  const Result<std::string> path = PathOfField(text);
  if (!path.ok()) {
    return RestError(path.error());
  }
  if (!uri.ok()) {
    return RestError(uri.error());
  }
  const Result<ArtifactPlace> place = places.Find(*uri, *path);
  Result<std::unique_ptr<store::ArtifactReader>> reader =
      place.ok() ? place->files->Open(place->path) : place.error();
  return reader.ok() ? DownloadReply(request, *path, std::move(*reader))
                     : RestError(reader.error());
}

Result<std::string> ListBelow(const ArtifactPlaces& places, const std::string& uri,
                              const std::string& text) {
  MILL_ASSIGN_OR_RETURN(const std::string folder, store::CheckArtifactPath(text));
  MILL_ASSIGN_OR_RETURN(const ArtifactPlace place, places.Find(uri, folder));
  MILL_ASSIGN_OR_RETURN(const auto entries, place.files->List(place.path));
  return ArtifactListJson(uri, folder, entries);
}

Result<std::string> RunUri(tracking::TrackingStore& tracking, const std::string& run_id) {
  MILL_ASSIGN_OR_RETURN(const tracking::Run run, tracking.GetRun(run_id));
  return run.info.artifact_uri;
}

Result<std::string> ModelUri(tracking::TrackingStore& tracking, const std::string& model_id) {
  MILL_ASSIGN_OR_RETURN(const tracking::LoggedModel model, tracking.GetLoggedModel(model_id));
  return model.artifact_location;
}

Result<std::string> VersionUri(tracking::Registry& registry, const net::Request& request) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t version, ReadVersion(QueryValue(request, "version")));
  return registry.DownloadUri(QueryValue(request, "name"), version);
}

net::Response UploadToRun(const ArtifactPlaces& places, tracking::TrackingStore& tracking,
                          const net::Request& request) {
  const auto put = [&]() -> Result<void> {
    const std::string run_id = QueryValue(request, "run_uuid");
    const std::string text = QueryValue(request, "path");
    if (run_id.empty()) {
      return base::InvalidArgument("Request must specify run_uuid.");
    }
    if (text.empty()) {
      return base::InvalidArgument("Request must specify path.");
    }
    MILL_ASSIGN_OR_RETURN(const std::string path, PathOfField(text));
    if (request.body.size() > kMaxUploadBytes) {
      return base::InvalidArgument("Artifact size is too large. Max size is 10MB.");
    }
    if (request.body.empty()) {
      return base::InvalidArgument("Request must specify data.");
    }
    MILL_ASSIGN_OR_RETURN(const std::string uri, RunUri(tracking, run_id));
    MILL_ASSIGN_OR_RETURN(const ArtifactPlace place, places.Find(uri, path));
    MILL_ASSIGN_OR_RETURN(const auto writer, place.files->Create(place.path));
    MILL_RETURN_IF_ERROR(writer->Write(request.body));
    MILL_RETURN_IF_ERROR(writer->Commit());
    return {};
  };
  const Result<void> done = put();
  return done.ok() ? JsonReply("{}") : RestError(done.error());
}

// MLflow's words for a root that its clients reach through the server.
Result<std::string> Presigned(const Message& in, std::string_view what,
                              tracking::TrackingStore& tracking) {
  const std::string run_id = in.Text("run_id");
  const std::string model_id = in.Text("model_id");
  if (run_id.empty() == model_id.empty()) {
    return base::InvalidArgument("Exactly one of run_id and model_id must be provided.");
  }
  MILL_RETURN_IF_ERROR(PathOfField(in.Text("path")));
  MILL_ASSIGN_OR_RETURN(const std::string uri,
                        run_id.empty() ? ModelUri(tracking, model_id) : RunUri(tracking, run_id));
  return base::InvalidArgument("Presigned " + std::string(what) +
                               " is not supported for proxied artifact storage (artifact URI "
                               "scheme: " +
                               uri.substr(0, uri.find(':')) +
                               "). This endpoint requires a direct cloud storage artifact URI.");
}

}  // namespace

void AddArtifactViews(const ArtifactPlaces& places, tracking::TrackingStore& tracking,
                      tracking::Registry* registry, Router& router) {
  const Mount mount(router);
  mount.Add("GET", "/mlflow/artifacts/list", kListFields,
            [&](const Message& in) -> Result<std::string> {
              MILL_ASSIGN_OR_RETURN(const std::string uri, RunUri(tracking, in.RunId()));
              return ListBelow(places, uri, in.Text("path"));
            });
  mount.Add("GET", "/mlflow/logged-models/{model_id}/artifacts/directories", kDirectoryFields,
            [&](const Message& in) -> Result<std::string> {
              MILL_ASSIGN_OR_RETURN(const std::string uri, ModelUri(tracking, in.param(0)));
              return ListBelow(places, uri, in.Text("artifact_directory_path"));
            });
  for (const std::string_view what : {"upload", "download"}) {
    mount.Add("POST", "/mlflow/artifacts/presigned-" + std::string(what) + "-url", kPresignedFields,
              [&, what](const Message& in) { return Presigned(in, what, tracking); });
  }
  const auto blocking = [&router](std::string_view method, std::string_view pattern,
                                  RouteHandler handler) {
    router.Add(method, pattern, {.answer = std::move(handler), .blocks = true});
  };
  blocking("GET", "/get-artifact", [&](const RoutedRequest& request) {
    std::string run_id = QueryValue(request.http, "run_id");
    if (run_id.empty()) {
      run_id = QueryValue(request.http, "run_uuid");
    }
    return FileBelow(places, request.http, RunUri(tracking, run_id),
                     QueryValue(request.http, "path"));
  });
  if (registry != nullptr) {
    blocking("GET", "/model-versions/get-artifact", [&places, registry](const RoutedRequest& r) {
      return FileBelow(places, r.http, VersionUri(*registry, r.http), QueryValue(r.http, "path"));
    });
  }
  for (const std::string api : {"/api/2.0/mlflow", "/ajax-api/2.0/mlflow"}) {
    blocking("GET", api + "/logged-models/{model_id}/artifacts/files",
             [&](const RoutedRequest& request) {
               return FileBelow(places, request.http, ModelUri(tracking, request.params[0]),
                                QueryValue(request.http, "artifact_file_path"));
             });
    blocking("POST", api + "/upload-artifact", [&](const RoutedRequest& request) {
      return UploadToRun(places, tracking, request.http);
    });
  }
}

}  // namespace millrace::api::internal
