// SPDX-License-Identifier: Apache-2.0
// Passwords: what is stored, and what it says yes to.
#include "base/password.h"

#include <gtest/gtest.h>

namespace millrace::base {
namespace {

constexpr PasswordCost kCheap = {.log2_n = 4};

TEST(Password, OnlyTheSamePasswordFits) {
  const std::string hash = HashPassword("open sesame", kCheap);
  EXPECT_TRUE(*IsPassword("open sesame", hash));
  EXPECT_FALSE(*IsPassword("open sesamE", hash));
  EXPECT_FALSE(*IsPassword("", hash));
}

TEST(Password, SamePasswordHasAnotherHashEachTime) {
  EXPECT_NE(HashPassword("x", kCheap), HashPassword("x", kCheap));
  EXPECT_EQ(HashPassword("x", kCheap).find("$scrypt$ln=4,r=8,p=5$"), 0U);
}

// Computed by Python 3.11: hashlib.scrypt(b"open sesame", salt=bytes(range(16)), n=16, r=8, p=5,
// dklen=32).
TEST(Password, AgreesWithAnotherImplementation) {
  EXPECT_TRUE(*IsPassword("open sesame",
                          "$scrypt$ln=4,r=8,p=5$000102030405060708090a0b0c0d0e0f$"
                          "60f3e93e9559aa504c1be76907d4d11419c2b1b4031d92d3c3e3e53b56db084e"));
}

TEST(Password, DamagedHashIsDataLoss) {
  const std::string hash = HashPassword("x", kCheap);
  for (const std::string& bad :
       {std::string(), std::string("plain"), hash.substr(0, hash.size() - 2), "x" + hash,
        std::string("$scrypt$ln=99,r=8,p=5$00$00"), std::string("$scrypt$ln=4,r=1,p=1$00$00")}) {
    const Result<bool> result = IsPassword("x", bad);
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_EQ(result.error().code(), ErrorCode::kDataLoss);
  }
}

TEST(Secret, IsLongAndNew) {
  EXPECT_EQ(NewSecret().size(), 64U);
  EXPECT_NE(NewSecret(), NewSecret());
}

}  // namespace
}  // namespace millrace::base
