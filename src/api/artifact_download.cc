// SPDX-License-Identifier: Apache-2.0
// Downloads: RFC 9110 section 14 (ranges), 13 (conditions), RFC 6266 and 8187 (names of
// attachments).
#include "api/internal/artifact_download.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "api/internal/replies.h"

namespace millrace::api::internal {

namespace {

using TypeOf = std::pair<std::string_view, std::string_view>;

// What MLflow shows as text, whatever the registry of types says.
constexpr auto kTextExtensions = std::to_array<std::string_view>(
    {"MLmodel", "MLproject", "cf",   "cfg",  "cnf", "conf", "csv",  "err",        "hocon",
     "ini",     "ipynb",     "js",   "json", "log", "md",   "prop", "properties", "py",
     "py3",     "rst",       "toml", "tsv",  "txt", "xml",  "yaml", "yml"});
constexpr auto kTypes = std::to_array<TypeOf>({
    {"avi", "video/x-msvideo"}, {"bin", "application/octet-stream"},
    {"bmp", "image/bmp"},       {"css", "text/css"},
    {"gif", "image/gif"},       {"htm", "text/html"},
    {"html", "text/html"},      {"ico", "image/vnd.microsoft.icon"},
    {"jpeg", "image/jpeg"},     {"jpg", "image/jpeg"},
    {"m4a", "audio/mp4"},       {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},       {"mpeg", "video/mpeg"},
    {"pdf", "application/pdf"}, {"png", "image/png"},
    {"svg", "image/svg+xml"},   {"tar", "application/x-tar"},
    {"tif", "image/tiff"},      {"tiff", "image/tiff"},
    {"wav", "audio/x-wav"},     {"webm", "video/webm"},
    {"webp", "image/webp"},     {"zip", "application/zip"},
});

class ArtifactSource final : public net::BodySource {
 public:
  ArtifactSource(std::unique_ptr<store::ArtifactReader> reader, std::uint64_t begin,
                 std::uint64_t size)
      : reader_(std::move(reader)), at_(begin), size_(size), left_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> Read(std::span<char> block) override {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), left_));
    MILL_ASSIGN_OR_RETURN(const std::size_t n, reader_->ReadAt(at_, block.first(most)));
    at_ += n;
    left_ -= n;
    return n;
  }

 private:
  std::unique_ptr<store::ArtifactReader> reader_;
  std::uint64_t at_;
  std::uint64_t size_;
  std::uint64_t left_;
};

std::string_view BaseName(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

// What a file name holds without quotes (a token of RFC 9110).
bool IsBareChar(char c) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
         kMarks.find(c) != std::string_view::npos;
}

bool IsTokenChar(char c) {
  return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' ||
         c == '_' || c == '-';
}

std::string Disposition(std::string_view name) {
  if (std::all_of(name.begin(), name.end(), IsBareChar)) {
    return "attachment; filename=" + std::string(name);
  }
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string plain;
  std::string encoded;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    plain.push_back(byte >= 0x20 && byte < 0x7F && c != '"' && c != '\\' ? c : '_');
    if (IsTokenChar(c)) {
      encoded.push_back(c);
    } else {
      encoded.append({'%', kDigits[byte >> 4], kDigits[byte & 15]});
    }
  }
  return "attachment; filename=\"" + plain + "\"; filename*=UTF-8''" + encoded;
}

struct ByteRange {
  std::uint64_t begin = 0;
  /// Behind the last one.
  std::uint64_t end = 0;
};

std::optional<std::uint64_t> Number(std::string_view text) {
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() ? std::optional(value)
                                                                         : std::nullopt;
}

// The one range that is asked for. None: the whole is sent, as RFC 9110 allows for what is not
// understood and for several ranges. An empty one: beyond the end.
std::optional<ByteRange> ReadRange(std::string_view field, std::uint64_t size) {
  if (!field.starts_with("bytes=") || field.find(',') != std::string_view::npos) {
    return std::nullopt;
  }
  field.remove_prefix(6);
  const std::size_t dash = field.find('-');
  if (dash == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view first = field.substr(0, dash);
  const std::string_view last = field.substr(dash + 1);
  if (first.empty()) {
    const std::optional<std::uint64_t> n = Number(last);
    return n ? std::optional(ByteRange{size - std::min(size, *n), size}) : std::nullopt;
  }
  const std::optional<std::uint64_t> begin = Number(first);
  const std::optional<std::uint64_t> end = last.empty() ? size - 1 : Number(last);
  if (!begin || !end || (!last.empty() && *end < *begin)) {
    return std::nullopt;
  }
  return *begin >= size ? ByteRange{} : ByteRange{*begin, std::min(size, *end + 1)};
}

bool HasTag(std::string_view field, std::string_view etag) {
  return !etag.empty() && (field == "*" || field.find(etag) != std::string_view::npos);
}

}  // namespace

std::string_view GuessMimeType(std::string_view path) {
  const std::string_view name = BaseName(path);
  const std::size_t dot = name.rfind('.');
  const std::string_view extension =
      dot == std::string_view::npos || dot == 0 ? name : name.substr(dot + 1);
  if (std::any_of(kTextExtensions.begin(), kTextExtensions.end(), [&](std::string_view text) {
        return net::EqualsIgnoringCase(text, extension);
      })) {
    return "text/plain";
  }
  const auto found = std::find_if(kTypes.begin(), kTypes.end(), [extension](const TypeOf& type) {
    return net::EqualsIgnoringCase(type.first, extension);
  });
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

net::Response DownloadReply(const net::Request& request, std::string_view path,
                            std::unique_ptr<store::ArtifactReader> reader) {
  const std::uint64_t size = reader->size();
  const std::string etag =
      reader->sha256().empty() ? std::string() : "\"" + reader->sha256() + "\"";
  net::Response response;
  response.content_type = GuessMimeType(path);
  response.headers.emplace_back("Content-Disposition", Disposition(BaseName(path)));
  response.headers.emplace_back("Accept-Ranges", "bytes");
  response.headers.emplace_back("Cache-Control", "no-cache");
  if (!etag.empty()) {
    response.headers.emplace_back("ETag", etag);
  }
  if (HasTag(request.Header("If-None-Match"), etag)) {
    response.status = 304;
    return response;
  }
  ByteRange range{0, size};
  const std::string_view condition = request.Header("If-Range");
  if (condition.empty() || condition == etag) {
    if (const auto asked = ReadRange(request.Header("Range"), size)) {
      if (asked->end == asked->begin) {
        response = TextReply("the range lies beyond the artifact's end\n", 416);
        response.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
        return response;
      }
      range = *asked;
      response.status = 206;
      response.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.begin) + "-" +
                                                         std::to_string(range.end - 1) + "/" +
                                                         std::to_string(size));
    }
  }
  if (range.end > range.begin) {
    // Damage in the first block still gets an answer of its own; later it cuts the connection.
    char byte = 0;
    const Result<std::size_t> checked = reader->ReadAt(range.begin, {&byte, 1});
    if (!checked.ok()) {
      return RestError(checked.error());
    }
  }
  response.source =
      std::make_unique<ArtifactSource>(std::move(reader), range.begin, range.end - range.begin);
  return response;
}

}  // namespace millrace::api::internal
