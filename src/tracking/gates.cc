// SPDX-License-Identifier: Apache-2.0
// Decides whether a candidate becomes champion.
#include "tracking/gates.h"

#include <charconv>
#include <utility>

#include "base/number_format.h"

namespace millrace::tracking {
namespace {

using base::FormatFixed;

Result<void> CheckScore(const char* who, const TestScore& score) {
  if (!(score.auc >= 0 && score.auc <= 1)) {
    return base::InvalidArgument(std::string("test AUC of the ") + who + " is " +
                                 base::FormatDouble(score.auc) +
                                 "; a number from 0 to 1 is wanted");
  }
  return {};
}

/// As many digits as tell the two apart, at least four.
std::string Digits(double value, double other) {
  for (int digits = 4; digits < 16; ++digits) {
    if (value == other || FormatFixed(value, digits) != FormatFixed(other, digits)) {
      return FormatFixed(value, digits);
    }
  }
  return base::FormatDouble(value);
}

GateCheck CheckMinimum(const GateSpec& spec, const TestScore& candidate) {
  GateCheck check{"minimum_auc", candidate.auc >= spec.minimum_auc, candidate.auc, spec.minimum_auc,
                  ""};
  check.sentence = "test AUC " + Digits(candidate.auc, spec.minimum_auc) +
                   (check.passed ? " is at least" : " is below") + " the wanted minimum " +
                   Digits(spec.minimum_auc, candidate.auc);
  return check;
}

GateCheck CheckChampion(const TestScore& candidate, const TestScore& champion) {
  GateCheck check{"better_than_champion", candidate.auc > champion.auc, candidate.auc, champion.auc,
                  ""};
  check.sentence = "test AUC " + Digits(candidate.auc, champion.auc) +
                   (check.passed ? " is above" : " is not above") + " the champion's " +
                   Digits(champion.auc, candidate.auc) + " (version " +
                   std::to_string(champion.version) + ")";
  return check;
}

/// What was recorded with a version; empty where it is not there or no number.
std::optional<TestScore> RecordedScore(const ModelVersion& version) {
  const auto auc = version.tags.find(std::string(kTestAucTag));
  const auto hash = version.tags.find(std::string(kLabelHashTag));
  if (auc == version.tags.end() || hash == version.tags.end()) {
    return std::nullopt;
  }
  TestScore score{version.version, 0, hash->second};
  const char* end = auc->second.data() + auc->second.size();
  const auto read = std::from_chars(auc->second.data(), end, score.auc);
  return read.ec == std::errc() && read.ptr == end ? std::optional(score) : std::nullopt;
}

GateDecision Refused(const std::string& gate, const std::string& sentence) {
  GateDecision decision;
  decision.checks.push_back({gate, false, 0, 0, sentence});
  decision.sentence = "gate " + gate + " failed: " + sentence;
  return decision;
}

std::string NoScore(const ModelVersion& version) {
  return "version " + std::to_string(version.version) + " has no recorded test AUC (tags " +
         std::string(kTestAucTag) + " and " + std::string(kLabelHashTag) + ")";
}

}  // namespace

const base::Declaration<GateSpec>& GateSpec::Declared() {
  static const base::Declaration<GateSpec> declared =
      base::Declaration<GateSpec>(
          "gates", "What a new version must show on the test set before it becomes champion.")
          .Field("minimum_auc", &GateSpec::minimum_auc, "Smallest ROC AUC on the test set.",
                 {.minimum = 0.0, .maximum = 1.0})
          .Field("better_than_champion", &GateSpec::better_than_champion,
                 "Whether the ROC AUC must be above the current champion's on the same labels; a "
                 "tie keeps the champion.")
          .Field("required_approvals", &GateSpec::required_approvals,
                 "How many people must approve a version (millrace models approve) before it "
                 "becomes champion.",
                 {.minimum = 0.0, .maximum = 20.0});
  return declared;
}

bool NeedsRescore(const GateSpec& spec, const TestScore& candidate,
                  const std::optional<TestScore>& champion) {
  return spec.better_than_champion && champion.has_value() &&
         champion->label_hash != candidate.label_hash;
}

Result<GateDecision> DecideGates(const GateSpec& spec, const TestScore& candidate,
                                 const std::optional<TestScore>& champion) {
  MILL_RETURN_IF_ERROR(CheckScore("candidate", candidate));
  if (NeedsRescore(spec, candidate, champion)) {
    return base::FailedPrecondition("the champion (version " + std::to_string(champion->version) +
                                    ") was tested on labels " + champion->label_hash +
                                    ", the candidate on labels " + candidate.label_hash +
                                    "; equal labels are wanted")
        .Hint("score the champion on the candidate's test set first");
  }
  GateDecision decision;
  decision.checks.push_back(CheckMinimum(spec, candidate));
  if (spec.better_than_champion && champion.has_value()) {
    MILL_RETURN_IF_ERROR(CheckScore("champion", *champion));
    decision.checks.push_back(CheckChampion(candidate, *champion));
  }
  decision.promote = true;
  for (const GateCheck& check : decision.checks) {
    if (!check.passed) {
      decision.promote = false;
      decision.sentence += (decision.sentence.empty() ? "" : "; ") + std::string("gate ") +
                           check.name + " failed: " + check.sentence;
    }
  }
  if (decision.promote) {
    for (const GateCheck& check : decision.checks) {
      decision.sentence += (decision.sentence.empty() ? "" : "; ") + check.sentence;
    }
  }
  return decision;
}

GateDecision JudgeRecorded(const GateSpec& spec, const ModelVersion& candidate,
                           const std::optional<ModelVersion>& champion) {
  const bool has_rival =
      spec.better_than_champion && champion.has_value() && champion->version != candidate.version;
  const std::optional<TestScore> own = RecordedScore(candidate);
  if (!own) {
    if (spec.minimum_auc > 0 || has_rival) {
      return Refused(spec.minimum_auc > 0 ? "minimum_auc" : "better_than_champion",
                     NoScore(candidate));
    }
    GateDecision decision;
    decision.promote = true;
    decision.sentence = "no gate asks for a test AUC";
    return decision;
  }
  std::optional<TestScore> reigning;
  if (has_rival) {
    reigning = RecordedScore(*champion);
    if (!reigning) {
      return Refused("better_than_champion", "the champion: " + NoScore(*champion));
    }
  }
  auto decision = DecideGates(spec, *own, reigning);
  return decision.ok() ? *std::move(decision)
                       : Refused(has_rival ? "better_than_champion" : "minimum_auc",
                                 decision.error().message());
}

}  // namespace millrace::tracking
