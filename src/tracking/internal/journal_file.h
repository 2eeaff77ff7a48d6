// SPDX-License-Identifier: Apache-2.0
// One file of the journal: checked records one after the other, in space that is written ahead.
// Bytes: docs/formats/metric_journal.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tracking/internal/metric_points.h"

namespace millrace::tracking::internal {

/// On disk.
enum class RecordKind : std::uint8_t { kPoints = 1, kErase = 2 };

struct JournalRecord {
  RecordKind kind = RecordKind::kPoints;
  /// The SQL transaction that it belongs to; 0: none.
  std::int64_t commit_number = 0;
  std::uint32_t n_points = 0;
  std::string_view payload;
};

/// Where a record begins, and the checksum of the record before it: each record's checksum covers
/// the last one's, so that bytes that an older, longer tail left behind never count.
struct JournalCursor {
  std::uint64_t offset = 0;
  std::uint32_t chain = 0;
};

/// The payload of points, which may have any order. Points of one series in a row share its key.
std::string EncodePoints(std::span<const SeriesPoint> points);
/// Calls `visit` for each point. kDataLoss where the payload is none.
Result<void> DecodePoints(std::string_view payload,
                          const std::function<void(Series, std::span<const MetricPoint>)>& visit);
std::string EncodeRunKeys(std::span<const std::int64_t> run_keys);
Result<std::vector<std::int64_t>> DecodeRunKeys(std::string_view payload);

/// Movable. Reads and appends are for one thread at a time.
class JournalFile {
 public:
  static constexpr std::uint64_t kHeaderSize = 64;
  static constexpr std::size_t kRecordHeaderSize = 24;

  /// Makes the file, durable on return.
  static Result<JournalFile> Create(const std::filesystem::path& path, std::uint64_t number);
  /// kDataLoss where the header is not the one of this number; kFailedPrecondition for a newer
  /// format.
  static Result<JournalFile> Open(const std::filesystem::path& path, std::uint64_t number);
  JournalFile() = default;
  ~JournalFile();
  JournalFile(JournalFile&& other) noexcept;
  JournalFile& operator=(JournalFile&& other) noexcept;
  JournalFile(const JournalFile&) = delete;
  JournalFile& operator=(const JournalFile&) = delete;

  std::uint64_t number() const { return number_; }
  JournalCursor begin() const { return {kHeaderSize, header_chain_}; }

  /// Visits the whole records from `from` up to byte `limit`, or up to the first that is not whole.
  /// `visit` gets where the record begins and where the next one would. Returns where it stopped.
  Result<JournalCursor> Scan(
      JournalCursor from, std::uint64_t limit,
      const std::function<Result<void>(const JournalRecord&, JournalCursor begin,
                                       JournalCursor end)>& visit) const;

  /// Writes a record at `at`. kResourceExhausted on a full disk; then nothing counts as written.
  Result<JournalCursor> Append(JournalCursor at, const JournalRecord& record);
  /// fdatasync.
  Result<void> Sync() const;
  /// Makes the record at `at` none, durably.
  Result<void> Cut(JournalCursor at) const;

 private:
  JournalFile(int fd, std::filesystem::path path, std::uint64_t number)
      : fd_(fd), path_(std::move(path)), number_(number) {}
  void Extend(std::uint64_t size);

  int fd_ = -1;
  std::filesystem::path path_;
  std::uint64_t number_ = 0;
  std::uint32_t header_chain_ = 0;
  /// Bytes that surely exist in the file.
  std::uint64_t known_size_ = 0;
};

/// `error` as base::FromErrno; a file over its limit counts as a full disk.
base::Error JournalError(int error_number, std::string_view doing,
                         const std::filesystem::path& path);

}  // namespace millrace::tracking::internal
