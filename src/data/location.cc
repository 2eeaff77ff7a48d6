// SPDX-License-Identifier: Apache-2.0
// Locations: local paths, and the object stores of Arrow, whose clients start at the first use.
#include "data/location.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <dlfcn.h>
#include <mutex>
#include <system_error>
#include <vector>

#include <arrow/filesystem/azurefs.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/io/file.h>

#include "base/nearest_name.h"
#include "data/internal/arrow_status.h"
#include "data/internal/open_file.h"

namespace millrace::data {
namespace {

using internal::Check;

constexpr std::string_view kSchemes = "file, s3, abfs, abfss";

// Arrow ships S3 as a plug-in beside libarrow, wherever that was installed.
Result<void> LoadS3() {
  static std::mutex mutex;
  static bool loaded = false;
  const std::lock_guard<std::mutex> lock(mutex);
  if (loaded) {
    return {};
  }
  Dl_info info{};
  std::filesystem::path plugin = "libarrow_s3.so.2600";
  if (dladdr(reinterpret_cast<const void*>(&arrow::fs::LoadFileSystemFactories), &info) != 0 &&
      info.dli_fname != nullptr) {
    plugin = std::filesystem::path(info.dli_fname).parent_path() / plugin;
  }
  const arrow::Status status = arrow::fs::LoadFileSystemFactories(plugin.c_str());
  if (!status.ok()) {
    return base::Unavailable("cannot load " + plugin.string() +
                             ", which s3:// needs: " + status.message())
        .Hint("put the library beside libarrow.so.2600");
  }
  loaded = true;
  return {};
}

// Arrow takes tokens and principals of Azure from the environment by itself, but no account key,
// which is what storage accounts and Azurite begin with.
arrow::Result<std::shared_ptr<arrow::fs::FileSystem>> OpenAzure(const std::string& uri,
                                                                std::string* path) {
  const char* const key = std::getenv("AZURE_STORAGE_ACCESS_KEY");
  if (key == nullptr || *key == '\0') {
    return arrow::fs::FileSystemFromUri(uri, path);
  }
  ARROW_ASSIGN_OR_RAISE(arrow::fs::AzureOptions options,
                        arrow::fs::AzureOptions::FromUri(uri, path));
  ARROW_RETURN_NOT_OK(options.ConfigureAccountKeyCredential(key));
  ARROW_ASSIGN_OR_RAISE(std::shared_ptr<arrow::fs::FileSystem> opened,
                        arrow::fs::AzureFileSystem::Make(options));
  return opened;
}

// Names of the regular files beside a path that is missing, for a hint.
std::vector<std::string> Siblings(const std::filesystem::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  const std::filesystem::path dir =
      path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    names.push_back(it->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Object stores say little when a token is missing; a missing object speaks for itself.
Error WithCredentialsHint(Error error, std::string_view uri) {
  if (error.code() == ErrorCode::kNotFound) {
    return error;
  }
  return std::move(error).Hint(
      uri.starts_with("s3")
          ? "check the network, the bucket, ?region=... in the URI, and AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY in the environment"
          : "check the network, the account in container@account.dfs.core.windows.net, and "
            "AZURE_STORAGE_ACCESS_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID and "
            "AZURE_CLIENT_SECRET, in the environment");
}

Error MissingFile(const std::filesystem::path& path) {
  Error error = base::NotFound("no such file: " + path.string());
  std::error_code ignored;
  const std::filesystem::path dir =
      path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  if (!std::filesystem::is_directory(dir, ignored)) {
    return std::move(error).Hint("the folder " + dir.string() +
                                 " does not exist either; check the path");
  }
  if (const auto near = base::NearestName(path.filename().string(), Siblings(path))) {
    return std::move(error).Hint("did you mean " + (dir / *near).string() + "?");
  }
  return std::move(error).Hint("check the path; relative paths start at " +
                               std::filesystem::current_path().string());
}

}  // namespace

Location::Location(const std::filesystem::path& path) : text_(path.string()), path_(path.string()) {
}

Result<Location> Location::Parse(std::string_view text) {
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) {
    return Location(std::filesystem::path(text));
  }
  const std::string scheme(text.substr(0, colon));
  if (scheme == "file") {
    const std::string_view path = text.substr(colon + 3);
    if (!path.starts_with('/')) {
      return base::InvalidArgument("\"" + std::string(text) + "\" names the host \"" +
                                   std::string(path.substr(0, path.find('/'))) +
                                   "\"; a file URI has none")
          .Hint("write file:/// and the absolute path");
    }
    Location local{std::filesystem::path(path)};
    local.text_ = text;
    return local;
  }
  static constexpr std::array<std::string_view, 3> kRemote = {"s3", "abfs", "abfss"};
  if (std::find(kRemote.begin(), kRemote.end(), scheme) == kRemote.end()) {
    return base::InvalidArgument("\"" + std::string(text) + "\" has the unknown scheme \"" +
                                 scheme + "\"; known: " + std::string(kSchemes));
  }
  if (scheme == "s3") {
    MILL_RETURN_IF_ERROR(LoadS3());
  }
  Location location;
  location.text_ = text;
  auto opened = internal::Guarded("opening", text, [&] {
    return Check(scheme == "s3" ? arrow::fs::FileSystemFromUri(location.text_, &location.path_)
                                : OpenAzure(location.text_, &location.path_),
                 "opening", text);
  });
  if (!opened.ok()) {
    return WithCredentialsHint(std::move(opened).error(), scheme);
  }
  location.file_system_ = std::move(opened).value();
  return location;
}

void ShutDownFileSystems() {
  arrow::fs::EnsureFinalized();
}

namespace internal {

Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenFile(const Location& location) {
  if (!location.is_local()) {
    auto opened = Guarded("opening", location.text(), [&] {
      return Check(location.file_system()->OpenInputFile(location.path()), "opening",
                   location.text());
    });
    if (!opened.ok()) {
      return WithCredentialsHint(std::move(opened).error(), location.text());
    }
    return opened;
  }
  const std::filesystem::path path(location.path());
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return MissingFile(path);
  }
  if (std::filesystem::is_directory(status)) {
    return base::InvalidArgument(location.text() + " is a folder; wanted a file")
        .Hint("name a file in it, or a pattern such as " + location.text() +
              "/*.parquet where globs are allowed");
  }
  MILL_ASSIGN_OR_RETURN(
      std::shared_ptr<arrow::io::ReadableFile> file,
      Check(arrow::io::ReadableFile::Open(location.path()), "opening", location.text()));
  return std::shared_ptr<arrow::io::RandomAccessFile>(std::move(file));
}

}  // namespace internal
}  // namespace millrace::data
