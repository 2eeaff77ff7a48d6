// SPDX-License-Identifier: Apache-2.0
// `millrace models`, fulfilled.
#include "app/app_actions.h"
#include "app/documents.h"
#include "app/documents_models.h"
#include "app/internal/ask.h"

namespace millrace::app {
namespace {

using Answer = Result<cli::Document> (*)(Environment&, const cli::ModelsOptions&);

Result<cli::Document> AskModels(const cli::Invocation& invocation,
                                const cli::ModelsOptions& options, Answer answer) {
  return internal::Ask(invocation,
                       [&](Environment& environment) { return answer(environment, options); });
}

}  // namespace

Result<cli::Document> AppActions::ModelsRegister(const cli::Invocation& invocation,
                                                 const cli::ModelsOptions& options) {
  return AskModels(invocation, options, app::ModelsRegister);
}

Result<cli::Document> AppActions::ModelsPromote(const cli::Invocation& invocation,
                                                const cli::ModelsOptions& options) {
  return AskModels(invocation, options, app::ModelsPromote);
}

Result<cli::Document> AppActions::ModelsAlias(const cli::Invocation& invocation,
                                              const cli::ModelsOptions& options) {
  return AskModels(invocation, options, app::ModelsAlias);
}

Result<cli::Document> AppActions::ModelsApprove(const cli::Invocation& invocation,
                                                const cli::ModelsOptions& options) {
  return AskModels(invocation, options, app::ModelsApprove);
}

Result<cli::Document> AppActions::ModelsGates(const cli::Invocation& invocation,
                                              const cli::ModelsOptions& options) {
  return AskModels(invocation, options, app::ModelsGates);
}

Result<cli::Document> AppActions::ModelsCard(const cli::Invocation& invocation,
                                             const cli::ModelsOptions& options) {
  return AskModels(invocation, options, app::ModelsCard);
}

Result<cli::Document> AppActions::ModelsDiff(const cli::Invocation& invocation,
                                             const cli::ModelsOptions& options) {
  return AskModels(invocation, options, app::ModelsDiff);
}

Result<cli::Document> AppActions::ModelsLineage(const cli::Invocation& invocation,
                                                const cli::ModelsOptions& options) {
  return AskModels(invocation, options, app::ModelsLineage);
}

Result<cli::Document> AppActions::ModelsAudit(const cli::Invocation& invocation,
                                              const cli::ModelsOptions& options) {
  return AskModels(invocation, options, app::ModelsAudit);
}

}  // namespace millrace::app
