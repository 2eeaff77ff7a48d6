// SPDX-License-Identifier: Apache-2.0
// The forms of MLflow's stores, each as a source and a sink; and what they share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "app/transfer.h"

namespace millrace::app::internal {

std::unique_ptr<TransferSource> OpenFilesSource(const std::filesystem::path& root);
Result<std::unique_ptr<TransferSink>> OpenFilesSink(const std::filesystem::path& root);
Result<std::unique_ptr<TransferSource>> OpenSqliteSource(const std::filesystem::path& file);
Result<std::unique_ptr<TransferSink>> OpenSqliteSink(const std::filesystem::path& file);
Result<std::unique_ptr<TransferSource>> OpenRestSource(const std::string& url);
Result<std::unique_ptr<TransferSink>> OpenRestSink(const std::string& url);

/// The folder of "file:///a/b", "/a/b" or a relative path; nothing for another scheme.
std::optional<std::filesystem::path> LocalFolder(const std::string& location);
/// Relative paths of the regular files below a folder, in order; none if it does not exist.
Result<std::vector<std::string>> FilesBelow(const std::filesystem::path& folder);
/// TransferSource::Files and Fetch for locations on this machine.
Result<std::vector<std::string>> LocalFiles(const std::string& location);
Result<std::filesystem::path> LocalFetch(const std::string& location, const std::string& path);
/// Copies a file to folder/path, atomically; kInvalidArgument for a path that leaves the folder.
Result<void> PutLocalFile(const std::filesystem::path& folder, const std::string& path,
                          const std::filesystem::path& file);

/// Percent-encoded for a path (slashes stay) or a query.
std::string UrlEncode(std::string_view text);

}  // namespace millrace::app::internal
