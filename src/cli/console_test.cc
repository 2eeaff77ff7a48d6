// SPDX-License-Identifier: Apache-2.0
// Tables and completion scripts as text.
#include "cli/console.h"

#include <gtest/gtest.h>

#include "cli/completion.h"
#include "cli/run_view.h"

namespace millrace::cli {
namespace {

TEST(FormatTable, AlignsNumbersRightAndTextLeft) {
  const TextTable table{"Title", {"name", "rows"}, {{"a", "1,000"}, {"long name", "7"}}};
  EXPECT_EQ(FormatTable(table),
            "Title\n"
            "  name        rows\n"
            "  ---------  -----\n"
            "  a          1,000\n"
            "  long name      7\n");
}

TEST(FormatTable, CountsCodePointsNotBytes) {
  const TextTable table{"", {"x", "y"}, {{"\xC3\xA9\xC3\xA9", "b"}, {"abc", "d"}}};
  EXPECT_EQ(FormatTable(table), "  x    y\n  ---  -\n  \xC3\xA9\xC3\xA9   b\n  abc  d\n");
}

TEST(FormatTable, AnEmptyTableKeepsItsHeader) {
  EXPECT_EQ(FormatTable({"", {"name"}, {}}), "  name\n  ----\n");
}

TEST(CompletionScript, ListsEveryCommandPathForBash) {
  const auto script = CompletionScript("bash", {{"", {"run", "runs"}}, {"runs list", {"--json"}}});
  ASSERT_TRUE(script.ok());
  EXPECT_NE(script->find("[\"/\"]=\"run runs\""), std::string::npos);
  EXPECT_NE(script->find("[\"/runs list\"]=\"--json\""), std::string::npos);
}

TEST(CompletionScript, RefusesUnknownShellsByName) {
  const auto script = CompletionScript("tcsh", {});
  ASSERT_FALSE(script.ok());
  EXPECT_EQ(script.error().message(), "shell is \"tcsh\"; wanted: bash, zsh or fish");
}

TEST(RunReportJson, HasTheDocumentedKeys) {
  RunReport report;
  report.pipeline = "train";
  report.status = "ran";
  report.stages.push_back({"ingest", "ran", 0.5, 10, {{"rows_read", 12.0}}, {"a.parquet"}, {}, {}});
  report.run_id = "r";
  report.model_name = "churn";
  report.model_version = 1;
  report.aliases = {"champion"};
  EXPECT_EQ(
      RunReportJson(report),
      R"({"model":{"aliases":["champion"],"name":"churn","version":1},"pipeline":"train","run_id":"r","seconds":0.0,)"
      R"("stages":[{"metrics":{"rows_read":12.0},"name":"ingest","outputs":["a.parquet"],"rows":10,"seconds":0.5,)"
      R"("status":"ran"}],"status":"ran"})");
}

TEST(FormatTable, TextsFromOutsideCannotWriteToTheTerminal) {
  const std::string text = FormatTable({"", {"tag"}, {{"two\nlines \x1b[2J"}}});
  EXPECT_NE(text.find("two\\nlines \\x1b[2J"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace millrace::cli
