// SPDX-License-Identifier: Apache-2.0
// Registry::CreateVersion: what a client may name as the source of a version.
#include <optional>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/regex.h"
#include "store/metadata.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/sources.h"
#include "tracking/internal/version_rows.h"
#include "tracking/registry.h"

namespace millrace::tracking {
namespace {

using internal::ModelUri;
using internal::Text;
using store::Transaction;

Error Refused(const std::string& source, const std::string& why) {
  return base::InvalidArgument("Invalid model version source: '" + source + "'." + why);
}

/// The folder of the run or the logged model that the request names; empty where it names none that
/// exists.
Result<std::string> NamedFolder(store::Metadata& metadata, const VersionRequest& request) {
  const bool by_model = !request.model_id.empty();
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      by_model
          ? metadata.Query("SELECT artifact_location FROM logged_models WHERE model_id = ?",
                           {request.model_id})
          : metadata.Query("SELECT artifact_uri FROM runs WHERE run_id = ?", {request.run_id}));
  return rows.empty() ? std::string() : Text(rows[0][0]);
}

Result<void> CheckLocalSource(store::Metadata& metadata, const VersionRequest& request) {
  const std::string id = request.model_id.empty() ? "run_id" : "model_id";
  MILL_ASSIGN_OR_RETURN(const std::string folder, NamedFolder(metadata, request));
  if (!folder.empty()) {
    MILL_ASSIGN_OR_RETURN(const bool is_inside, internal::IsInside(request.source, folder));
    if (is_inside) {
      return {};
    }
  }
  return Refused(request.source,
                 " To use a local path as a model version source, the " + id +
                     " request parameter has to be specified and the local path has to be "
                     "contained within the artifact directory of the run specified by the " +
                     id + ".");
}

/// What a run's or a proxied URI names must belong to the run or the logged model of the request,
/// or anybody could make a version of anybody's files.
Result<void> CheckOwnSource(store::Metadata& metadata, const VersionRequest& request) {
  const bool by_model = !request.model_id.empty();
  bool is_own = true;
  if (const internal::Uri uri = internal::ParseUri(request.source); uri.scheme == "runs") {
    const std::string_view path =
        std::string_view(uri.path).substr(std::min<std::size_t>(1, uri.path.size()));
    is_own = !by_model && uri.authority.empty() && !request.run_id.empty() &&
             path.substr(0, path.find('/')) == request.run_id;
  } else if (internal::IsProxiedUri(request.source)) {
    MILL_ASSIGN_OR_RETURN(const std::string folder, NamedFolder(metadata, request));
    is_own = internal::IsBelowUri(request.source, folder);
  }
  return is_own ? Result<void>()
                : Refused(request.source,
                          std::string(" The ") + (by_model ? "model_id" : "run_id") +
                              " request parameter must identify the resource that contains the "
                              "source.");
}

/// Adds the version to the list that the logged model shows its readers.
Result<void> NoteOnLoggedModel(store::Metadata& metadata, const ModelVersion& version) {
  const std::string key = "mlflow.modelVersions";
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query("SELECT value FROM logged_model_tags WHERE model_id = ? AND key = ?",
                     {version.model_id, key}));
  // MLflow's clients compare the text: blanks as Python's json writes them.
  std::string list = rows.empty() ? "" : Text(rows[0][0]);
  const std::string entry = "{\"name\": " + base::DumpJson(version.name) +
                            ", \"version\": " + std::to_string(version.version) + "}";
  list = list.size() > 2 && list.ends_with(']')
             ? list.substr(0, list.size() - 1) + ", " + entry + "]"
             : "[" + entry + "]";
  return metadata.Execute(
      "INSERT INTO logged_model_tags (model_id, key, value) VALUES (?, ?, ?) "
      "ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value",
      {version.model_id, key, list});
}

/// The version that a models:/ URI names by number, stage, alias or as the newest.
Result<ModelVersion> NamedVersion(Registry& registry, const ModelUri& uri) {
  if (!uri.version.empty()) {
    std::int64_t number = 0;
    for (const char digit : uri.version.substr(0, 18)) {
      number = number * 10 + (digit - '0');
    }
    return registry.GetVersion(uri.name, number);
  }
  if (!uri.alias.empty()) {
    return registry.GetByAlias(uri.name, uri.alias);
  }
  MILL_ASSIGN_OR_RETURN(
      const std::vector<ModelVersion> latest,
      registry.LatestVersions(
          uri.name, uri.stage.empty() ? std::vector<std::string>() : std::vector{uri.stage}));
  if (latest.empty()) {
    return base::NotFound("No versions of model with name '" + uri.name + "'" +
                          (uri.stage.empty() ? "" : " and stage '" + uri.stage + "'") + " found");
  }
  return *std::max_element(
      latest.begin(), latest.end(),
      [](const ModelVersion& a, const ModelVersion& b) { return a.version < b.version; });
}

/// Run, logged model and files of a copy are those of the version that it copies.
Result<void> FillFromVersion(store::Metadata& metadata, Registry& registry, const ModelUri& uri,
                             VersionRequest* request) {
  MILL_ASSIGN_OR_RETURN(const bool is_prompt, internal::IsPrompt(metadata, uri.name));
  if (is_prompt) {
    return Refused(request->source, " Prompt versions cannot be used as model version sources.");
  }
  MILL_ASSIGN_OR_RETURN(const ModelVersion copied, NamedVersion(registry, uri));
  const auto differs = [](const std::string& asked, const std::string& there) {
    return !asked.empty() && asked != there;
  };
  if (differs(request->run_id, copied.run_id) || differs(request->model_id, copied.model_id)) {
    return Refused(request->source,
                   " The run_id and model_id request parameters must match the referenced model "
                   "version.");
  }
  request->source = "models:/" + copied.name + "/" + std::to_string(copied.version);
  request->run_id = copied.run_id;
  request->model_id = copied.model_id;
  request->storage_location = copied.storage_location;
  return {};
}

bool IsPromptRequest(const VersionRequest& request) {
  const auto prompt = request.tags.find(std::string(kIsPromptTag));
  return prompt != request.tags.end() && internal::EqualIgnoringCase(prompt->second, "true");
}

/// Checks the source of a request, and fills in what it says of the model.
Result<void> ResolveSource(store::Metadata& metadata, Registry& registry,
                           const RegistryOptions& options, VersionRequest* request) {
  if (IsPromptRequest(*request)) {
    // The text of a prompt is a tag; these are what MLflow's clients send for a source.
    if (request->source != "dummy-source" && request->source != "prompt-template") {
      return base::InvalidArgument("Invalid prompt source: '" + request->source +
                                   "'. Prompt sources must use an MLflow placeholder.");
    }
  } else if (internal::ParseUri(request->source).scheme == "models") {
    const std::optional<ModelUri> uri = internal::ParseModelUri(request->source);
    if (!uri || (!uri->model_id.empty() && !request->model_id.empty() &&
                 uri->model_id != request->model_id)) {
      return Refused(request->source,
                     " The model_id request parameter must identify the resource that contains "
                     "the source.");
    }
    if (!uri->model_id.empty()) {
      request->model_id = uri->model_id;
    } else {
      MILL_RETURN_IF_ERROR(FillFromVersion(metadata, registry, *uri, request));
    }
  } else {
    MILL_ASSIGN_OR_RETURN(const bool is_local, internal::IsLocalUri(request->source));
    MILL_RETURN_IF_ERROR(is_local ? CheckLocalSource(metadata, *request)
                                  : internal::CheckRemoteSource(request->source));
    if (!is_local && !options.takes_sources_of_others) {
      MILL_RETURN_IF_ERROR(CheckOwnSource(metadata, *request));
    }
  }
  return {};
}

}  // namespace

Result<ModelVersion> Registry::CreateVersion(const VersionRequest& given) {
  VersionRequest request = given;
  request.storage_location.clear();
  MILL_RETURN_IF_ERROR(internal::CheckModelName(request.name));
  if (request.source.empty()) {
    return base::InvalidArgument(
        "Missing value for required parameter 'source'. See the API docs for more information "
        "about request parameters.");
  }
  if (!options_.source_pattern.empty()) {
    MILL_ASSIGN_OR_RETURN(const base::Regex pattern, base::Regex::Compile(options_.source_pattern));
    if (!pattern.Search(request.source)) {
      return Refused(request.source, "");
    }
  }
  // Within a transaction of the caller's.
  const auto make = [&]() -> Result<ModelVersion> {
    VersionRequest resolved = request;
    MILL_RETURN_IF_ERROR(ResolveSource(metadata_, *this, options_, &resolved));
    MILL_ASSIGN_OR_RETURN(ModelVersion version, RegisterVersion(resolved));
    if (!version.model_id.empty()) {
      MILL_RETURN_IF_ERROR(NoteOnLoggedModel(metadata_, version));
    }
    return version;
  };
  // Files may lie in an object store: nobody else waits for the database meanwhile. What is made is
  // what was looked at, or it is looked at again.
  std::optional<std::string> checked;
  while (true) {
    ModelVersion version;
    {
      MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
      MILL_ASSIGN_OR_RETURN(version, make());
      const bool needs_look =
          options_.check_files && !IsPromptRequest(request) && checked != version.storage_location;
      if (!needs_look) {
        MILL_RETURN_IF_ERROR(transaction.Commit());
        return version;
      }
    }  // rolled back
    MILL_RETURN_IF_ERROR(options_.check_files(version));
    checked = version.storage_location;
  }
}

}  // namespace millrace::tracking
