// SPDX-License-Identifier: Apache-2.0
// Writes model cards.
#include "evaluation/model_card.h"

#include "evaluation/internal/html.h"
#include "evaluation/internal/report_groups.h"

namespace millrace::evaluation {
namespace {

using internal::Esc;

/// Text that Markdown shows as it is, within one line.
std::string Plain(const std::string& text) {
  std::string plain;
  for (const char c : text) {
    if (c == '\n' || c == '\r') {
      plain += ' ';
      continue;
    }
    if (std::string_view("\\`*_[]<>|#").find(c) != std::string_view::npos) {
      plain += '\\';
    }
    plain += c;
  }
  return plain;
}

CardTable TableOf(const std::string& title, const CardFacts& facts) {
  CardTable table{title, {"name", "value"}, {}};
  for (const auto& [name, value] : facts) {
    table.rows.push_back({name, value});
  }
  return table;
}

CardTable FeatureTable(const std::vector<std::string>& features) {
  CardTable table{"Features", {"#", "feature"}, {}};
  for (std::size_t i = 0; i < features.size(); ++i) {
    table.rows.push_back({std::to_string(i + 1), features[i]});
  }
  return table;
}

std::vector<CardTable> WithRows(std::vector<CardTable> tables) {
  std::erase_if(tables, [](const CardTable& table) { return table.rows.empty(); });
  return tables;
}

/// The tables before the groups and those after them, in their order.
std::vector<CardTable> FirstTables(const ModelCard& card) {
  return WithRows({TableOf("Version", card.identity), card.data, FeatureTable(card.features),
                   TableOf("Parameters", card.parameters), TableOf("Metrics", card.metrics)});
}
std::vector<CardTable> LastTables(const ModelCard& card) {
  return WithRows({card.gates, card.approvals});
}

void AppendRow(const std::vector<std::string>& cells, std::string* out) {
  for (const std::string& cell : cells) {
    *out += "| " + Plain(cell) + " ";
  }
  *out += "|\n";
}

std::string TableHtml(const CardTable& table) {
  std::vector<internal::HtmlTable::Column> columns;
  for (const std::string& column : table.columns) {
    columns.push_back({column, false});
  }
  internal::HtmlTable html(std::move(columns));
  for (const auto& row : table.rows) {
    std::vector<std::string> cells;
    for (const std::string& cell : row) {
      cells.push_back(Esc(cell));
    }
    html.AddRow(std::move(cells));
  }
  return html.ToHtml();
}

void AppendTable(const CardTable& table, const char* level, std::string* out) {
  *out += "\n" + std::string(level) + " " + Plain(table.title) + "\n\n";
  AppendRow(table.columns, out);
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    *out += "| --- ";
  }
  *out += "|\n";
  for (const auto& row : table.rows) {
    AppendRow(row, out);
  }
}

void AppendGroups(const ModelCard& card, const std::string& picture_prefix, std::string* out) {
  const std::vector<CardPicture> pictures =
      picture_prefix.empty() ? std::vector<CardPicture>() : ModelCardPictures(card);
  const auto picture = [&](const std::string& name) {
    for (const CardPicture& found : pictures) {
      if (found.name == name) {
        *out += "\n![" + Plain(found.title) + "](<" + picture_prefix + name + ".svg>)\n";
      }
    }
  };
  if (!card.segments.empty()) {
    *out += "\n## Metrics by segment\n\n" + internal::SegmentIntro() + "\n";
    picture("segments");
    for (const GroupTable& table : card.segments) {
      AppendTable(internal::SegmentText(table), "###", out);
    }
  }
  if (!card.fairness.empty()) {
    *out += "\n## Fairness\n\n" + internal::FairnessIntro(card.fairness) + "\n";
    picture("fairness");
    for (const GroupTable& table : card.fairness) {
      AppendTable(internal::FairnessMeasureText(table), "###", out);
      AppendTable(internal::FairnessGroupText(table), "###", out);
    }
  }
}

}  // namespace

std::vector<CardPicture> ModelCardPictures(const ModelCard& card) {
  std::vector<CardPicture> pictures;
  if (const auto figure = internal::SegmentFigure(card.segments)) {
    pictures.push_back({"segments", figure->title(), figure->ToSvg()});
  }
  if (const auto figure = internal::FairnessFigure(card.fairness)) {
    pictures.push_back({"fairness", figure->title(), figure->ToSvg()});
  }
  return pictures;
}

std::string ModelCardMarkdown(const ModelCard& card, const std::string& picture_prefix) {
  std::string out = "# Model card: " + Plain(card.title) + "\n";
  const auto paragraph = [&](const char* heading, const std::string& text) {
    if (!text.empty()) {
      out += "\n## " + std::string(heading) + "\n\n" + Plain(text) + "\n";
    }
  };
  const auto list = [&](const char* heading, const std::vector<std::string>& lines) {
    if (!lines.empty()) {
      out += "\n## " + std::string(heading) + "\n\n";
      for (const std::string& line : lines) {
        out += "- " + Plain(line) + "\n";
      }
    }
  };
  list("Warnings", card.warnings);
  paragraph("Description", card.description);
  paragraph("Intended use", card.intended_use);
  for (const CardTable& table : FirstTables(card)) {
    AppendTable(table, "##", &out);
  }
  AppendGroups(card, picture_prefix, &out);
  for (const CardTable& table : LastTables(card)) {
    AppendTable(table, "##", &out);
  }
  list("Lineage", card.lineage);
  return out;
}

std::string ModelCardHtml(const ModelCard& card) {
  std::string out = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
                    Esc("Model card: " + card.title) + "</title>\n<style>" +
                    std::string(internal::StyleSheet()) + "</style></head>\n<body><main><h1>" +
                    Esc("Model card: " + card.title) + "</h1>\n";
  int number = 0;
  const auto section = [&](const std::string& title, const std::string& body) {
    out += internal::Section("part-" + std::to_string(++number), title, "", body);
  };
  const auto list = [&](const std::string& title, const std::vector<std::string>& lines) {
    if (!lines.empty()) {
      std::string body = "<ul>";
      for (const std::string& line : lines) {
        body += "<li>" + Esc(line) + "</li>";
      }
      section(title, body + "</ul>");
    }
  };
  list("Warnings", card.warnings);
  if (!card.description.empty()) {
    section("Description", "<p>" + Esc(card.description) + "</p>");
  }
  if (!card.intended_use.empty()) {
    section("Intended use", "<p>" + Esc(card.intended_use) + "</p>");
  }
  for (const CardTable& table : FirstTables(card)) {
    section(table.title, TableHtml(table));
  }
  std::string segments;
  for (const GroupTable& table : card.segments) {
    segments += internal::SegmentHtml(table);
  }
  if (!segments.empty()) {
    section("Metrics by segment", "<p>" + internal::SegmentIntro() + "</p>" + segments);
  }
  std::string fairness;
  for (const GroupTable& table : card.fairness) {
    fairness += internal::FairnessHtml(table);
  }
  if (!fairness.empty()) {
    section("Fairness", "<p>" + internal::FairnessIntro(card.fairness) + "</p>" + fairness);
  }
  for (const CardTable& table : LastTables(card)) {
    section(table.title, TableHtml(table));
  }
  list("Lineage", card.lineage);
  return out + "</main></body></html>\n";
}

}  // namespace millrace::evaluation
