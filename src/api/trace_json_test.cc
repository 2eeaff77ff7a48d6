// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's encodings and MLflow's JSON of traces.
#include "api/internal/trace_json.h"

#include <limits>
#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "api/internal/otlp.h"
#include "api/internal/otlp_span.h"
#include "base/json.h"

namespace millrace::api::internal {
namespace {

using nlohmann::json;

// Protocol buffers by hand: a field of bytes, of a varint, of eight bytes.
std::string Bytes(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  for (std::size_t n = bytes.size(); n >= 128; n >>= 7) {
    out += static_cast<char>((n & 127) | 128);
    if (n < 16384) {
      out += static_cast<char>(n >> 7);
      return out + bytes;
    }
  }
  return out + static_cast<char>(bytes.size()) + bytes;
}
std::string Varint(int number, unsigned char value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}
std::string Fixed(int number, std::uint64_t value) {
  std::string out(1, static_cast<char>(number << 3 | 1));
  for (int i = 0; i < 8; ++i) {
    out += static_cast<char>(value >> (8 * i));
  }
  return out;
}
std::string Attribute(const std::string& key, const std::string& value) {
  return Bytes(1, key) + Bytes(2, value);
}

std::string Request(const std::string& attributes) {
  const std::string span =
      Bytes(1,
            std::string("\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c", 16)) +
      Bytes(2, "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74") + Bytes(5, "checkout") +
      Fixed(7, 1'000'000'007) + Fixed(8, 2'000'000'000) + attributes +
      Bytes(11, Fixed(1, 1'500'000'000) + Bytes(2, "e") + Bytes(3, Attribute("k", Bytes(1, "v")))) +
      Bytes(15, Bytes(2, "full") + Varint(3, 2));
  return Bytes(1, Bytes(1, Bytes(1, Attribute("service.name", Bytes(1, "shop")))) +
                      Bytes(2, Bytes(2, span)));
}

TEST(ParseOtlp, ReadsProtocolBuffers) {
  const std::string nested = Bytes(6, Bytes(1, Attribute("in", Varint(3, 7))));
  const auto batches = ParseOtlp(
      Request(
          Bytes(9, Attribute("text", Bytes(1, "a\"b"))) +
          Bytes(9, Attribute("flag", Varint(2, 1))) +
          Bytes(9, Attribute("half", "\x21" + Fixed(4, 0x3FE0000000000000).substr(1))) +
          Bytes(9, Attribute("list", Bytes(5, Bytes(1, Varint(3, 1)) + Bytes(1, Varint(3, 2))))) +
          Bytes(9, Attribute("map", nested))),
      false);
  ASSERT_TRUE(batches.ok()) << batches.error().ToString();
  ASSERT_EQ(batches->size(), 1U);
  EXPECT_EQ(batches->front().resource.at("service.name"), "shop");
  ASSERT_EQ(batches->front().spans.size(), 1U);
  const tracking::Span& span = batches->front().spans[0];
  EXPECT_EQ(span.trace_id, "tr-5b8efff798038103d269b633813fc60c");
  EXPECT_EQ(span.span_id, "eee19b7ec3c1b174");
  EXPECT_EQ(span.parent_id, "");
  EXPECT_EQ(span.name, "checkout");
  EXPECT_EQ(span.type, "") << "nobody said";
  EXPECT_EQ(span.status, "ERROR");
  EXPECT_EQ(span.start_time_ns, 1'000'000'007);
  const json content = base::ParseJson(span.content, "span").value();
  EXPECT_EQ(content["attributes"]["text"], "\"a\\\"b\"");
  EXPECT_EQ(content["attributes"]["flag"], "true");
  EXPECT_EQ(content["attributes"]["half"], "0.5");
  EXPECT_EQ(content["attributes"]["list"], "[1, 2]");
  EXPECT_EQ(content["attributes"]["map"], "{\"in\": 7}");
  EXPECT_EQ(content["events"][0]["attributes"]["k"], "v");

  const json back = OtlpJson(span);
  EXPECT_EQ(back["trace_id"], "W47/95gDgQPSabYzgT/GDA==");
  EXPECT_EQ(back["status"]["code"], "STATUS_CODE_ERROR");
  EXPECT_FALSE(back.contains("parent_span_id"));
  for (const json& attribute : back["attributes"]) {
    if (attribute["key"] == "map") {
      EXPECT_EQ(attribute["value"]["kvlist_value"]["values"][0]["value"]["int_value"], 7);
    }
  }
}

TEST(ParseOtlp, BothEncodingsGiveTheSame) {
  const auto wire = ParseOtlp(Request(Bytes(9, Attribute("n", Varint(3, 5)))), false);
  const auto text = ParseOtlp(
      R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
      "scopeSpans":[{"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eee19b7ec3c1b174","name":"checkout",
      "startTimeUnixNano":"1000000007","endTimeUnixNano":2000000000,"attributes":[{"key":"n","value":{"intValue":"5"}}],
      "events":[{"name":"e","timeUnixNano":"1500000000","attributes":[{"key":"k","value":{"stringValue":"v"}}]}],
      "status":{"code":2,"message":"full"}}]}]}]})",
      true);
  ASSERT_TRUE(wire.ok() && text.ok());
  EXPECT_EQ(OtlpJson(wire->front().spans[0]), OtlpJson(text->front().spans[0]));
  EXPECT_EQ(wire->front().resource, text->front().resource);
}

// A client that reads an integer of more than 64 bits with a sign refuses the whole trace.
TEST(OtlpJson, IntegersBeyondItsTypeAreDoubles) {
  tracking::Span span;
  span.content =
      R"({"attributes":{"big":"18446744073709551615","most":"9223372036854775807","least":"-9223372036854775808"}})";
  std::map<std::string, json> values;
  const json whole = OtlpJson(span);
  for (const json& pair : whole.at("attributes")) {
    values[pair.at("key")] = pair.at("value");
  }
  EXPECT_EQ(values.at("big"), json({{"double_value", 18446744073709551616.0}}));
  EXPECT_TRUE(values.at("big").at("double_value").is_number_float());
  EXPECT_EQ(values.at("most"), json({{"int_value", 9223372036854775807}}));
  EXPECT_EQ(values.at("least").at("int_value").get<std::int64_t>(),
            std::numeric_limits<std::int64_t>::min());
}

TEST(ParseOtlp, RefusesWhatIsNone) {
  EXPECT_FALSE(ParseOtlp("\xff\xff", false).ok());
  EXPECT_FALSE(ParseOtlp(Request("").substr(0, 40), false).ok());
  EXPECT_FALSE(ParseOtlp("{", true).ok());
  EXPECT_FALSE(
      ParseOtlp(R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"x"}]}]}]})", true).ok())
      << "no ids";
  EXPECT_TRUE(ParseOtlp("", false)->empty());
  std::string deep = Varint(3, 1);
  for (int i = 0; i < 500; ++i) {
    deep = Bytes(5, Bytes(1, deep));
  }
  EXPECT_FALSE(ParseOtlp(Request(Bytes(9, Attribute("deep", deep))), false).ok());
}

TEST(ParseOtlp, AnyBytesAreReadOrRefused) {
  std::mt19937 random(3);
  const std::string good = Request(Bytes(9, Attribute("list", Bytes(5, Bytes(1, Bytes(1, "x"))))));
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (auto n = random() % 6; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    if (const auto batches = ParseOtlp(bytes, false); batches.ok()) {
      for (const OtlpBatch& batch : *batches) {
        for (const tracking::Span& span : batch.spans) {
          EXPECT_TRUE(base::ParseJson(span.content, "span").ok());
          base::DumpJson(OtlpJson(span));
        }
      }
    }
  }
}

TEST(TraceJson, TimesAreThoseOfRfc3339) {
  EXPECT_EQ(TimestampText(1'700'000'000'123), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(TimestampText(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(TimestampText(-1), "1969-12-31T23:59:59.999Z");
  for (const std::int64_t ms : {0LL, -1LL, 1'700'000'000'123LL, 253'402'300'799'999LL}) {
    EXPECT_EQ(ParseTimestamp(TimestampText(ms)), ms);
  }
  EXPECT_EQ(ParseTimestamp("1970-01-01T01:00:00.5+01:00"), 500);
  EXPECT_EQ(ParseTimestamp("1970-01-01T00:00:00.123456789Z"), 123);
  for (const char* text : {"", "x", "1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00",
                           "1970-02-30T00:00:00Z", "1970-01-01T00:00:00Zx"}) {
    EXPECT_FALSE(ParseTimestamp(text).has_value()) << text;
  }
  EXPECT_EQ(DurationText(1234), "1.234s");
  EXPECT_EQ(DurationText(-500), "-0.500s");
  EXPECT_EQ(DurationText(2000), "2s");
  EXPECT_EQ(ParseDuration("1.5s"), 1500);
  EXPECT_EQ(ParseDuration("-0.500s"), -500);
  EXPECT_FALSE(ParseDuration("1").has_value());
  EXPECT_FALSE(ParseDuration("xs").has_value());
}

TEST(TraceJson, AssessmentsKeepTheirBody) {
  const json given =
      base::ParseJson(
          R"({"assessment_name":"q","source":{"source_type":"HUMAN","source_id":"ann"},"create_time":"2023-11-14T22:13:20Z",
      "feedback":{"value":{"a":[1.0,true,null]},"error":{"error_code":"E"}},"metadata":{"m":"n"},"rationale":"r"})",
          "assessment")
          .value();
  const tracking::Assessment read = ReadAssessment(given).value();
  const json back = AssessmentJson(read);
  for (const char* name :
       {"assessment_name", "source", "create_time", "feedback", "metadata", "rationale"}) {
    EXPECT_EQ(back[name], given[name]) << name;
  }
  EXPECT_FALSE(ReadAssessment(json::object()).ok()) << "neither of the three kinds";
  EXPECT_FALSE(ReadAssessment(json::array()).ok());
  const auto update = ReadAssessmentUpdate(given, "assessmentName,feedback");
  ASSERT_TRUE(update.ok());
  EXPECT_EQ(update->name, "q");
  EXPECT_EQ(update->kind_and_body->first, "feedback");
  EXPECT_FALSE(update->rationale.has_value()) << "not in the mask";
}

TEST(TraceJson, ListsAndObjectsOfExpectationsAreJsonInAText) {
  const auto read = [](const json& expectation) {
    return ReadAssessment({{"assessment_name", "e"}, {"expectation", expectation}});
  };
  const auto back = [&](const json& expectation) {
    return AssessmentJson(read(expectation).value()).at("expectation");
  };
  const auto packed = [](const char* text) {
    return json{{"serialized_value", {{"serialization_format", "JSON_FORMAT"}, {"value", text}}}};
  };
  EXPECT_EQ(back({{"value", {{"a", {1, 2}}}}}), packed("{\"a\":[1,2]}"));
  EXPECT_EQ(back(packed("[1, \"x\"]")), packed("[1, \"x\"]")) << "the client's own text stays";
  EXPECT_EQ(back(packed("\"plain\"")), (json{{"value", "plain"}}));
  EXPECT_EQ(back({{"value", 1.5}}), (json{{"value", 1.5}}));
  json other = packed("[]");
  other["serialized_value"]["serialization_format"] = "PICKLE";
  EXPECT_EQ(read(other).error().message(),
            "Unknown serialization format: PICKLE. Only JSON_FORMAT is supported.");
  EXPECT_FALSE(read(packed("[")).ok());
  EXPECT_FALSE(read({{"serialized_value", 3}}).ok());
  EXPECT_FALSE(
      read({{"serialized_value", {{"serialization_format", "JSON_FORMAT"}, {"value", 3}}}}).ok());
  EXPECT_FALSE(read({{"serialized_value", {{"serialization_format", 3}}}}).ok());
}

}  // namespace
}  // namespace millrace::api::internal
