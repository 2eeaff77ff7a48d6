// SPDX-License-Identifier: Apache-2.0
// Names of statuses and lifecycle stages.
#include "tracking/types.h"

namespace millrace::tracking {

std::string_view RunStatusName(RunStatus status) {
  switch (status) {
    case RunStatus::kRunning:
      return "RUNNING";
    case RunStatus::kScheduled:
      return "SCHEDULED";
    case RunStatus::kFinished:
      return "FINISHED";
    case RunStatus::kFailed:
      return "FAILED";
    case RunStatus::kKilled:
      return "KILLED";
  }
  return "RUNNING";
}

Result<RunStatus> ParseRunStatus(std::string_view name) {
  for (const RunStatus status : {RunStatus::kRunning, RunStatus::kScheduled, RunStatus::kFinished,
                                 RunStatus::kFailed, RunStatus::kKilled}) {
    if (RunStatusName(status) == name) {
      return status;
    }
  }
  return base::InvalidArgument("run status \"" + std::string(name) +
                               "\"; one of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED is wanted");
}

std::string_view LoggedModelStatusName(LoggedModelStatus status) {
  switch (status) {
    case LoggedModelStatus::kPending:
      return "LOGGED_MODEL_PENDING";
    case LoggedModelStatus::kReady:
      return "LOGGED_MODEL_READY";
    case LoggedModelStatus::kUploadFailed:
      return "LOGGED_MODEL_UPLOAD_FAILED";
  }
  return "LOGGED_MODEL_PENDING";
}

std::string_view LifecycleName(LifecycleStage stage) {
  return stage == LifecycleStage::kActive ? "active" : "deleted";
}

}  // namespace millrace::tracking
