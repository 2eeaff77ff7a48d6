// SPDX-License-Identifier: Apache-2.0
// A project at work: the SQL engine over its sources and tables, and its features compiled.
#include <algorithm>

#include "app/internal/project_errors.h"
#include "app/project.h"

namespace millrace::app {

Result<std::unique_ptr<data::SqlEngine>> OpenProjectEngine(const Context& context,
                                                           const Project& project, int threads) {
  data::DuckDbOptions options;
  options.threads = threads;
  MILL_ASSIGN_OR_RETURN(std::unique_ptr<data::SqlEngine> engine, data::OpenDuckDb(options));
  for (const auto& [name, source] : project.sources.sources) {
    auto files = data::FindSourceFiles(source, project.root);
    if (!files.ok()) {
      return std::move(files).error().At(name.where).With("source " + name.value);
    }
    MILL_RETURN_IF_ERROR(engine->AddFiles(name.value, *files).With("source " + name.value));
  }
  for (const data::SqlTable& table : project.tables) {
    auto made = engine->Query(context, "CREATE VIEW \"" + table.name + "\" AS " + table.sql);
    if (!made.ok()) {
      return std::move(made).error().At(table.where).With("table " + table.name);
    }
  }
  return engine;
}

Result<std::vector<features::ViewPlan>> CompileProjectFeatures(const Project& project,
                                                               data::SqlEngine& engine) {
  const features::SchemaOf schema_of =
      [&](std::string_view source) -> Result<std::vector<data::ColumnInfo>> {
    const bool is_table =
        std::any_of(project.tables.begin(), project.tables.end(),
                    [&](const data::SqlTable& table) { return table.name == source; });
    if (!is_table && project.FindSource(source) == nullptr) {
      return base::NotFound("table or source \"" + std::string(source) + "\" does not exist");
    }
    return engine.Describe("SELECT * FROM \"" + std::string(source) + "\"");
  };
  std::vector<features::ViewPlan> plans;
  base::ErrorList errors;
  for (const features::FeatureFile& file : project.features) {
    auto compiled = features::CompileFeatures(file, schema_of);
    if (!compiled.ok()) {
      internal::AddAll(compiled.error(), errors);
      continue;
    }
    for (features::ViewPlan& plan : *compiled) {
      plans.push_back(std::move(plan));
    }
  }
  if (!errors.empty()) {
    return errors.ToError();
  }
  return plans;
}

}  // namespace millrace::app
