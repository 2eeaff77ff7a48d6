// SPDX-License-Identifier: Apache-2.0
// Inflates bodies with Arrow's codec, which is linked for its own files already.
#include "api/internal/inflate.h"

#include <algorithm>
#include <cstdint>
#include <memory>

#include <arrow/result.h>
#include <arrow/util/compression.h>

#include "net/http_message.h"

namespace millrace::api::internal {

namespace {

constexpr std::size_t kBlock = 256 * 1024;

Error Broken(std::string_view encoding) {
  return base::InvalidArgument("Failed to decompress " + std::string(encoding) + " payload");
}

Result<std::string> InflateAs(std::string_view body, arrow::util::GZipFormat format,
                              std::string_view encoding, std::size_t most) {
  arrow::util::GZipCodecOptions options;
  options.gzip_format = format;
  const auto codec = arrow::util::Codec::Create(arrow::Compression::GZIP, options);
  if (!codec.ok()) {
    return base::Internal("making a decompressor: " + codec.status().ToString());
  }
  const auto made = (*codec)->MakeDecompressor();
  if (!made.ok()) {
    return base::Internal("making a decompressor: " + made.status().ToString());
  }
  arrow::util::Decompressor& inflater = **made;
  std::string text;
  std::string block(kBlock, '\0');
  bool is_between = true;  // members
  while (!body.empty() || !is_between) {
    const auto step = inflater.Decompress(
        static_cast<std::int64_t>(body.size()), reinterpret_cast<const std::uint8_t*>(body.data()),
        static_cast<std::int64_t>(block.size()), reinterpret_cast<std::uint8_t*>(block.data()));
    if (!step.ok()) {
      return Broken(encoding);
    }
    const auto n_written = static_cast<std::size_t>(step->bytes_written);
    if (text.size() + n_written > most) {
      return base::ResourceExhausted("the body holds more than " + std::to_string(most) +
                                     " bytes once it is decompressed");
    }
    text.append(block, 0, n_written);
    body.remove_prefix(static_cast<std::size_t>(step->bytes_read));
    is_between = inflater.IsFinished();
    if (is_between && !body.empty() && !inflater.Reset().ok()) {
      return Broken(encoding);
    }
    if (!is_between && step->bytes_read == 0 && n_written == 0) {
      return Broken(encoding);  // it ends too early
    }
  }
  return text;
}

}  // namespace

Result<std::string> Inflate(std::string_view body, std::string_view encoding, std::size_t most) {
  using arrow::util::GZipFormat;
  if (body.empty()) {
    return Broken(encoding);
  }
  if (net::EqualsIgnoringCase(encoding, "gzip")) {
    return InflateAs(body, GZipFormat::GZIP, encoding, most);
  }
  if (!net::EqualsIgnoringCase(encoding, "deflate")) {
    return base::Unimplemented("Unsupported Content-Encoding: " + std::string(encoding));
  }
  Result<std::string> framed = InflateAs(body, GZipFormat::ZLIB, encoding, most);
  return framed.ok() || framed.error().code() != ErrorCode::kInvalidArgument
             ? std::move(framed)
             : InflateAs(body, GZipFormat::DEFLATE, encoding, most);
}

}  // namespace millrace::api::internal
