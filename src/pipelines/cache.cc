// SPDX-License-Identifier: Apache-2.0
// Entries appear by one rename, with their record inside, so there is no moment in which outputs
// exist without it.
#include "pipelines/internal/cache.h"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>
#include <system_error>
#include <time.h>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "pipelines/internal/entry_json.h"

namespace millrace::pipelines::internal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::int64_t Nanos(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// Size and modification time of every file at or below a path, as one hash; the time a copy takes
// does not change content, so a changed stamp only means that the content is read again.
Result<std::string> StampOf(const fs::path& path) {
  std::vector<fs::path> files;
  std::error_code code;
  if (fs::is_directory(path, code)) {
    for (fs::recursive_directory_iterator entry(path, code);
         !code && entry != fs::recursive_directory_iterator(); entry.increment(code)) {
      if (entry->is_regular_file(code)) {
        files.push_back(entry->path());
      }
    }
    std::sort(files.begin(), files.end());
  } else {
    files.push_back(path);
  }
  if (code) {
    return base::FromErrno(code.value(), "listing", path.string());
  }
  base::Hasher hasher;
  for (const fs::path& file : files) {
    struct stat status{};
    if (::stat(file.c_str(), &status) != 0) {
      return base::FromErrno(errno, "looking at", file.string());
    }
    hasher.Add(file.lexically_relative(path).generic_string())
        .Add(std::int64_t{status.st_size})
        .Add(Nanos(status.st_mtim));
  }
  return hasher.Finish().Hex();
}

// A file from outside may be changed within the tick of the clock that stamps it, so a stamp
// younger than this proves nothing.
constexpr std::int64_t kSettledNanos = 1'000'000'000;

struct InputStamp {
  std::string text;
  bool is_settled = false;
};

Result<InputStamp> InputStampOf(const fs::path& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    return base::FromErrno(errno, "reading the input", path.string());
  }
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const std::int64_t youngest = std::max(Nanos(status.st_mtim), Nanos(status.st_ctim));
  InputStamp stamp;
  stamp.text = std::to_string(status.st_size) + " " + std::to_string(Nanos(status.st_mtim)) + " " +
               std::to_string(Nanos(status.st_ctim)) + " " + std::to_string(status.st_ino);
  stamp.is_settled = Nanos(now) - youngest > kSettledNanos;
  return stamp;
}

}  // namespace

Result<ContentHash> HashPath(const fs::path& path) {
  std::error_code code;
  return fs::is_directory(path, code) ? base::HashDirectory(path) : base::HashFile(path);
}

ContentHash KeyParts::Key(const std::string& step) const {
  base::Hasher hasher;
  hasher.Add("millrace step 1")
      .Add(step)
      .Add(version)
      .Add(params)
      .Add(seed)
      .Add(std::uint64_t{inputs.size()});
  for (const auto& [name, hash] : inputs) {
    hasher.Add(name).Add(hash);
  }
  return hasher.Finish();
}

std::string KeyParts::Difference(const KeyParts& older) const {
  if (version != older.version) {
    return "version changed";
  }
  if (params != older.params) {
    return "parameters changed";
  }
  if (seed != older.seed) {
    return "seed changed";
  }
  for (const auto& [name, hash] : inputs) {
    const auto found = older.inputs.find(name);
    if (found == older.inputs.end()) {
      return "input " + name + " is new";
    }
    if (found->second != hash) {
      return "input " + name + " changed";
    }
  }
  for (const auto& [name, hash] : older.inputs) {
    if (!inputs.contains(name)) {
      return "input " + name + " is gone";
    }
  }
  return "its cache entry is missing or was changed";
}

Result<std::unique_ptr<Cache>> Cache::Open(const fs::path& dir) {
  MILL_RETURN_IF_ERROR(base::MakeDirectories(dir / "steps"));
  MILL_RETURN_IF_ERROR(base::MakeDirectories(dir / "latest"));
  Result<store::FileLock> lock = store::FileLock::TryAcquire(dir / "lock", "");
  if (!lock.ok()) {
    return std::move(lock).error().With("another run is at work in the cache");
  }
  std::unique_ptr<Cache> cache(new Cache(dir, *std::move(lock)));
  std::error_code code;
  for (fs::directory_iterator entry(dir / "steps", code);
       !code && entry != fs::directory_iterator(); entry.increment(code)) {
    MILL_RETURN_IF_ERROR(base::RemoveStaleTemporaries(entry->path()));
  }
  if (code) {
    return base::FromErrno(code.value(), "listing", dir.string());
  }
  cache->LoadHashes();
  return cache;
}

fs::path Cache::EntryDir(const std::string& step, const ContentHash& key) const {
  return dir_ / "steps" / step / key.Hex();
}

void Cache::LoadHashes() {
  const base::MutexLock lock(mutex_);
  const Result<std::string> text = base::ReadFile(dir_ / "inputs.json");
  if (!text.ok()) {
    return;  // Only a shortcut: without it the inputs are read again.
  }
  const Result<json> parsed = base::ParseJson(*text, "inputs.json");
  if (!parsed.ok() || !parsed->is_object()) {
    return;
  }
  for (const auto& [path, value] : parsed->items()) {
    if (value.is_object() && value.value("hash", json()).is_string() &&
        value.value("stamp", json()).is_string()) {
      const Result<ContentHash> hash = base::ParseContentHash(value["hash"].get<std::string>());
      if (hash.ok()) {
        known_[path] = {value["stamp"].get<std::string>(), *hash};
      }
    }
  }
}

Result<void> Cache::SaveHashes() {
  const base::MutexLock lock(mutex_);
  if (!is_changed_) {
    return {};
  }
  json all = json::object();
  for (const auto& [path, known] : known_) {
    all[path] = {{"stamp", known.stamp}, {"hash", known.hash.Hex()}};
  }
  is_changed_ = false;
  return base::WriteFileAtomic(dir_ / "inputs.json", base::DumpJsonPretty(all));
}

Result<ContentHash> Cache::HashInput(const fs::path& path) {
  std::error_code code;
  if (fs::is_directory(path, code)) {
    // File by file, so that one new file does not make all others be read again.
    std::vector<fs::path> files;
    for (fs::recursive_directory_iterator entry(path, code);
         !code && entry != fs::recursive_directory_iterator(); entry.increment(code)) {
      if (entry->is_regular_file(code)) {
        files.push_back(entry->path());
      }
    }
    if (code) {
      return base::FromErrno(code.value(), "listing", path.string());
    }
    std::sort(files.begin(), files.end());
    base::Hasher hasher;
    for (const fs::path& file : files) {
      MILL_ASSIGN_OR_RETURN(const ContentHash hash, HashInput(file));
      hasher.Add(file.lexically_relative(path).generic_string()).Add(hash);
    }
    return hasher.Finish();
  }
  const std::string name = fs::absolute(path, code).lexically_normal().string();
  MILL_ASSIGN_OR_RETURN(const InputStamp stamp, InputStampOf(path));
  const base::MutexLock lock(mutex_);
  if (const auto found = known_.find(name);
      found != known_.end() && found->second.stamp == stamp.text) {
    return found->second.hash;
  }
  MILL_ASSIGN_OR_RETURN(const ContentHash hash, base::HashFile(path));
  MILL_ASSIGN_OR_RETURN(const InputStamp after, InputStampOf(path));
  if (stamp.is_settled && after.text == stamp.text) {
    known_[name] = {stamp.text, hash};
    is_changed_ = true;
  }
  return hash;
}

std::optional<CacheEntry> Cache::Find(const StepInfo& info, const ContentHash& key) {
  const fs::path dir = EntryDir(info.name, key);
  const Result<std::string> text = base::ReadFile(dir / "entry.json");
  std::optional<RecordedEntry> recorded = text.ok() ? EntryFromJson(*text) : std::nullopt;
  if (!recorded || recorded->outputs.size() != info.outputs.size()) {
    return std::nullopt;
  }
  CacheEntry entry{std::move(recorded->parts), std::move(recorded->result), {}, dir / "out"};
  for (std::size_t i = 0; i < info.outputs.size(); ++i) {
    const RecordedOutput& output = recorded->outputs[i];
    if (output.name != info.outputs[i].name || output.file != info.outputs[i].file) {
      return std::nullopt;
    }
    const fs::path file = entry.out / output.file;
    const Result<std::string> stamp = StampOf(file);
    if (!stamp.ok()) {
      return std::nullopt;
    }
    if (*stamp != output.stamp) {
      const Result<ContentHash> hash = HashPath(file);
      if (!hash.ok() || *hash != output.hash) {
        return std::nullopt;
      }
    }
    entry.outputs.push_back({output.name, file, output.hash});
  }
  // Says that the entry was used, for Trim.
  std::error_code ignored;
  fs::last_write_time(dir / "entry.json", fs::file_time_type::clock::now(), ignored);
  return entry;
}

std::optional<KeyParts> Cache::LatestParts(const std::string& step) const {
  const Result<std::string> text = base::ReadFile(dir_ / "latest" / step / ".." / "entry.json");
  std::optional<RecordedEntry> entry = text.ok() ? EntryFromJson(*text) : std::nullopt;
  return entry ? std::optional(std::move(entry->parts)) : std::nullopt;
}

Result<CacheEntry> Cache::Publish(
    const StepInfo& info, const KeyParts& parts,
    const std::function<Result<void>(const fs::path&, StepResult&)>& work,
    const std::function<void(std::string_view)>& on_point, StepResult& result) {
  const fs::path dir = EntryDir(info.name, parts.Key(info.name));
  CacheEntry entry{parts, {}, {}, dir / "out"};
  std::optional<Error> own_error;
  const auto fill = [&](const fs::path& temporary) -> Result<void> {
    MILL_RETURN_IF_ERROR(base::MakeDirectories(temporary / "out"));
    on_point("claimed");
    Result<void> done = work(temporary / "out", result);
    if (!done.ok()) {
      own_error = done.error();
      return done;
    }
    on_point("ran");
    RecordedEntry recorded{parts, result, {}};
    for (const OutputSpec& output : info.outputs) {
      const fs::path file = temporary / "out" / output.file;
      std::error_code code;
      if (!fs::exists(file, code)) {
        own_error = base::Internal("the step did not write its output \"" + output.file + "\"");
        return *own_error;
      }
      MILL_ASSIGN_OR_RETURN(const ContentHash hash, HashPath(file));
      MILL_ASSIGN_OR_RETURN(std::string stamp, StampOf(file));
      recorded.outputs.push_back({output.name, output.file, hash, std::move(stamp)});
      entry.outputs.push_back({output.name, dir / "out" / output.file, hash});
    }
    MILL_RETURN_IF_ERROR(
        base::AppendFile(temporary / "entry.json", EntryToJson(info.name, recorded)));
    on_point("recorded");
    return {};
  };
  Result<void> published = base::ReplaceAtomic(dir, fill);
  if (own_error) {
    return *std::move(own_error);  // Without the path of the cache, which is not what went wrong.
  }
  if (!published.ok()) {
    return std::move(published).error();
  }
  on_point("published");
  entry.result = result;
  return entry;
}

Result<void> Cache::MarkLatest(const std::string& step, const ContentHash& key) {
  const fs::path link = dir_ / "latest" / step;
  const fs::path target = fs::path("..") / "steps" / step / key.Hex() / "out";
  std::error_code code;
  if (fs::read_symlink(link, code) == target && !code) {
    return {};
  }
  const fs::path temporary = dir_ / "latest" / ("." + step + ".new");
  fs::remove(temporary, code);
  fs::create_directory_symlink(target, temporary, code);
  if (!code) {
    fs::rename(temporary, link, code);
  }
  if (code) {
    return base::FromErrno(code.value(), "linking", link.string());
  }
  return {};
}

void Cache::Trim(const std::string& step, int kept, const ContentHash& used) const {
  std::error_code code;
  std::vector<std::pair<fs::file_time_type, fs::path>> entries;
  for (fs::directory_iterator entry(dir_ / "steps" / step, code);
       !code && entry != fs::directory_iterator(); entry.increment(code)) {
    const fs::path name = entry->path().filename();
    if (name != used.Hex() && name.string().front() != '.') {
      std::error_code missing;
      const fs::file_time_type time = fs::last_write_time(entry->path() / "entry.json", missing);
      entries.emplace_back(missing ? fs::file_time_type::min() : time, entry->path());
    }
  }
  std::sort(entries.rbegin(), entries.rend());
  for (std::size_t i = static_cast<std::size_t>(std::max(kept, 1) - 1); i < entries.size(); ++i) {
    // What cannot be removed now is tried again by the next run.
    fs::remove_all(entries[i].second, code);
  }
}

}  // namespace millrace::pipelines::internal
