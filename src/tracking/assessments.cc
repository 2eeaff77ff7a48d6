// SPDX-License-Identifier: Apache-2.0
// Assessments of traces.
#include <utility>

#include "base/ids.h"
#include "store/metadata.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/trace_rows.h"
#include "tracking/traces.h"

namespace millrace::tracking {
namespace {

using base::InvalidArgument;
using base::NotFound;
using store::Transaction;

Error NoAssessment(const std::string& trace_id, const std::string& assessment_id) {
  return NotFound("Assessment with ID '" + assessment_id + "' not found for trace '" + trace_id +
                  "'");
}

Result<void> SetValid(store::Metadata& metadata, const std::string& trace_id,
                      const std::string& assessment_id, bool is_valid) {
  MILL_ASSIGN_OR_RETURN(
      const std::int64_t n,
      metadata.ExecuteCounted(
          "UPDATE trace_assessments SET is_valid = ? WHERE trace_id = ? AND assessment_id = ?",
          {std::int64_t{is_valid ? 1 : 0}, trace_id, assessment_id}));
  return n == 0 ? NoAssessment(trace_id, assessment_id) : Result<void>();
}

}  // namespace

Result<Assessment> TraceStore::CreateAssessment(Assessment assessment) {
  if (assessment.kind.empty()) {
    return InvalidArgument("Assessment must have either feedback, expectation, or issue value");
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const TraceInfo trace,
                        internal::ReadTraceInfo(metadata_, assessment.trace_id));
  if (assessment.assessment_id.empty()) {
    assessment.assessment_id = "a-" + base::NewRunId();
  }
  if (assessment.create_time_ms == 0) {
    assessment.create_time_ms = NowMs();
  }
  if (assessment.last_update_time_ms == 0) {
    assessment.last_update_time_ms = NowMs();
  }
  assessment.is_valid = true;
  if (assessment.overrides.has_value() && !assessment.overrides->empty()) {
    MILL_RETURN_IF_ERROR(SetValid(metadata_, trace.trace_id, *assessment.overrides, false));
  }
  MILL_RETURN_IF_ERROR(internal::PutAssessment(metadata_, assessment));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return assessment;
}

Result<Assessment> TraceStore::GetAssessment(const std::string& trace_id,
                                             const std::string& assessment_id) {
  MILL_ASSIGN_OR_RETURN(std::vector<TraceInfo> infos,
                        internal::ReadTraceInfos(metadata_, std::span(&trace_id, 1)));
  if (infos.empty()) {
    return NotFound("Trace with request_id '" + trace_id + "' not found");
  }
  for (Assessment& assessment : infos.front().assessments) {
    if (assessment.assessment_id == assessment_id) {
      return std::move(assessment);
    }
  }
  return NoAssessment(trace_id, assessment_id);
}

Result<Assessment> TraceStore::UpdateAssessment(const std::string& trace_id,
                                                const std::string& assessment_id,
                                                const AssessmentUpdate& update) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(Assessment assessment, GetAssessment(trace_id, assessment_id));
  if (update.kind_and_body.has_value()) {
    const auto& [kind, body] = *update.kind_and_body;
    if (kind != assessment.kind) {
      return InvalidArgument(kind == "feedback"
                                 ? "Cannot update feedback value on an Expectation assessment."
                                 : "Cannot update expectation value on a Feedback assessment.");
    }
    assessment.body = body;
  }
  assessment.name = update.name.value_or(assessment.name);
  if (update.rationale.has_value()) {
    assessment.rationale = update.rationale;
  }
  for (const auto& [key, value] : update.metadata) {
    assessment.metadata[key] = value;
  }
  assessment.last_update_time_ms = NowMs();
  MILL_RETURN_IF_ERROR(internal::PutAssessment(metadata_, assessment));
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return assessment;
}

Result<void> TraceStore::DeleteAssessment(const std::string& trace_id,
                                          const std::string& assessment_id) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const TraceInfo trace, internal::ReadTraceInfo(metadata_, trace_id));
  for (const Assessment& assessment : trace.assessments) {
    if (assessment.assessment_id != assessment_id) {
      continue;
    }
    if (assessment.overrides.has_value()) {
      // What was replaced may have been deleted since.
      const Result<void> restored = SetValid(metadata_, trace_id, *assessment.overrides, true);
      if (!restored.ok() && restored.error().code() != ErrorCode::kNotFound) {
        return restored.error();
      }
    }
    MILL_RETURN_IF_ERROR(
        metadata_.Execute("DELETE FROM trace_assessments WHERE trace_id = ? AND assessment_id = ?",
                          {trace_id, assessment_id}));
  }
  return transaction.Commit();
}

}  // namespace millrace::tracking
