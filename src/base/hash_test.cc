// SPDX-License-Identifier: Apache-2.0
// Tests of hashes, secrets, addresses and random numbers against published values.
#include "base/hash.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hmac.h"
#include "base/public_address.h"
#include "base/rng.h"
#include "base/seal.h"

namespace millrace::base {
namespace {

// FIPS 180-4 examples and the empty text.
TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// RFC 4231, test cases 1 and 2, in the base64 of RFC 4648.
TEST(Hmac, PublishedVectors) {
  EXPECT_EQ(Base64(HmacSha256(std::string(20, '\x0b'), "Hi There")),
            "sDRMYdjbOFNcqK/OrwvxK4gdwgDJgz2nJuk3bC4yz/c=");
  EXPECT_EQ(Base64(HmacSha256("Jefe", "what do ya want for nothing?")),
            "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
}

TEST(Base64, PublishedVectors) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
}

TEST(Seal, OpensUnderItsKeyOnly) {
  for (const std::string& secret : {std::string(), std::string("s3cret"), std::string(5000, 'x')}) {
    const std::string sealed = Seal("key", secret);
    EXPECT_EQ(*Unseal("key", sealed), secret);
    EXPECT_NE(Seal("key", secret), sealed) << "a nonce of its own each time";
    EXPECT_FALSE(Unseal("other", sealed).ok());
    std::string changed = sealed;
    changed.back() = changed.back() == '0' ? '1' : '0';
    EXPECT_FALSE(Unseal("key", changed).ok());
  }
  EXPECT_FALSE(Unseal("key", "").ok());
  EXPECT_FALSE(Unseal("key", "v1:00").ok());
  EXPECT_FALSE(Unseal("key", "s3cret").ok());
}

TEST(PublicAddress, AsIanaSays) {
  for (const char* address : {"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1",
                              "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808"}) {
    EXPECT_TRUE(IsPublicAddress(address)) << address;
  }
  for (const char* address : {"0.0.0.0",
                              "10.1.2.3",
                              "100.64.0.1",
                              "127.0.0.1",
                              "169.254.169.254",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.0.0.1",
                              "192.0.2.1",
                              "192.168.1.1",
                              "198.18.0.1",
                              "198.51.100.1",
                              "203.0.113.9",
                              "224.0.0.1",
                              "240.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "fc00::1",
                              "ff02::1",
                              "2001:db8::1",
                              "2001::1",
                              "::ffff:10.0.0.1",
                              "2002:a00:1::",
                              "64:ff9b::a00:1",
                              "100::1",
                              "example.com",
                              "",
                              "127.1"}) {
    EXPECT_FALSE(IsPublicAddress(address)) << address;
  }
}

TEST(ContentHash, IsTheFirstHalfOfSha256) {
  EXPECT_EQ(HashText("abc").Hex(), "ba7816bf8f01cfea414140de5dae2223");
  EXPECT_EQ(*ParseContentHash(HashText("abc").Hex()), HashText("abc"));
}

TEST(ContentHash, RefusesOtherTexts) {
  EXPECT_FALSE(ParseContentHash("").ok());
  EXPECT_FALSE(ParseContentHash("ba7816bf8f01cfea414140de5dae222").ok());
  EXPECT_FALSE(ParseContentHash("BA7816BF8F01CFEA414140DE5DAE2223").ok());
  EXPECT_FALSE(ParseContentHash("ga7816bf8f01cfea414140de5dae2223").ok());
}

ContentHash Of(const std::function<void(Hasher&)>& feed) {
  Hasher hasher;
  feed(hasher);
  return hasher.Finish();
}

TEST(Hasher, CutsBetweenValuesMatter) {
  EXPECT_NE(Of([](Hasher& h) { h.Add("ab").Add("c"); }),
            Of([](Hasher& h) { h.Add("a").Add("bc"); }));
  EXPECT_NE(Of([](Hasher& h) { h.Add(""); }), Of([](Hasher&) {}));
}

TEST(Hasher, TypesMatter) {
  EXPECT_NE(Of([](Hasher& h) { h.Add(std::int64_t{1}); }),
            Of([](Hasher& h) { h.Add(std::uint64_t{1}); }));
  EXPECT_NE(Of([](Hasher& h) { h.Add(1); }), Of([](Hasher& h) { h.Add(1.0); }));
}

TEST(Hasher, AllNanAreOneAndZerosTwo) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(Of([&](Hasher& h) { h.Add(nan); }), Of([&](Hasher& h) { h.Add(-nan); }));
  EXPECT_NE(Of([](Hasher& h) { h.Add(0.0); }), Of([](Hasher& h) { h.Add(-0.0); }));
}

// The hash is part of caches and model files: a changed feeding would forget all of them. To accept
// a change on purpose, raise the format versions that use it and put the printed value here.
TEST(Hasher, FeedingIsStable) {
  const ContentHash hash = Of([](Hasher& h) {
    h.Add("text").Add(-7).Add(std::uint64_t{7}).Add(0.5).Add(true).Add(HashText("x"));
  });
  EXPECT_EQ(hash.Hex(), "4bfeeddf0007ac3c714f45f5a82dc1c6");
}

TEST(HashFile, EqualsTheHashOfItsBytes) {
  const std::filesystem::path dir = std::filesystem::path(testing::TempDir()) / "hash_file";
  std::filesystem::remove_all(dir);
  const std::string big(3'000'001, 'x');
  ASSERT_TRUE(WriteFileAtomic(dir / "a", "abc").ok());
  ASSERT_TRUE(WriteFileAtomic(dir / "sub" / "b", big).ok());
  EXPECT_EQ(*HashFile(dir / "a"), HashText("abc"));
  EXPECT_EQ(*HashFile(dir / "sub" / "b"), HashText(big));
  EXPECT_EQ(HashFile(dir / "none").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(HashDirectory(dir / "none").error().code(), ErrorCode::kNotFound);

  const ContentHash before = *HashDirectory(dir);
  ASSERT_TRUE(WriteFileAtomic(dir / "a", "abc").ok());
  EXPECT_EQ(*HashDirectory(dir), before);
  std::filesystem::rename(dir / "a", dir / "c");
  EXPECT_NE(*HashDirectory(dir), before);
}

// Values of the reference implementation from state {1, 2, 3, 4}, as in the tests of rand_xoshiro
// and others.
TEST(Rng, EqualsTheReferenceImplementation) {
  Rng rng = Rng::FromState({1, 2, 3, 4});
  const std::vector<std::uint64_t> expected = {11520ULL,
                                               0ULL,
                                               1509978240ULL,
                                               1215971899390074240ULL,
                                               1216172134540287360ULL,
                                               607988272756665600ULL,
                                               16172922978634559625ULL,
                                               8476171486693032832ULL,
                                               10595114339597558777ULL,
                                               2904607092377533576ULL};
  for (const std::uint64_t value : expected) {
    EXPECT_EQ(rng.Next(), value);
  }
}

// splitmix64 from seed 0 gives the state e220a8397b1dcdaf, 6e789e6aa1b965f4, 06c45d188009454f,
// f88bb8a8724c81ec (Vigna).
TEST(Rng, SeedGoesThroughSplitMix) {
  Rng seeded(0);
  Rng stated = Rng::FromState(
      {0xe220a8397b1dcdafULL, 0x6e789e6aa1b965f4ULL, 0x06c45d188009454fULL, 0xf88bb8a8724c81ecULL});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(seeded.Next(), stated.Next());
  }
}

TEST(Rng, StreamsDiffer) {
  EXPECT_NE(Rng(1, 0).Next(), Rng(1, 1).Next());
  EXPECT_NE(Rng(1, 0).Next(), Rng(2, 0).Next());
  EXPECT_EQ(Rng(5, 9).Next(), Rng(5, 9).Next());
}

TEST(Rng, BelowIsUniform) {
  Rng rng(7);
  std::vector<int> counts(10);
  for (int i = 0; i < 100'000; ++i) {
    ++counts[rng.Below(10)];
  }
  for (const int count : counts) {
    // Five standard deviations of a binomial with n = 100000, p = 0.1.
    EXPECT_NEAR(count, 10'000, 475);
  }
  EXPECT_EQ(rng.Below(1), 0U);
}

TEST(Rng, UniformAndNormalHaveTheirMoments) {
  Rng rng(3);
  double sum = 0;
  double normal_sum = 0;
  double normal_squares = 0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = rng.Uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    const double z = rng.Normal();
    ASSERT_TRUE(std::isfinite(z));
    normal_sum += z;
    normal_squares += z * z;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.005);
  EXPECT_NEAR(normal_sum / kDraws, 0.0, 0.02);
  EXPECT_NEAR(normal_squares / kDraws, 1.0, 0.03);
}

TEST(Rng, ShuffleKeepsTheValues) {
  std::vector<std::uint32_t> values(100);
  std::iota(values.begin(), values.end(), 0U);
  const std::vector<std::uint32_t> before = values;
  Rng(1).Shuffle(values);
  EXPECT_NE(values, before);
  std::sort(values.begin(), values.end());
  EXPECT_EQ(values, before);
}

}  // namespace
}  // namespace millrace::base
