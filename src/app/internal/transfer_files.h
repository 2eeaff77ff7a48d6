// SPDX-License-Identifier: Apache-2.0
// Reading MLflow's file store: what its runs, models and traces have in common.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/local_files.h"
#include "app/transfer.h"
#include "base/file.h"
#include "base/yaml.h"

namespace millrace::app::internal {

/// A scalar of a meta.yaml; empty where it is missing or null.
std::string TextOf(const base::YamlNode& node, std::string_view key);
std::optional<std::int64_t> IntOf(const base::YamlNode& node, std::string_view key);
/// One file a key, slashes of the key as folders; none for a folder that is not there.
Result<tracking::Tags> ReadPairs(const std::filesystem::path& folder);
/// The location, or, where it is a folder that is not there, the one beside: a store that was moved
/// or copied still has its artifacts beside its meta.yaml.
std::string NearestFolder(const std::string& location, const std::filesystem::path& beside);

/// @param folders  of the experiments, by id; outlives what is made
std::unique_ptr<GenaiSource> MakeFilesGenaiSource(
    const std::map<std::string, std::filesystem::path>& folders);
std::unique_ptr<GenaiSink> MakeFilesGenaiSink();

}  // namespace millrace::app::internal
