// SPDX-License-Identifier: Apache-2.0
// Compressed bodies, as zlib 1.2.13 (Python 3.11) wrote them.
#include "api/internal/inflate.h"

#include <gtest/gtest.h>

#include "api/internal/online_json.h"

namespace millrace::api::internal {
namespace {

constexpr std::size_t kMost = 1 << 20;
const std::string kText = "spans spans spans";

std::string Bytes(const char* base64) {
  return FromBase64(base64).value();
}

TEST(Inflate, ReadsGzipAndBothKindsOfDeflate) {
  const std::string gzip = Bytes("H4sIAAAAAAACAysuSMwrVihGkAD8/N3pEQAAAA==");
  EXPECT_EQ(Inflate(gzip, "gzip", kMost).value(), kText);
  EXPECT_EQ(Inflate(gzip + gzip, "GZip", kMost).value(), kText + kText) << "two members";
  EXPECT_EQ(Inflate(Bytes("eJwrLkjMK1YoRpAAPD4GsA=="), "deflate", kMost).value(), kText);
  EXPECT_EQ(Inflate(Bytes("Ky5IzCtWKEaQAA=="), "deflate", kMost).value(), kText);
}

TEST(Inflate, RefusesWhatIsBrokenOrUnknown) {
  const std::string gzip = Bytes("H4sIAAAAAAACAysuSMwrVihGkAD8/N3pEQAAAA==");
  for (const std::string& broken :
       {std::string(), std::string("no gzip"), gzip.substr(0, gzip.size() - 1), gzip.substr(0, 12),
        gzip + "x"}) {
    const auto result = Inflate(broken, "gzip", kMost);
    ASSERT_FALSE(result.ok()) << broken.size();
    EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(result.error().message(), "Failed to decompress gzip payload");
  }
  EXPECT_EQ(Inflate(gzip, "br", kMost).error().message(), "Unsupported Content-Encoding: br");
}

TEST(Inflate, ABombIsRefusedBeforeItIsWhole) {
  const std::string gzip = Bytes("H4sIAAAAAAACAysuSMwrVihGkAD8/N3pEQAAAA==");
  const auto result = Inflate(gzip, "gzip", kText.size() - 1);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_TRUE(Inflate(gzip, "gzip", kText.size()).ok());
}

}  // namespace
}  // namespace millrace::api::internal
