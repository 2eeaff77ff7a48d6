// SPDX-License-Identifier: Apache-2.0
// entry.json: what a cache entry says about itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/internal/cache.h"

namespace millrace::pipelines::internal {

/// Reaches disk; a reader meets no other, because entries of another format are made again.
inline constexpr int kEntryFormat = 1;

/// An output as recorded: path relative to the entry's `out`, content, and the stamp that stands
/// for it.
struct RecordedOutput {
  std::string name;
  std::string file;
  ContentHash hash;
  std::string stamp;
};

struct RecordedEntry {
  KeyParts parts;
  StepResult result;
  std::vector<RecordedOutput> outputs;
};

std::string EntryToJson(const std::string& step, const RecordedEntry& entry);
/// nullopt for a text that is damaged or of another format: the step runs again.
std::optional<RecordedEntry> EntryFromJson(std::string_view text);

}  // namespace millrace::pipelines::internal
