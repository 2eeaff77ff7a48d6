// SPDX-License-Identifier: Apache-2.0
// The stages after registration: deploy, score, monitor. They follow the champion, whoever that is.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/environment.h"
#include "app/project.h"
#include "app/stages.h"
#include "features/key.h"
#include "monitoring/drift.h"
#include "serving/snapshot.h"

namespace millrace::app {

/// A view with the file of its values (of the features stage).
struct ViewValues {
  const features::ViewPlan* plan = nullptr;
  std::filesystem::path values;
};

/// deploy: publishes each view's values as of the endpoint's instant, makes the endpoint known to
/// servers, and drops views that no alias needs any more. Writes deployed.json.
Result<StageOutput> Deploy(const Context& context, Environment& environment,
                           const serving::EndpointSpec& endpoint,
                           const std::vector<ViewValues>& views, const std::filesystem::path& out);

/// The version that an endpoint's alias names, with its model.
struct Champion {
  serving::ModelVersion version;
  std::optional<models::Model> model;  ///< always set by LoadChampion
  std::string run_id;
};
Result<Champion> LoadChampion(Environment& environment, const serving::EndpointSpec& endpoint);

/// Adds a column of keys, all integers or all texts; they keep their type, for an integer and its
/// text are different keys.
void AddKeys(const std::vector<features::EntityKey>& keys, const std::string& name,
             data::TableBuilder& builder);

/// The stored features of every key as of the endpoint's instant, in the champion's views: key,
/// as_of and the model's columns.
Result<data::Table> StoredFeatures(Environment& environment, const serving::EndpointSpec& endpoint,
                                   const Champion& champion);

/// score: scores every stored row in a batch, asks a running server the same by key and by full
/// row, and writes scores.parquet.
///   - kDataLoss names the first key whose answer over HTTP differs from its batch score by a
///   single bit.
Result<StageOutput> Score(const Context& context, Environment& environment,
                          const serving::EndpointSpec& endpoint, std::int64_t requests,
                          const std::filesystem::path& out);

/// monitor: drift.json, report.html (the evaluation's report with the drift section) and the drift
/// pictures.
Result<StageOutput> Monitor(const Context& context, Environment& environment,
                            const serving::EndpointSpec& endpoint,
                            const monitoring::MonitorSpec& monitor,
                            const std::filesystem::path& scores,
                            const std::filesystem::path& report, const std::filesystem::path& out);

}  // namespace millrace::app
