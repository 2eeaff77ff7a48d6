// SPDX-License-Identifier: Apache-2.0
// The answers of `millrace models` beyond looking: register, promote, alias, approve, card, diff,
// lineage, audit.
#pragma once

#include "app/environment.h"
#include "base/result.h"
#include "cli/actions.h"
#include "cli/document.h"

namespace millrace::app {

Result<cli::Document> ModelsRegister(Environment& environment, const cli::ModelsOptions& options);
/// Gates and required approvals are those of the project's training of that name, where the command
/// runs in a project that has one.
Result<cli::Document> ModelsPromote(Environment& environment, const cli::ModelsOptions& options);
Result<cli::Document> ModelsAlias(Environment& environment, const cli::ModelsOptions& options);
Result<cli::Document> ModelsApprove(Environment& environment, const cli::ModelsOptions& options);
Result<cli::Document> ModelsGates(Environment& environment, const cli::ModelsOptions& options);
Result<cli::Document> ModelsCard(Environment& environment, const cli::ModelsOptions& options);
Result<cli::Document> ModelsDiff(Environment& environment, const cli::ModelsOptions& options);
Result<cli::Document> ModelsLineage(Environment& environment, const cli::ModelsOptions& options);
/// kDataLoss where `verify` finds damage.
Result<cli::Document> ModelsAudit(Environment& environment, const cli::ModelsOptions& options);

}  // namespace millrace::app
