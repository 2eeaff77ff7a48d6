// SPDX-License-Identifier: Apache-2.0
// The scheduler: workers take the lowest step whose dependencies are done, until none is left or
// one failed.
#include "pipelines/runner.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/thread_pool.h"
#include "pipelines/internal/cache.h"
#include "pipelines/internal/journal.h"
#include "store/workspace.h"

namespace millrace::pipelines {
namespace {

using internal::Cache;
using internal::CacheEntry;
using internal::Journal;
using internal::KeyParts;
using SteadyTime = std::chrono::steady_clock::time_point;

double SecondsSince(SteadyTime start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class GraphRun {
 public:
  GraphRun(const Context& context, const Graph& graph, const RunOptions& options,
           std::vector<std::vector<std::size_t>> before, std::unique_ptr<Cache> cache,
           std::unique_ptr<Journal> journal)
      : context_(context),
        graph_(graph),
        options_(options),
        before_(std::move(before)),
        cache_(std::move(cache)),
        journal_(std::move(journal)),
        states_(graph.steps().size(), State::kWaiting) {
    for (const auto& step : graph_.steps()) {
      StepReport report;
      report.name = step->info().name;
      report.stage = step->info().stage;
      reports_.push_back(std::move(report));
    }
  }

  Result<void> HashInputs() {
    for (const auto& [name, file] : graph_.inputs()) {
      MILL_RETURN_IF_ERROR(context_.Check());
      MILL_ASSIGN_OR_RETURN(const ContentHash hash, cache_->HashInput(file));
      artifacts_[name] = {name, file, hash};
    }
    return cache_->SaveHashes();
  }

  RunReport Run() {
    const SteadyTime start = std::chrono::steady_clock::now();
    {
      // The pool's destructor waits for the workers.
      base::ThreadPool pool("steps", std::max(options_.threads, 1));
      for (int i = 0; i < pool.threads(); ++i) {
        pool.Submit([this] { Work(); });
      }
    }
    RunReport report;
    report.run_id = journal_->run_id();
    report.is_resumed = journal_->is_resumed();
    report.error = FirstError();
    const std::string status = report.error ? "failed" : "succeeded";
    const Result<void> ended = journal_->Write("end", {{"status", status}}, true);
    if (!ended.ok() && !report.error) {
      report.error = ended.error();
    }
    report.steps = std::move(reports_);
    report.seconds = SecondsSince(start);
    return report;
  }

 private:
  enum class State { kWaiting, kRunning, kDone, kFailed };

  void Work() {
    while (const std::optional<std::size_t> index = Next()) {
      Execute(*index);
    }
  }

  bool IsReady(std::size_t index) const MILL_REQUIRES(mutex_) {
    return states_[index] == State::kWaiting &&
           std::all_of(before_[index].begin(), before_[index].end(),
                       [this](std::size_t other) { return states_[other] == State::kDone; });
  }

  std::optional<std::size_t> Next() {
    const base::MutexLock lock(mutex_);
    for (;;) {
      if (is_stopping_) {
        return std::nullopt;
      }
      bool is_one_running = false;
      for (std::size_t i = 0; i < states_.size(); ++i) {
        if (IsReady(i)) {
          states_[i] = State::kRunning;
          return i;
        }
        is_one_running = is_one_running || states_[i] == State::kRunning;
      }
      if (!is_one_running) {
        return std::nullopt;
      }
      changed_.wait(mutex_);
    }
  }

  void Execute(std::size_t index) {
    Step& step = *graph_.steps()[index];
    StepReport report = reports_[index];  // Name and stage; nobody else writes this place.
    const SteadyTime start = std::chrono::steady_clock::now();
    {
      const base::MutexLock lock(observer_mutex_);
      if (options_.observer != nullptr) {
        options_.observer->OnStepStart(step.info());
      }
    }
    Result<void> done;
    try {
      done = Produce(step, report);
    } catch (const std::exception& error) {
      done = base::Internal(std::string("unexpected exception: ") + error.what());
    }
    if (!done.ok()) {
      report.status = StepStatus::kFailed;
      report.error = std::move(done).error().With("step " + step.info().name);
    }
    report.seconds = SecondsSince(start);
    const Result<void> noted = journal_->Write("step_end",
                                               {{"step", report.name},
                                                {"status", StepStatusName(report.status)},
                                                {"seconds", report.seconds}},
                                               report.status != StepStatus::kCached);
    if (!noted.ok() && !report.error) {
      report.status = StepStatus::kFailed;
      report.error = noted.error();
    }
    if (context_.logger != nullptr) {
      context_.logger->Info("pipelines", "step_end",
                            {{"step", report.name},
                             {"status", StepStatusName(report.status)},
                             {"seconds", report.seconds},
                             {"reason", report.reason}});
    }
    {
      const base::MutexLock lock(observer_mutex_);
      if (options_.observer != nullptr) {
        options_.observer->OnStepEnd(report);
      }
    }
    Settle(index, std::move(report));
  }

  void Settle(std::size_t index, StepReport report) {
    const base::MutexLock lock(mutex_);
    const bool is_good = report.status != StepStatus::kFailed;
    for (const Artifact& output : report.outputs) {
      artifacts_[output.name] = output;
    }
    states_[index] = is_good ? State::kDone : State::kFailed;
    is_stopping_ = is_stopping_ || !is_good;
    reports_[index] = std::move(report);
    changed_.notify_all();
  }

  // Takes the step's outputs from the cache or makes them.
  Result<void> Produce(Step& step, StepReport& report) {
    MILL_RETURN_IF_ERROR(context_.Check());
    const StepInfo& info = step.info();
    std::map<std::string, Artifact> inputs;
    KeyParts parts;
    parts.version = info.version;
    parts.params = base::HashText(info.params);
    parts.seed = context_.seed;
    {
      const base::MutexLock lock(mutex_);
      for (const std::string& name : info.inputs) {
        inputs[name] = artifacts_.at(name);
        parts.inputs[name] = inputs[name].hash;
      }
    }
    const ContentHash key = parts.Key(info.name);
    MILL_ASSIGN_OR_RETURN(const bool is_cached, TakeFromCache(step, inputs, key, report));
    if (!is_cached) {
      if (report.reason.empty()) {
        const std::optional<KeyParts> latest = cache_->LatestParts(info.name);
        report.reason = latest ? parts.Difference(*latest) : "first run";
      }
      MILL_RETURN_IF_ERROR(
          journal_->Write("step_start", {{"step", info.name}, {"key", key.Hex()}}, false));
      const auto work = [&](const std::filesystem::path& out, StepResult& result) {
        return step.Run(StepContext(context_, inputs, out, key.Hex()), result);
      };
      const auto on_point = [&](std::string_view point) {
        if (options_.on_point) {
          options_.on_point(point, info.name);
        }
      };
      MILL_ASSIGN_OR_RETURN(CacheEntry entry,
                            cache_->Publish(info, parts, work, on_point, report.result));
      report.status = StepStatus::kRan;
      report.outputs = std::move(entry.outputs);
    }
    MILL_RETURN_IF_ERROR(cache_->MarkLatest(info.name, key));
    cache_->Trim(info.name, options_.kept_entries, key);
    return {};
  }

  Result<bool> TakeFromCache(Step& step, const std::map<std::string, Artifact>& inputs,
                             const ContentHash& key, StepReport& report) {
    if (options_.is_forced) {
      report.reason = "forced";
      return false;
    }
    std::optional<CacheEntry> entry = cache_->Find(step.info(), key);
    if (!entry) {
      return false;
    }
    MILL_ASSIGN_OR_RETURN(
        const bool holds,
        step.StillHolds(StepContext(context_, inputs, entry->out, key.Hex()), entry->result));
    if (!holds) {
      report.reason = "its effect was undone";
      return false;
    }
    report.status = StepStatus::kCached;
    report.result = std::move(entry->result);
    report.outputs = std::move(entry->outputs);
    return true;
  }

  std::optional<Error> FirstError() const {
    for (const StepReport& report : reports_) {
      if (report.error) {
        return report.error;
      }
    }
    return std::nullopt;
  }

  const Context& context_;
  const Graph& graph_;
  const RunOptions& options_;
  const std::vector<std::vector<std::size_t>> before_;
  const std::unique_ptr<Cache> cache_;
  const std::unique_ptr<Journal> journal_;
  base::Mutex observer_mutex_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<State> states_ MILL_GUARDED_BY(mutex_);
  bool is_stopping_ MILL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Artifact> artifacts_ MILL_GUARDED_BY(mutex_);
  // Each place is written by the worker of its step; read when all are done.
  std::vector<StepReport> reports_;
};

}  // namespace

std::string_view StepStatusName(StepStatus status) {
  switch (status) {
    case StepStatus::kRan:
      return "ran";
    case StepStatus::kCached:
      return "cached";
    case StepStatus::kFailed:
      return "failed";
    case StepStatus::kSkipped:
      return "skipped";
  }
  return "skipped";
}

const StepReport* RunReport::Find(std::string_view step) const {
  const auto found = std::find_if(steps.begin(), steps.end(),
                                  [step](const StepReport& r) { return r.name == step; });
  return found == steps.end() ? nullptr : &*found;
}

const Artifact* RunReport::FindArtifact(std::string_view name) const {
  for (const StepReport& step : steps) {
    for (const Artifact& output : step.outputs) {
      if (output.name == name) {
        return &output;
      }
    }
  }
  return nullptr;
}

Result<RunReport> RunGraph(const Context& context, const Graph& graph, const RunOptions& options) {
  if (!store::IsSafeName(graph.name())) {
    return base::InvalidArgument(
        "\"" + graph.name() +
        "\" is not a name of a pipeline; use letters, digits, '_', '-' and '.'");
  }
  static const base::SystemClock kSystemClock;
  MILL_ASSIGN_OR_RETURN(auto before, graph.Dependencies());
  MILL_ASSIGN_OR_RETURN(std::unique_ptr<Cache> cache, Cache::Open(options.cache_dir));
  MILL_ASSIGN_OR_RETURN(std::unique_ptr<Journal> journal,
                        Journal::Open(options.journal_dir, graph.name(),
                                      context.clock != nullptr ? *context.clock : kSystemClock));
  GraphRun run(context, graph, options, std::move(before), std::move(cache), std::move(journal));
  MILL_RETURN_IF_ERROR(run.HashInputs());
  return run.Run();
}

}  // namespace millrace::pipelines
