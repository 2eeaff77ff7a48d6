// SPDX-License-Identifier: Apache-2.0
// Moves files of this machine in and out of stores, a block at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/file.h"
#include "base/result.h"

namespace millrace::app::internal {

inline constexpr std::size_t kBlockBytes = 1 << 20;

/// Writes a file to `writer.Write`; the end is the caller's to declare.
///   - kNotFound for a file that cannot be opened
template <typename Writer>
Result<void> WriteBlocks(const std::filesystem::path& file, Writer& writer) {
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    return base::NotFound("file \"" + file.string() + "\" cannot be opened");
  }
  std::string block(kBlockBytes, '\0');
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    MILL_RETURN_IF_ERROR(
        writer.Write(std::string_view(block).substr(0, static_cast<std::size_t>(in.gcount()))));
  }
  if (!in.eof()) {
    return base::Unavailable("reading \"" + file.string() + "\" stopped before its end");
  }
  return {};
}

/// Writes what `reader` has (size(), ReadAt) to a file, whose folder it makes.
template <typename Reader>
Result<void> ReadBlocks(Reader& reader, const std::filesystem::path& file) {
  MILL_RETURN_IF_ERROR(base::MakeDirectories(file.parent_path()));
  std::ofstream out(file, std::ios::binary);
  std::string block(kBlockBytes, '\0');
  for (std::uint64_t at = 0; at < reader.size();) {
    MILL_ASSIGN_OR_RETURN(const std::size_t n, reader.ReadAt(at, block));
    if (n == 0) {
      return base::Unavailable("what was to become \"" + file.string() + "\" ended after " +
                               std::to_string(at) + " of " + std::to_string(reader.size()) +
                               " bytes");
    }
    out.write(block.data(), static_cast<std::streamsize>(n));
    at += n;
  }
  out.close();
  if (!out) {
    return base::ResourceExhausted("writing \"" + file.string() + "\" failed; is the disk full?");
  }
  return {};
}

}  // namespace millrace::app::internal
