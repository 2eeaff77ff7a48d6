// SPDX-License-Identifier: Apache-2.0
// Base64 and versions.
#include "api/internal/online_json.h"

#include <array>
#include <cstdint>

#include <nlohmann/json.hpp>

namespace millrace::api::internal {

namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> MakeDigits() {
  std::array<std::int8_t, 256> digits{};
  for (auto& digit : digits) {
    digit = -1;
  }
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    digits[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  }
  return digits;
}

}  // namespace

std::string ToBase64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out.push_back(i + j <= bytes.size() ? kAlphabet[group >> (18 - 6 * j) & 63U] : '=');
    }
  }
  return out;
}

Result<std::string> FromBase64(std::string_view text) {
  static constexpr std::array<std::int8_t, 256> kDigits = MakeDigits();
  const auto bad = [] { return base::InvalidArgument("a text is not base64 (RFC 4648, padded)"); };
  if (text.size() % 4 != 0) {
    return bad();
  }
  const std::size_t n_padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const bool is_padding = i + j >= text.size() - n_padding;
      const int digit = is_padding ? 0 : kDigits[static_cast<unsigned char>(text[i + j])];
      if (digit < 0) {
        return bad();
      }
      group = group << 6 | static_cast<std::uint32_t>(digit);
    }
    for (std::size_t j = 0; j < 3; ++j) {
      out.push_back(static_cast<char>(group >> (16 - 8 * j) & 255U));
    }
  }
  out.resize(out.size() - n_padding);
  // Bits that padding leaves over must be zero: one text per value.
  return ToBase64(out) == text ? Result<std::string>(std::move(out)) : Result<std::string>(bad());
}

nlohmann::json VersionToJson(const store::Version& version) {
  return nlohmann::json::array({version.event_time, version.created_time, version.sequence});
}

Result<store::Version> VersionFromJson(const nlohmann::json& json) {
  if (!json.is_array() || json.size() != 3 || !json[0].is_number_integer() ||
      !json[1].is_number_integer() || !json[2].is_number_integer()) {
    return base::InvalidArgument(
        "\"version\" is not a list of three integers (event time, created time, sequence)");
  }
  return store::Version{json[0].get<std::int64_t>(), json[1].get<std::int64_t>(),
                        json[2].get<std::int64_t>()};
}

Result<std::string> BytesFromJson(const nlohmann::json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_string()) {
    return base::InvalidArgument("\"" + std::string(name) + "\" is missing or no text");
  }
  return FromBase64(found->get_ref<const std::string&>())
      .With("reading \"" + std::string(name) + "\"");
}

}  // namespace millrace::api::internal
