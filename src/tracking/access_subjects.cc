// SPDX-License-Identifier: Apache-2.0
// Access control: what a permission must be had on where a request names something else. (Runs:
// access_now.cc.)
#include <utility>

#include "store/metadata.h"
#include "tracking/access.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using store::Row;

Result<std::string> OnlyText(store::Metadata& metadata, std::string_view sql,
                             const std::string& param, const std::string& not_found) {
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows, metadata.Query(sql, {param}));
  if (rows.empty()) {
    return base::NotFound(not_found);
  }
  return std::to_string(Int(rows[0][0]));
}

}  // namespace

Result<std::string> Access::ExperimentOfLoggedModel(const std::string& model_id) {
  return OnlyText(metadata_, "SELECT experiment_id FROM logged_models WHERE model_id = ?", model_id,
                  "Logged model with ID '" + model_id + "' not found.");
}

Result<std::string> Access::ExperimentOfTrace(const std::string& trace_id) {
  return OnlyText(metadata_, "SELECT experiment_id FROM traces WHERE trace_id = ?", trace_id,
                  "Trace with ID '" + trace_id + "' not found.");
}

Result<std::string> Access::ExperimentOfScorer(const std::string& scorer_id) {
  return OnlyText(metadata_, "SELECT experiment_id FROM scorers WHERE scorer_id = ?", scorer_id,
                  "Scorer with ID '" + scorer_id + "' not found.");
}

Result<std::string> Access::ExperimentOfIssue(const std::string& issue_id) {
  return OnlyText(metadata_, "SELECT experiment_id FROM issues WHERE issue_id = ?", issue_id,
                  "Issue with ID '" + issue_id + "' not found");
}

Result<std::vector<std::string>> Access::ExperimentsOfEvaluationDataset(
    const std::string& dataset_id) {
  std::vector<std::string> ids;
  MILL_RETURN_IF_ERROR(metadata_.ForEach(
      "SELECT experiment_id FROM evaluation_dataset_experiments WHERE dataset_id = ?", {dataset_id},
      [&ids](store::RowView row) { ids.push_back(std::to_string(store::IntOr(row[0], 0))); }));
  return ids;
}

Result<std::string> Access::ExperimentOfName(const std::string& name) {
  return OnlyText(metadata_, "SELECT experiment_id FROM experiments WHERE name = ?", name,
                  "Could not find experiment with name " + name);
}

Result<Resource> Access::ModelOrPrompt(const std::string& name) {
  MILL_ASSIGN_OR_RETURN(const std::vector<Row> rows,
                        metadata_.Query("SELECT 1 FROM registered_model_tags WHERE name = ? AND "
                                        "key = 'mlflow.prompt.is_prompt' AND LOWER(value) = 'true'",
                                        {name}));
  return Resource{rows.empty() ? ResourceKind::kRegisteredModel : ResourceKind::kPrompt, name};
}

}  // namespace millrace::tracking
