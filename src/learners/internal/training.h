// SPDX-License-Identifier: Apache-2.0
// What every built-in learner needs: input checks, parameter access, early stopping, progress.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/progress.h"
#include "base/result.h"
#include "learners/learner.h"

namespace millrace::learners::internal {

/// Refuses what no learner can train on (see Learner::Train) and returns the notes about columns
/// that carry nothing.
Result<std::vector<std::string>> CheckTrainingData(const TrainingData& data);

/// Parameters that CheckParams has completed.
double Number(const Params& params, std::string_view name);
int Integer(const Params& params, std::string_view name);
const std::string& Text(const Params& params, std::string_view name);

/// Declarations in one line each.
ParamInfo IntegerParam(std::string name, double value, double minimum, double maximum,
                       std::string description);
ParamInfo DoubleParam(std::string name, double value, double minimum, double maximum,
                      std::string description);
ParamInfo ChoiceParam(std::string name, std::string value, std::vector<std::string> choices,
                      std::string description);

/// Scores validation rows with the estimator's own engine and returns their ROC AUC.
Result<double> ValidationAuc(const models::Estimator& estimator, const TrainingData& data);

/// The same from scores that are already there.
Result<double> CurveValue(std::string_view metric, std::span<const double> probabilities,
                          std::span<const std::uint8_t> labels);

/// Values scaled to sum to 1; all 0 if the sum is 0.
std::vector<double> Shares(std::vector<double> values);

/// The number of threads of context.cpu; 1 without a pool.
int Threads(const Context& context);

/// Keeps the best value of a metric and says when `patience` iterations have passed without a
/// strictly better one.
class EarlyStop {
 public:
  /// @param patience  0 never stops
  EarlyStop(bool higher_is_better, int patience)
      : higher_is_better_(higher_is_better), patience_(patience) {}
  /// Adds the value of the next iteration; true means stop.
  bool Add(double value);
  /// From 1; 0 before the first Add.
  int best_iteration() const { return best_iteration_; }
  std::vector<double> TakeCurve() && { return std::move(curve_); }

 private:
  bool higher_is_better_;
  int patience_;
  int best_iteration_ = 0;
  double best_ = 0;
  std::vector<double> curve_;
};

/// A progress bar that ends with its scope.
class ProgressScope {
 public:
  ProgressScope(const Context& context, std::string_view what, std::uint64_t total)
      : progress_(context.progress) {
    if (progress_ != nullptr) {
      progress_->Start(what, total);
    }
  }
  ~ProgressScope() {
    if (progress_ != nullptr) {
      progress_->Finish();
    }
  }
  ProgressScope(const ProgressScope&) = delete;
  ProgressScope& operator=(const ProgressScope&) = delete;
  void Advance(std::uint64_t units) {
    if (progress_ != nullptr) {
      progress_->Advance(units);
    }
  }

 private:
  base::Progress* progress_;
};

}  // namespace millrace::learners::internal
