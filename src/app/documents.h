// SPDX-License-Identifier: Apache-2.0
// The answers of the commands that look at something: runs, models, features, settings, this
// machine, schemas.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "app/environment.h"
#include "base/result.h"
#include "cli/document.h"

namespace millrace::app {

Result<cli::Document> ModelsList(Environment& environment);
Result<cli::Document> ModelsShow(Environment& environment, const std::string& name);

/// Every published view; with a view its columns and stored values of the keys, or of the first
/// ones.
Result<cli::Document> FeaturesShow(Environment& environment, const std::string& view,
                                   const std::vector<std::string>& keys);

/// @param workspace  the folder that is meant where no setting names one.
cli::Document ConfigShow(const cli::Settings& settings, const std::filesystem::path& workspace);

/// A key in a table: its text alone, without the quotes that set a text apart from a number in a
/// sentence.
std::string KeyCell(const features::EntityKey& key);

/// The kinds of project files with the JSON Schema of one: "millrace", "sources", "features",
/// "quality", "training", "endpoint", "monitor", "pipeline", and "run_report" for the object of
/// `run --json`. Empty kind: the list.
Result<cli::Document> Schema(const std::string& kind, const learners::LearnerRegistry& learners);

cli::Document Version();

}  // namespace millrace::app
