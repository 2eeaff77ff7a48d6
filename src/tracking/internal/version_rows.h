// SPDX-License-Identifier: Apache-2.0
// What the sources of the registry share about rows of models and versions.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/metadata.h"
#include "tracking/types.h"

namespace millrace::tracking::internal {

/// kNotFound, with the nearest name.
Error NoSuchModel(store::Metadata& metadata, const std::string& name);
/// NoSuchModel if there is none.
Result<void> CheckModelExists(store::Metadata& metadata, const std::string& name);
/// The same, and sets the time of the last change.
Result<void> TouchModel(store::Metadata& metadata, const std::string& name, std::int64_t now);
/// Whether the model carries kIsPromptTag.
Result<bool> IsPrompt(store::Metadata& metadata, const std::string& name);

/// What to select for ModelFromRow, FROM registered_models AS m.
inline constexpr std::string_view kModelColumns =
    "m.name, m.description, m.creation_time, m.last_updated_time, "
    "(SELECT COALESCE(MAX(v.version), 0) FROM model_versions AS v WHERE v.name = m.name)";
/// Tags, aliases and latest versions are read too.
Result<RegisteredModel> ModelFromRow(store::Metadata& metadata, const store::Row& row);

/// What to select for VersionFromRow, FROM model_versions AS v.
inline constexpr std::string_view kVersionColumns =
    "v.name, v.version, v.source, v.storage_location, v.run_id, v.model_id, v.description, "
    "v.run_link, v.stage, v.creation_time, v.last_updated_time";
/// Without tags and aliases.
ModelVersion VersionFromRow(const store::Row& row);
/// One query per model.
Result<void> ReadVersionTags(store::Metadata& metadata, std::span<ModelVersion> versions);
Result<void> ReadVersionAliases(store::Metadata& metadata, ModelVersion& version);
/// The newest version of each stage, with tags, without aliases.
Result<std::vector<ModelVersion>> ReadLatestVersions(store::Metadata& metadata,
                                                     const std::string& name);

Result<void> PutModelTag(store::Metadata& metadata, const std::string& name, const std::string& key,
                         const std::string& value);
Result<void> PutVersionTag(store::Metadata& metadata, const std::string& name, std::int64_t version,
                           const std::string& key, const std::string& value);

}  // namespace millrace::tracking::internal
