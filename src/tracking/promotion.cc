// SPDX-License-Identifier: Apache-2.0
// Approvals of versions, and promotions that need gates and approvals.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/config.h"
#include "base/json.h"
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

Json GatesJson(const GateDecision& decision) {
  Json gates = Json::array();
  for (const GateCheck& check : decision.checks) {
    gates.push_back({{"name", check.name}, {"passed", check.passed}, {"sentence", check.sentence}});
  }
  return gates;
}

/// What holds a version back: gates, approvals or both.
Result<void> Held(const ModelVersion& version, const GateDecision& decision,
                  const Result<void>& approved) {
  if (decision.promote) {
    return approved;
  }
  std::string sentence = decision.sentence;
  if (!approved.ok()) {
    sentence += "; " + approved.error().message();
  }
  return base::FailedPrecondition("version " + std::to_string(version.version) + " of " +
                                  version.name + " is not promoted: " + sentence)
      .Hint(
          "make a better version, or override with a reason that is recorded: millrace models "
          "promote " +
          version.name + " " + std::to_string(version.version) + " --override WHY");
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

Result<void> Registry::SetGates(const std::string& name, const std::optional<GateSpec>& gates) {
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const std::optional<GateSpec> before, Gates(name));
  const auto json = [](const std::optional<GateSpec>& spec) {
    return spec ? Json::parse(base::ConfigType<GateSpec>::ToJson(*spec)) : Json();
  };
  if (json(before) != json(gates)) {
    MILL_RETURN_IF_ERROR(metadata_.Execute(
        "UPDATE registered_models SET gates = ?, required_approvals = ? WHERE name = ?",
        {gates ? store::Value(base::DumpJson(json(gates))) : store::Value(),
         std::int64_t{gates ? gates->required_approvals : 0}, name}));
    MILL_RETURN_IF_ERROR(internal::RecordChange(
        metadata_, {NowMs(), actor_, "registered_model.policy_changed", internal::ModelObject(name),
                    Json{{"name", name}, {"gates", json(gates)}, {"before", json(before)}}}));
  }
  return transaction.Commit();
}

Result<std::optional<GateSpec>> Registry::Gates(const std::string& name) {
  MILL_RETURN_IF_ERROR(internal::CheckModelExists(metadata_, name));
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata_.Query("SELECT gates, required_approvals FROM registered_models WHERE name = ?",
                      {name}));
  if (rows.empty() || store::IsNull(rows[0][0])) {
    // Before version 5 of the tables only the approvals were kept.
    const int required = rows.empty() ? 0 : static_cast<int>(Int(rows[0][1]));
    return required == 0 ? std::optional<GateSpec>()
                         : GateSpec{.better_than_champion = false, .required_approvals = required};
  }
  auto gates = base::ReadConfig(GateSpec::Declared(), Text(rows[0][0]), "gates of " + name);
  if (!gates.ok()) {
    return std::move(gates).error();
  }
  return std::optional<GateSpec>(*std::move(gates));
}

Result<void> Registry::CheckApprovals(const std::string& name, std::int64_t version) {
  MILL_ASSIGN_OR_RETURN(const std::optional<GateSpec> gates, Gates(name));
  const int required = gates ? gates->required_approvals : 0;
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

Result<void> Registry::CheckPromotion(const std::string& name, std::int64_t version,
                                      const std::string& to) {
  MILL_ASSIGN_OR_RETURN(const ModelVersion candidate, GetVersion(name, version));
  MILL_ASSIGN_OR_RETURN(const std::optional<GateSpec> gates, Gates(name));
  if (!gates) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(const auto champion, FindByAlias(name, std::string(kChampionAlias)));
  const GateDecision decision = JudgeRecorded(*gates, candidate, champion);
  Result<void> held = Held(candidate, decision, CheckApprovals(name, version));
  if (held.ok() || held.error().code() != ErrorCode::kFailedPrecondition) {
    return held;
  }
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_, {NowMs(), actor_, "model_version.promotion_refused", VersionObject(name, version),
                  Json{{"name", name},
                       {"version", std::to_string(version)},
                       {"to", to},
                       {"gates", GatesJson(decision)},
                       {"reason", held.error().message()}}}));
  return held;
}

Result<void> Registry::CheckEvidence(const ModelVersion& version, const std::string& key,
                                     const std::string& value) {
  const auto given = version.tags.find(key);
  if ((key != kTestAucTag && key != kLabelHashTag) || given == version.tags.end() ||
      given->second == value) {
    return {};
  }
  MILL_ASSIGN_OR_RETURN(const std::optional<GateSpec> gates, Gates(version.name));
  if (!gates) {
    return {};
  }
  return base::FailedPrecondition("tag " + key + " of version " + std::to_string(version.version) +
                                  " of " + version.name + " is \"" + given->second +
                                  "\" and stays so: the model's gates are judged by it")
      .Hint("register a new version with what was measured");
}

Result<ModelVersion> Registry::Promote(const Promotion& promotion) {
  const std::string& name = promotion.name;
  if (promotion.alias.empty() == promotion.stage.empty()) {
    return base::InvalidArgument("a promotion needs either an alias or a stage");
  }
  MILL_ASSIGN_OR_RETURN(Transaction transaction, Transaction::Begin(metadata_));
  MILL_ASSIGN_OR_RETURN(const ModelVersion version, GetVersion(name, promotion.version));
  const Result<void> approved = CheckApprovals(name, promotion.version);
  if (!approved.ok() && approved.error().code() != ErrorCode::kFailedPrecondition) {
    return approved.error();
  }
  const bool holds = promotion.decision.promote && approved.ok();
  if (!holds && promotion.override_reason.empty()) {
    return Held(version, promotion.decision, approved).error();
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<Approval> approvals, Approvals(name, promotion.version));
  MILL_RETURN_IF_ERROR(internal::RecordChange(
      metadata_, {NowMs(), actor_, "model_version.promoted", VersionObject(name, promotion.version),
                  Json{{"name", name},
                       {"version", std::to_string(promotion.version)},
                       {"alias", promotion.alias},
                       {"stage", promotion.stage},
                       {"gates", GatesJson(promotion.decision)},
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
