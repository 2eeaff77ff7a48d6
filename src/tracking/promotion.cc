// SPDX-License-Identifier: Apache-2.0
// Approvals of versions, and promotions that need gates and approvals.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "store/metadata.h"
#include "tracking/internal/change.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/version_rows.h"
#include "tracking/registry.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;
using internal::VersionObject;
using store::Transaction;
using Json = nlohmann::json;

Json ApprovalsJson(const std::vector<Approval>& approvals) {
  Json json = Json::array();
  for (const Approval& approval : approvals) {
    json.push_back({{"approver", approval.approver},
                    {"time", approval.time_ms},
                    {"reason", approval.reason},
                    {"evidence", approval.evidence}});
  }
  return json;
}

}  // namespace

Result<void> Registry::Approve(const std::string& name, std::int64_t version,
                               const std::string& reason, const std::string& evidence) {
  if (actor_.empty()) {
    return base::InvalidArgument("an approval needs to say whose it is").Hint("name the approver");
  }
  if (reason.find_first_not_of(" \t\r\n") == std::string::npos) {
    return base::InvalidArgument("an approval of version " + std::to_string(version) + " of " +
                                 name + " needs a reason");
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetVersion(name, version));
  const std::int64_t now = NowMs();
  MILL_RETURN_IF_ERROR(metadata_.Execute(
      "INSERT INTO approvals (name, version, approver, time, reason, evidence) VALUES (?, ?, ?, ?, "
      "?, ?) ON CONFLICT (name, version, approver) DO UPDATE SET time = excluded.time, reason = "
      "excluded.reason, evidence = excluded.evidence",
      {name, version, actor_, now, reason, evidence}));
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_, {now, actor_, "model_version.approved", VersionObject(name, version),
                  Json{{"name", name},
                       {"version", std::to_string(version)},
                       {"approver", actor_},
                       {"reason", reason}},
                  evidence}));
  return transaction.Commit();
}

Result<void> Registry::WithdrawApproval(const std::string& name, std::int64_t version,
                                        const std::string& reason) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetVersion(name, version));
  MILL_ASSIGN_OR_RETURN(const std::int64_t withdrawn,
                        metadata_.ExecuteCounted(
                            "DELETE FROM approvals WHERE name = ? AND version = ? AND approver = ?",
                            {name, version, actor_}));
  if (withdrawn == 0) {
    return base::NotFound("version " + std::to_string(version) + " of " + name +
                          " has no approval by \"" + actor_ + "\"");
  }
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_, {NowMs(), actor_, "model_version.approval_withdrawn", VersionObject(name, version),
                  Json{{"name", name},
                       {"version", std::to_string(version)},
                       {"approver", actor_},
                       {"reason", reason}}}));
  return transaction.Commit();
}

Result<std::vector<Approval>> Registry::Approvals(const std::string& name, std::int64_t version) {
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query("SELECT approver, time, reason, evidence FROM approvals WHERE name = ? AND "
                      "version = ? ORDER BY time, approver",
                      {name, version}));
  std::vector<Approval> approvals;
  for (const store::Row& row : rows) {
    approvals.push_back({Text(row[0]), Int(row[1]), Text(row[2]), Text(row[3])});
  }
  return approvals;
}

Result<void> Registry::RequireApprovals(const std::string& name, int n_approvals) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const int before, RequiredApprovals(name));
  if (before != n_approvals) {
    MILL_RETURN_IF_ERROR(
        metadata_.Execute("UPDATE registered_models SET required_approvals = ? WHERE name = ?",
                          {std::int64_t{n_approvals}, name}));
    MILL_RETURN_IF_ERROR(internal::RecordChange(
        metadata_,
        {NowMs(), actor_, "registered_model.policy_changed", internal::ModelObject(name),
         Json{{"name", name}, {"required_approvals", n_approvals}, {"before", before}}}));
  }
  return transaction.Commit();
}

Result<int> Registry::RequiredApprovals(const std::string& name) {
  MILL_RETURN_IF_ERROR(internal::CheckModelExists(metadata_, name));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query("SELECT required_approvals FROM registered_models WHERE name = ?", {name}));
  return rows.empty() ? 0 : static_cast<int>(Int(rows[0][0]));
}

Result<void> Registry::CheckApprovals(const std::string& name, std::int64_t version) {
  MILL_ASSIGN_OR_RETURN(const int required, RequiredApprovals(name));
  MILL_ASSIGN_OR_RETURN(const std::vector<Approval> given, Approvals(name, version));
  if (static_cast<int>(given.size()) >= required) {
    return {};
  }
  return base::FailedPrecondition("version " + std::to_string(version) + " of " + name + " has " +
                                  std::to_string(given.size()) + " of " + std::to_string(required) +
                                  " approvals that its promotion needs")
      .Hint("approve it with: millrace models approve " + name + " " + std::to_string(version) +
            " --reason WHY");
}

Result<ModelVersion> Registry::Promote(const Promotion& promotion) {
  const std::string& name = promotion.name;
  if (promotion.alias.empty() == promotion.stage.empty()) {
    return base::InvalidArgument("a promotion needs either an alias or a stage");
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_RETURN_IF_ERROR(GetVersion(name, promotion.version));
  const Result<void> approved = CheckApprovals(name, promotion.version);
  if (!approved.ok() && approved.error().code() != ErrorCode::kFailedPrecondition) {
    return approved.error();
  }
  const bool holds = promotion.decision.promote && approved.ok();
  if (!holds && promotion.override_reason.empty()) {
    if (promotion.decision.promote) {
      return approved.error();
    }
    std::string sentence = promotion.decision.sentence;
    if (!approved.ok()) {
      sentence += "; " + approved.error().message();
    }
    return base::FailedPrecondition("version " + std::to_string(promotion.version) + " of " + name +
                                    " is not promoted: " + sentence)
        .Hint("make a better version, or override with a reason that is recorded");
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<Approval> approvals, Approvals(name, promotion.version));
  Json gates = Json::array();
  for (const GateCheck& check : promotion.decision.checks) {
    gates.push_back({{"name", check.name}, {"passed", check.passed}, {"sentence", check.sentence}});
  }
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_, {NowMs(), actor_, "model_version.promoted", VersionObject(name, promotion.version),
                  Json{{"name", name},
                       {"version", std::to_string(promotion.version)},
                       {"alias", promotion.alias},
                       {"stage", promotion.stage},
                       {"gates", gates},
                       {"approvals", ApprovalsJson(approvals)},
                       // Only where it was needed: a reason given in vain overrides nothing.
                       {"override_reason", holds ? "" : promotion.override_reason}},
                  promotion.evidence}));
  if (!promotion.alias.empty()) {
    MILL_RETURN_IF_ERROR(PutAlias(name, promotion.alias, promotion.version));
  } else {
    MILL_RETURN_IF_ERROR(
        PutStage(name, promotion.version, promotion.stage, promotion.archive_existing_versions));
  }
  MILL_RETURN_IF_ERROR(transaction.Commit());
  return GetVersion(name, promotion.version);
}

}  // namespace millrace::tracking
