// SPDX-License-Identifier: Apache-2.0
// Tests of errors, their map, numbers as text and nearest names.
#include <cerrno>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/error_map.h"
#include "base/ids.h"
#include "base/nearest_name.h"
#include "base/number_format.h"
#include "base/result.h"

namespace millrace::base {
namespace {

TEST(Error, TextHasPlaceContextMessageAndHint) {
  const Error error = InvalidArgument("found 3, wanted 4")
                          .Hint("write 4")
                          .At({"a.yaml", 3, 7})
                          .With("min")
                          .With("suite");
  EXPECT_EQ(error.ToString(), "a.yaml:3:7: suite: min: found 3, wanted 4; write 4");
}

TEST(Error, OthersFollowOnTheirOwnLines) {
  const Error error = InvalidArgument("one").And(NotFound("two"));
  EXPECT_EQ(error.ToString(), "one\ntwo");
}

TEST(Error, FullDiskIsResourceExhausted) {
  const Error error = FromErrno(ENOSPC, "writing", "/x/y");
  EXPECT_EQ(error.code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(error.message().find("\"/x/y\""), std::string::npos);
  EXPECT_FALSE(error.hint().empty());
}

TEST(Error, SystemErrorsHaveTheirCodes) {
  EXPECT_EQ(FromErrno(ENOENT, "a", "b").code(), ErrorCode::kNotFound);
  EXPECT_EQ(FromErrno(EROFS, "a", "b").code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(FromErrno(EACCES, "a", "b").code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(FromErrno(EIO, "a", "b").code(), ErrorCode::kUnavailable);
}

TEST(ErrorMap, AlreadyExistsDiffersBetweenNativeAndMlflow) {
  EXPECT_EQ(NativeHttpStatus(ErrorCode::kAlreadyExists), 409);
  EXPECT_EQ(MlflowHttpStatus(ErrorCode::kAlreadyExists), 400);
  EXPECT_EQ(MlflowErrorCode(ErrorCode::kAlreadyExists), "RESOURCE_ALREADY_EXISTS");
  EXPECT_EQ(ExitCode(ErrorCode::kAlreadyExists), 4);
}

TEST(ErrorMap, EveryCodeHasANameAndAFailingExit) {
  std::set<std::string_view> names;
  for (int code = 1; code <= 13; ++code) {
    const auto value = static_cast<ErrorCode>(code);
    EXPECT_TRUE(names.insert(ErrorCodeName(value)).second);
    EXPECT_GE(NativeHttpStatus(value), 400);
    EXPECT_GT(ExitCode(value), 0);
    EXPECT_LE(ExitCode(value), 7);
  }
}

Result<int> Half(int value) {
  if (value % 2 != 0) {
    return InvalidArgument("odd");
  }
  return value / 2;
}
Result<int> Quarter(int value) {
  MILL_ASSIGN_OR_RETURN(const int half, Half(value));
  return Half(half);
}
Result<void> CheckQuarter(int value) {
  MILL_RETURN_IF_ERROR(Quarter(value).With("a quarter"));
  return {};
}

TEST(Result, CarriesValuesAndErrorsUp) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(6).error().message(), "odd");
  EXPECT_TRUE(CheckQuarter(8).ok());
  EXPECT_EQ(CheckQuarter(3).error().ToString(), "a quarter: odd");
}

TEST(ResultDeathTest, ReadingTheValueOfAnErrorEndsTheProgram) {
  EXPECT_DEATH(static_cast<void>(Half(3).value()), "odd");
}

TEST(CheckDeathTest, PrintsBothOperands) {
  EXPECT_DEATH(MILL_CHECK_EQ(1 + 1, 3), "2 against 3");
}

TEST(NumberFormat, DoublesAreTheShortestThatReadBack) {
  EXPECT_EQ(FormatDouble(0.1), "0.1");
  EXPECT_EQ(FormatDouble(1), "1");
  EXPECT_EQ(FormatDouble(1e300), "1e+300");
  EXPECT_EQ(FormatDouble(-0.0), "-0");
  EXPECT_EQ(FormatDouble(5e-324), "5e-324");
  EXPECT_EQ(FormatDouble(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(FormatDouble(std::numeric_limits<double>::infinity()), "Infinity");
  EXPECT_EQ(FormatDouble(-std::numeric_limits<double>::infinity()), "-Infinity");
  EXPECT_EQ(FormatDouble(std::nan("")), "NaN");
}

TEST(NumberFormat, FiguresForTables) {
  EXPECT_EQ(FormatFixed(0.77249, 3), "0.772");
  EXPECT_EQ(FormatFixed(1e300, 1).size(), 303U);
  EXPECT_EQ(FormatCount(0), "0");
  EXPECT_EQ(FormatCount(999), "999");
  EXPECT_EQ(FormatCount(1044847), "1,044,847");
  EXPECT_EQ(FormatCount(-1000), "-1,000");
  EXPECT_EQ(FormatCount(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(NearestName, FindsMisspelt) {
  const std::vector<std::string> names = {"quantity", "price", "country"};
  EXPECT_EQ(NearestName("quantty", names), "quantity");
  EXPECT_EQ(NearestName("pirce", names), "price");
  EXPECT_EQ(NearestName("COUNTRY", names), "country");
  EXPECT_EQ(NearestName("zzz", names), std::nullopt);
}

TEST(NearestName, TiesGoToTheFirst) {
  const std::vector<std::string> names = {"ab1", "ab2"};
  EXPECT_EQ(NearestName("ab3", names), "ab1");
}

TEST(NearestName, ListsKnownNamesWhereNoneIsNear) {
  const std::vector<std::string> names = {"a", "b"};
  EXPECT_EQ(DidYouMean("something", names), "; known: a, b");
  EXPECT_EQ(DidYouMean("something", {}), "");
  EXPECT_EQ(DidYouMean("a", names), "; did you mean \"a\"?");
  const std::vector<std::string> many(20, "name");
  EXPECT_NE(DidYouMean("zzzzzzzzzzzz", many).find("and 8 more"), std::string::npos);
}

TEST(Ids, HaveTheFormsThatMlflowClientsExpect) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string run = NewRunId();
    ASSERT_EQ(run.size(), 32U);
    EXPECT_EQ(run.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_EQ(run[12], '4');
    EXPECT_NE(std::string("89ab").find(run[16]), std::string::npos);
    EXPECT_TRUE(seen.insert(run).second);
  }
  const std::string model = NewLoggedModelId();
  EXPECT_EQ(model.substr(0, 2), "m-");
  EXPECT_EQ(model.size(), 34U);
}

}  // namespace
}  // namespace millrace::base
