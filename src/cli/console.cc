// SPDX-License-Identifier: Apache-2.0
// Writes documents, tables and errors to standard output and standard error; colours only on
// terminals.
#include "cli/console.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/terminal.h"
#include "cli/chart.h"

namespace millrace::cli {
namespace {

/// Columns that a UTF-8 text takes: continuation bytes take none.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

bool LooksLikeNumber(std::string_view cell) {
  if (cell.empty() || cell == "-") {
    return true;
  }
  const bool has_digit =
      std::any_of(cell.begin(), cell.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
  return has_digit && cell.find_first_not_of("0123456789.,+-%eE sx") == std::string_view::npos;
}

const char* Code(Style style) {
  switch (style) {
    case Style::kBold:
      return "\x1b[1m";
    case Style::kDim:
      return "\x1b[2m";
    case Style::kGreen:
      return "\x1b[32m";
    case Style::kYellow:
      return "\x1b[33m";
    case Style::kRed:
      return "\x1b[31m";
    case Style::kPlain:
      break;
  }
  return "";
}

std::string Paint(std::string_view text, Style style, bool colours) {
  if (!colours || style == Style::kPlain) {
    return std::string(text);
  }
  return std::string(Code(style)) + std::string(text) + "\x1b[0m";
}

void AppendCell(std::string& line, std::string_view cell, std::size_t width, bool right,
                bool last) {
  const std::string pad(width - Width(cell), ' ');
  line += right ? pad + std::string(cell) : std::string(cell) + (last ? "" : pad);
  if (!last) {
    line += "  ";
  }
}

}  // namespace

namespace {

// Texts come from outside: a line break or an escape sequence in one must not reach the terminal.
std::string Shown(std::string_view cell) {
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string shown;
  for (const char c : cell) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      shown += c;
    } else if (c == '\n') {
      shown += "\\n";
    } else {
      shown += std::string("\\x") + kHex[byte >> 4] + kHex[byte & 15];
    }
  }
  return shown;
}

}  // namespace

std::string FormatTable(const TextTable& given) {
  TextTable table = given;
  for (auto& row : table.rows) {
    for (std::string& cell : row) {
      cell = Shown(cell);
    }
  }
  const std::size_t n = table.columns.size();
  std::vector<std::size_t> widths(n);
  std::vector<bool> right(n, !table.rows.empty());
  for (std::size_t c = 0; c < n; ++c) {
    widths[c] = Width(table.columns[c]);
    for (const auto& row : table.rows) {
      widths[c] = std::max(widths[c], Width(row[c]));
      right[c] = right[c] && LooksLikeNumber(row[c]);
    }
  }
  std::string text;
  if (!table.title.empty()) {
    text += table.title + "\n";
  }
  const auto add_row = [&](const std::vector<std::string>& cells) {
    std::string line = "  ";
    for (std::size_t c = 0; c < n; ++c) {
      AppendCell(line, cells[c], widths[c], right[c], c + 1 == n);
    }
    text += line + "\n";
  };
  add_row(table.columns);
  std::vector<std::string> rule(n);
  for (std::size_t c = 0; c < n; ++c) {
    rule[c] = std::string(widths[c], '-');
  }
  add_row(rule);
  for (const auto& row : table.rows) {
    add_row(row);
  }
  return text;
}

Console::Console(std::FILE* out, std::FILE* err)
    : out_(out),
      err_(err),
      colours_(base::WantsColor(fileno(out))),
      error_colours_(base::WantsColor(fileno(err))) {
}

void Console::Line(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fputc('\n', out_);
  std::fflush(out_);
}

void Console::Table(const TextTable& table) {
  std::string text = FormatTable(table);
  if (!table.title.empty() && colours_) {
    text = Styled(table.title, Style::kBold) + text.substr(table.title.size());
  }
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
}

void Console::Print(const Document& document, bool as_json) {
  if (as_json) {
    Line(document.json);
    return;
  }
  bool first = true;
  for (const TextTable& table : document.tables) {
    if (!first) {
      Line("");
    }
    Table(table);
    first = false;
  }
  for (const cli::Chart& chart : document.charts) {
    if (!first) {
      Line("");
    }
    Chart(chart);
    first = false;
  }
  for (const std::string& line : document.lines) {
    Line(line);
  }
}

void Console::Chart(const cli::Chart& chart) {
  const std::string text = FormatChart(
      chart, {.width = base::TerminalWidth(fileno(out_)), .height = 10, .colours = colours_});
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
}

void Console::Redraw(const Document& document, bool is_last) {
  if (!base::IsTerminal(fileno(out_))) {
    if (is_last) {
      Print(document, /*as_json=*/false);
    }
    return;
  }
  // Home and clear below: the frame is redrawn in place, without flicker.
  std::fputs(n_frames_++ == 0 ? "\x1b[2J\x1b[H" : "\x1b[H", out_);
  Print(document, /*as_json=*/false);
  std::fputs("\x1b[J", out_);
  std::fflush(out_);
}

std::string Console::Styled(std::string_view text, Style style) const {
  return Paint(text, style, colours_);
}

void Console::PrintError(const base::Error& error) {
  std::string text = Paint("error: ", Style::kRed, error_colours_) + error.ToString() + "\n";
  std::fwrite(text.data(), 1, text.size(), err_);
  std::fflush(err_);
}

}  // namespace millrace::cli
