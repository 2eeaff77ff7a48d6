// SPDX-License-Identifier: Apache-2.0
// MLflow's artifact proxy: upload, download, list, removal, and uploads in parts.
#include <charconv>
#include <memory>
#include <optional>
#include <string>

#include "api/internal/artifact_download.h"
#include "api/internal/artifact_json.h"
#include "api/internal/json_writer.h"
#include "api/internal/mount.h"
#include "api/internal/replies.h"
#include "api/internal/routes.h"
#include "store/artifact_path.h"
#include "store/artifacts.h"

namespace millrace::api::internal {

namespace {

using store::ArtifactStore;
using enum FieldType;

// Nothing that a client sends is larger: 5 TB, the largest object of S3.
constexpr std::uint64_t kMaxArtifactBytes = 5ULL * 1024 * 1024 * 1024 * 1024;

constexpr Field kListFields[] = {{.name = "path"}};
constexpr Field kCreateFields[] = {{.name = "path", .is_required = true},
                                   {.name = "num_parts", .type = kInt64}};
constexpr Field kPartFields[] = {
    {.name = "part_number", .type = kInt64}, {.name = "etag"}, {.name = "url"}};
constexpr Field kCompleteFields[] = {
    {.name = "path", .is_required = true},
    {.name = "upload_id"},
    {.name = "parts", .type = kObjects, .is_required = true, .fields = kPartFields}};
constexpr Field kAbortFields[] = {{.name = "path", .is_required = true}, {.name = "upload_id"}};

// Streams a body into a writer. What the writer says of the end is the answer.
class UploadSink final : public net::BodySink {
 public:
  UploadSink(std::unique_ptr<store::ArtifactWriter> writer, bool is_part)
      : writer_(std::move(writer)), is_part_(is_part) {}
  std::optional<net::Response> Write(std::string_view bytes) override {
    const Result<void> written = writer_->Write(bytes);
    return written.ok() ? std::nullopt : std::optional(RestError(written.error()));
  }
  void Finish(const net::Request&, net::Reply reply) override {
    const Result<std::string> sha256 = writer_->Commit();
    if (!sha256.ok()) {
      reply.Send(RestError(sha256.error()));
      return;
    }
    net::Response response = JsonReply("{}");
    if (is_part_) {
      response.headers.emplace_back("ETag", "\"" + *sha256 + "\"");
    }
    reply.Send(std::move(response));
  }

 private:
  std::unique_ptr<store::ArtifactWriter> writer_;
  bool is_part_;
};

net::BodyRoute ToSink(Result<std::unique_ptr<store::ArtifactWriter>> writer, bool is_part) {
  net::BodyRoute route;
  if (!writer.ok()) {
    route.refusal = RestError(writer.error());
    return route;
  }
  route.sink = std::make_unique<UploadSink>(std::move(*writer), is_part);
  route.max_bytes = kMaxArtifactBytes;
  return route;
}

net::BodyRoute Upload(ArtifactStore& store, const RoutedRequest& head) {
  const Result<std::string> path = PathOfUrl(head.params[0]);
  return ToSink(path.ok() ? store.Create(*path) : path.error(), /*is_part=*/false);
}

net::BodyRoute UploadPart(ArtifactStore& store, const RoutedRequest& head) {
  const std::string& text = head.params[1];
  std::int64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    number = 0;
  }
  return ToSink(store.CreatePart(head.params[0], number), /*is_part=*/true);
}

net::Response Download(ArtifactStore& store, const RoutedRequest& request) {
  const Result<std::string> path = PathOfUrl(request.params[0]);
  Result<std::unique_ptr<store::ArtifactReader>> reader =
      path.ok() ? store.Open(*path) : path.error();
  return reader.ok() ? DownloadReply(request.http, *path, std::move(*reader))
                     : RestError(reader.error());
}

net::Response Remove(ArtifactStore& store, const RoutedRequest& request) {
  const Result<std::string> path = PathOfUrl(request.params[0]);
  const Result<void> removed = path.ok() ? store.Remove(*path) : path.error();
  return removed.ok() ? JsonReply("{}") : RestError(removed.error());
}

Result<std::string> List(ArtifactStore& store, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const std::string folder, store::CheckArtifactPath(in.Text("path")));
  MILL_ASSIGN_OR_RETURN(const auto entries, store.List(folder));
  return ArtifactListJson("", "", entries);
}

// An upload goes to the folder of the URL, under the name that the file has at the client, which
// sends its whole path there.
Result<std::string> UploadTarget(const std::string& encoded_folder,
                                 const std::string& client_path) {
  const std::size_t slash = client_path.find_last_of("/\\");
  const std::string name = slash == std::string::npos ? client_path : client_path.substr(slash + 1);
  const std::string folder = PercentDecode(encoded_folder);
  return PathOfField(folder.empty() ? name : folder + "/" + name);
}

std::string FolderOf(const Message& in, bool has_folder) {
  return has_folder ? in.param(0) : std::string();
}

// Where the client sends the parts: to this server, by the name under which the client knows it.
std::string PartsUrl(const net::Request& http, const std::string& upload_id) {
  const std::string_view forwarded_host = http.Header("X-Forwarded-Host");
  const std::string_view forwarded_scheme = http.Header("X-Forwarded-Proto");
  std::string url(forwarded_scheme == "https" ? "https" : "http");
  url.append("://").append(forwarded_host.empty() ? http.Header("Host") : forwarded_host);
  // A prefix that a proxy has put before the paths stays.
  const std::string_view path = http.path();
  url.append(path.substr(0, path.find("/mpu/create")));
  return url + "/mpu/parts/" + upload_id + "/";
}

Result<std::string> CreateUpload(ArtifactStore& store, const Message& in, bool has_folder) {
  const std::int64_t n_parts = in.Int("num_parts", 1);
  if (n_parts < 1 || n_parts > 100'000) {
    return base::InvalidArgument("num_parts is " + std::to_string(n_parts) +
                                 "; wanted 1 to 100000");
  }
  MILL_ASSIGN_OR_RETURN(const std::string path,
                        UploadTarget(FolderOf(in, has_folder), in.Text("path")));
  MILL_ASSIGN_OR_RETURN(const std::string upload_id, store.BeginUpload(path));
  const std::string url = PartsUrl(in.http(), upload_id);
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Text("upload_id", upload_id);
  out.Key("credentials");
  out.BeginList();
  for (std::int64_t number = 1; number <= n_parts; ++number) {
    out.BeginObject();
    out.Text("url", url + std::to_string(number));
    out.Int("part_number", number);
    out.EndObject();
  }
  out.EndList();
  out.EndObject();
  return body;
}

Result<std::string> CompleteUpload(ArtifactStore& store, const Message& in, bool has_folder) {
  MILL_ASSIGN_OR_RETURN(const std::string path,
                        UploadTarget(FolderOf(in, has_folder), in.Text("path")));
  std::vector<store::ArtifactPart> parts;
  for (const Object& part : in.Objects("parts")) {
    parts.push_back({part.Int("part_number"), part.Text("etag")});
  }
  MILL_RETURN_IF_ERROR(store.CompleteUpload(in.Text("upload_id"), path, parts));
  return std::string("{}");
}

Result<std::string> AbortUpload(ArtifactStore& store, const Message& in) {
  MILL_RETURN_IF_ERROR(store.AbortUpload(in.Text("upload_id")));
  return std::string("{}");
}

}  // namespace

std::string ArtifactListJson(std::string_view root_uri, std::string_view folder,
                             std::span<const store::ArtifactEntry> entries) {
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.TextIfAny("root_uri", root_uri);
  out.List("files", entries, [&](const store::ArtifactEntry& entry) {
    const std::string name = entry.path.substr(entry.path.rfind('/') + 1);
    out.BeginObject();
    out.Text("path", folder.empty() ? name : std::string(folder) + "/" + name);
    out.Bool("is_dir", entry.is_dir);
    if (!entry.is_dir) {
      out.Int("file_size", static_cast<std::int64_t>(entry.size));
    }
    out.EndObject();
  });
  out.EndObject();
  return body;
}

Result<std::string> PathOfField(std::string_view text) {
  MILL_ASSIGN_OR_RETURN(std::string path, store::CheckArtifactPath(text));
  if (path.empty()) {
    return base::InvalidArgument("Invalid path").Hint("the path names the root; name a file in it");
  }
  return path;
}

Result<std::string> PathOfUrl(std::string_view encoded) {
  return PathOfField(PercentDecode(encoded));
}

void AddArtifactRoutes(ArtifactStore& store, Router& router) {
  const Mount mount(router);
  for (const std::string api : {"/api/2.0", "/ajax-api/2.0"}) {
    const std::string root = api + "/mlflow-artifacts";
    router.Add("PUT", root + "/artifacts/{path...}",
               {.take_body = [&store](const RoutedRequest& head) { return Upload(store, head); }});
    router.Add(
        "PUT", root + "/mpu/parts/{upload_id}/{number}",
        {.take_body = [&store](const RoutedRequest& head) { return UploadPart(store, head); }});
    router.Add("GET", root + "/artifacts/{path...}",
               {.answer = [&store](const RoutedRequest& r) { return Download(store, r); },
                .blocks = true});
    router.Add(
        "DELETE", root + "/artifacts/{path...}",
        {.answer = [&store](const RoutedRequest& r) { return Remove(store, r); }, .blocks = true});
    router.Add("GET", root + "/presigned/{path...}", [](const RoutedRequest&) {
      return MlflowError(501, "NOT_IMPLEMENTED",
                         "Presigned download is not supported for the current artifact repository");
    });
  }
  mount.Add("GET", "/mlflow-artifacts/artifacts", kListFields,
            [&store](const Message& in) { return List(store, in); });
  for (const bool has_folder : {false, true}) {
    const std::string rest = has_folder ? "/{path...}" : "";
    mount.Add(
        "POST", "/mlflow-artifacts/mpu/create" + rest, kCreateFields,
        [&store, has_folder](const Message& in) { return CreateUpload(store, in, has_folder); });
    mount.Add(
        "POST", "/mlflow-artifacts/mpu/complete" + rest, kCompleteFields,
        [&store, has_folder](const Message& in) { return CompleteUpload(store, in, has_folder); });
    mount.Add("POST", "/mlflow-artifacts/mpu/abort" + rest, kAbortFields,
              [&store](const Message& in) { return AbortUpload(store, in); });
  }
}

}  // namespace millrace::api::internal
