// SPDX-License-Identifier: Apache-2.0
// Opening a workspace: workspace.json says which layout the folder has; it is written last, so a
// half-made one is made again.
#include "store/workspace.h"

#include <array>
#include <cerrno>
#include <system_error>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMarker = "workspace.json";

Error Located(Error error, const fs::path& root) {
  return std::move(error)
      .With("workspace \"" + root.string() + "\"")
      .Hint(
          "choose a folder that this user may write, with --workspace DIR, and enough free space");
}

Result<void> Create(const fs::path& root) {
  constexpr std::array<const char*, 7> kFolders = {"blobs",   "artifacts", "offline", "online",
                                                   "journal", "capture",   "cache"};
  for (const char* folder : kFolders) {
    MILL_RETURN_IF_ERROR(base::MakeDirectories(root / folder));
  }
  const nlohmann::json marker = {{"format", "millrace-workspace"},
                                 {"layout_version", Workspace::kLayoutVersion}};
  return base::WriteFileAtomic(root / kMarker, base::DumpJsonPretty(marker));
}

Result<int> ReadLayoutVersion(const fs::path& marker) {
  MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(marker));
  Result<nlohmann::json> json = base::ParseJson(text, marker.string());
  if (!json.ok() || !json->is_object() ||
      json->value("format", nlohmann::json()) != "millrace-workspace" ||
      !json->value("layout_version", nlohmann::json()).is_number_integer()) {
    return base::DataLoss("\"" + marker.string() + "\" is not the description of a workspace")
        .Hint("restore it from a copy, or choose another folder with --workspace DIR");
  }
  return json->at("layout_version").get<int>();
}

}  // namespace

Result<Workspace> Workspace::Open(const fs::path& root, bool create) {
  std::error_code code;
  const fs::path absolute = fs::absolute(root, code).lexically_normal();
  if (code) {
    return base::FromErrno(code.value(), "opening the workspace", root.string());
  }
  const fs::path marker = absolute / kMarker;
  if (!fs::exists(marker, code)) {
    if (code && code != std::errc::no_such_file_or_directory) {
      return Located(base::FromErrno(code.value(), "opening", marker.string()), absolute);
    }
    if (!create) {
      return base::NotFound("there is no workspace in \"" + absolute.string() + "\"")
          .Hint("`millrace run` makes one, or name another with --workspace DIR");
    }
    if (fs::exists(absolute, code) && !fs::is_directory(absolute, code)) {
      return base::InvalidArgument("the workspace \"" + absolute.string() +
                                   "\" is a file, wanted a folder");
    }
    // A half-made workspace holds only our own folders, so only project files and the like stop us.
    if (fs::exists(absolute / "millrace.yaml", code)) {
      return base::FailedPrecondition("\"" + absolute.string() + "\" is a project, not a workspace")
          .Hint("choose another folder with --workspace DIR, for example " +
                (absolute / ".millrace").string());
    }
    Result<void> made = Create(absolute);
    if (!made.ok()) {
      return Located(std::move(made).error(), absolute);
    }
  }
  MILL_ASSIGN_OR_RETURN(const int version, ReadLayoutVersion(marker));
  if (version > kLayoutVersion || version < 1) {
    return base::FailedPrecondition("the workspace \"" + absolute.string() +
                                    "\" has layout version " + std::to_string(version) +
                                    ", this program knows up to " + std::to_string(kLayoutVersion))
        .Hint("use the newer millrace that wrote it");
  }
  return Workspace(absolute, version);
}

Result<void> Workspace::CheckWritable() const {
  const fs::path probe = root_ / (".write-test-" + std::to_string(::getpid()));
  Result<void> written = base::WriteFileAtomic(probe, "x");
  std::error_code ignored;
  fs::remove(probe, ignored);
  if (!written.ok()) {
    return Located(std::move(written).error(), root_);
  }
  return {};
}

bool IsSafeName(std::string_view name) {
  constexpr std::size_t kLongest = 200;
  if (name.empty() || name.size() > kLongest || name.front() == '.') {
    return false;
  }
  for (const char c : name) {
    const bool is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    if (!is_good) {
      return false;
    }
  }
  return true;
}

}  // namespace millrace::store
