// SPDX-License-Identifier: Apache-2.0
// The folder of a trained learner: its native model file and trained.json; and the sets of a
// training set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/matrix.h"
#include "data/table.h"
#include "learners/learner.h"
#include "models/model.h"

namespace millrace::app {

/// What a training left in its folder.
struct TrainedModel {
  std::string name;
  std::string learner;
  std::shared_ptr<const models::Estimator> estimator;
  double validation_auc = 0;
  int best_iteration = 0;
  std::map<std::string, std::string> params;
  std::vector<double> gain;
  std::uint64_t seed = 0;
};

/// Writes the native file and trained.json.
Result<void> WriteTrained(const std::filesystem::path& dir, const std::string& name,
                          const std::string& learner, const learners::Trained& trained,
                          std::uint64_t seed);
/// Reads them back; scores bit for bit as before.
Result<TrainedModel> ReadTrained(const std::filesystem::path& dir);

/// P(positive class) of each row.
std::vector<double> PredictAll(const models::Estimator& estimator, const data::Matrix& rows);

/// The rows of one set of a training set.
struct SetRows {
  data::Table table;
  data::Matrix features;
  std::vector<std::uint8_t> labels;
  std::int64_t positives() const;
};

/// The rows whose `split` is `set` ("train", "validation", "test"), in order.
Result<SetRows> ReadSet(const data::Table& training_set, const std::string& set,
                        const std::string& label, std::span<const std::string> features);

}  // namespace millrace::app
