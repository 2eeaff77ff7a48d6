// SPDX-License-Identifier: Apache-2.0
// The group commit: whoever has the turn takes all writes that wait and commits them with one SQL
// transaction and one fdatasync.
#include "tracking/internal/writer.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "tracking/internal/schema.h"

namespace millrace::tracking::internal {
namespace {

/// Bounds how long the first write of a group waits for the last.
constexpr std::size_t kMostWritesInGroup = 256;
/// So many groups of one write in a row mean that writes come one by one.
constexpr int kGroupsOfOne = 8;

struct Pending {
  WriteFunction write;
  std::function<void(Result<void>)> done;
};

/// True for errors after which SQLite may have rolled back the whole transaction by itself.
bool MayEndTransaction(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kFailedPrecondition:
      return false;
    default:
      return true;
  }
}

/// One group: its SQL transaction, if any, and the savepoint of the write that runs.
class Group final : public WriteScope {
 public:
  Group(store::Metadata& metadata, PointGroup& points, bool is_of_one)
      : metadata_(metadata), points_(points), is_of_one_(is_of_one) {}
  ~Group() override {
    // Inner before outer.
    savepoint_.reset();
    transaction_.reset();
  }

  Result<store::Metadata*> Sql() override {
    MILL_RETURN_IF_ERROR(BeginTransaction());
    // A write that is alone takes the whole transaction along when it fails.
    if (!savepoint_.has_value() && !is_of_one_) {
      MILL_ASSIGN_OR_RETURN(store::Transaction savepoint, store::Transaction::Begin(metadata_));
      savepoint_.emplace(std::move(savepoint));
    }
    return &metadata_;
  }
  std::int64_t change() const override { return change_; }
  PointGroup& points() override { return points_; }

  /// The number is raised before any savepoint, so that a write that fails does not take them back.
  Result<void> BeginTransaction() {
    if (transaction_.has_value()) {
      return {};
    }
    MILL_ASSIGN_OR_RETURN(store::Transaction transaction, store::Transaction::Begin(metadata_));
    transaction_.emplace(std::move(transaction));
    MILL_ASSIGN_OR_RETURN(change_, NextNumber(metadata_, kChangeCounter));
    return {};
  }

  Result<void> RunOne(const WriteFunction& write) {
    const std::size_t before = points_.size();
    Result<void> result = write(*this);
    if (result.ok() && savepoint_.has_value()) {
      result = std::exchange(savepoint_, std::nullopt)->Commit();
    }
    if (!result.ok()) {
      savepoint_.reset();
      points_.RollbackTo(before);
    }
    return result;
  }

  Result<void> Commit() {
    MILL_RETURN_IF_ERROR(points_.Write(transaction_.has_value() ? change_ : 0));
    if (transaction_.has_value()) {
      MILL_RETURN_IF_ERROR(std::exchange(transaction_, std::nullopt)->Commit());
    }
    points_.Publish();
    return {};
  }

  bool has_transaction() const { return transaction_.has_value(); }

 private:
  store::Metadata& metadata_;
  PointGroup& points_;
  const bool is_of_one_;
  std::optional<store::Transaction> transaction_;
  std::optional<store::Transaction> savepoint_;
  std::int64_t change_ = 0;
};

class GroupWriter final : public Writer {
 public:
  GroupWriter(store::Metadata& metadata, MetricPoints& points, WriteListener* listener)
      : metadata_(metadata), points_(points), listener_(listener), thread_([this] { Loop(); }) {}

  ~GroupWriter() override {
    {
      const base::MutexLock lock(mutex_);
      is_ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void Submit(WriteFunction write, std::function<void(Result<void>)> done) override {
    bool must_wake = false;
    {
      const base::MutexLock lock(mutex_);
      queue_.push_back({std::move(write), std::move(done)});
      must_wake = !is_running_;
    }
    // Whoever runs a group looks at the queue afterwards.
    if (must_wake) {
      wake_.notify_one();
    }
  }

  void SubmitOrRun(WriteFunction write, std::function<void(Result<void>)> done) override {
    if (!TakeTurn()) {
      Submit(std::move(write), std::move(done));
      return;
    }
    std::vector<Pending> group;
    group.push_back({std::move(write), std::move(done)});
    // The caller may serve others: waiting for who else writes is the writer's thread's part.
    Result<std::unique_ptr<PointGroup>> points = points_.TryBeginGroup();
    const bool has_begun = points.ok() && *points != nullptr;
    if (has_begun) {
      RunGroup(group, *std::move(points));
    }
    bool must_wake = false;
    {
      const base::MutexLock lock(mutex_);
      is_running_ = false;
      if (!has_begun) {
        queue_.push_front(std::move(group[0]));
      }
      must_wake = !queue_.empty() || is_ending_;
    }
    if (must_wake) {
      wake_.notify_one();
    }
  }

 private:
  bool TakeTurn() {
    const base::MutexLock lock(mutex_);
    if (is_running_ || !queue_.empty() || n_groups_of_one_ < kGroupsOfOne) {
      return false;
    }
    is_running_ = true;
    return true;
  }

  void Loop() {
    std::vector<Pending> group;
    for (;;) {
      {
        const base::MutexLock lock(mutex_);
        while (is_running_ || (queue_.empty() && !is_ending_)) {
          wake_.wait(mutex_);
        }
        if (queue_.empty()) {
          return;
        }
        is_running_ = true;
        const std::size_t n = std::min(queue_.size(), kMostWritesInGroup);
        std::move(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(n),
                  std::back_inserter(group));
        queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(n));
        n_groups_of_one_ = n == 1 ? std::min(n_groups_of_one_ + 1, kGroupsOfOne) : 0;
      }
      RunGroup(group, nullptr);
      group.clear();
      const base::MutexLock lock(mutex_);
      is_running_ = false;
    }
  }

  /// @param points  null where the group is still to begin
  void RunGroup(std::vector<Pending>& group, std::unique_ptr<PointGroup> points) {
    std::vector<Result<void>> results(group.size());
    const Result<void> committed = Attempt(group, std::move(points), results);
    if (committed.ok()) {
      Tell(&WriteListener::OnCommit);
    } else {
      Tell(&WriteListener::OnRollback);
      known_change_ = -1;
      for (Result<void>& result : results) {
        if (result.ok()) {
          result = committed;
        }
      }
    }
    for (std::size_t i = 0; i < group.size(); ++i) {
      group[i].done(std::move(results[i]));
    }
  }

  Result<void> Attempt(const std::vector<Pending>& pending, std::unique_ptr<PointGroup> points,
                       std::vector<Result<void>>& results) {
    if (points == nullptr) {
      MILL_ASSIGN_OR_RETURN(points, points_.BeginGroup());
    }
    Group group(metadata_, *points, pending.size() == 1);
    MILL_RETURN_IF_ERROR(LookForForeignWrites(group));
    for (std::size_t i = 0; i < pending.size(); ++i) {
      results[i] = group.RunOne(pending[i].write);
      if (!results[i].ok()) {
        Tell(&WriteListener::OnRollback);
        if (pending.size() == 1) {
          return {};  // the group rolls back
        }
        if (group.has_transaction() && MayEndTransaction(results[i].error())) {
          return results[i];
        }
      }
    }
    const bool has_sql = group.has_transaction();
    MILL_RETURN_IF_ERROR(group.Commit());
    if (has_sql) {
      known_change_ = group.change();
    }
    return {};
  }

  /// Whoever writes with SQL raises the counter. A group of the journal keeps other processes
  /// out, so a look is enough; in the database only our own raise does.
  Result<void> LookForForeignWrites(Group& group) {
    std::int64_t before = 0;
    if (points_.is_in_database()) {
      MILL_RETURN_IF_ERROR(group.BeginTransaction());
      before = group.change() - 1;
    } else {
      // A batch of metrics alone changes no table: then this is all there is to ask.
      MILL_ASSIGN_OR_RETURN(const std::uint64_t version, metadata_.DataVersion());
      if (version == known_version_ && known_change_ >= 0) {
        return {};
      }
      MILL_ASSIGN_OR_RETURN(before, ReadNumber(metadata_, kChangeCounter));
      known_version_ = version;
    }
    if (before != known_change_) {
      Tell(&WriteListener::OnForeignWrite);
      known_change_ = before;
    }
    return {};
  }

  void Tell(void (WriteListener::*what)()) {
    if (listener_ != nullptr) {
      (listener_->*what)();
    }
  }

  store::Metadata& metadata_;
  MetricPoints& points_;
  WriteListener* const listener_;
  // Of whoever runs a group.
  std::int64_t known_change_ = -1;
  std::uint64_t known_version_ = 0;

  base::Mutex mutex_;
  base::CondVar wake_;
  std::deque<Pending> queue_ MILL_GUARDED_BY(mutex_);
  bool is_running_ MILL_GUARDED_BY(mutex_) = false;
  int n_groups_of_one_ MILL_GUARDED_BY(mutex_) = 0;
  bool is_ending_ MILL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace

Result<void> Writer::Run(WriteFunction write) {
  struct State {
    base::Mutex mutex;
    base::CondVar told;
    std::optional<Result<void>> result;
  };
  // Shared, so that the waiting thread can be told after the lock is given back: told under it, it
  // would wake only to wait once more.
  const auto state = std::make_shared<State>();
  SubmitOrRun(std::move(write), [state](Result<void> outcome) {
    {
      const base::MutexLock lock(state->mutex);
      state->result = std::move(outcome);
    }
    state->told.notify_one();
  });
  const base::MutexLock lock(state->mutex);
  while (!state->result.has_value()) {
    state->told.wait(state->mutex);
  }
  return *std::move(state->result);
}

std::unique_ptr<Writer> Writer::Start(store::Metadata& metadata, MetricPoints& points,
                                      WriteListener* listener) {
  return std::make_unique<GroupWriter>(metadata, points, listener);
}

}  // namespace millrace::tracking::internal
