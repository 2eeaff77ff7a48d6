// SPDX-License-Identifier: Apache-2.0
// Header lines of tables/*.sql, and the order in which tables are made.
#include "data/sql_table.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "base/config.h"
#include "base/file.h"
#include "base/nearest_name.h"
#include "data/sql_engine.h"

namespace millrace::data {
namespace {

const std::vector<std::string>& HeaderWords() {
  static const std::vector<std::string> words = {"table", "kind", "description", "time", "key"};
  return words;
}

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// A column word, so that `-- Note: see below` is a comment and `-- kinds: view` a mistake.
bool IsWord(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

struct HeaderLine {
  std::string value;
  int line = 0;
};

Result<std::map<std::string, HeaderLine>> ReadHeader(std::string_view text,
                                                     const std::string& file) {
  std::map<std::string, HeaderLine> header;
  int line_number = 0;
  while (!text.empty()) {
    ++line_number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) {
      continue;
    }
    if (!line.starts_with("--")) {
      break;
    }
    const std::string_view comment = Trim(line.substr(2));
    const std::size_t colon = comment.find(':');
    if (colon == std::string_view::npos || !IsWord(comment.substr(0, colon))) {
      continue;
    }
    const std::string word(comment.substr(0, colon));
    const std::vector<std::string>& words = HeaderWords();
    if (std::find(words.begin(), words.end(), word) == words.end()) {
      return base::InvalidArgument("unknown header word \"" + word + "\"" +
                                   base::DidYouMean(word, words))
          .At({file, line_number, 1});
    }
    const auto [entry, is_new] = header.try_emplace(
        word, HeaderLine{std::string(Trim(comment.substr(colon + 1))), line_number});
    if (!is_new) {
      return base::InvalidArgument("header word \"" + word + "\" stands twice, first in line " +
                                   std::to_string(entry->second.line))
          .At({file, line_number, 1});
    }
  }
  return header;
}

}  // namespace

Result<SqlTable> ParseSqlTable(std::string_view text, std::string_view file_name) {
  const std::string file(file_name);
  MILL_ASSIGN_OR_RETURN(auto header, ReadHeader(text, file));
  SqlTable table;
  table.name = header["table"].value;
  table.where = {file, std::max(header["table"].line, 1), 1};
  if (!IsWord(table.name)) {
    return base::InvalidArgument(table.name.empty()
                                     ? "no `-- table: name` line in the header"
                                     : "\"" + table.name + "\" is no name for a table")
        .At(table.where)
        .Hint(
            "begin the file with `-- table: transactions`: lower-case letters, digits and "
            "underscores");
  }
  table.kind = header["kind"].value.empty() ? "materialized_view" : header["kind"].value;
  if (table.kind != "materialized_view") {
    return base::InvalidArgument("unknown kind \"" + table.kind + "\"; known: materialized_view")
        .At({file, header["kind"].line, 1});
  }
  table.description = header["description"].value;
  table.time = header["time"].value;
  table.key = header["key"].value;
  table.sql = text;
  auto depends = ReferencedTables(text);
  if (!depends.ok()) {
    Error error = std::move(depends).error();
    const int line = error.where().line;
    return std::move(error).At({file, line > 0 ? line : 1, line > 0 ? 0 : 1});
  }
  table.depends = std::move(depends).value();
  if (std::find(table.depends.begin(), table.depends.end(), table.name) != table.depends.end()) {
    return base::InvalidArgument("table \"" + table.name + "\" reads itself").At(table.where);
  }
  return table;
}

Result<std::vector<SqlTable>> ReadSqlTables(const std::filesystem::path& dir) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    if (it->path().extension() == ".sql") {
      files.push_back(it->path());
    }
  }
  std::sort(files.begin(), files.end());
  base::ErrorList errors;
  std::vector<SqlTable> tables;
  std::map<std::string, std::string> file_of;
  for (const std::filesystem::path& file : files) {
    auto text = base::ReadFile(file);
    if (!text.ok()) {
      errors.Add(std::move(text).error());
      continue;
    }
    auto table = ParseSqlTable(text.value(), file.string());
    if (!table.ok()) {
      errors.Add(std::move(table).error());
      continue;
    }
    const auto [entry, is_new] = file_of.try_emplace(table.value().name, file.string());
    if (!is_new) {
      errors.Add(base::InvalidArgument("table \"" + table.value().name + "\" is defined in " +
                                       entry->second + " too")
                     .At(table.value().where));
    }
    tables.push_back(std::move(table).value());
  }
  if (!errors.empty()) {
    return errors.ToError();
  }
  return tables;
}

Result<std::vector<SqlTable>> OrderByDependency(std::vector<SqlTable> tables) {
  std::sort(tables.begin(), tables.end(),
            [](const SqlTable& a, const SqlTable& b) { return a.name < b.name; });
  std::set<std::string> waiting;
  for (const SqlTable& table : tables) {
    waiting.insert(table.name);
  }
  std::vector<SqlTable> ordered;
  while (!waiting.empty()) {
    const auto next = std::find_if(tables.begin(), tables.end(), [&](const SqlTable& table) {
      return waiting.contains(table.name) &&
             std::none_of(table.depends.begin(), table.depends.end(),
                          [&](const std::string& name) { return waiting.contains(name); });
    });
    if (next == tables.end()) {
      std::string names;
      for (const std::string& name : waiting) {
        names += (names.empty() ? "" : ", ") + name;
      }
      const auto first = std::find_if(tables.begin(), tables.end(), [&](const SqlTable& table) {
        return waiting.contains(table.name);
      });
      return base::InvalidArgument("tables that read each other in a circle: " + names)
          .At(first->where);
    }
    waiting.erase(next->name);
    ordered.push_back(*next);
  }
  return ordered;
}

}  // namespace millrace::data
