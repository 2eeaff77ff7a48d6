// SPDX-License-Identifier: Apache-2.0
// Endpoints of the versions of registered models.
#include <string>

#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "api/internal/tracking_json.h"
#include "tracking/registry.h"

namespace millrace::api::internal {

namespace {

using tracking::Registry;
using enum FieldType;

constexpr Field kName = {.name = "name", .is_required = true};
constexpr Field kVersion = {.name = "version", .is_required = true};
constexpr Field kKey = {.name = "key", .is_required = true};
constexpr Field kCreate[] = {
    kName,
    {.name = "source", .is_required = true},
    {.name = "run_id"},
    {.name = "tags", .type = kObjects, .fields = kPairFields},
    {.name = "run_link"},
    {.name = "description"},
    {.name = "model_id"},
};
constexpr Field kOne[] = {kName, kVersion};
constexpr Field kUpdate[] = {kName, kVersion, {.name = "description"}};
constexpr Field kTransition[] = {
    kName,
    kVersion,
    {.name = "stage", .is_required = true},
    {.name = "archive_existing_versions", .type = kBool},
};
constexpr Field kSearch[] = {
    {.name = "filter"},
    {.name = "max_results", .type = kInt64, .max = 200'000},
    {.name = "order_by", .type = kTexts},
    {.name = "page_token"},
};
constexpr Field kSetTag[] = {kName, kVersion, kKey, {.name = "value"}};
constexpr Field kDeleteTag[] = {kName, kVersion, kKey};

Result<std::string> VersionReply(const Result<tracking::ModelVersion>& version) {
  if (!version.ok()) {
    return version.error();
  }
  return WrappedJson("model_version", *version, WriteModelVersion);
}

Result<std::string> Create(Registry& registry, const Message& in) {
  tracking::VersionRequest request;
  request.name = in.Text("name");
  request.source = in.Text("source");
  request.run_id = in.Text("run_id");
  request.model_id = in.Text("model_id");
  request.description = in.Text("description");
  request.run_link = in.Text("run_link");
  request.tags = ReadTags(in, "tags");
  return VersionReply(AsSender(registry, in).CreateVersion(request));
}

Result<std::string> Search(Registry& registry, const Message& in) {
  tracking::RegistrySearch search;
  search.filter = in.Text("filter");
  search.order_by = in.Texts("order_by");
  search.page_token = in.Text("page_token");
  search.max_results = in.Count("max_results", 200'000);
  MILL_ASSIGN_OR_RETURN(const auto page, registry.SearchVersions(search));
  return PageJson("model_versions", page, WriteModelVersion);
}

Result<std::string> DownloadUri(Registry& registry, const Message& in) {
  MILL_ASSIGN_OR_RETURN(const std::int64_t version, ReadVersion(in.Text("version")));
  MILL_ASSIGN_OR_RETURN(const std::string uri, registry.DownloadUri(in.Text("name"), version));
  std::string body;
  JsonWriter out(body);
  out.BeginObject();
  out.Text("artifact_uri", uri);
  out.EndObject();
  return body;
}

void AddTagRoutes(Registry& registry, const Mount& mount) {
  mount.AddAction("POST", "/mlflow/model-versions/set-tag", kSetTag,
                  [&registry](const Message& in) -> Result<void> {
                    MILL_ASSIGN_OR_RETURN(const std::int64_t version,
                                          ReadVersion(in.Text("version")));
                    return AsSender(registry, in)
                        .SetVersionTag(in.Text("name"), version, in.Text("key"), in.Text("value"));
                  });
  mount.AddAction(
      "DELETE", "/mlflow/model-versions/delete-tag", kDeleteTag,
      [&registry](const Message& in) -> Result<void> {
        MILL_ASSIGN_OR_RETURN(const std::int64_t version, ReadVersion(in.Text("version")));
        return AsSender(registry, in).DeleteVersionTag(in.Text("name"), version, in.Text("key"));
      });
}

}  // namespace

void AddVersionRoutes(Registry& registry, Router& router) {
  const Mount mount(router);
  mount.Add("POST", "/mlflow/model-versions/create", kCreate,
            [&registry](const Message& in) { return Create(registry, in); });
  mount.Add(
      "PATCH", "/mlflow/model-versions/update", kUpdate,
      [&registry](const Message& in) -> Result<std::string> {
        MILL_ASSIGN_OR_RETURN(const std::int64_t version, ReadVersion(in.Text("version")));
        return VersionReply(
            AsSender(registry, in).UpdateVersion(in.Text("name"), version, in.Text("description")));
      });
  mount.Add("POST", "/mlflow/model-versions/transition-stage", kTransition,
            [&registry](const Message& in) -> Result<std::string> {
              MILL_ASSIGN_OR_RETURN(const std::int64_t version, ReadVersion(in.Text("version")));
              return VersionReply(AsSender(registry, in)
                                      .TransitionStage(in.Text("name"), version, in.Text("stage"),
                                                       in.Bool("archive_existing_versions")));
            });
  mount.AddAction("DELETE", "/mlflow/model-versions/delete", kOne,
                  [&registry](const Message& in) -> Result<void> {
                    MILL_ASSIGN_OR_RETURN(const std::int64_t version,
                                          ReadVersion(in.Text("version")));
                    return AsSender(registry, in).DeleteVersion(in.Text("name"), version);
                  });
  mount.Add("GET", "/mlflow/model-versions/get", kOne,
            [&registry](const Message& in) -> Result<std::string> {
              MILL_ASSIGN_OR_RETURN(const std::int64_t version, ReadVersion(in.Text("version")));
              return VersionReply(registry.GetVersion(in.Text("name"), version));
            });
  mount.Add("GET", "/mlflow/model-versions/search", kSearch,
            [&registry](const Message& in) { return Search(registry, in); });
  mount.Add("GET", "/mlflow/model-versions/get-download-uri", kOne,
            [&registry](const Message& in) { return DownloadUri(registry, in); });
  AddTagRoutes(registry, mount);
}

}  // namespace millrace::api::internal
