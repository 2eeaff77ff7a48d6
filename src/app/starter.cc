// SPDX-License-Identifier: Apache-2.0
// `millrace init`: a commented project that runs at once, from files embedded in the program.
#include "app/starter.h"

#include <nlohmann/json.hpp>

#include "app/embedded_files.h"
#include "base/file.h"
#include "base/json.h"

namespace millrace::app {

namespace fs = std::filesystem;

Result<cli::Document> InitProject(const fs::path& dir) {
  std::error_code error;
  if (fs::exists(dir, error)) {
    if (!fs::is_directory(dir, error) || !fs::is_empty(dir, error)) {
      return base::AlreadyExists("folder \"" + dir.string() +
                                 "\" exists and is not empty; wanted: a new or empty folder")
          .Hint("name another folder: millrace init DIR");
    }
    fs::remove(dir, error);  // the rename below puts the whole folder in its place
  }
  nlohmann::json files = nlohmann::json::array();
  const Result<void> written =
      base::ReplaceAtomic(dir, [&](const fs::path& temporary) -> Result<void> {
        for (const EmbeddedFile& file : StarterFiles()) {
          MILL_RETURN_IF_ERROR(base::WriteFileAtomic(temporary / file.name, file.bytes));
          files.push_back(std::string(file.name));
        }
        return {};
      });
  if (!written.ok()) {
    return Error(written.error()).With("making project " + dir.string());
  }
  cli::Document document;
  document.lines = {"made " + dir.string() + " with " + std::to_string(files.size()) + " files", "",
                    "Next:", "  millrace run " + dir.string(),
                    "  millrace validate " + dir.string()};
  document.json = base::DumpJson({{"project", dir.string()}, {"files", std::move(files)}});
  return document;
}

}  // namespace millrace::app
