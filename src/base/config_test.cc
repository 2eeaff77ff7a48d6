// SPDX-License-Identifier: Apache-2.0
// Tests of YAML, JSON and declared settings.
#include "base/config.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "base/json.h"

namespace millrace::base {
namespace {

using nlohmann::json;

std::string YamlError(std::string_view text) {
  const Result<YamlNode> node = YamlNode::Parse(text, "f.yaml");
  return node.ok() ? "no error" : node.error().ToString();
}

TEST(Yaml, EveryNodeKnowsItsPlace) {
  const YamlNode root = *YamlNode::Parse("a: 1\nb:\n  - x\n  - {c: d}\n", "f.yaml");
  const YamlNode c = *root.Find("b")->items()[1].Find("c");
  EXPECT_EQ(c.text(), "d");
  EXPECT_EQ(c.where().file, "f.yaml");
  EXPECT_EQ(c.where().line, 4);
  EXPECT_EQ(c.where().column, 9);
  EXPECT_EQ(root.entries()[1].first.where().line, 2);
  EXPECT_FALSE(root.Find("none").has_value());
}

TEST(Yaml, ScalarsHaveTheTypesOfYaml12) {
  const YamlNode root = *YamlNode::Parse(
      "i: -12\nh: 0x1F\no: 0o17\nd: 1.5e3\nt: true\nn: ~\ne:\nq: '12'\ninf: -.inf\nnan: .nan\nyes: "
      "yes\ns: text\n",
      "f");
  EXPECT_EQ(*root.Find("i")->AsInt(), -12);
  EXPECT_EQ(*root.Find("h")->AsInt(), 31);
  EXPECT_EQ(*root.Find("o")->AsInt(), 15);
  EXPECT_EQ(*root.Find("d")->AsDouble(), 1500.0);
  EXPECT_EQ(*root.Find("i")->AsDouble(), -12.0);
  EXPECT_TRUE(*root.Find("t")->AsBool());
  EXPECT_TRUE(root.Find("n")->IsNull());
  EXPECT_TRUE(root.Find("e")->IsNull());
  EXPECT_FALSE(root.Find("q")->AsInt().ok());
  EXPECT_EQ(*root.Find("q")->AsString(), "12");
  EXPECT_EQ(*root.Find("inf")->AsDouble(), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(*root.Find("nan")->AsDouble()));
  EXPECT_FALSE(root.Find("yes")->AsBool().ok());
  EXPECT_FALSE(root.Find("s")->AsDouble().ok());
  EXPECT_FALSE(root.Find("d")->AsInt().ok());
  EXPECT_EQ(YamlNode::Parse("99999999999999999999", "f")->AsInt().error().ToString(),
            "f:1:1: found \"99999999999999999999\", wanted a whole number that fits 64 bits");
}

TEST(Yaml, ErrorsNameThePlace) {
  EXPECT_EQ(YamlError("a: 1\nb: 2\na: 3\n"),
            "f.yaml:3:1: the key \"a\" appears twice, first on line 1; remove one of the two");
  EXPECT_EQ(YamlError("a: [1, 2\nb: 3").substr(0, 7), "f.yaml:");
  EXPECT_NE(YamlError("a: !!python/object x").find("tag"), std::string::npos);
  EXPECT_NE(YamlError("a: 1\n---\nb: 2\n").find("more than one document"), std::string::npos);
  EXPECT_NE(YamlError("? [a]\n: b\n").find("a key must be a plain text"), std::string::npos);
  EXPECT_EQ(YamlError(""), "no error");
  EXPECT_EQ(YamlError("# only a comment\n"), "no error");
}

TEST(Yaml, DeepNestingIsRefused) {
  EXPECT_EQ(YamlError(std::string(64, '[') + std::string(64, ']')), "no error");
  EXPECT_NE(YamlError(std::string(65, '[') + std::string(65, ']')).find("nesting deeper than 64"),
            std::string::npos);
  EXPECT_NE(YamlError(std::string(100'000, '[')), "no error");
}

TEST(Yaml, AliasesRepeatFinishedNodesOnly) {
  const YamlNode root = *YamlNode::Parse("a: &x {k: 1}\nb: *x\n", "f");
  EXPECT_EQ(root.Find("b")->Find("k")->text(), "1");
  EXPECT_NE(YamlError("a: &x [*x]\n"), "no error");
  EXPECT_NE(YamlError("a: *unknown\n"), "no error");
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) {
      bomb += (j > 0 ? "," : "") + before;
    }
    bomb += "]\n";
  }
  EXPECT_NE(YamlError(bomb).find("more than 1000000 values"), std::string::npos);
}

std::string JsonError(std::string_view text) {
  const Result<json> value = ParseJson(text, "f.json");
  return value.ok() ? "no error" : value.error().ToString();
}

TEST(Json, ReadsWhatItWrites) {
  const std::string text =
      R"({"a":[1,-2,1.5,true,null,"x\"y\u00fc"],"b":{"c":18446744073709551615}})";
  EXPECT_EQ(DumpJson(*ParseJson(text, "f")),
            "{\"a\":[1,-2,1.5,true,null,\"x\\\"yü\"],\"b\":{\"c\":18446744073709551615}}");
}

TEST(Json, TextIsCanonical) {
  EXPECT_EQ(DumpJson(json{{"b", 0.1}, {"a", 1.0}, {"c", 1e300}}),
            R"({"a":1.0,"b":0.1,"c":1e+300})");
  EXPECT_EQ(DumpJson(json{std::nan(""), std::numeric_limits<double>::infinity()}),
            R"(["NaN","Infinity"])");
  EXPECT_EQ(DumpJsonPretty(json{{"a", {1, 2}}, {"b", json::object()}, {"c", json::array()}}),
            "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": []\n}\n");
  EXPECT_EQ(DumpJson(json(std::string("\xff"))), "\"\xEF\xBF\xBD\"");
}

TEST(Json, ErrorsNameThePlace) {
  EXPECT_EQ(JsonError("{\n  \"a\": 1,\n  \"a\": 2\n}"), "f.json:3:6: the key \"a\" appears twice");
  EXPECT_EQ(JsonError("{\"a\": }").substr(0, 11), "f.json:1:7:");
  EXPECT_NE(JsonError(""), "no error");
  EXPECT_NE(JsonError("1 2"), "no error");
  EXPECT_NE(JsonError("[1,]"), "no error");
  EXPECT_NE(JsonError("NaN"), "no error");
  EXPECT_NE(JsonError("1e999"), "no error");
  EXPECT_NE(JsonError("\"\xff\""), "no error");
  EXPECT_NE(JsonError("{'a': 1}"), "no error");
}

TEST(Json, NothingHidesBehindANulByte) {
  EXPECT_NE(JsonError(std::string_view("{\"a\":1}\0garbage", 15)).find("NUL byte at offset 7"),
            std::string::npos);
}

TEST(Json, SameKeyInDifferentObjectsIsFine) {
  EXPECT_EQ(JsonError(R"([{"a":1},{"a":{"a":2}}])"), "no error");
}

TEST(Json, DeepNestingIsRefused) {
  EXPECT_EQ(JsonError(std::string(128, '[') + std::string(128, ']')), "no error");
  EXPECT_NE(JsonError(std::string(129, '[') + std::string(129, ']')).find("nesting deeper"),
            std::string::npos);
}

struct Window {
  Timestamp from;
  std::optional<Timestamp> until;
  bool operator==(const Window&) const = default;
  static const Declaration<Window>& Declared() {
    static const Declaration<Window> kDeclaration =
        Declaration<Window>("window", "A stretch of time.")
            .Field("from", &Window::from, "First instant.", {.required = true})
            .Field("until", &Window::until, "First instant after it.");
    return kDeclaration;
  }
};

struct Job {
  std::string name;
  int threads = 2;
  double share = 0.5;
  std::uint64_t seed = 42;
  bool is_quiet = false;
  std::string mode = "fast";
  Duration every{kMicrosPerDay};
  std::vector<Window> windows;
  OrderedMap<double> weights;
  std::map<std::string, std::int64_t> limits;
  Located<std::string> label;
  YamlNode extra;
  static const Declaration<Job>& Declared() {
    static const Declaration<Job> kDeclaration =
        Declaration<Job>("job", "What to do.")
            .Field("name", &Job::name, "How it is called.", {.required = true})
            .Field("threads", &Job::threads, "Threads.", {.minimum = 1, .maximum = 64})
            .Field("share", &Job::share, "Share of rows.", {.minimum = 0, .maximum = 1})
            .Field("seed", &Job::seed, "Seed.")
            .Field("is_quiet", &Job::is_quiet, "Says less.")
            .Field("mode", &Job::mode, "How.", {.one_of = {"fast", "exact"}})
            .Field("every", &Job::every, "How often.")
            .Field("windows", &Job::windows, "When.")
            .Field("weights", &Job::weights, "Weights.", {.minimum = 0})
            .Field("limits", &Job::limits, "Limits.")
            .Field("label", &Job::label, "Label.")
            .Field("extra", &Job::extra, "Anything.");
    return kDeclaration;
  }
};

TEST(Config, ReadsEveryType) {
  const Result<Job> job = ReadConfig(Job::Declared(), R"(name: a
threads: 3
share: 1
seed: 18446744073709551615
is_quiet: true
mode: exact
every: 12h
windows:
  - {from: 2010-06-01}
  - {from: 2010-07-01T12:00:00Z, until: 2010-08-01}
weights: {z: 1, a: 2.5}
limits: {x: -1}
label: churned
extra: [1, {b: x}]
)",
                                     "job.yaml");
  ASSERT_TRUE(job.ok()) << job.error().ToString();
  EXPECT_EQ(job->threads, 3);
  EXPECT_EQ(job->share, 1.0);
  EXPECT_EQ(job->seed, std::numeric_limits<std::uint64_t>::max());
  EXPECT_TRUE(job->is_quiet);
  EXPECT_EQ(job->every.micros, kMicrosPerDay / 2);
  ASSERT_EQ(job->windows.size(), 2U);
  EXPECT_FALSE(job->windows[0].until.has_value());
  EXPECT_EQ(FormatDate(*job->windows[1].until), "2010-08-01");
  ASSERT_EQ(job->weights.size(), 2U);
  EXPECT_EQ(job->weights[0].first.value, "z");
  EXPECT_EQ(job->weights[1].first.where.line, 11);
  EXPECT_EQ(job->limits.at("x"), -1);
  EXPECT_EQ(job->label.where.line, 13);
  EXPECT_EQ(job->extra.items().size(), 2U);
}

TEST(Config, WhatIsNotWrittenKeepsItsDefault) {
  const Job job = *ReadConfig(Job::Declared(), "name: a\n", "job.yaml");
  EXPECT_EQ(job.threads, 2);
  EXPECT_EQ(job.mode, "fast");
}

TEST(Config, AllMistakesAreToldAtOnceWithTheirPlaces) {
  const Result<Job> job = ReadConfig(Job::Declared(), R"(thread: 3
threads: 0
share: many
mode: exakt
every: 3 days
windows:
  - {until: 2010-06-01, form: 2010-01-01}
weights: {a: -1}
limits: 5
)",
                                     "job.yaml");
  ASSERT_FALSE(job.ok());
  EXPECT_EQ(
      job.error().ToString(),
      "job.yaml:1:1: unknown key \"thread\" of job; did you mean \"threads\"?\n"
      "job.yaml:2:10: threads: found 0, wanted at least 1\n"
      "job.yaml:3:8: share: found \"many\", wanted a number\n"
      "job.yaml:4:7: mode: found \"exakt\", wanted one of fast, exact; did you mean \"exact\"?\n"
      "job.yaml:5:8: every: \"3 days\" is not a duration; write a whole number above 0 and one of "
      "w, d, h, m, s, ms, us, "
      "for example 30d\n"
      "job.yaml:7:25: windows: unknown key \"form\" of window; did you mean \"from\"?\n"
      "job.yaml:7:5: windows: the key \"from\" of window is missing; from: First instant.\n"
      "job.yaml:8:14: weights: found -1, wanted at least 0\n"
      "job.yaml:9:9: limits: found \"5\", wanted a map; write \"key: value\" lines\n"
      "job.yaml:1:1: the key \"name\" of job is missing; name: How it is called.");
}

TEST(Config, RequiredKeyWithoutValueIsAMistake) {
  EXPECT_EQ(ReadConfig(Job::Declared(), "name:\n", "f").error().ToString(),
            "f:1:1: the key \"name\" of job has no value");
}

TEST(Config, NumbersOutsideTheirTypeAreMistakes) {
  EXPECT_FALSE(ReadConfig(Job::Declared(), "name: a\nthreads: 3000000000\n", "f").ok());
  EXPECT_FALSE(ReadConfig(Job::Declared(), "name: a\nseed: -1\n", "f").ok());
  EXPECT_FALSE(ReadConfig(Job::Declared(), "name: a\nshare: .nan\n", "f").ok());
  EXPECT_FALSE(ReadConfig(Job::Declared(), "[]\n", "f").ok());
}

TEST(Config, JsonSchemaSaysTheSame) {
  const json schema = Job::Declared().schema().JsonSchema();
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["required"], json::array({"name"}));
  const json& properties = schema["properties"];
  EXPECT_EQ(properties["threads"], json({{"type", "integer"},
                                         {"minimum", 1},
                                         {"maximum", 64},
                                         {"default", 2},
                                         {"description", "Threads."}}));
  EXPECT_EQ(properties["mode"]["enum"], json::array({"fast", "exact"}));
  EXPECT_EQ(properties["every"]["default"], "1d");
  EXPECT_EQ(properties["windows"]["items"]["properties"]["from"]["type"], "string");
  EXPECT_EQ(properties["weights"]["additionalProperties"]["minimum"], 0);
  EXPECT_EQ(properties["seed"]["minimum"], 0);
}

TEST(Config, ReferenceTableHasARowPerKey) {
  const std::string table = Window::Declared().schema().ReferenceMarkdown();
  EXPECT_EQ(table,
            "| key | type | default | meaning |\n|---|---|---|---|\n"
            "| `from` | date or instant, UTC | required | First instant. |\n"
            "| `until` | date or instant, UTC |  | First instant after it. |\n");
}

TEST(Config, FlagWinsOverEnvironmentOverFileOverDefault) {
  SettingSources sources;
  sources.file = *YamlNode::Parse("name: file\nthreads: 3\nmode: exact\n", "millrace.yaml");
  sources.environment = [](const std::string& variable) -> std::optional<std::string> {
    return variable == "MILLRACE_THREADS" ? std::optional<std::string>("4")
           : variable == "MILLRACE_SHARE" ? std::optional<std::string>("0.25")
                                          : std::nullopt;
  };
  sources.flags = {{"threads", "5"}};
  ErrorList errors;
  std::vector<SettingOrigin> origins;
  const Job job = Job::Declared().Resolve(sources, errors, &origins);
  ASSERT_TRUE(errors.empty()) << errors.ToError().ToString();
  EXPECT_EQ(job.threads, 5);
  EXPECT_EQ(job.share, 0.25);
  EXPECT_EQ(job.mode, "exact");
  std::map<std::string, std::string> by_name;
  for (const SettingOrigin& origin : origins) {
    by_name[origin.name] = origin.value_json + " from " + origin.origin;
  }
  EXPECT_EQ(by_name["threads"], "5 from flag --threads");
  EXPECT_EQ(by_name["share"], "0.25 from environment MILLRACE_SHARE");
  EXPECT_EQ(by_name["mode"], "\"exact\" from millrace.yaml:3:7");
  EXPECT_EQ(by_name["seed"], "42 from default");
}

TEST(Config, BadFlagsAreNamed) {
  SettingSources sources;
  sources.file = *YamlNode::Parse("name: a\n", "millrace.yaml");
  sources.flags = {{"threads", "many"}, {"thread", "1"}};
  ErrorList errors;
  Job::Declared().Resolve(sources, errors);
  ASSERT_EQ(errors.errors().size(), 2U);
  EXPECT_EQ(errors.errors()[0].ToString(),
            "flag --threads:1:1: found \"many\", wanted a whole number");
  EXPECT_EQ(errors.errors()[1].ToString(), "unknown setting \"thread\"; did you mean \"threads\"?");
}

}  // namespace
}  // namespace millrace::base
