// SPDX-License-Identifier: Apache-2.0
// Tests of artifact paths: what is refused, what is kept, and that no path of any kind leaves the
// root.
#include "store/artifact_path.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/rng.h"
#include "store/internal/file_tree.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

TEST(ArtifactPath, GoodOnesGetOneForm) {
  const std::pair<std::string, std::string> kGood[] = {
      {"", ""},
      {".", ""},
      {"a", "a"},
      {"a/b.txt", "a/b.txt"},
      {"a//b/", "a/b"},
      {"./a/./b", "a/b"},
      {"a b/c", "a b/c"},
      {"..a/b..", "..a/b.."},
      {"a:b", "a:b"},
      // MLflow's clients before 2.13 name logged images so.
      {"images/dog%step%100%timestamp%1716%0a.png", "images/dog%step%100%timestamp%1716%0a.png"},
      {"100%", "100%"},
      {"übung/模型.bin", "übung/模型.bin"},
      // Not normalized: both forms of one name stay apart.
      {"u\u0308", "u\u0308"},
      {"\U0001F600", "\U0001F600"},
  };
  for (const auto& [text, path] : kGood) {
    const Result<std::string> checked = CheckArtifactPath(text);
    ASSERT_TRUE(checked.ok()) << text << checked.error().ToString();
    EXPECT_EQ(*checked, path);
  }
}

TEST(ArtifactPath, BadOnesAreInvalid) {
  const std::string kBad[] = {
      "..",
      "../a",
      "a/..",
      "a/../../b",
      "/a",
      "//a",
      "/",
      "\\a",
      "a\\b",
      "..\\a",
      "\\\\host\\x",
      "C:/a",
      "c:",
      "C:\\a",
      "file:/etc/passwd",
      "file:///etc/passwd",
      "a#b",
      "#",
      // Encoded once, twice, often.
      "%2e%2e/a",
      "a/%2e%2e",
      "%252e%252e/a",
      "..%2fa",
      "%2fetc",
      "a%23b",
      "a%5cb",
      "%25252e%25252e",
      "%2E./a",
      "C%3A/a",
      "file%3a/etc/passwd",
      "%252525252525252525252525252525252525252561",
      // Characters that are no part of a name.
      "a\nb",
      "a\tb",
      "\x7F",
      "a\0b"s,
      "a\x1B[0m",
      "\u0085",
      "\u202Etxt.exe",
      "a\u2066b",
      "\uFEFFa",
      "a\u2028b",
      "\uFFFE",
      // No UTF-8: overlong, a surrogate, cut off, beyond the end.
      "\xC0\xAE\xC0\xAE/a",
      "\xE0\x80\xAF",
      "\xED\xA0\x80",
      "a\xC3",
      "\xF4\x90\x80\x80",
      "\xFF",
      std::string(256, 'a'),
      "a/" + std::string(256, 'b'),
      std::string(2001, 'a'),
      "a/.x.millrace-tmp",
      ".millrace-blobs",
      ".millrace-blobs/ab/cd",
  };
  for (const std::string& text : kBad) {
    const Result<std::string> checked = CheckArtifactPath(text);
    ASSERT_FALSE(checked.ok()) << text;
    EXPECT_EQ(checked.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(checked.error().message(), "Invalid path");
    EXPECT_FALSE(checked.error().hint().empty());
  }
}

class NastyPaths : public ::testing::Test {
 protected:
  NastyPaths() : base_(fs::path(::testing::TempDir()) / ("nasty_" + std::to_string(::getpid()))) {
    fs::remove_all(base_);
    fs::create_directories(base_ / "root" / "d");
    fs::create_directories(base_ / "outside");
    std::ofstream(base_ / "outside" / "secret") << "secret";
    std::ofstream(base_ / "source") << "bytes";
    fs::create_directory_symlink(base_ / "outside", base_ / "root" / "link");
    fs::create_symlink(base_ / "outside" / "secret", base_ / "root" / "secret");
    ::mkfifo((base_ / "root" / "pipe").c_str(), 0644);
  }
  ~NastyPaths() override { fs::remove_all(base_); }

  // Everything but the root, as text.
  std::string Outside() const {
    std::string seen;
    std::vector<fs::path> paths;
    for (const auto& entry : fs::recursive_directory_iterator(base_)) {
      if (entry.path().string().find((base_ / "root").string()) != 0) {
        paths.push_back(entry.path());
      }
    }
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) {
      seen += path.string() + " ";
      if (fs::is_regular_file(path)) {
        seen += base::ReadFile(path).value();
      }
    }
    return seen;
  }

  fs::path base_;
};

TEST_F(NastyPaths, LinksAndPipesInTheTreeAreNotFollowed) {
  const internal::FileTree tree(base_ / "root");
  EXPECT_EQ(tree.Open("secret").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(tree.Open("pipe").error().code(), ErrorCode::kNotFound);
  EXPECT_FALSE(tree.Open("link/secret").ok());
  EXPECT_FALSE(tree.List("link").ok());
  EXPECT_FALSE(tree.Link(base_ / "source", "link/new").ok());
  EXPECT_FALSE(tree.Remove("link/secret").ok());
  const auto entries = tree.List("");
  ASSERT_TRUE(entries.ok());
  ASSERT_EQ(entries->size(), 1U);
  EXPECT_EQ(entries->front().name, "d");
  // A link itself may be replaced and removed; what it points to stays.
  EXPECT_TRUE(tree.Link(base_ / "source", "secret").ok());
  EXPECT_TRUE(tree.Remove("link").ok());
  EXPECT_EQ(base::ReadFile(base_ / "outside" / "secret").value(), "secret");
}

// Whatever text comes, nothing outside the root is read, written or removed.
TEST_F(NastyPaths, RandomOnesNeverLeaveTheRoot) {
  const std::string kPieces[] = {"..",
                                 ".",
                                 "/",
                                 "\\",
                                 "%2e",
                                 "%2f",
                                 "%5c",
                                 "%25",
                                 "%00",
                                 "%",
                                 "a",
                                 "d",
                                 "link",
                                 "secret",
                                 "C:",
                                 "outside",
                                 "root",
                                 "#",
                                 "?",
                                 "\n",
                                 "\0"s,
                                 "\xC0\xAE",
                                 "\u202E",
                                 "file:",
                                 "~",
                                 " ",
                                 "pipe",
                                 std::string(300, 'x'),
                                 base_.string(),
                                 "//",
                                 "%252e",
                                 "\xEF\xBC\x8E",
                                 "\u2024",
                                 "\uFF0F"};
  const std::string before = Outside();
  const internal::FileTree tree(base_ / "root");
  base::Rng rng(20261126);
  int n_accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    const auto n = 1 + rng.Below(8);
    for (std::uint64_t k = 0; k < n; ++k) {
      text += kPieces[rng.Below(std::size(kPieces))];
    }
    const Result<std::string> path = CheckArtifactPath(text);
    if (!path.ok() || path->empty()) {
      continue;
    }
    ++n_accepted;
    const fs::path lexical = (base_ / "root" / *path).lexically_normal();
    ASSERT_EQ(lexical.string().find((base_ / "root").string() + "/"), 0U) << text;
    if (i % 20 == 0) {
      static_cast<void>(tree.Link(base_ / "source", *path));
      if (const auto file = tree.Open(*path); file.ok()) {
        char bytes[8] = {};
        ASSERT_EQ(::pread(file->get(), bytes, sizeof bytes, 0), 5);
        ASSERT_EQ(std::string(bytes), "bytes") << text;
      }
      static_cast<void>(tree.List(*path));
      static_cast<void>(tree.Remove(*path));
    }
  }
  EXPECT_GT(n_accepted, 100);
  EXPECT_EQ(Outside(), before);
}

}  // namespace
}  // namespace millrace::store
