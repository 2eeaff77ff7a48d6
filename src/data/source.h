// SPDX-License-Identifier: Apache-2.0
// Sources: where raw data comes from, declared in sources.yaml as globs of files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/context.h"
#include "base/result.h"
#include "data/table.h"

namespace millrace::data {

/// One source of sources.yaml.
struct SourceSpec {
  std::string description;
  /// Globs (`*`, `?` within a name) or paths, relative to the project, or URIs.
  std::vector<std::string> files;

  static const base::Declaration<SourceSpec>& Declared();
};

/// The file sources.yaml: `sources: {name: {...}}`.
struct SourcesFile {
  base::OrderedMap<SourceSpec> sources;

  static const base::Declaration<SourcesFile>& Declared();
};

/// The files of a source, each once, in the order of their paths: the `sequence` of a row is its
/// position in this order.
///   - kNotFound names a pattern that matches nothing and the folder that was searched.
Result<std::vector<std::filesystem::path>> FindSourceFiles(const SourceSpec& source,
                                                           const std::filesystem::path& project);

/// All rows of the files in that order (.parquet, .csv, .csv.gz).
Result<Table> ReadSource(const Context& context, const SourceSpec& source,
                         const std::filesystem::path& project);

}  // namespace millrace::data
