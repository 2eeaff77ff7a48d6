// SPDX-License-Identifier: Apache-2.0
// Tests of requests, replies and their bytes.
#include "net/http_message.h"

#include <gtest/gtest.h>

#include "net/internal/write_response.h"

namespace millrace::net {
namespace {

TEST(HttpMessage, HeaderNamesIgnoreCase) {
  const HeaderField fields[] = {{"Content-Type", "text/csv"}, {"X-A", "1"}, {"x-a", "2"}};
  const Request request{.method = "GET",
                        .target = "/a?b=c&d",
                        .headers = fields,
                        .body = {},
                        .peer = {},
                        .is_loopback = false};
  EXPECT_EQ(request.Header("content-type"), "text/csv");
  EXPECT_EQ(request.Header("X-a"), "1");
  EXPECT_EQ(request.Header("missing"), "");
  EXPECT_EQ(request.path(), "/a");
  EXPECT_EQ(request.query(), "b=c&d");
}

TEST(HttpMessage, ReplyCarriesLengthDateAndFields) {
  Response response;
  response.body = "{}";
  response.headers = {{"X-One", "1"}};
  std::string out;
  internal::AppendResponse(response, {.date = "Sun, 06 Nov 1994 08:49:37 GMT"}, out);
  EXPECT_EQ(out,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nX-One: 1\r\n\r\n{}");
}

TEST(HttpMessage, ReplyToHeadHasLengthButNoBody) {
  Response response;
  response.body = "12345";
  std::string out;
  internal::AppendResponse(response, {.keep_alive = false, .is_head = true, .date = "d"}, out);
  EXPECT_NE(out.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_NE(out.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(out.ends_with("\r\n\r\n"));
}

TEST(HttpMessage, FieldWithLineBreakIsNotSent) {
  Response response;
  response.headers = {{"X-Bad", "1\r\nSet-Cookie: a=b"}, {"X-Worse\n", "1"}, {"X-Good", "1"}};
  std::string out;
  internal::AppendResponse(response, {.date = "d"}, out);
  EXPECT_EQ(out.find("Set-Cookie"), std::string::npos);
  EXPECT_EQ(out.find("X-Worse"), std::string::npos);
  EXPECT_NE(out.find("X-Good: 1\r\n"), std::string::npos);
}

TEST(HttpMessage, NoContentHasNeitherBodyNorLength) {
  Response response;
  response.status = 204;
  response.body = "ignored";
  std::string out;
  internal::AppendResponse(response, {.date = "d"}, out);
  EXPECT_EQ(out, "HTTP/1.1 204 No Content\r\nDate: d\r\n\r\n");
}

// The date of RFC 9110 section 5.6.7.
TEST(HttpMessage, DateIsThatOfTheRfc) {
  EXPECT_EQ(internal::HttpDate(784111777), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace
}  // namespace millrace::net
