// SPDX-License-Identifier: Apache-2.0
// Words of feature texts: names, numbers, durations, texts and signs, each with its place.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/result.h"

namespace millrace::features::internal {

struct Token {
  enum class Kind { kName, kQuotedName, kNumber, kDuration, kText, kSign, kEnd };
  Kind kind = Kind::kEnd;
  /// Names as written, texts without quotes, signs as one of ( ) , + - * / = != < <= > >=.
  std::string text;
  double number = 0;
  /// Bytes from the start of the text.
  std::size_t offset = 0;
};

/// The tokens of a text, ended by kEnd. Names are [A-Za-z_][A-Za-z0-9_]* or in double quotes; texts
/// are in single quotes, a quote inside doubled; a number followed at once by letters is a
/// duration.
Result<std::vector<Token>> Lex(std::string_view text, const base::SourceLocation& where);

/// The place of a byte of the text in its file.
base::SourceLocation PlaceOf(const base::SourceLocation& where, std::size_t offset);

}  // namespace millrace::features::internal
