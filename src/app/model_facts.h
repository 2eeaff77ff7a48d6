// SPDX-License-Identifier: Apache-2.0
// Everything that the workspace knows of one version of a model, for its card, its diff and its
// lineage.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/environment.h"
#include "base/result.h"
#include "evaluation/model_card.h"
#include "tracking/audit.h"
#include "tracking/gates.h"
#include "tracking/lineage.h"
#include "tracking/registry.h"

namespace millrace::app {

struct ModelFacts {
  tracking::RegisteredModel model;
  tracking::ModelVersion version;
  /// None where the version names no run, or one that is not here.
  std::optional<tracking::Run> run;
  std::vector<tracking::Approval> approvals;
  /// The last promotion of this version, as the audit log has it.
  std::optional<tracking::AuditEntry> promotion;
  /// Of the model's files on this machine; empty where they are not.
  std::filesystem::path folder;
  std::vector<std::string> features;
  tracking::LineageGraph lineage;
};

Result<ModelFacts> ReadModelFacts(Environment& environment, const std::string& name,
                                  std::int64_t version);
evaluation::ModelCard MakeModelCard(Environment& environment, const ModelFacts& facts);

/// The folder of a version's files, where it is on this machine; empty otherwise.
std::filesystem::path LocalModelFolder(Environment& environment,
                                       const tracking::ModelVersion& version);
/// kFailedPrecondition unless the folder's MLmodel file has a signature and an input example.
Result<void> CheckSignatureAndExample(const std::filesystem::path& folder);
/// The same for the files of a version, wherever they are kept; kInvalidArgument where they cannot
/// be read too.
Result<void> CheckVersionFiles(Environment& environment, const tracking::ModelVersion& version);

/// The gates that the project declares for its training of that name; none where it has none.
Result<std::optional<tracking::GateSpec>> GatesOf(Environment& environment,
                                                  const std::string& model);
}  // namespace millrace::app
