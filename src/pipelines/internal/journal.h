// SPDX-License-Identifier: Apache-2.0
// The journal of a pipeline run: append-only JSON lines that tell after a crash how far it came.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/result.h"

namespace millrace::pipelines::internal {

/// One run's file `<pipeline>-<time>-<run id>.jsonl`. Thread-safe. Format:
/// docs/formats/pipeline_cache.md.
class Journal {
 public:
  /// Continues the newest journal of the pipeline if it has no end, otherwise begins one. Keeps the
  /// newest 50 of the pipeline.
  static Result<std::unique_ptr<Journal>> Open(const std::filesystem::path& dir,
                                               const std::string& pipeline,
                                               const base::Clock& clock);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  const std::string& run_id() const { return run_id_; }
  bool is_resumed() const { return is_resumed_; }

  /// Appends {"event": event, "time": now, ...fields}.
  ///
  /// @param is_durable  waits until the line is on disk.
  Result<void> Write(std::string_view event, nlohmann::json fields, bool is_durable);

 private:
  Journal(std::filesystem::path path, std::string run_id, bool is_resumed, const base::Clock& clock)
      : path_(std::move(path)),
        run_id_(std::move(run_id)),
        is_resumed_(is_resumed),
        clock_(clock) {}

  const std::filesystem::path path_;
  const std::string run_id_;
  const bool is_resumed_;
  const base::Clock& clock_;
  base::Mutex mutex_;
  int fd_ MILL_GUARDED_BY(mutex_) = -1;
};

}  // namespace millrace::pipelines::internal
