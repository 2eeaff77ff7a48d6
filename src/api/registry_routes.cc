// SPDX-License-Identifier: Apache-2.0
// Endpoints of registered models and their aliases. Versions are in version_routes.cc.
#include <charconv>
#include <string>

#include "api/internal/mount.h"
#include "api/internal/routes.h"
#include "api/internal/tracking_json.h"
#include "tracking/registry.h"

namespace millrace::api::internal {

namespace {

using tracking::Registry;
using enum FieldType;

constexpr Field kCreate[] = {
    {.name = "name", .is_required = true},
    {.name = "tags", .type = kObjects, .fields = kPairFields},
    {.name = "description"},
};
constexpr Field kByName[] = {{.name = "name", .is_required = true}};
constexpr Field kRename[] = {{.name = "name", .is_required = true},
                             {.name = "new_name", .is_required = true}};
constexpr Field kUpdate[] = {{.name = "name", .is_required = true}, {.name = "description"}};
constexpr Field kSearch[] = {
    {.name = "filter"},
    {.name = "max_results", .type = kInt64, .max = 1000},
    {.name = "order_by", .type = kTexts},
    {.name = "page_token"},
};
constexpr Field kLatest[] = {{.name = "name", .is_required = true},
                             {.name = "stages", .type = kTexts}};
constexpr Field kSetTag[] = {
    {.name = "name", .is_required = true}, {.name = "key", .is_required = true}, {.name = "value"}};
constexpr Field kDeleteTag[] = {{.name = "name", .is_required = true},
                                {.name = "key", .is_required = true}};
constexpr Field kSetAlias[] = {{.name = "name", .is_required = true},
                               {.name = "alias", .is_required = true},
                               {.name = "version", .is_required = true}};
constexpr Field kAlias[] = {{.name = "name", .is_required = true},
                            {.name = "alias", .is_required = true}};

Result<std::string> ModelReply(const Result<tracking::RegisteredModel>& model) {
  if (!model.ok()) {
    return model.error();
  }
  return WrappedJson("registered_model", *model, WriteRegisteredModel);
}

Result<std::string> Search(Registry& registry, const Message& in) {
  tracking::RegistrySearch search;
  search.filter = in.Text("filter");
  search.order_by = in.Texts("order_by");
  search.page_token = in.Text("page_token");
  search.max_results = in.Count("max_results", 100);
  MILL_ASSIGN_OR_RETURN(const auto page, registry.SearchModels(search));
  return PageJson("registered_models", page, WriteRegisteredModel);
}

Result<std::string> Latest(Registry& registry, const Message& in) {
  tracking::Page<tracking::ModelVersion> page;
  MILL_ASSIGN_OR_RETURN(page.items, registry.LatestVersions(in.Text("name"), in.Texts("stages")));
  return PageJson("model_versions", page, WriteModelVersion);
}

void AddAliasRoutes(Registry& registry, const Mount& mount) {
  mount.AddAction(
      "POST", "/mlflow/registered-models/alias", kSetAlias,
      [&registry](const Message& in) -> Result<void> {
        MILL_ASSIGN_OR_RETURN(const std::int64_t version, ReadVersion(in.Text("version")));
        return AsSender(registry, in).SetAlias(in.Text("name"), in.Text("alias"), version);
      });
  mount.AddAction("DELETE", "/mlflow/registered-models/alias", kAlias,
                  [&registry](const Message& in) {
                    return AsSender(registry, in).DeleteAlias(in.Text("name"), in.Text("alias"));
                  });
  mount.Add("GET", "/mlflow/registered-models/alias", kAlias,
            [&registry](const Message& in) -> Result<std::string> {
              MILL_ASSIGN_OR_RETURN(const auto version,
                                    registry.GetByAlias(in.Text("name"), in.Text("alias")));
              return WrappedJson("model_version", version, WriteModelVersion);
            });
}

}  // namespace

Registry AsSender(const Registry& registry, const Message& in) {
  return in.user().empty() ? registry : registry.As(in.user());
}

Result<std::int64_t> ReadVersion(std::string_view text) {
  std::int64_t version = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), version);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
    return base::InvalidArgument("Parameter 'version' must be an integer, got '" +
                                 std::string(text.substr(0, 100)) + "'.");
  }
  return version;
}

void AddRegistryRoutes(Registry& registry, Router& router) {
  const Mount mount(router);
  mount.Add("POST", "/mlflow/registered-models/create", kCreate, [&registry](const Message& in) {
    return ModelReply(
        AsSender(registry, in)
            .CreateModel(in.Text("name"), in.Text("description"), ReadTags(in, "tags")));
  });
  mount.Add("POST", "/mlflow/registered-models/rename", kRename, [&registry](const Message& in) {
    return ModelReply(AsSender(registry, in).RenameModel(in.Text("name"), in.Text("new_name")));
  });
  mount.Add("PATCH", "/mlflow/registered-models/update", kUpdate, [&registry](const Message& in) {
    return ModelReply(AsSender(registry, in).UpdateModel(in.Text("name"), in.Text("description")));
  });
  mount.AddAction("DELETE", "/mlflow/registered-models/delete", kByName,
                  [&registry](const Message& in) {
                    return AsSender(registry, in).DeleteModel(in.Text("name"));
                  });
  mount.Add("GET", "/mlflow/registered-models/get", kByName, [&registry](const Message& in) {
    return ModelReply(registry.GetModel(in.Text("name")));
  });
  mount.Add("GET", "/mlflow/registered-models/search", kSearch,
            [&registry](const Message& in) { return Search(registry, in); });
  for (const std::string_view method : {"GET", "POST"}) {
    mount.Add(method, "/mlflow/registered-models/get-latest-versions", kLatest,
              [&registry](const Message& in) { return Latest(registry, in); });
  }
  mount.AddAction("POST", "/mlflow/registered-models/set-tag", kSetTag,
                  [&registry](const Message& in) {
                    return AsSender(registry, in)
                        .SetModelTag(in.Text("name"), in.Text("key"), in.Text("value"));
                  });
  mount.AddAction("DELETE", "/mlflow/registered-models/delete-tag", kDeleteTag,
                  [&registry](const Message& in) {
                    return AsSender(registry, in).DeleteModelTag(in.Text("name"), in.Text("key"));
                  });
  AddAliasRoutes(registry, mount);
}

}  // namespace millrace::api::internal
