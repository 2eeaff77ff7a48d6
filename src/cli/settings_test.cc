// SPDX-License-Identifier: Apache-2.0
// Precedence and checks of settings.
#include "cli/settings.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

std::optional<std::string> NoVariable(const std::string&) {
  return std::nullopt;
}

TEST(ResolveSettings, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "MILLRACE_PORT" || name == "MILLRACE_HOST") {
      return name == "MILLRACE_PORT" ? "1" : "from.environment";
    }
    return std::nullopt;
  };
  const auto settings = ResolveSettings({{"port", "2"}}, environment,
                                        {{"port", "3"}, {"host", "file"}, {"threads", "4"}});
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->port, 2);
  EXPECT_EQ(settings->resolved.at("port").origin, "flag --port");
  EXPECT_EQ(settings->host, "from.environment");
  EXPECT_EQ(settings->resolved.at("host").origin, "environment MILLRACE_HOST");
  EXPECT_EQ(settings->threads, 4);
  EXPECT_EQ(settings->resolved.at("threads").origin, "millrace.yaml");
  EXPECT_EQ(settings->seed, 42U);
  EXPECT_EQ(settings->resolved.at("seed").origin, "default");
}

TEST(ResolveSettings, NamesOriginAndRangeOfABadNumber) {
  const auto settings = ResolveSettings({{"port", "70000"}}, NoVariable, {});
  ASSERT_FALSE(settings.ok());
  EXPECT_EQ(settings.error().message(),
            "setting port (flag --port) is \"70000\"; wanted: a whole number from 0 to 65535");
}

TEST(ResolveSettings, NamesTheChoicesOfABadWord) {
  const auto settings = ResolveSettings({}, NoVariable, {{"log_level", "loud"}});
  ASSERT_FALSE(settings.ok());
  EXPECT_EQ(
      settings.error().message(),
      "setting log_level (millrace.yaml) is \"loud\"; wanted: one of debug, info, warn, error");
}

TEST(ResolveSettings, PasswordsAreUsedButNotShown) {
  const std::string uri = "postgresql://me:se@same@db.example:5432/runs?password=se%20same&x=1";
  const auto settings = ResolveSettings({{"backend_store_uri", uri}}, NoVariable, {});
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings->backend_store_uri, uri);
  EXPECT_EQ(settings->resolved.at("backend_store_uri").value,
            "postgresql://me:***@db.example:5432/runs?password=***&x=1");
}

TEST(SettingNames, AreTheSameWordInThreeSpellings) {
  const SettingInfo info{"log_level", "", "", {}, {}};
  EXPECT_EQ(FlagOf(info), "--log-level");
  EXPECT_EQ(VariableOf(info), "MILLRACE_LOG_LEVEL");
}

}  // namespace
}  // namespace millrace::cli
