// SPDX-License-Identifier: Apache-2.0
// The forms of MLflow's stores, each as a source and a sink; and what they share.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "app/local_files.h"
#include "app/transfer.h"

namespace millrace::app::internal {

std::unique_ptr<TransferSource> OpenFilesSource(const std::filesystem::path& root);
Result<std::unique_ptr<TransferSink>> OpenFilesSink(const std::filesystem::path& root);
Result<std::unique_ptr<TransferSource>> OpenSqliteSource(const std::filesystem::path& file);
Result<std::unique_ptr<TransferSink>> OpenSqliteSink(const std::filesystem::path& file);
Result<std::unique_ptr<TransferSource>> OpenRestSource(const std::string& url);
Result<std::unique_ptr<TransferSink>> OpenRestSink(const std::string& url);
Result<std::unique_ptr<GenaiSource>> MakeWorkspaceGenaiSource(Environment& environment);
Result<std::unique_ptr<GenaiSink>> MakeWorkspaceGenaiSink(Environment& environment);

}  // namespace millrace::app::internal
