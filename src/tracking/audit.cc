// SPDX-License-Identifier: Apache-2.0
// Appends to, reads and verifies the audit log.
#include "tracking/audit.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/json.h"
#include "store/metadata.h"
#include "tracking/internal/change.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/webhook_events.h"

namespace millrace::tracking {
namespace {

using internal::Int;
using internal::Text;

constexpr std::string_view kColumns =
    "SELECT number, time, actor, action, object, details, evidence, previous_hash, hash "
    "FROM audit_log ";
/// Entries in memory at once while the log is verified.
constexpr std::int64_t kBlock = 1000;

AuditEntry FromRow(const store::Row& row) {
  return {Int(row[0]),  Int(row[1]),  Text(row[2]), Text(row[3]), Text(row[4]),
          Text(row[5]), Text(row[6]), Text(row[7]), Text(row[8])};
}

std::string Label(const AuditEntry& entry) {
  return "entry " + std::to_string(entry.number) + " (" + entry.action + " of " + entry.object +
         ")";
}

}  // namespace

std::string AuditHash(const AuditEntry& entry) {
  // Canonical JSON: the keys are sorted and every text is quoted, so that no two entries hash the
  // same bytes.
  const nlohmann::json json = {
      {"number", entry.number},     {"time", entry.time_ms},
      {"actor", entry.actor},       {"action", entry.action},
      {"object", entry.object},     {"details", entry.details},
      {"evidence", entry.evidence}, {"previous_hash", entry.previous_hash}};
  return base::Sha256Hex(base::DumpJson(json));
}

namespace internal {

Result<void> AppendAudit(store::Metadata& metadata, const Change& change) {
  // The update takes the row's lock: appends of other processes wait here until this transaction
  // ends, so that no two entries follow the same one.
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> head,
                        metadata.Query("UPDATE audit_head SET number = number + 1 WHERE id = 1 "
                                       "RETURNING number, hash"));
  if (head.empty()) {
    return base::DataLoss("table audit_head is empty; its one row is wanted")
        .Hint("restore the metadata database from a backup");
  }
  AuditEntry entry;
  entry.number = Int(head[0][0]);
  entry.time_ms = change.time_ms;
  entry.actor = change.actor;
  entry.action = change.action;
  entry.object = change.object;
  entry.details = base::DumpJson(change.details);
  entry.evidence = change.evidence;
  entry.previous_hash = Text(head[0][1]);
  entry.hash = AuditHash(entry);
  MILL_RETURN_IF_ERROR(metadata.Execute(
      "INSERT INTO audit_log (number, time, actor, action, object, details, evidence, "
      "previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {entry.number, entry.time_ms, entry.actor, entry.action, entry.object, entry.details,
       entry.evidence, entry.previous_hash, entry.hash}));
  return metadata.Execute("UPDATE audit_head SET hash = ? WHERE id = 1", {entry.hash});
}

Result<void> RecordChange(store::Metadata& metadata, const Change& change) {
  MILL_RETURN_IF_ERROR(AppendAudit(metadata, change));
  return QueueDeliveries(metadata, change);
}

}  // namespace internal

Result<std::vector<AuditEntry>> ReadAudit(store::Metadata& metadata, const AuditQuery& query) {
  std::string where;
  std::vector<store::Value> params;
  if (!query.object.empty()) {
    // "models:/churn/3" begins with "models:/churn/": a model's entries are those of the model and
    // those that begin with its name and a slash; a version's those of itself and its model.
    const std::size_t name_end = query.object.find('/', std::string_view("models:/").size());
    if (name_end == std::string::npos) {
      const std::string prefix = query.object + "/";
      where = "WHERE object = ? OR SUBSTR(object, 1, LENGTH(?)) = ? ";
      params = {query.object, prefix, prefix};
    } else {
      where = "WHERE object = ? OR object = ? ";
      params = {query.object, query.object.substr(0, name_end)};
    }
  }
  params.emplace_back(std::int64_t{query.max_results});
  MILL_ASSIGN_OR_RETURN(
      const std::vector<store::Row> rows,
      metadata.Query(std::string(kColumns) + where + "ORDER BY number DESC LIMIT ?", params));
  std::vector<AuditEntry> entries;
  std::transform(rows.begin(), rows.end(), std::back_inserter(entries), FromRow);
  return entries;
}

Result<AuditVerdict> VerifyAudit(store::Metadata& metadata, const std::string& known_head) {
  AuditVerdict verdict;
  bool saw_known_head = known_head.empty();
  std::int64_t last = 0;
  for (bool more = true; more;) {
    MILL_ASSIGN_OR_RETURN(
        const std::vector<store::Row> rows,
        metadata.Query(std::string(kColumns) + "WHERE number > ? ORDER BY number LIMIT ?",
                       {last, kBlock}));
    for (const store::Row& row : rows) {
      const AuditEntry entry = FromRow(row);
      if (entry.number != last + 1) {
        verdict.problems.push_back("entries " + std::to_string(last + 1) + " to " +
                                   std::to_string(entry.number - 1) + " are missing");
      }
      if (AuditHash(entry) != entry.hash) {
        verdict.problems.push_back(Label(entry) +
                                   " was changed: its hash does not fit its content");
      }
      if (entry.previous_hash != verdict.head) {
        verdict.problems.push_back(Label(entry) + " does not follow the entry before it: " +
                                   "previous hash " + entry.previous_hash.substr(0, 12) +
                                   ", hash " + "of the entry before " + verdict.head.substr(0, 12));
      }
      saw_known_head = saw_known_head || entry.hash == known_head;
      verdict.head = entry.hash;
      last = entry.number;
      ++verdict.n_entries;
    }
    more = static_cast<std::int64_t>(rows.size()) == kBlock;
  }
  MILL_ASSIGN_OR_RETURN(const std::vector<store::Row> head,
                        metadata.Query("SELECT number, hash FROM audit_head WHERE id = 1"));
  if (head.empty() || Int(head[0][0]) != last || Text(head[0][1]) != verdict.head) {
    verdict.problems.push_back(
        "the log ends at entry " + std::to_string(last) + ", its head names entry " +
        (head.empty() ? std::string("none") : std::to_string(Int(head[0][0]))) +
        ": the end was cut off or replaced");
  }
  if (!saw_known_head) {
    verdict.problems.push_back("no entry has the hash " + known_head + " that was noted earlier");
  }
  return verdict;
}

}  // namespace millrace::tracking
