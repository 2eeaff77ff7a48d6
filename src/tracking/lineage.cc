// SPDX-License-Identifier: Apache-2.0
// Builds and draws lineage.
#include "tracking/lineage.h"

#include <algorithm>
#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "base/json.h"

namespace millrace::tracking {
namespace {

using Json = nlohmann::json;

constexpr const char* kContext = "mlflow.data.context";
constexpr const char* kSourceType = "millrace";

std::string ContextOf(const DatasetInput& input) {
  const auto context = input.tags.find(kContext);
  return context == input.tags.end() ? "" : context->second;
}

Json SourceOf(const Dataset& dataset) {
  if (dataset.source_type != kSourceType) {
    return Json::object();
  }
  auto json = base::ParseJson(dataset.source, "source of data set " + dataset.name);
  return json.ok() && json->is_object() ? *std::move(json) : Json::object();
}

std::vector<std::string> Texts(const Json& json, const char* key) {
  std::vector<std::string> texts;
  if (const auto list = json.find(key); list != json.end() && list->is_array()) {
    for (const Json& text : *list) {
      if (text.is_string()) {
        texts.push_back(text.get<std::string>());
      }
    }
  }
  return texts;
}

DatasetInput Input(const std::string& name, const std::string& digest, const char* context,
                   const Json& source) {
  DatasetInput input;
  input.dataset.name = name;
  input.dataset.digest = digest;
  input.dataset.source_type = kSourceType;
  input.dataset.source = base::DumpJson(source);
  input.tags[kContext] = context;
  return input;
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    escaped += c == '<'   ? "&lt;"
               : c == '>' ? "&gt;"
               : c == '&' ? "&amp;"
               : c == '"' ? "&quot;"
                          : std::string(1, c);
  }
  return escaped;
}

/// At most so many bytes, whole characters, with an ellipsis.
std::string Short(const std::string& text, std::size_t most) {
  if (text.size() <= most) {
    return text;
  }
  std::size_t end = most - 3;
  while (end > 0 && (text[end] & 0xC0) == 0x80) {
    --end;
  }
  return text.substr(0, end) + "...";
}

std::string Label(const LineageNode& node) {
  return std::string(LineageKindName(node.kind)) + " " + node.name +
         (node.detail.empty() ? "" : " (" + node.detail + ")");
}

}  // namespace

std::string_view LineageKindName(LineageKind kind) {
  constexpr std::array<std::string_view, 6> kNames = {"table", "features", "training set",
                                                      "run",   "version",  "endpoint"};
  return kNames[static_cast<std::size_t>(kind)];
}

DatasetInput TableInput(const std::string& name, const std::string& digest) {
  return Input(name, digest, "source", Json::object());
}

DatasetInput FeaturesInput(const std::string& view, const std::string& digest,
                           const std::vector<std::string>& tables,
                           const std::vector<std::string>& features) {
  return Input(view, digest, "features", {{"inputs", tables}, {"features", features}});
}

DatasetInput TrainingSetInput(const std::string& name, const std::string& digest,
                              const std::vector<std::string>& inputs) {
  return Input(name, digest, "training", {{"inputs", inputs}});
}

std::vector<std::string> FeaturesOf(const Dataset& dataset) {
  return Texts(SourceOf(dataset), "features");
}

LineageGraph BuildLineage(const ModelVersion& version, const std::optional<Run>& run,
                          std::span<const std::pair<std::string, std::string>> endpoints) {
  LineageGraph graph;
  const auto add = [&](LineageKind kind, const std::string& name, const std::string& detail) {
    graph.nodes.push_back({kind, name, detail});
    return graph.nodes.size() - 1;
  };
  std::map<std::string, std::size_t> datasets;
  std::vector<std::pair<std::size_t, std::vector<std::string>>> made_of;
  if (run) {
    for (const DatasetInput& input : run->dataset_inputs) {
      const std::string context = ContextOf(input);
      const bool is_ours = input.dataset.source_type == kSourceType;
      const LineageKind kind = is_ours && context == "features"   ? LineageKind::kFeatures
                               : is_ours && context == "training" ? LineageKind::kTrainingSet
                                                                  : LineageKind::kTable;
      const Json source = SourceOf(input.dataset);
      const std::size_t n_features = Texts(source, "features").size();
      std::string detail = input.dataset.digest.substr(0, 12);
      if (n_features > 0) {
        detail += ", " + std::to_string(n_features) + " features";
      }
      const std::size_t node = add(kind, input.dataset.name, detail);
      datasets[input.dataset.name] = node;
      made_of.emplace_back(node, Texts(source, "inputs"));
    }
  }
  std::vector<bool> is_used(graph.nodes.size(), false);
  for (const auto& [node, inputs] : made_of) {
    for (const std::string& input : inputs) {
      if (const auto from = datasets.find(input); from != datasets.end() && from->second != node) {
        graph.edges.emplace_back(from->second, node);
        is_used[from->second] = true;
      }
    }
  }
  std::optional<std::size_t> run_node;
  if (run) {
    run_node = add(LineageKind::kRun, run->info.run_id.substr(0, 8), run->info.run_name);
    for (std::size_t i = 0; i < is_used.size(); ++i) {
      if (!is_used[i]) {
        graph.edges.emplace_back(i, *run_node);
      }
    }
  }
  const std::size_t version_node =
      add(LineageKind::kVersion, version.name + "/" + std::to_string(version.version),
          version.aliases.empty() ? "" : "@" + version.aliases.front());
  if (run_node) {
    graph.edges.emplace_back(*run_node, version_node);
  }
  for (const auto& [endpoint, alias] : endpoints) {
    graph.edges.emplace_back(version_node, add(LineageKind::kEndpoint, endpoint, "@" + alias));
  }
  return graph;
}

std::vector<std::string> LineageLines(const LineageGraph& graph) {
  std::vector<std::string> lines;
  for (const auto& [from, to] : graph.edges) {
    lines.push_back(Label(graph.nodes[from]) + " -> " + Label(graph.nodes[to]));
  }
  return lines;
}

std::string LineageDot(const LineageGraph& graph) {
  const auto quoted = [](const std::string& text) {
    std::string out = "\"";
    for (const char c : text) {
      out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
    return out + "\"";
  };
  std::string dot = "digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n";
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    dot += "  n" + std::to_string(i) + " [label=" + quoted(Label(graph.nodes[i])) + "];\n";
  }
  for (const auto& [from, to] : graph.edges) {
    dot += "  n" + std::to_string(from) + " -> n" + std::to_string(to) + ";\n";
  }
  return dot + "}\n";
}

std::string LineageSvg(const LineageGraph& graph) {
  constexpr int kWidth = 190;
  constexpr int kHeight = 58;
  constexpr int kGapX = 50;
  constexpr int kGapY = 18;
  constexpr int kMargin = 16;
  constexpr std::size_t kLetters = 26;
  // Only kinds that occur get a column.
  std::map<LineageKind, int> columns;
  for (const LineageNode& node : graph.nodes) {
    columns[node.kind] = 0;
  }
  int n_columns = 0;
  for (auto& [kind, column] : columns) {
    column = n_columns++;
  }
  std::map<int, int> rows;
  std::vector<std::pair<int, int>> places;
  int n_rows = 1;
  for (const LineageNode& node : graph.nodes) {
    const int column = columns[node.kind];
    const int row = rows[column]++;
    n_rows = std::max(n_rows, row + 1);
    places.emplace_back(kMargin + column * (kWidth + kGapX), kMargin + row * (kHeight + kGapY));
  }
  const auto number = [](int value) { return std::to_string(value); };
  const int width = 2 * kMargin + n_columns * kWidth + std::max(0, n_columns - 1) * kGapX;
  const int height = 2 * kMargin + n_rows * kHeight + (n_rows - 1) * kGapY;
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" + number(width) +
                    "\" height=\"" + number(height) + "\" viewBox=\"0 0 " + number(width) + " " +
                    number(height) +
                    "\" font-family=\"sans-serif\" font-size=\"12\">\n<defs><marker id=\"tip\" "
                    "markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\">"
                    "<path d=\"M0,0 L8,4 L0,8 z\" fill=\"#828a96\"/></marker></defs>\n";
  for (const auto& [from, to] : graph.edges) {
    svg += "<line x1=\"" + number(places[from].first + kWidth) + "\" y1=\"" +
           number(places[from].second + kHeight / 2) + "\" x2=\"" + number(places[to].first) +
           "\" y2=\"" + number(places[to].second + kHeight / 2) +
           "\" stroke=\"#828a96\" marker-end=\"url(#tip)\"/>\n";
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const LineageNode& node = graph.nodes[i];
    const auto [x, y] = places[i];
    const auto text = [&](int line, const std::string& content, const char* style) {
      return "<text x=\"" + number(x + 10) + "\" y=\"" + number(y + line) + "\" " + style + ">" +
             Escaped(Short(content, kLetters)) + "</text>";
    };
    svg += "<g><title>" + Escaped(Label(node)) + "</title><rect x=\"" + number(x) + "\" y=\"" +
           number(y) + "\" width=\"" + number(kWidth) + "\" height=\"" + number(kHeight) +
           "\" rx=\"6\" fill=\"#f3f5f8\" stroke=\"#1f2937\"/>" +
           text(17, std::string(LineageKindName(node.kind)), "fill=\"#5b6472\"") +
           text(34, node.name, "font-weight=\"bold\" fill=\"#1f2937\"") +
           text(50, node.detail, "fill=\"#5b6472\"") + "</g>\n";
  }
  return svg + "</svg>\n";
}

}  // namespace millrace::tracking
