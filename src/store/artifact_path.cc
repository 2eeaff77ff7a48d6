// SPDX-License-Identifier: Apache-2.0
// The check of artifact paths.
#include "store/artifact_path.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::store {

namespace {

constexpr std::size_t kMaxPart = 255;
constexpr std::size_t kMaxPath = 2000;
// Deeper nesting than this is no accident.
constexpr int kMaxDecodings = 10;

Error Invalid(std::string reason) {
  return base::InvalidArgument("Invalid path").Hint("the path " + std::move(reason));
}

int HexDigit(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

std::string DecodeOnce(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && HexDigit(text[i + 1]) >= 0 &&
        HexDigit(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(HexDigit(text[i + 1]) * 16 + HexDigit(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

// The next character of UTF-8, strictly: no overlong form, no surrogate, nothing beyond U+10FFFF.
std::optional<std::uint32_t> NextCharacter(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const std::uint32_t first = byte(at);
  const std::size_t size = first < 0x80             ? 1
                           : (first & 0xE0) == 0xC0 ? 2
                           : (first & 0xF0) == 0xE0 ? 3
                           : (first & 0xF8) == 0xF0 ? 4
                                                    : 0;
  if (size == 0) {
    return std::nullopt;
  }
  std::uint32_t character = size == 1 ? first : first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) {
      return std::nullopt;
    }
    character = character << 6 | (byte(at + i) & 0x3F);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (character < kLeast[size] || character > 0x10FFFF ||
      (character >= 0xD800 && character <= 0xDFFF)) {
    return std::nullopt;
  }
  at += size;
  return character;
}

// Controls, and characters that nobody sees but that change how a name reads.
bool IsHidden(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF ||
         (c >= 0xFFF9 && c <= 0xFFFB) || (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);
}

std::vector<std::string_view> Parts(std::string_view path) {
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") {
      parts.push_back(part);
    }
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
  }
  return parts;
}

// What no reading of the path may show.
Result<void> CheckReading(std::string_view text) {
  if (text.starts_with('/') || text.starts_with("file:")) {
    return Invalid("is absolute");
  }
  const bool is_letter = !text.empty() && ((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z');
  if (is_letter && text.size() > 1 && text[1] == ':' && (text.size() == 2 || text[2] == '/')) {
    return Invalid("begins with a drive letter");
  }
  if (text.find('\\') != std::string_view::npos) {
    return Invalid("holds a backslash");
  }
  if (text.find('#') != std::string_view::npos) {
    return Invalid("holds a #");
  }
  for (const std::string_view part : Parts(text)) {
    if (part == "..") {
      return Invalid("leads out of its folder");
    }
  }
  return {};
}

}  // namespace

Result<std::string> CheckArtifactPath(std::string_view text) {
  if (text.size() > kMaxPath) {
    return Invalid("has " + std::to_string(text.size()) + " bytes; at most " +
                   std::to_string(kMaxPath) + " are allowed");
  }
  for (std::size_t at = 0; at < text.size();) {
    const std::optional<std::uint32_t> character = NextCharacter(text, at);
    if (!character) {
      return Invalid("is not UTF-8");
    }
    if (IsHidden(*character)) {
      return Invalid("holds a control character");
    }
  }
  std::string reading(text);
  for (int i = 0;; ++i) {
    MILL_RETURN_IF_ERROR(CheckReading(reading));
    std::string next = DecodeOnce(reading);
    if (next == reading) {
      break;
    }
    if (i == kMaxDecodings) {
      return Invalid("is percent-encoded again and again");
    }
    reading = std::move(next);
  }
  std::string path;
  for (const std::string_view part : Parts(text)) {
    if (part.size() > kMaxPart) {
      return Invalid("has a part of " + std::to_string(part.size()) + " bytes; at most " +
                     std::to_string(kMaxPart) + " are allowed");
    }
    if (part.ends_with(".millrace-tmp") || (path.empty() && part == ".millrace-blobs")) {
      return Invalid("has a name that this program keeps for itself");
    }
    path.append(path.empty() ? "" : "/").append(part);
  }
  return path;
}

}  // namespace millrace::store
