// SPDX-License-Identifier: Apache-2.0
// Tests of the metadata database, blobs, the workspace and its lock.
#include <atomic>
#include <filesystem>
#include <functional>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "store/blobs.h"
#include "store/lock.h"
#include "store/metadata.h"
#include "store/workspace.h"

namespace millrace::store {
namespace {

namespace fs = std::filesystem;
using base::ErrorCode;

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) /
           ("store_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) +
            "_" + std::to_string(getpid()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    // For the children that give up the rights of root.
    fs::permissions(dir_, fs::perms::all);
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::unique_ptr<Metadata> OpenDb() {
    Result<std::unique_ptr<Metadata>> db =
        OpenSqlite(dir_ / "metadata.db", {.busy_timeout_ms = 5000});
    EXPECT_TRUE(db.ok()) << db.error().ToString();
    return *std::move(db);
  }
  static std::int64_t Count(Metadata& db, const std::string& table) {
    return IntOr((*db.Query("SELECT COUNT(*) FROM " + table))[0][0], -1);
  }
  // Runs the check in a child without the rights of root; true if it returned true.
  static bool InChild(const std::function<bool()>& check, bool is_nobody) {
    const pid_t child = fork();
    if (child == 0) {
      if (is_nobody && geteuid() == 0 && setuid(65534) != 0) {
        _exit(3);
      }
      _exit(check() ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  fs::path dir_;
};

TEST_F(StoreTest, SqliteKeepsBytes) {
  const auto db = OpenDb();
  ASSERT_TRUE(db->Execute("CREATE TABLE t (a TEXT)").ok());
  const std::string bytes("x\0\xFF", 3);
  ASSERT_TRUE(db->Execute("INSERT INTO t VALUES (?)", {bytes}).ok());
  EXPECT_EQ(TextOr((*db->Query("SELECT a FROM t"))[0][0], ""), bytes);
}

TEST_F(StoreTest, DurabilityIsSetAsAskedFor) {
  EXPECT_EQ(IntOr((*OpenDb()->Query("PRAGMA synchronous"))[0][0], -1), 2);
  const auto db = OpenSqlite(dir_ / "metadata.db", {.durability = Durability::kProcess});
  ASSERT_TRUE(db.ok());
  EXPECT_EQ(IntOr((*(*db)->Query("PRAGMA synchronous"))[0][0], -1), 1);
}

TEST_F(StoreTest, ProcessesWaitForEachOther) {
  const auto db = OpenDb();
  ASSERT_TRUE(db->Execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (0)").ok());
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      Result<std::unique_ptr<Metadata>> own = OpenSqlite(dir_ / "metadata.db");
      bool good = own.ok();
      for (int j = 0; good && j < 10; ++j) {
        good = (*own)->Execute("UPDATE t SET a = a + 1").ok();
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(IntOr((*db->Query("SELECT a FROM t"))[0][0], 0), 30);
}

// The child tells each committed number over a pipe and is killed; all told ones must be there.
TEST_F(StoreTest, CommittedRowsOutliveKill9) {
  ASSERT_TRUE(OpenDb()->Execute("CREATE TABLE t (a INTEGER PRIMARY KEY)").ok());
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    Result<std::unique_ptr<Metadata>> db = OpenSqlite(dir_ / "metadata.db");
    for (std::int64_t i = 1; db.ok(); ++i) {
      if (!(*db)->Execute("INSERT INTO t VALUES (?)", {i}).ok() ||
          write(pipe_ends[1], &i, sizeof(i)) != sizeof(i)) {
        break;
      }
    }
    _exit(1);
  }
  close(pipe_ends[1]);
  std::int64_t told = 0;
  std::int64_t value = 0;
  while (value < 20 && read(pipe_ends[0], &value, sizeof(value)) == sizeof(value)) {
    told = value;
  }
  kill(child, SIGKILL);
  while (read(pipe_ends[0], &value, sizeof(value)) == sizeof(value)) {
    told = value;
  }
  close(pipe_ends[0]);
  waitpid(child, nullptr, 0);
  const auto db = OpenDb();
  EXPECT_GE(Count(*db, "t"), told);
  EXPECT_GE(told, 20);
  EXPECT_EQ(TextOr((*db->Query("PRAGMA integrity_check"))[0][0], ""), "ok");
}

TEST_F(StoreTest, DamagedDatabaseIsDataLoss) {
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / "metadata.db", std::string(8192, 'x')).ok());
  EXPECT_EQ(OpenSqlite(dir_ / "metadata.db").error().code(), ErrorCode::kDataLoss);
}

// The page limit fails as a full disk does: SQLITE_FULL in the middle of a statement.
TEST_F(StoreTest, FullDatabaseRollsTheTransactionBackAndSaysSo) {
  const auto db = OpenDb();
  ASSERT_TRUE(db->Execute("CREATE TABLE t (a TEXT); PRAGMA max_page_count = 10").ok());
  {
    Result<Transaction> transaction = Transaction::Begin(*db);
    ASSERT_TRUE(db->Execute("INSERT INTO t VALUES ('small')").ok());
    const Result<void> result =
        db->Execute("INSERT INTO t VALUES (?)", {std::string(1 << 20, 'x')});
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::kResourceExhausted);
    EXPECT_NE(result.error().hint().find("free disk space"), std::string::npos);
    // SQLite has rolled back: what follows must not be committed alone.
    EXPECT_FALSE(db->Execute("INSERT INTO t VALUES ('late')").ok());
    EXPECT_FALSE(transaction->Commit().ok());
  }
  EXPECT_EQ(Count(*db, "t"), 0);
  EXPECT_TRUE(db->Execute("INSERT INTO t VALUES ('small')").ok());
}

TEST_F(StoreTest, WriteThatTheSystemRefusesLeavesTheDatabaseWhole) {
  ASSERT_TRUE(OpenDb()->Execute("CREATE TABLE t (a TEXT)").ok());
  EXPECT_TRUE(InChild(
      [this] {
        signal(SIGXFSZ, SIG_IGN);
        Result<std::unique_ptr<Metadata>> db = OpenSqlite(dir_ / "metadata.db");
        const rlimit limit{65536, 65536};
        setrlimit(RLIMIT_FSIZE, &limit);
        const Result<void> result =
            (*db)->Execute("INSERT INTO t VALUES (?)", {std::string(1 << 20, 'x')});
        return !result.ok() && result.error().message().find("metadata.db") != std::string::npos;
      },
      false));
  const auto db = OpenDb();
  EXPECT_EQ(Count(*db, "t"), 0);
  EXPECT_EQ(TextOr((*db->Query("PRAGMA integrity_check"))[0][0], ""), "ok");
}

TEST_F(StoreTest, ReadOnlyFolderIsNamed) {
  const fs::path closed = dir_ / "closed";
  fs::create_directories(closed);
  fs::permissions(closed, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read |
                              fs::perms::others_exec);
  EXPECT_TRUE(InChild(
      [&] {
        const auto db = OpenSqlite(closed / "metadata.db");
        const auto workspace = Workspace::Open(closed / "w", true);
        return !db.ok() && db.error().code() == ErrorCode::kPermissionDenied && !workspace.ok() &&
               workspace.error().code() == ErrorCode::kPermissionDenied &&
               workspace.error().ToString().find("--workspace") != std::string::npos;
      },
      true));
  fs::permissions(closed, fs::perms::owner_all);
}

TEST_F(StoreTest, BlobsComeBackByTheirHash) {
  Blobs blobs(dir_ / "blobs");
  const std::string bytes("a\0b", 3);
  const std::string sha256 = *blobs.Put(bytes);
  EXPECT_EQ(sha256, base::Sha256Hex(bytes));
  EXPECT_EQ(*blobs.Put(bytes), sha256);
  EXPECT_EQ(*blobs.Get(sha256), bytes);
  EXPECT_TRUE(*blobs.Has(sha256));
  EXPECT_FALSE(*blobs.Has(base::Sha256Hex("other")));
  EXPECT_EQ(blobs.Get(base::Sha256Hex("other")).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(blobs.Get("../../etc/passwd").error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(StoreTest, DamagedBlobIsDataLoss) {
  Blobs blobs(dir_ / "blobs");
  const std::string sha256 = *blobs.Put("right");
  ASSERT_TRUE(base::WriteFileAtomic(*blobs.PathOf(sha256), "wrong").ok());
  EXPECT_EQ(blobs.Get(sha256).error().code(), ErrorCode::kDataLoss);
}

TEST_F(StoreTest, WorkspaceHasTheDocumentedLayout) {
  const Workspace workspace = *Workspace::Open(dir_ / "w", true);
  EXPECT_EQ(workspace.layout_version(), 1);
  EXPECT_EQ(*base::ReadFile(dir_ / "w" / "workspace.json"),
            "{\n  \"format\": \"millrace-workspace\",\n  \"layout_version\": 1\n}\n");
  EXPECT_EQ(workspace.ArtifactsDir(), dir_ / "w" / "artifacts");
  EXPECT_EQ(workspace.OfflineDir("t"), dir_ / "w" / "offline" / "t");
  for (const char* name :
       {"blobs", "artifacts", "offline", "online", "journal", "capture", "cache"}) {
    EXPECT_TRUE(fs::is_directory(dir_ / "w" / name)) << name;
  }
  EXPECT_TRUE(workspace.CheckWritable().ok());
  EXPECT_TRUE(Workspace::Open(dir_ / "w", false).ok());
}

TEST_F(StoreTest, WorkspaceErrorsSayWhatToDo) {
  const auto missing = Workspace::Open(dir_ / "none", false);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(missing.error().hint().find("--workspace"), std::string::npos);
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / "new" / "workspace.json",
                                    R"({"format":"millrace-workspace","layout_version":2})")
                  .ok());
  EXPECT_EQ(Workspace::Open(dir_ / "new", true).error().code(), ErrorCode::kFailedPrecondition);
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / "bad" / "workspace.json", "{}").ok());
  EXPECT_EQ(Workspace::Open(dir_ / "bad", true).error().code(), ErrorCode::kDataLoss);
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / "file", "x").ok());
  EXPECT_EQ(Workspace::Open(dir_ / "file", true).error().code(), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(base::WriteFileAtomic(dir_ / "project" / "millrace.yaml", "name: x").ok());
  EXPECT_EQ(Workspace::Open(dir_ / "project", true).error().code(), ErrorCode::kFailedPrecondition);
}

TEST_F(StoreTest, SafeNamesStayInTheirFolder) {
  EXPECT_TRUE(IsSafeName("m-0123_ab.c"));
  for (const char* name : {"", ".", "..", ".x", "a/b", "a\\b", "a b", "ä"}) {
    EXPECT_FALSE(IsSafeName(name)) << name;
  }
  EXPECT_FALSE(IsSafeName(std::string("a\0b", 3)));
  EXPECT_FALSE(IsSafeName(std::string(201, 'a')));
}

TEST_F(StoreTest, LockNamesItsHolder) {
  const Workspace workspace = *Workspace::Open(dir_ / "w", true);
  EXPECT_FALSE(WorkspaceLock::ReadHolder(workspace)->has_value());
  {
    Result<WorkspaceLock> lock = WorkspaceLock::TryAcquire(workspace, "");
    ASSERT_TRUE(lock.ok());
    ASSERT_TRUE(lock->SetAddress("http://127.0.0.1:5000").ok());
    const std::optional<LockHolder> holder = *WorkspaceLock::ReadHolder(workspace);
    ASSERT_TRUE(holder.has_value());
    EXPECT_EQ(holder->pid, getpid());
    EXPECT_EQ(holder->address, "http://127.0.0.1:5000");
    const Result<WorkspaceLock> second = WorkspaceLock::TryAcquire(workspace, "");
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), ErrorCode::kFailedPrecondition);
    EXPECT_NE(second.error().message().find("process " + std::to_string(getpid()) +
                                            " at http://127.0.0.1:5000"),
              std::string::npos)
        << second.error().ToString();
  }
  EXPECT_FALSE(WorkspaceLock::ReadHolder(workspace)->has_value());
  EXPECT_TRUE(WorkspaceLock::TryAcquire(workspace, "").ok());
}

TEST_F(StoreTest, KilledHolderLeavesTheLockFree) {
  const Workspace workspace = *Workspace::Open(dir_ / "w", true);
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    const Result<WorkspaceLock> lock = WorkspaceLock::TryAcquire(workspace, "");
    const char ready = lock.ok() ? 'y' : 'n';
    static_cast<void>(write(pipe_ends[1], &ready, 1));
    pause();
    _exit(0);
  }
  char ready = 0;
  ASSERT_EQ(read(pipe_ends[0], &ready, 1), 1);
  EXPECT_EQ(ready, 'y');
  EXPECT_EQ((*WorkspaceLock::ReadHolder(workspace))->pid, child);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
  EXPECT_FALSE(WorkspaceLock::ReadHolder(workspace)->has_value());
  EXPECT_TRUE(WorkspaceLock::TryAcquire(workspace, "").ok());
}

}  // namespace
}  // namespace millrace::store
