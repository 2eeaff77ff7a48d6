// SPDX-License-Identifier: Apache-2.0
// Segments: blocks of coded points, then the index, then a footer that says where the index is.
#include "tracking/internal/point_segment.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <sys/mman.h>
#include <sys/stat.h>
#include <type_traits>
#include <unistd.h>

#include "tracking/internal/crc32c.h"
#include "tracking/internal/journal_file.h"
#include "tracking/internal/point_codec.h"

namespace millrace::tracking::internal {
namespace {

constexpr std::string_view kMagic = "MILLSEG\n";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kWriteAt = 1 << 20;

/// The last bytes of the file.
struct Footer {
  std::uint64_t index_offset;
  std::uint64_t n_blocks;
  std::uint64_t n_erased;
  std::uint64_t n_points;
  /// Of the index and the erased runs behind it.
  std::uint32_t index_crc;
  std::uint32_t version;
  char magic[8];
  std::uint32_t zero;
  /// Of the footer before it.
  std::uint32_t crc;
};
static_assert(sizeof(Footer) == 56, "on disk");
static_assert(std::is_trivially_copyable_v<BlockInfo>);

template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}

bool IsLower(const MetricPoint& a, const MetricPoint& b) {
  return a.value < b.value || (std::isnan(b.value) && !std::isnan(a.value));
}

bool IsHigher(const MetricPoint& a, const MetricPoint& b) {
  return a.value > b.value || (std::isnan(b.value) && !std::isnan(a.value));
}

bool IsSameOrder(const MetricPoint& a, const MetricPoint& b) {
  return !(a.value < b.value) && !(a.value > b.value) && std::isnan(a.value) == std::isnan(b.value);
}

class FileSegmentWriter final : public SegmentWriter {
 public:
  FileSegmentWriter(int fd, std::filesystem::path path, std::uint32_t block_points)
      : fd_(fd), path_(std::move(path)), block_points_(block_points) {}
  ~FileSegmentWriter() override { close(fd_); }

  Result<void> Add(Series series, std::span<const MetricPoint> points) override {
    if (!strip_.empty() && series != series_) {
      CloseStrip();
    }
    series_ = series;
    while (!points.empty()) {
      const std::size_t room = block_points_ - info_.n_points - strip_.size();
      const std::size_t n = std::min(room, points.size());
      strip_.insert(strip_.end(), points.begin(), points.begin() + static_cast<std::ptrdiff_t>(n));
      points = points.subspan(n);
      if (n == room) {
        CloseStrip();
        MILL_RETURN_IF_ERROR(CloseBlock());
      }
    }
    return {};
  }

  Result<void> Finish(std::vector<std::int64_t> erased) override {
    CloseStrip();
    MILL_RETURN_IF_ERROR(CloseBlock());
    // The index is read in place, so its words must lie where words may.
    out_.append((8 - (offset_ + out_.size()) % 8) % 8, '\0');
    Footer footer{};
    footer.index_offset = offset_ + out_.size();
    footer.n_blocks = index_.size();
    footer.n_erased = erased.size();
    footer.n_points = n_points_;
    std::sort(erased.begin(), erased.end());
    std::string index;
    for (const BlockInfo& info : index_) {
      index += BytesOf(info);
    }
    for (const std::int64_t run_key : erased) {
      index += BytesOf(run_key);
    }
    footer.index_crc = Crc32c(index);
    footer.version = kVersion;
    std::memcpy(footer.magic, kMagic.data(), sizeof footer.magic);
    footer.crc = Crc32c(BytesOf(footer).substr(0, sizeof footer - sizeof footer.crc));
    out_ += index;
    out_ += BytesOf(footer);
    MILL_RETURN_IF_ERROR(Flush());
    if (fsync(fd_) != 0) {
      return JournalError(errno, "syncing", path_);
    }
    return {};
  }

 private:
  void CloseStrip() {
    if (strip_.empty()) {
      return;
    }
    if (info_.n_series == 0) {
      info_.first_series = series_;
      run_key_ = 0;
      encoder_ = {};
      info_.begin = strip_.front();
      info_.end = strip_.back();
      info_.summary = PointSummary::Of(strip_.front());
      for (const MetricPoint& point : strip_) {
        info_.summary.Merge(PointSummary::Of(point));
      }
    }
    info_.last_series = series_;
    ++info_.n_series;
    PutVarint(block_, ZigZag(series_.run_key - run_key_));
    PutVarint(block_, ZigZag(series_.name_id));
    PutVarint(block_, strip_.size());
    run_key_ = series_.run_key;
    for (const MetricPoint& point : strip_) {
      encoder_.Add(point, block_);
    }
    info_.n_points += static_cast<std::uint32_t>(strip_.size());
    strip_.clear();
  }

  Result<void> CloseBlock() {
    if (info_.n_series == 0) {
      return {};
    }
    if (info_.n_series > 1) {
      info_.begin = info_.end = {};
      info_.summary = {};
    }
    info_.offset = offset_ + out_.size();
    info_.size_bytes = static_cast<std::uint32_t>(block_.size());
    info_.crc = Crc32c(block_);
    out_ += block_;
    block_.clear();
    n_points_ += info_.n_points;
    index_.push_back(info_);
    info_ = {};
    return out_.size() >= kWriteAt ? Flush() : Result<void>();
  }

  Result<void> Flush() {
    std::string_view bytes = out_;
    while (!bytes.empty()) {
      const ssize_t written = write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) {
        continue;
      }
      if (written <= 0) {
        return JournalError(written < 0 ? errno : ENOSPC, "writing", path_);
      }
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    offset_ += out_.size();
    out_.clear();
    return {};
  }

  const int fd_;
  const std::filesystem::path path_;
  const std::uint32_t block_points_;
  /// Bytes written before `out_`.
  std::uint64_t offset_ = 0;
  std::string out_;
  std::vector<BlockInfo> index_;
  std::uint64_t n_points_ = 0;
  // The open block, and its open series.
  BlockInfo info_{};
  std::string block_;
  PointEncoder encoder_;
  std::int64_t run_key_ = 0;
  Series series_;
  std::vector<MetricPoint> strip_;
};

}  // namespace

void PointSummary::Merge(const PointSummary& other) {
  if (StepLess(other.first, first)) {
    first = other.first;
  }
  if (StepLess(last, other.last)) {
    last = other.last;
  }
  // Of equal extremes the first, so that the order of merging does not show.
  if (IsLower(other.minimum, minimum) ||
      (IsSameOrder(other.minimum, minimum) && StepLess(other.minimum, minimum))) {
    minimum = other.minimum;
  }
  if (IsHigher(other.maximum, maximum) ||
      (IsSameOrder(other.maximum, maximum) && StepLess(other.maximum, maximum))) {
    maximum = other.maximum;
  }
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::Create(const std::filesystem::path& path,
                                                             std::uint32_t block_points) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    return JournalError(errno, "creating", path);
  }
  return std::unique_ptr<SegmentWriter>(
      std::make_unique<FileSegmentWriter>(fd, path, block_points));
}

Result<std::shared_ptr<const Segment>> Segment::Open(const std::filesystem::path& path,
                                                     std::uint64_t number) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return JournalError(errno, "opening", path);
  }
  struct stat status = {};
  const bool has_size = fstat(fd, &status) == 0;
  std::shared_ptr<Segment> segment(new Segment());
  segment->path_ = path;
  segment->number_ = number;
  const auto size = static_cast<std::uint64_t>(has_size ? status.st_size : 0);
  if (size < sizeof(Footer)) {
    close(fd);
    return segment->Damaged("is only " + std::to_string(size) + " bytes long");
  }
  void* mapping = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  close(fd);
  if (mapping == MAP_FAILED) {
    return JournalError(error, "mapping", path);
  }
  segment->bytes_ = static_cast<const char*>(mapping);
  segment->size_ = size;
  Footer footer{};
  std::memcpy(&footer, segment->bytes_ + size - sizeof footer, sizeof footer);
  if (std::string_view(footer.magic, sizeof footer.magic) != kMagic ||
      footer.crc != Crc32c(BytesOf(footer).substr(0, sizeof footer - sizeof footer.crc))) {
    return segment->Damaged("does not end as a segment");
  }
  if (footer.version > kVersion) {
    return base::FailedPrecondition("\"" + path.string() + "\" has format " +
                                    std::to_string(footer.version) + ", known here is " +
                                    std::to_string(kVersion))
        .Hint("use the Millrace that wrote it, or a newer one");
  }
  const std::uint64_t index_size =
      footer.n_blocks * sizeof(BlockInfo) + footer.n_erased * sizeof(std::int64_t);
  if (footer.index_offset + index_size + sizeof footer != size ||
      footer.index_crc !=
          Crc32c({segment->bytes_ + footer.index_offset, static_cast<std::size_t>(index_size)})) {
    return segment->Damaged("has a damaged index");
  }
  segment->n_points_ = footer.n_points;
  segment->blocks_ = {reinterpret_cast<const BlockInfo*>(segment->bytes_ + footer.index_offset),
                      static_cast<std::size_t>(footer.n_blocks)};
  segment->erased_ = {reinterpret_cast<const std::int64_t*>(segment->bytes_ + footer.index_offset +
                                                            footer.n_blocks * sizeof(BlockInfo)),
                      static_cast<std::size_t>(footer.n_erased)};
  return std::shared_ptr<const Segment>(std::move(segment));
}

Segment::~Segment() {
  if (bytes_ != nullptr) {
    munmap(const_cast<char*>(bytes_), size_);
  }
}

base::Error Segment::Damaged(const std::string& what) const {
  return base::DataLoss("\"" + path_.string() + "\" " + what)
      .Hint("restore the file from a copy of the workspace");
}

bool Segment::HidesOlder(std::int64_t run_key) const {
  return std::binary_search(erased_.begin(), erased_.end(), run_key);
}

std::pair<std::size_t, std::size_t> Segment::BlocksOf(Series series) const {
  const auto begin =
      std::partition_point(blocks_.begin(), blocks_.end(),
                           [&](const BlockInfo& block) { return block.last_series < series; });
  const auto end = std::partition_point(
      begin, blocks_.end(), [&](const BlockInfo& block) { return !(series < block.first_series); });
  return {static_cast<std::size_t>(begin - blocks_.begin()),
          static_cast<std::size_t>(end - blocks_.begin())};
}

template <typename Visit>
Result<void> Segment::Decode(std::size_t block, const Visit& visit) const {
  const BlockInfo& info = blocks_[block];
  if (info.offset > size_ || info.size_bytes > size_ - info.offset) {
    return Damaged("names a block outside of itself");
  }
  const std::string_view bytes(bytes_ + info.offset, info.size_bytes);
  if (Crc32c(bytes) != info.crc) {
    return Damaged("has a damaged block at byte " + std::to_string(info.offset));
  }
  ByteReader reader(bytes);
  PointDecoder decoder;
  Series series;
  while (!reader.AtEnd() && reader.ok()) {
    series.run_key += UnZigZag(reader.Varint());
    series.name_id = UnZigZag(reader.Varint());
    const std::uint64_t n = reader.Varint();
    if (!reader.ok() || n > reader.left()) {
      break;
    }
    visit(series, static_cast<std::size_t>(n), decoder, reader);
  }
  if (!reader.ok() || !reader.AtEnd()) {
    return Damaged("has a block without sense at byte " + std::to_string(info.offset));
  }
  return {};
}

Result<void> Segment::ReadBlock(std::size_t block, Series series,
                                std::vector<MetricPoint>& points) const {
  return Decode(block, [&](Series at, std::size_t n, PointDecoder& decoder, ByteReader& reader) {
    if (at == series) {
      const std::size_t begin = points.size();
      points.resize(begin + n);
      for (std::size_t i = 0; i < n; ++i) {
        points[begin + i] = decoder.Next(reader);
      }
    } else {
      for (std::size_t i = 0; i < n; ++i) {
        decoder.Next(reader);
      }
    }
  });
}

Result<void> Segment::ReadBlock(std::size_t block, std::vector<SeriesPoint>& points) const {
  return Decode(block, [&](Series at, std::size_t n, PointDecoder& decoder, ByteReader& reader) {
    for (std::size_t i = 0; i < n; ++i) {
      points.push_back({at, decoder.Next(reader)});
    }
  });
}

}  // namespace millrace::tracking::internal
