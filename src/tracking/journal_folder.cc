// SPDX-License-Identifier: Apache-2.0
// Lock files, the manifest as text, and the shared page.
#include "tracking/internal/journal_folder.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fcntl.h>
#include <set>
#include <string>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/file.h"
#include "tracking/internal/crc32c.h"

namespace millrace::tracking::internal {
namespace {

constexpr std::size_t kPageSize = 4096;
constexpr std::string_view kFirstLine = "millrace metric points 1";

/// A hash of the kernel's id of this boot; the same in all containers of the machine, and so is the
/// memory behind a shared page.
std::uint64_t BootHash() {
  static const std::uint64_t hash = [] {
    std::uint64_t word = 1;
    char text[64] = {};
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      const ssize_t size = read(fd, text, sizeof text);
      close(fd);
      if (size > 0) {
        const std::string_view id(text, static_cast<std::size_t>(size));
        word = (std::uint64_t{Crc32c(id, 1)} << 32) | Crc32c(id, 2) | 1U;
      }
    }
    return word;
  }();
  return hash;
}

Result<int> OpenFile(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return base::FromErrno(errno, "opening", path.string());
  }
  return fd;
}

std::string Hex(std::uint32_t word) {
  char text[16];
  std::snprintf(text, sizeof text, "%08x", word);
  return text;
}

std::filesystem::path Numbered(const std::filesystem::path& dir, const char* kind,
                               std::uint64_t number) {
  char name[48];
  std::snprintf(name, sizeof name, "%s-%08llu", kind, static_cast<unsigned long long>(number));
  return dir / name;
}

/// "word number [number]" lines of a manifest.
bool ParseLine(std::string_view line, PointManifest& manifest) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) {
    return false;
  }
  const std::string_view word = line.substr(0, space);
  std::uint64_t numbers[2] = {};
  std::size_t n_numbers = 0;
  const char* at = line.data() + space;
  const char* const end = line.data() + line.size();
  while (at != end) {
    if (*at != ' ' || n_numbers == 2) {
      return false;
    }
    const auto [next, error] = std::from_chars(at + 1, end, numbers[n_numbers]);
    if (error != std::errc()) {
      return false;
    }
    ++n_numbers;
    at = next;
  }
  if (n_numbers != (word == "frozen" ? 2U : 1U)) {
    return false;
  }
  if (word == "generation") {
    manifest.generation = numbers[0];
  } else if (word == "last") {
    manifest.last_segment = numbers[0];
  } else if (word == "rotations") {
    manifest.rotations = numbers[0];
  } else if (word == "segment") {
    manifest.segments.push_back(numbers[0]);
  } else if (word == "frozen") {
    manifest.frozen.push_back({numbers[0], numbers[1]});
  } else if (word == "active") {
    manifest.active = numbers[0];
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::string FormatManifest(const PointManifest& manifest) {
  std::string text(kFirstLine);
  text += "\ngeneration " + std::to_string(manifest.generation);
  text += "\nlast " + std::to_string(manifest.last_segment);
  text += "\nrotations " + std::to_string(manifest.rotations);
  for (const std::uint64_t segment : manifest.segments) {
    text += "\nsegment " + std::to_string(segment);
  }
  for (const FrozenJournal& frozen : manifest.frozen) {
    text += "\nfrozen " + std::to_string(frozen.number) + " " + std::to_string(frozen.end);
  }
  text += "\nactive " + std::to_string(manifest.active) + "\n";
  return text + "crc " + Hex(Crc32c(text)) + "\n";
}

Result<PointManifest> ParseManifest(std::string_view text) {
  const auto damaged = [](std::string_view what) {
    return base::DataLoss("the manifest of metric points " + std::string(what))
        .Hint("restore the file \"manifest\" from a copy of the workspace");
  };
  const std::size_t crc = text.rfind("crc ");
  if (crc == std::string_view::npos ||
      text.substr(crc) != "crc " + Hex(Crc32c(text.substr(0, crc))) + "\n") {
    return damaged("does not have its checksum");
  }
  std::string_view rest = text.substr(0, crc);
  PointManifest manifest;
  bool is_first = true;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    if (is_first && line != kFirstLine) {
      return base::FailedPrecondition("the manifest of metric points begins \"" +
                                      std::string(line.substr(0, 60)) + "\", wanted \"" +
                                      std::string(kFirstLine) + "\"")
          .Hint("use the Millrace that wrote it, or a newer one");
    }
    if (!is_first && !ParseLine(line, manifest)) {
      return damaged("has a line that is none: \"" + std::string(line.substr(0, 60)) + "\"");
    }
    is_first = false;
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return manifest;
}

namespace {

Result<void> LockFile(int fd, const std::filesystem::path& path) {
  while (flock(fd, LOCK_EX) != 0) {
    if (errno != EINTR) {
      return base::FromErrno(errno, "locking", path.string());
    }
  }
  return {};
}

Result<bool> TryLockFile(int fd, const std::filesystem::path& path) {
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return false;
    }
    if (errno != EINTR) {
      return base::FromErrno(errno, "locking", path.string());
    }
  }
  return true;
}

}  // namespace

Result<JournalFolder> JournalFolder::Open(const std::filesystem::path& dir) {
  MILL_RETURN_IF_ERROR(base::MakeDirectories(dir));
  JournalFolder folder(dir);
  MILL_ASSIGN_OR_RETURN(folder.turn_fd_, OpenFile(dir / "turn"));
  MILL_ASSIGN_OR_RETURN(folder.lock_fd_, OpenFile(dir / "lock"));
  MILL_ASSIGN_OR_RETURN(folder.compaction_fd_, OpenFile(dir / "compaction.lock"));
  MILL_ASSIGN_OR_RETURN(const int fd, OpenFile(dir / "state"));
  struct stat status = {};
  // Written, not only extended: a page without a block on a full disk would end the program.
  const bool has_page =
      fstat(fd, &status) == 0 &&
      (status.st_size >= static_cast<off_t>(kPageSize) ||
       pwrite(fd, std::string(kPageSize, '\0').data(), kPageSize, 0) == ssize_t{kPageSize});
  void* page =
      has_page ? mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  const int error = errno;
  close(fd);
  if (page == MAP_FAILED) {
    return base::FromErrno(error, "mapping", (dir / "state").string());
  }
  folder.page_ = static_cast<Page*>(page);
  return folder;
}

JournalFolder::JournalFolder(JournalFolder&& other) noexcept
    : dir_(std::move(other.dir_)),
      turn_fd_(std::exchange(other.turn_fd_, -1)),
      lock_fd_(std::exchange(other.lock_fd_, -1)),
      compaction_fd_(std::exchange(other.compaction_fd_, -1)),
      page_(std::exchange(other.page_, nullptr)) {
}

JournalFolder::~JournalFolder() {
  for (const int fd : {turn_fd_, lock_fd_, compaction_fd_}) {
    if (fd >= 0) {
      close(fd);
    }
  }
  if (page_ != nullptr) {
    munmap(page_, kPageSize);
  }
}

// The kernel does not hand a lock over: who unlocks and locks again at once would keep the others
// out for as long as it writes. Whoever waits for the lock holds the turn, and so comes before who
// wants the lock after it.
Result<void> JournalFolder::Lock() {
  MILL_RETURN_IF_ERROR(LockFile(turn_fd_, dir_ / "turn"));
  Result<void> locked = LockFile(lock_fd_, dir_ / "lock");
  flock(turn_fd_, LOCK_UN);
  return locked;
}

Result<bool> JournalFolder::TryLock() {
  MILL_ASSIGN_OR_RETURN(const bool has_turn, TryLockFile(turn_fd_, dir_ / "turn"));
  if (!has_turn) {
    return false;
  }
  Result<bool> locked = TryLockFile(lock_fd_, dir_ / "lock");
  flock(turn_fd_, LOCK_UN);
  return locked;
}

void JournalFolder::Unlock() {
  flock(lock_fd_, LOCK_UN);
}

Result<bool> JournalFolder::TryLockCompaction() {
  return TryLockFile(compaction_fd_, dir_ / "compaction.lock");
}

void JournalFolder::UnlockCompaction() {
  flock(compaction_fd_, LOCK_UN);
}

Result<PointManifest> JournalFolder::ReadManifest() const {
  Result<std::string> text = base::ReadFile(dir_ / "manifest");
  if (!text.ok()) {
    if (text.error().code() == base::ErrorCode::kNotFound) {
      return PointManifest();
    }
    return std::move(text).error();
  }
  Result<PointManifest> manifest = ParseManifest(*text);
  if (!manifest.ok()) {
    return std::move(manifest).error().With("reading " + (dir_ / "manifest").string());
  }
  return manifest;
}

Result<void> JournalFolder::ReplaceManifest(const PointManifest& manifest) const {
  return base::WriteFileAtomic(dir_ / "manifest", FormatManifest(manifest));
}

std::filesystem::path JournalFolder::JournalPath(std::uint64_t number) const {
  return Numbered(dir_, "journal", number);
}

std::filesystem::path JournalFolder::SegmentPath(std::uint64_t number) const {
  return Numbered(dir_, "segment", number);
}

void JournalFolder::RemoveStrangers(const PointManifest& manifest) const {
  std::set<std::filesystem::path> named;
  for (const std::uint64_t segment : manifest.segments) {
    named.insert(SegmentPath(segment));
  }
  for (const FrozenJournal& frozen : manifest.frozen) {
    named.insert(JournalPath(frozen.number));
  }
  named.insert(JournalPath(manifest.active));
  std::error_code error;
  std::vector<std::filesystem::path> strangers;
  for (auto entry = std::filesystem::directory_iterator(dir_, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    // Longer names are temporaries of a write that may be under way.
    const bool is_ours = (name.starts_with("journal-") || name.starts_with("segment-")) &&
                         name.size() == std::string_view("journal-00000000").size();
    if (is_ours && !named.contains(entry->path())) {
      strangers.push_back(entry->path());
    }
  }
  for (const std::filesystem::path& stranger : strangers) {
    std::filesystem::remove(stranger, error);
  }
  static_cast<void>(base::RemoveStaleTemporaries(dir_));
}

std::uint64_t JournalFolder::SizeOnDisk() const {
  constexpr std::uint64_t kBlock = 512;  // the unit of st_blocks
  std::uint64_t bytes = 0;
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator(dir_, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    struct stat status{};
    if (stat(entry->path().c_str(), &status) == 0) {
      bytes += static_cast<std::uint64_t>(status.st_blocks) * kBlock;
    }
  }
  return bytes;
}

bool JournalFolder::IsPageOfThisBoot() const {
  return page_->boot.load() == BootHash();
}

void JournalFolder::SetPageOfThisBoot() {
  page_->boot.store(BootHash());
}

}  // namespace millrace::tracking::internal
