// SPDX-License-Identifier: Apache-2.0
// The files that all processes on one journal share: the lock, the manifest, and a page of memory
// that says how far the journal counts. Bytes: docs/formats/metric_journal.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::tracking::internal {

/// A place in the journal: byte `offset` of file `number`, as one word, so that it is read and
/// written at once.
struct JournalPosition {
  std::uint64_t number = 0;
  std::uint64_t offset = 0;
  static constexpr int kOffsetBits = 40;
  std::uint64_t Packed() const { return (number << kOffsetBits) | offset; }
  static JournalPosition Unpacked(std::uint64_t word) {
    return {word >> kOffsetBits, word & ((std::uint64_t{1} << kOffsetBits) - 1)};
  }
  friend bool operator==(const JournalPosition&, const JournalPosition&) = default;
};

/// A journal that no longer grows.
struct FrozenJournal {
  std::uint64_t number = 0;
  std::uint64_t end = 0;
  friend bool operator==(const FrozenJournal&, const FrozenJournal&) = default;
};

/// Which files count. Replaced as a whole.
struct PointManifest {
  /// Rises with each manifest; 0: nothing was ever written.
  std::uint64_t generation = 0;
  /// Greatest number of a segment so far.
  std::uint64_t last_segment = 0;
  /// How many active journals there were before this one.
  std::uint64_t rotations = 0;
  /// Oldest first.
  std::vector<std::uint64_t> segments;
  std::vector<FrozenJournal> frozen;
  /// Journals count from 1; 0: none yet.
  std::uint64_t active = 0;
  friend bool operator==(const PointManifest&, const PointManifest&) = default;
};

std::string FormatManifest(const PointManifest& manifest);
/// kDataLoss for anything that FormatManifest does not write.
Result<PointManifest> ParseManifest(std::string_view text);

/// One process's hands on the folder. The lock calls are for one thread at a time; the words of the
/// shared page are atomic.
class JournalFolder {
 public:
  static Result<JournalFolder> Open(const std::filesystem::path& dir);
  ~JournalFolder();
  JournalFolder(JournalFolder&& other) noexcept;
  JournalFolder& operator=(JournalFolder&&) = delete;
  JournalFolder(const JournalFolder&) = delete;

  /// Waits for the exclusive lock of those who append.
  Result<void> Lock();
  /// False where another has the lock or the turn.
  Result<bool> TryLock();
  void Unlock();
  /// The lock of the one process that compacts; false where another holds it.
  Result<bool> TryLockCompaction();
  void UnlockCompaction();

  /// Generation 0 where there is no manifest yet.
  Result<PointManifest> ReadManifest() const;
  Result<void> ReplaceManifest(const PointManifest& manifest) const;

  std::filesystem::path JournalPath(std::uint64_t number) const;
  std::filesystem::path SegmentPath(std::uint64_t number) const;
  const std::filesystem::path& dir() const { return dir_; }
  /// Bytes that the files in it take.
  std::uint64_t SizeOnDisk() const;
  /// Removes segments and journals that the manifest does not name; for the holder of both locks.
  void RemoveStrangers(const PointManifest& manifest) const;

  /// How far the journal counts for everybody; written by the holder of the lock only.
  JournalPosition position() const {
    return JournalPosition::Unpacked(page_->position.load(std::memory_order_acquire));
  }
  void SetPosition(JournalPosition position) {
    page_->position.store(position.Packed(), std::memory_order_release);
  }
  std::uint64_t generation() const { return page_->generation.load(std::memory_order_acquire); }
  void SetGeneration(std::uint64_t generation) {
    page_->generation.store(generation, std::memory_order_release);
  }
  /// Set while the holder of the lock writes: where the next holder finds it set, the last one
  /// died.
  bool dirty() const { return page_->dirty.load(std::memory_order_acquire) != 0; }
  void SetDirty(bool dirty) { page_->dirty.store(dirty ? 1 : 0, std::memory_order_release); }

  /// False after a restart of the machine: what the page says may be more than what the disk has.
  bool IsPageOfThisBoot() const;
  void SetPageOfThisBoot();

 private:
  struct Page {
    std::atomic<std::uint64_t> boot;
    std::atomic<std::uint64_t> position;
    std::atomic<std::uint64_t> generation;
    std::atomic<std::uint64_t> dirty;
  };
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

  explicit JournalFolder(std::filesystem::path dir) : dir_(std::move(dir)) {}

  std::filesystem::path dir_;
  int turn_fd_ = -1;
  int lock_fd_ = -1;
  int compaction_fd_ = -1;
  Page* page_ = nullptr;
};

}  // namespace millrace::tracking::internal
