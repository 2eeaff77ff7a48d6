// SPDX-License-Identifier: Apache-2.0
// Block hashes and the readers that check them.
#include "store/internal/block_hashes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace millrace::store::internal {

namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string Hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

Result<void> ReadFully(const ReadFunction& read, std::uint64_t offset, std::span<char> into) {
  while (!into.empty()) {
    MILL_ASSIGN_OR_RETURN(const std::size_t n, read(offset, into));
    if (n == 0) {
      return base::DataLoss("the file has become shorter");
    }
    offset += n;
    into = into.subspan(n);
  }
  return {};
}

class CheckedReader final : public ArtifactReader {
 public:
  CheckedReader(std::string name, BlobInfo info, ReadFunction read)
      : name_(std::move(name)), info_(std::move(info)), read_(std::move(read)) {}
  std::uint64_t size() const override { return info_.size; }
  const std::string& sha256() const override { return info_.sha256; }

  Result<std::size_t> ReadAt(std::uint64_t offset, std::span<char> into) override {
    if (offset >= info_.size) {
      // An empty artifact has a hash too, but nothing that could be wrong.
      return std::size_t{0};
    }
    const std::uint64_t block = offset / kHashBlock;
    if (!has_block_ || block != block_number_) {
      MILL_RETURN_IF_ERROR(Load(block));
    }
    const std::size_t at = static_cast<std::size_t>(offset % kHashBlock);
    const std::size_t n = std::min(into.size(), block_.size() - at);
    std::memcpy(into.data(), block_.data() + at, n);
    return n;
  }

 private:
  Result<void> Load(std::uint64_t number) {
    has_block_ = false;
    const std::uint64_t begin = number * kHashBlock;
    block_.resize(
        static_cast<std::size_t>(std::min<std::uint64_t>(kHashBlock, info_.size - begin)));
    Result<void> filled = ReadFully(read_, begin, block_);
    if (!filled.ok()) {
      return filled.error().code() == ErrorCode::kDataLoss ? Damaged(name_, info_.sha256)
                                                           : std::move(filled).error();
    }
    const std::string seen = base::Sha256Hex(block_);
    const std::string_view wanted = info_.blocks.empty() ? std::string_view(info_.sha256)
                                    : (number + 1) * 32 <= info_.blocks.size()
                                        ? std::string_view(info_.blocks).substr(number * 32, 32)
                                        : std::string_view();
    if (wanted.empty() || !seen.starts_with(wanted)) {
      return Damaged(name_, info_.sha256);
    }
    block_number_ = number;
    has_block_ = true;
    return {};
  }

  std::string name_;
  BlobInfo info_;
  ReadFunction read_;
  std::string block_;
  std::uint64_t block_number_ = 0;
  bool has_block_ = false;
};

class PlainReader final : public ArtifactReader {
 public:
  PlainReader(std::uint64_t size, ReadFunction read) : size_(size), read_(std::move(read)) {}
  std::uint64_t size() const override { return size_; }
  const std::string& sha256() const override { return sha256_; }
  Result<std::size_t> ReadAt(std::uint64_t offset, std::span<char> into) override {
    return read_(offset, into);
  }

 private:
  std::uint64_t size_;
  std::string sha256_;
  ReadFunction read_;
};

}  // namespace

Error Damaged(std::string_view name, std::string_view sha256) {
  return base::DataLoss("artifact '" + std::string(name) +
                        "' is damaged: its bytes no longer have the SHA-256 " +
                        std::string(sha256) + " with which they were stored")
      .Hint("restore it from a copy, or upload it again");
}

BlobHasher::BlobHasher() : block_(std::make_unique<base::Hasher>()) {
}

void BlobHasher::AddBlockHash() {
  const std::array<std::uint8_t, 32> hash = block_->FinishSha256();
  info_.blocks += Hex(std::span(hash).first(16));
}

void BlobHasher::Add(std::string_view bytes) {
  whole_.AddBytes(Bytes(bytes));
  info_.size += bytes.size();
  while (!bytes.empty()) {
    if (in_block_ == kHashBlock) {
      AddBlockHash();
      block_ = std::make_unique<base::Hasher>();
      in_block_ = 0;
    }
    const std::string_view part = bytes.substr(0, kHashBlock - in_block_);
    block_->AddBytes(Bytes(part));
    in_block_ += part.size();
    bytes.remove_prefix(part.size());
  }
}

BlobInfo BlobHasher::Finish() {
  if (info_.size > kHashBlock) {
    AddBlockHash();
  }
  info_.sha256 = Hex(whole_.FinishSha256());
  return std::move(info_);
}

std::unique_ptr<ArtifactReader> MakeCheckedReader(std::string name, BlobInfo info,
                                                  ReadFunction read) {
  return std::make_unique<CheckedReader>(std::move(name), std::move(info), std::move(read));
}

std::unique_ptr<ArtifactReader> MakePlainReader(std::uint64_t size, ReadFunction read) {
  return std::make_unique<PlainReader>(size, std::move(read));
}

}  // namespace millrace::store::internal
