// SPDX-License-Identifier: Apache-2.0
// The audit log of the registry: who changed what, when and why, each entry chained to the one
// before it by its hash.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

/// One change; on disk as docs/formats/tracking.md says.
struct AuditEntry {
  /// From 1, without gaps.
  std::int64_t number = 0;
  std::int64_t time_ms = 0;
  /// Empty where nobody said who.
  std::string actor;
  /// "model_version.created", "model_version.approved", ...
  std::string action;
  /// "models:/churn", "models:/churn/3".
  std::string object;
  /// A JSON object.
  std::string details;
  std::string evidence;
  /// Of the entry before; empty for the first.
  std::string previous_hash;
  /// 64 hex digits of the SHA-256 over all of the above.
  std::string hash;
};

struct AuditQuery {
  /// Empty: everything; "models:/churn": the model and its versions; "models:/churn/3": one version
  /// and what was done to its model as a whole.
  std::string object = {};
  /// The newest so many.
  int max_results = 1000;
};

/// What VerifyAudit found.
struct AuditVerdict {
  std::int64_t n_entries = 0;
  /// Hash of the newest entry. Kept elsewhere, it shows later that nothing before it was changed or
  /// cut off.
  std::string head;
  /// One sentence per damage; empty: the chain holds.
  std::vector<std::string> problems;
};

/// Newest first.
Result<std::vector<AuditEntry>> ReadAudit(store::Metadata& metadata, const AuditQuery& query = {});

/// The hash that an entry must have.
std::string AuditHash(const AuditEntry& entry);

/// Reads the whole log and finds entries that were changed, removed, inserted or put in another
/// order, and a cut-off end.
/// @param known_head  not empty: a head noted earlier, which must be in the chain
Result<AuditVerdict> VerifyAudit(store::Metadata& metadata, const std::string& known_head = "");

}  // namespace millrace::tracking
