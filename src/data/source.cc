// SPDX-License-Identifier: Apache-2.0
// Sources: the declaration, and globs to files in a fixed order.
#include "data/source.h"

#include <algorithm>
#include <string_view>
#include <system_error>
#include <utility>

#include <fnmatch.h>

#include "data/csv.h"
#include "data/location.h"

namespace millrace::data {
namespace {

namespace fs = std::filesystem;

bool HasGlob(std::string_view text) {
  return text.find_first_of("*?[") != std::string_view::npos;
}

// Adds every path that matches `rest` (path components) below `dir`.
void Expand(const fs::path& dir, std::span<const fs::path> rest, std::vector<fs::path>& found) {
  std::error_code error;
  if (rest.empty()) {
    if (fs::is_regular_file(dir, error)) {
      found.push_back(dir);
    }
    return;
  }
  const std::string pattern = rest[0].string();
  if (!HasGlob(pattern)) {
    Expand(dir / rest[0], rest.subspan(1), found);
    return;
  }
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    // FNM_PERIOD: a pattern does not find hidden files, among them temporaries of a writer that is
    // at work.
    if (fnmatch(pattern.c_str(), name.c_str(), FNM_PERIOD) == 0) {
      Expand(it->path(), rest.subspan(1), found);
    }
  }
}

Result<std::vector<fs::path>> FilesOf(const std::string& pattern, const fs::path& project) {
  std::string text = pattern;
  if (text.find("://") != std::string::npos) {
    MILL_ASSIGN_OR_RETURN(const Location location, Location::Parse(text));
    if (!location.is_local()) {
      return std::vector<fs::path>{fs::path(text)};
    }
    text = location.path();
  }
  const fs::path path(text);
  std::vector<fs::path> parts;
  for (const fs::path& part : path.relative_path()) {
    parts.push_back(part);
  }
  const fs::path start = path.is_absolute() ? path.root_path() : project;
  std::vector<fs::path> found;
  Expand(start, parts, found);
  if (found.empty()) {
    return base::NotFound("\"" + pattern + "\" matches no file; looked in " +
                          fs::absolute(start).string())
        .Hint("put the data there, or correct `files` of the source in sources.yaml");
  }
  return found;
}

}  // namespace

const base::Declaration<SourceSpec>& SourceSpec::Declared() {
  static const base::Declaration<SourceSpec> declared =
      base::Declaration<SourceSpec>(
          "source", "Where raw data comes from: files of one kind with the same columns.")
          .Field("description", &SourceSpec::description,
                 "What the data is and where it comes from.")
          .Field("files", &SourceSpec::files,
                 "Paths or patterns (* and ?) relative to the project, or URIs (file://, s3://, "
                 "abfs://); .parquet, .csv "
                 "or .csv.gz. Rows count in the order of the paths.",
                 {.required = true});
  return declared;
}

const base::Declaration<SourcesFile>& SourcesFile::Declared() {
  static const base::Declaration<SourcesFile> declared =
      base::Declaration<SourcesFile>("sources", "The sources of a project (sources.yaml).")
          .Field("sources", &SourcesFile::sources, "Each source under its name.",
                 {.required = true});
  return declared;
}

Result<std::vector<fs::path>> FindSourceFiles(const SourceSpec& source, const fs::path& project) {
  if (source.files.empty()) {
    return base::InvalidArgument("the source names no files; wanted at least one path or pattern")
        .Hint("write files: [data/*.parquet]");
  }
  std::vector<fs::path> files;
  for (const std::string& pattern : source.files) {
    MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> found, FilesOf(pattern, project));
    files.insert(files.end(), found.begin(), found.end());
  }
  std::sort(files.begin(), files.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

Result<Table> ReadSource(const Context& context, const SourceSpec& source,
                         const fs::path& project) {
  MILL_ASSIGN_OR_RETURN(const std::vector<fs::path> files, FindSourceFiles(source, project));
  std::vector<Table> tables;
  for (const fs::path& file : files) {
    MILL_ASSIGN_OR_RETURN(const Location location, Location::Parse(file.string()));
    MILL_ASSIGN_OR_RETURN(Table table, ReadAny(context, location));
    if (!tables.empty()) {
      const Table pair[] = {tables[0].Slice(0, 0), table.Slice(0, 0)};
      MILL_RETURN_IF_ERROR(Table::Concatenate(pair).With("comparing " + file.string() + " with " +
                                                         files[0].string()));
    }
    tables.push_back(std::move(table));
  }
  return Table::Concatenate(tables);
}

}  // namespace millrace::data
