// SPDX-License-Identifier: Apache-2.0
// Blobs as files; atomic because a blob appears by rename.
#include "store/blobs.h"

#include <algorithm>
#include <system_error>

#include "base/file.h"
#include "base/hash.h"

namespace millrace::store {

Result<std::filesystem::path> Blobs::PathOf(std::string_view sha256) const {
  const bool is_hash = sha256.size() == 64 && std::all_of(sha256.begin(), sha256.end(), [](char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                       });
  if (!is_hash) {
    return base::InvalidArgument("\"" + std::string(sha256) +
                                 "\" is not a SHA-256 of 64 lower-case hex digits");
  }
  return dir_ / std::string(sha256.substr(0, 2)) / std::string(sha256);
}

Result<bool> Blobs::Has(std::string_view sha256) const {
  MILL_ASSIGN_OR_RETURN(const std::filesystem::path path, PathOf(sha256));
  std::error_code code;
  const bool is_there = std::filesystem::is_regular_file(path, code);
  if (code && code != std::errc::no_such_file_or_directory) {
    return base::FromErrno(code.value(), "looking for", path.string());
  }
  return is_there;
}

Result<std::string> Blobs::Put(std::string_view bytes) {
  std::string sha256 = base::Sha256Hex(bytes);
  MILL_ASSIGN_OR_RETURN(const bool is_there, Has(sha256));
  if (!is_there) {
    MILL_ASSIGN_OR_RETURN(const std::filesystem::path path, PathOf(sha256));
    MILL_RETURN_IF_ERROR(base::WriteFileAtomic(path, bytes));
  }
  return sha256;
}

Result<std::string> Blobs::Get(std::string_view sha256) const {
  MILL_ASSIGN_OR_RETURN(const std::filesystem::path path, PathOf(sha256));
  MILL_ASSIGN_OR_RETURN(std::string bytes, base::ReadFile(path));
  if (base::Sha256Hex(bytes) != sha256) {
    return base::DataLoss("the blob \"" + path.string() +
                          "\" no longer has the content of its name")
        .Hint("restore it from a copy");
  }
  return bytes;
}

}  // namespace millrace::store
