// SPDX-License-Identifier: Apache-2.0
// Lists and copies files of artifacts in folders of this machine.
#include "app/local_files.h"

#include <algorithm>

#include "base/file.h"
#include "tracking/artifact_uri.h"

namespace millrace::app {
namespace {

Error Elsewhere(const std::string& location) {
  return base::Unimplemented("the files at \"" + location + "\" cannot be read from here");
}

}  // namespace

std::optional<std::filesystem::path> LocalFolder(const std::string& location) {
  return tracking::LocalFolder(tracking::AbsoluteLocation(location));
}

Result<std::vector<std::string>> FilesBelow(const std::filesystem::path& folder) {
  std::vector<std::string> files;
  std::error_code code;
  if (!std::filesystem::is_directory(folder, code)) {
    return files;
  }
  for (std::filesystem::recursive_directory_iterator it(folder, code), end; !code && it != end;
       it.increment(code)) {
    if (it->is_regular_file(code)) {
      files.push_back(it->path().lexically_relative(folder).generic_string());
    }
  }
  if (code) {
    return base::FromErrno(code.value(), "listing", folder.string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<std::vector<std::string>> LocalFiles(const std::string& location) {
  const std::optional<std::filesystem::path> folder = LocalFolder(location);
  return folder ? FilesBelow(*folder) : Elsewhere(location);
}

Result<std::filesystem::path> LocalFetch(const std::string& location, const std::string& path) {
  const std::optional<std::filesystem::path> folder = LocalFolder(location);
  return folder ? Result<std::filesystem::path>(*folder / path) : Elsewhere(location);
}

Result<void> PutLocalFile(const std::filesystem::path& folder, const std::string& path,
                          const std::filesystem::path& file) {
  const std::filesystem::path relative = std::filesystem::path(path).lexically_normal();
  if (relative.empty() || relative.is_absolute() || *relative.begin() == "..") {
    return base::InvalidArgument("the file name \"" + path + "\" leaves its folder");
  }
  return base::ReplaceAtomic(folder / relative,
                             [&](const std::filesystem::path& temporary) -> Result<void> {
                               std::error_code code;
                               std::filesystem::copy_file(file, temporary, code);
                               if (code) {
                                 return base::FromErrno(code.value(), "copying", file.string());
                               }
                               return {};
                             });
}

}  // namespace millrace::app
