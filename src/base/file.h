// SPDX-License-Identifier: Apache-2.0
// Whole files: read, and written so that a reader or a crash never meets half of one.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::base {

/// The bytes of a regular file. kNotFound names the path.
Result<std::string> ReadFile(const std::filesystem::path& path);

/// Writes a temporary file beside `path`, syncs it, renames it over `path` and syncs the folder;
/// makes missing folders. After a crash `path` holds the old bytes or the new ones.
Result<void> WriteFileAtomic(const std::filesystem::path& path, std::string_view bytes);

/// The same for writers that need a path (Parquet, Cairo, a whole directory): `write` fills
/// `temporary`, which then takes the place of `path`. `temporary` is a fresh name beside `path`; it
/// is removed when `write` fails.
Result<void> ReplaceAtomic(
    const std::filesystem::path& path,
    const std::function<Result<void>(const std::filesystem::path& temporary)>& write);

/// Appends bytes to a file that exists or is made, and syncs it. After a crash the file may end in
/// a part of `bytes`.
Result<void> AppendFile(const std::filesystem::path& path, std::string_view bytes);

/// A name that is not in use in `dir` and that RemoveStaleTemporaries knows; for writers that build
/// a file over some time and then rename it. Nothing is made yet.
std::filesystem::path FreshTemporary(const std::filesystem::path& dir);

/// Removes temporaries that killed processes left in `dir` (not in folders below); those of living
/// processes stay.
Result<void> RemoveStaleTemporaries(const std::filesystem::path& dir);

/// Makes the folder and its parents.
Result<void> MakeDirectories(const std::filesystem::path& dir);

}  // namespace millrace::base
