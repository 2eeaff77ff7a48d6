// SPDX-License-Identifier: Apache-2.0
// Gates: what a new version must show before it becomes champion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config.h"
#include "base/result.h"
#include "tracking/types.h"

namespace millrace::tracking {

/// Tags of a version with what its gates are judged by.
inline constexpr std::string_view kTestAucTag = "test_auc";
inline constexpr std::string_view kLabelHashTag = "label_hash";

/// The conditions, declared in training/*.yaml under `gates` and kept with the model
/// (Registry::SetGates), so that they hold for MLflow's clients too.
struct GateSpec {
  double minimum_auc = 0;
  bool better_than_champion = true;
  int required_approvals = 0;
  static const base::Declaration<GateSpec>& Declared();
};

/// A test AUC and the labels that it was measured on.
struct TestScore {
  /// Version number; 0 for a candidate that has none yet.
  std::int64_t version = 0;
  double auc = 0;
  /// Content hash of the label table (hex). Two AUCs compare only where it is equal.
  std::string label_hash;
};

/// One gate with both of its numbers.
struct GateCheck {
  /// "minimum_auc", "better_than_champion".
  std::string name;
  bool passed = false;
  double candidate = 0;
  double wanted = 0;
  /// "test AUC 0.7712 is not above the champion's 0.7725 (version 3)".
  std::string sentence;
};

struct GateDecision {
  /// The candidate becomes champion.
  bool promote = false;
  std::vector<GateCheck> checks;
  /// The failed gates' sentences, or that all hold.
  std::string sentence;
};

/// True if the champion must be scored again on the candidate's labels before DecideGates can
/// compare them.
bool NeedsRescore(const GateSpec& spec, const TestScore& candidate,
                  const std::optional<TestScore>& champion);

/// Checks every gate. A tie keeps the champion; without a champion `better_than_champion` holds.
/// @return - kFailedPrecondition if NeedsRescore: the message names both label hashes
///         - kInvalidArgument if an AUC is not in [0, 1]
Result<GateDecision> DecideGates(const GateSpec& spec, const TestScore& candidate,
                                 const std::optional<TestScore>& champion);

/// The same by the numbers that were recorded with the versions (kTestAucTag, kLabelHashTag); what
/// is needed and was not recorded fails its gate, and so do labels that differ.
GateDecision JudgeRecorded(const GateSpec& spec, const ModelVersion& candidate,
                           const std::optional<ModelVersion>& champion);

}  // namespace millrace::tracking
