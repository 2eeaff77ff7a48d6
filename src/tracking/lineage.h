// SPDX-License-Identifier: Apache-2.0
// Where a version comes from and where it is used, as a graph: tables, features, training set, run,
// version, endpoints. Built from what tracking keeps; drawn as text, DOT and SVG.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tracking/types.h"

namespace millrace::tracking {

/// In the order in which data flows.
enum class LineageKind { kTable, kFeatures, kTrainingSet, kRun, kVersion, kEndpoint };
/// "table", "features", "training set", "run", "version", "endpoint".
std::string_view LineageKindName(LineageKind kind);

struct LineageNode {
  LineageKind kind = LineageKind::kTable;
  std::string name;
  /// A hash, a count, an alias; may be empty.
  std::string detail;
};

struct LineageGraph {
  std::vector<LineageNode> nodes;
  /// From and to, indices into nodes.
  std::vector<std::pair<std::size_t, std::size_t>> edges;
};

/// A data set of a run that Millrace logged says in its `source` what it was made of:
/// {"inputs": ["transactions"], "features": ["n_orders"]}, and by its tag mlflow.data.context what
/// it is: "source", "features", "training". Data sets that others logged count as tables.
DatasetInput TableInput(const std::string& name, const std::string& digest);
DatasetInput FeaturesInput(const std::string& view, const std::string& digest,
                           const std::vector<std::string>& tables,
                           const std::vector<std::string>& features);
DatasetInput TrainingSetInput(const std::string& name, const std::string& digest,
                              const std::vector<std::string>& inputs);
/// Names of the features that a data set by FeaturesInput holds; empty for others.
std::vector<std::string> FeaturesOf(const Dataset& dataset);

/// @param run        the version's run, where there is one
/// @param endpoints  name and alias of the endpoints that serve this version
LineageGraph BuildLineage(const ModelVersion& version, const std::optional<Run>& run,
                          std::span<const std::pair<std::string, std::string>> endpoints);

/// One line per edge: "table transactions -> features customer_activity (14 features)".
std::vector<std::string> LineageLines(const LineageGraph& graph);
/// For Graphviz.
std::string LineageDot(const LineageGraph& graph);
/// A picture of its own: one column per kind.
std::string LineageSvg(const LineageGraph& graph);

}  // namespace millrace::tracking
