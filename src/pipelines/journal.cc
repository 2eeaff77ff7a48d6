// SPDX-License-Identifier: Apache-2.0
// Journal files; a torn last line (a crash while writing) is ended and skipped by readers.
#include "pipelines/internal/journal.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/ids.h"
#include "base/json.h"

namespace millrace::pipelines::internal {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kKeptJournals = 50;

// The id of a run that began and did not end.
struct OpenRun {
  std::string run_id;
  bool ends_torn = false;
};

std::optional<OpenRun> FindOpenRun(const fs::path& path) {
  const Result<std::string> text = base::ReadFile(path);
  if (!text.ok()) {
    return std::nullopt;
  }
  OpenRun run;
  std::size_t begin = 0;
  while (begin < text->size()) {
    const std::size_t end = text->find('\n', begin);
    const std::string_view line =
        std::string_view(*text).substr(begin, end == std::string::npos ? end : end - begin);
    begin = end == std::string::npos ? text->size() : end + 1;
    const Result<json> parsed = base::ParseJson(line, path.string());
    if (!parsed.ok() || !parsed->is_object()) {
      continue;
    }
    const json event = parsed->value("event", json());
    if (event == "end") {
      return std::nullopt;
    }
    if (event == "start" && parsed->value("run_id", json()).is_string()) {
      run.run_id = parsed->at("run_id").get<std::string>();
    }
  }
  run.ends_torn = !text->empty() && text->back() != '\n';
  return run.run_id.empty() ? std::nullopt : std::optional(run);
}

// Journals of a pipeline, oldest first: names begin with the time.
Result<std::vector<fs::path>> ListJournals(const fs::path& dir, const std::string& pipeline) {
  std::vector<fs::path> files;
  std::error_code code;
  // "<pipeline>-<15 characters of time>-<32 of id>.jsonl"
  const std::size_t length = pipeline.size() + 1 + 15 + 1 + 32 + 6;
  for (fs::directory_iterator entry(dir, code); !code && entry != fs::directory_iterator();
       entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (name.size() == length && name.starts_with(pipeline + "-") && name.ends_with(".jsonl")) {
      files.push_back(entry->path());
    }
  }
  if (code) {
    return base::FromErrno(code.value(), "listing", dir.string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// "20260102T030405"
std::string FileTime(Timestamp time) {
  std::string text = base::FormatTimestamp(time).substr(0, 19);
  std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
  return text;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(const fs::path& dir, const std::string& pipeline,
                                               const base::Clock& clock) {
  MILL_RETURN_IF_ERROR(base::MakeDirectories(dir));
  MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> files, ListJournals(dir, pipeline));
  const std::optional<OpenRun> open_run = files.empty() ? std::nullopt : FindOpenRun(files.back());
  const std::string run_id = open_run ? open_run->run_id : base::NewRunId();
  const fs::path path =
      open_run ? files.back()
               : dir / (pipeline + "-" + FileTime(clock.Now()) + "-" + run_id + ".jsonl");
  std::unique_ptr<Journal> journal(new Journal(path, run_id, open_run.has_value(), clock));
  {
    const base::MutexLock lock(journal->mutex_);
    journal->fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (journal->fd_ < 0) {
      return base::FromErrno(errno, "opening the journal", path.string());
    }
    if (open_run && open_run->ends_torn && ::write(journal->fd_, "\n", 1) != 1) {
      return base::FromErrno(errno, "writing the journal", path.string());
    }
  }
  MILL_RETURN_IF_ERROR(
      journal->Write(open_run ? "resume" : "start",
                     {{"run_id", run_id}, {"pipeline", pipeline}, {"pid", ::getpid()}}, true));
  for (std::size_t i = 0; i + kKeptJournals < files.size(); ++i) {
    std::error_code ignored;
    fs::remove(files[i], ignored);
  }
  return journal;
}

Journal::~Journal() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Result<void> Journal::Write(std::string_view event, json fields, bool is_durable) {
  fields["event"] = std::string(event);
  fields["time"] = base::FormatTimestamp(clock_.Now());
  const std::string line = base::DumpJson(fields) + "\n";
  const base::MutexLock lock(mutex_);
  const ssize_t written = ::write(fd_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    return base::FromErrno(written < 0 ? errno : ENOSPC, "writing the journal", path_.string());
  }
  if (is_durable && ::fdatasync(fd_) != 0) {
    return base::FromErrno(errno, "syncing the journal", path_.string());
  }
  return {};
}

}  // namespace millrace::pipelines::internal
