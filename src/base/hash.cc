// SPDX-License-Identifier: Apache-2.0
// SHA-256 by OpenSSL, fed with values that carry their own width.
#include "base/hash.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <system_error>
#include <vector>

#include <openssl/evp.h>

namespace millrace::base {
namespace {

// Written before each value: two sequences of different types never feed the same bytes. Part of
// every hash on disk.
enum class Tag : std::uint8_t { kText = 1, kSigned = 2, kUnsigned = 3, kDouble = 4, kHash = 5 };

std::string ToHex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace

std::string ContentHash::Hex() const {
  return ToHex(bytes);
}

Result<ContentHash> ParseContentHash(std::string_view hex) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  ContentHash hash;
  bool good = hex.size() == 2 * hash.bytes.size();
  for (std::size_t i = 0; good && i < hash.bytes.size(); ++i) {
    const int high = digit(hex[2 * i]);
    const int low = digit(hex[2 * i + 1]);
    good = high >= 0 && low >= 0;
    hash.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  if (!good) {
    return InvalidArgument("\"" + std::string(hex) +
                           "\" is not a content hash of 32 lower-case hex digits");
  }
  return hash;
}

struct Hasher::Impl {
  EVP_MD_CTX* state = EVP_MD_CTX_new();
  Impl() = default;
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { EVP_MD_CTX_free(state); }

  void Feed(const void* data, std::size_t size) {
    MILL_CHECK_EQ(EVP_DigestUpdate(state, data, size), 1);
  }
  // Little-endian on every machine.
  void FeedWord(Tag tag, std::uint64_t value) {
    std::array<std::uint8_t, 9> bytes{};
    bytes[0] = static_cast<std::uint8_t>(tag);
    for (std::size_t i = 0; i < 8; ++i) {
      bytes[i + 1] = static_cast<std::uint8_t>(value >> (8 * i));
    }
    Feed(bytes.data(), bytes.size());
  }
};

Hasher::Hasher() : impl_(std::make_unique<Impl>()) {
  MILL_CHECK(impl_->state != nullptr);
  MILL_CHECK_EQ(EVP_DigestInit_ex(impl_->state, EVP_sha256(), nullptr), 1);
}
Hasher::~Hasher() = default;

Hasher& Hasher::AddBytes(std::span<const std::byte> bytes) {
  impl_->Feed(bytes.data(), bytes.size());
  return *this;
}

Hasher& Hasher::Add(std::string_view text) {
  impl_->FeedWord(Tag::kText, text.size());
  impl_->Feed(text.data(), text.size());
  return *this;
}

Hasher& Hasher::Add(std::int64_t value) {
  impl_->FeedWord(Tag::kSigned, static_cast<std::uint64_t>(value));
  return *this;
}

Hasher& Hasher::Add(std::uint64_t value) {
  impl_->FeedWord(Tag::kUnsigned, value);
  return *this;
}

Hasher& Hasher::Add(double value) {
  const double canonical = std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
  impl_->FeedWord(Tag::kDouble, std::bit_cast<std::uint64_t>(canonical));
  return *this;
}

Hasher& Hasher::Add(const ContentHash& hash) {
  impl_->FeedWord(Tag::kHash, hash.bytes.size());
  impl_->Feed(hash.bytes.data(), hash.bytes.size());
  return *this;
}

std::array<std::uint8_t, 32> Hasher::FinishSha256() {
  std::array<std::uint8_t, 32> digest{};
  unsigned int size = 0;
  MILL_CHECK_EQ(EVP_DigestFinal_ex(impl_->state, digest.data(), &size), 1);
  MILL_CHECK_EQ(size, digest.size());
  return digest;
}

ContentHash Hasher::Finish() {
  const std::array<std::uint8_t, 32> digest = FinishSha256();
  ContentHash hash;
  std::copy_n(digest.begin(), hash.bytes.size(), hash.bytes.begin());
  return hash;
}

ContentHash HashText(std::string_view text) {
  Hasher hasher;
  hasher.AddBytes(std::as_bytes(std::span(text)));
  return hasher.Finish();
}

std::string Sha256Hex(std::string_view bytes) {
  Hasher hasher;
  hasher.AddBytes(std::as_bytes(std::span(bytes)));
  return ToHex(hasher.FinishSha256());
}

Result<ContentHash> HashFile(const std::filesystem::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return FromErrno(errno != 0 ? errno : EIO, "opening", path.string());
  }
  Hasher hasher;
  std::vector<char> block(1 << 18);
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    hasher.AddBytes(
        std::as_bytes(std::span(block.data(), static_cast<std::size_t>(file.gcount()))));
  }
  if (!file.eof()) {
    return FromErrno(errno != 0 ? errno : EIO, "reading", path.string());
  }
  return hasher.Finish();
}

Result<ContentHash> HashDirectory(const std::filesystem::path& dir) {
  std::error_code code;
  std::vector<std::string> names;
  std::filesystem::recursive_directory_iterator entry(dir, code);
  for (; !code && entry != std::filesystem::recursive_directory_iterator(); entry.increment(code)) {
    if (entry->is_regular_file(code)) {
      names.push_back(entry->path().lexically_relative(dir).generic_string());
    }
  }
  if (code) {
    return FromErrno(code.value(), "listing", dir.string());
  }
  std::sort(names.begin(), names.end());
  Hasher hasher;
  for (const std::string& name : names) {
    MILL_ASSIGN_OR_RETURN(const ContentHash hash, HashFile(dir / name));
    hasher.Add(name).Add(hash);
  }
  return hasher.Finish();
}

}  // namespace millrace::base
