// SPDX-License-Identifier: Apache-2.0
// The register stage: run, parameters, metrics, pictures and models into the workspace; a version;
// gates; the alias `champion`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "app/environment.h"
#include "app/project.h"
#include "app/stages.h"

namespace millrace::app {

/// The alias that endpoints follow.
inline constexpr const char* kChampion = "champion";

struct RegistrationInputs {
  std::vector<TrainedDir> trained;
  std::filesystem::path choice;
  std::filesystem::path training_set;
  std::filesystem::path labels;
  /// The folder of the evaluate step.
  std::filesystem::path evaluation;
  std::vector<ViewFile> views;
  /// What makes a repeated registration find the first one.
  std::string idempotency_key;
};

/// What a registration made, as written to registered.json.
struct Registered {
  std::string run_id;
  std::string model;
  std::int64_t version = 0;
  bool promoted = false;
  /// One sentence per gate.
  std::vector<std::string> gates;
  /// Learner to where its logged model lies (artifact_files.h).
  std::map<std::string, std::string> model_locations;
};

/// Registers, or finds what an interrupted or earlier call with the same key registered. Writes
/// registered.json into `out`.
Result<Registered> RegisterModel(const Context& context, Environment& environment,
                                 const Project& project, const TrainingSpec& training,
                                 const RegistrationInputs& inputs, const std::filesystem::path& out,
                                 StageOutput& output);

/// Reads registered.json.
Result<Registered> ReadRegistered(const std::filesystem::path& file);

}  // namespace millrace::app
