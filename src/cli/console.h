// SPDX-License-Identifier: Apache-2.0
// Writes documents, tables and errors to standard output and standard error; colours only on
// terminals.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "base/error.h"
#include "cli/document.h"

namespace millrace::cli {

enum class Style { kPlain, kBold, kDim, kGreen, kYellow, kRed };

/// Where a command prints. Not thread-safe.
class Console {
 public:
  /// Colours are used where `out` is a terminal, NO_COLOR is unset or empty, and TERM is not
  /// "dumb".
  Console(std::FILE* out, std::FILE* err);

  void Line(std::string_view text);
  void Table(const TextTable& table);
  void Chart(const cli::Chart& chart);
  void Print(const Document& document, bool as_json);
  /// The document in place of the one that the last Redraw drew; where `out` is no terminal only
  /// the last one is printed.
  void Redraw(const Document& document, bool is_last);
  /// The error and its companions, each with its place, context and next step; on standard error.
  void PrintError(const base::Error& error);
  /// `text` in a style, or as it is without colours.
  std::string Styled(std::string_view text, Style style) const;

 private:
  std::FILE* out_;
  std::FILE* err_;
  bool colours_;
  bool error_colours_;
  int n_frames_ = 0;
};

/// The table as lines of text: a title, a header, a rule, rows; columns two blanks apart. Cells
/// count as one column per code point; control characters in them are shown as "\\n" and "\\x1b".
std::string FormatTable(const TextTable& table);

}  // namespace millrace::cli
