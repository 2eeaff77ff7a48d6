// SPDX-License-Identifier: Apache-2.0
// The copying itself, the same for every pair of stores.
#include "app/transfer.h"

#include <algorithm>
#include <map>
#include <system_error>

#include "base/progress.h"

namespace millrace::app {
namespace {

class Transferrer {
 public:
  Transferrer(const Context& context, TransferSource& source, TransferSink& sink,
              const std::optional<std::filesystem::path>& scratch)
      : context_(context), source_(source), sink_(sink), scratch_(scratch) {}

  Result<TransferCounts> Run() {
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::Experiment> experiments,
                          source_.Experiments());
    for (const tracking::Experiment& experiment : experiments) {
      Result<void> done = CopyExperiment(experiment);
      if (!done.ok()) {
        return std::move(done).error().With("copying experiment " + experiment.id + " \"" +
                                            experiment.name + "\"");
      }
    }
    MILL_ASSIGN_OR_RETURN(std::vector<TransferModel> models, source_.Models());
    for (TransferModel& model : models) {
      for (tracking::ModelVersion& version : model.versions) {
        version.storage_location = Moved(version.storage_location);
        version.source = Moved(version.source);
      }
      MILL_RETURN_IF_ERROR(
          sink_.PutModel(model).With("copying registered model \"" + model.model.name + "\""));
      ++counts_.models;
      counts_.versions += static_cast<std::int64_t>(model.versions.size());
    }
    MILL_RETURN_IF_ERROR(CopyDatasets());
    MILL_RETURN_IF_ERROR(CopyWebhooks());
    for (const TransferStore* store : {static_cast<const TransferStore*>(&source_),
                                       static_cast<const TransferStore*>(&source_.genai()),
                                       static_cast<const TransferStore*>(&sink_),
                                       static_cast<const TransferStore*>(&sink_.genai())}) {
      counts_.skips.insert(counts_.skips.end(), store->skips().begin(), store->skips().end());
    }
    return counts_;
  }

 private:
  Result<void> CheckStop() const {
    if (context_.stop.stop_requested()) {
      return base::Cancelled("the transfer was stopped; what was copied stays")
          .Hint("run it again: what is there already is not copied twice");
    }
    return {};
  }

  Result<void> CopyExperiment(const tracking::Experiment& experiment) {
    MILL_ASSIGN_OR_RETURN(const tracking::Experiment there, sink_.PutExperiment(experiment));
    ++counts_.experiments;
    experiments_[experiment.id] = there.id;
    MILL_ASSIGN_OR_RETURN(const std::uint64_t n_runs, source_.CountRuns(experiment));
    StartProgress("runs of " + experiment.name, n_runs);
    const auto copy_run = [&](TransferRun run) -> Result<void> {
      MILL_RETURN_IF_ERROR(CheckStop());
      const std::string from = run.run.info.artifact_uri;
      MILL_ASSIGN_OR_RETURN(const std::string to, sink_.PutRun(there, run));
      MILL_RETURN_IF_ERROR(CopyFiles(from, to).With("run " + run.run.info.run_id));
      ++counts_.runs;
      for (const auto& [name, points] : run.histories) {
        counts_.points += static_cast<std::int64_t>(points.size());
      }
      Advance();
      return {};
    };
    MILL_RETURN_IF_ERROR(source_.ForEachRun(experiment, copy_run));
    StartProgress("models of " + experiment.name, 0);
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::LoggedModel> models,
                          source_.LoggedModels(experiment));
    for (const tracking::LoggedModel& model : models) {
      MILL_RETURN_IF_ERROR(CheckStop());
      MILL_ASSIGN_OR_RETURN(const std::string to, sink_.PutLoggedModel(there, model));
      MILL_RETURN_IF_ERROR(CopyFiles(model.artifact_location, to).With("model " + model.model_id));
      ++counts_.logged_models;
      Advance();
    }
    MILL_RETURN_IF_ERROR(CopyGenai(experiment, there));
    if (context_.progress != nullptr) {
      context_.progress->Finish();
    }
    return sink_.Finish(there, experiment.lifecycle == tracking::LifecycleStage::kDeleted);
  }

  void StartProgress(const std::string& what, std::uint64_t total) const {
    if (context_.progress != nullptr) {
      context_.progress->Start(what, total);
    }
  }
  void Advance() const {
    if (context_.progress != nullptr) {
      context_.progress->Advance(1);
    }
  }

  Result<void> CopyGenai(const tracking::Experiment& experiment,
                         const tracking::Experiment& there) {
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::Issue> issues,
                          source_.genai().Issues(experiment));
    for (const tracking::Issue& issue : issues) {
      MILL_ASSIGN_OR_RETURN(const bool is_taken,
                            sink_.genai().PutIssue(there, issue).With("issue " + issue.issue_id));
      counts_.issues += is_taken ? 1 : 0;
    }
    StartProgress("traces of " + experiment.name, 0);
    const auto copy_trace = [&](TransferTrace trace) -> Result<void> {
      MILL_RETURN_IF_ERROR(CheckStop());
      MILL_RETURN_IF_ERROR(CopyTrace(there, trace).With("trace " + trace.info.trace_id));
      Advance();
      return {};
    };
    MILL_RETURN_IF_ERROR(source_.genai().ForEachTrace(experiment, copy_trace));
    MILL_ASSIGN_OR_RETURN(const std::vector<tracking::ScorerVersion> scorers,
                          source_.genai().Scorers(experiment));
    for (auto first = scorers.begin(); first != scorers.end();) {
      const auto last = std::find_if(first, scorers.end(), [&](const tracking::ScorerVersion& s) {
        return s.name != first->name;
      });
      MILL_ASSIGN_OR_RETURN(
          const bool is_taken,
          sink_.genai().PutScorer(there, {first, last}).With("scorer \"" + first->name + "\""));
      counts_.scorers += is_taken ? last - first : 0;
      first = last;
    }
    return {};
  }

  Result<void> CopyTrace(const tracking::Experiment& there, const TransferTrace& trace) {
    MILL_ASSIGN_OR_RETURN(const std::optional<std::string> to,
                          sink_.genai().PutTrace(there, trace));
    if (!to.has_value()) {
      return {};
    }
    if (const auto from = trace.info.tags.find("mlflow.artifactLocation");
        from != trace.info.tags.end()) {
      MILL_RETURN_IF_ERROR(CopyFiles(from->second, *to));
    }
    ++counts_.traces;
    counts_.spans += static_cast<std::int64_t>(trace.spans.size());
    counts_.assessments += static_cast<std::int64_t>(trace.info.assessments.size());
    return {};
  }

  Result<void> CopyDatasets() {
    return source_.genai().ForEachDataset([&](TransferDataset dataset) -> Result<void> {
      MILL_RETURN_IF_ERROR(CheckStop());
      std::vector<std::string> there;
      for (const std::string& id : dataset.experiment_ids) {
        if (const auto found = experiments_.find(id); found != experiments_.end()) {
          there.push_back(found->second);
        }
      }
      dataset.experiment_ids = std::move(there);
      MILL_ASSIGN_OR_RETURN(const bool is_taken,
                            sink_.genai().PutDataset(dataset).With("evaluation dataset \"" +
                                                                   dataset.dataset.name + "\""));
      counts_.datasets += is_taken ? 1 : 0;
      counts_.records += is_taken ? static_cast<std::int64_t>(dataset.records.size()) : 0;
      return {};
    });
  }

  Result<void> CopyWebhooks() {
    MILL_ASSIGN_OR_RETURN(std::vector<tracking::Webhook> webhooks, source_.genai().Webhooks());
    for (tracking::Webhook& webhook : webhooks) {
      webhook.is_active = false;
      MILL_ASSIGN_OR_RETURN(const bool is_taken, sink_.genai().PutWebhook(webhook).With(
                                                     "webhook \"" + webhook.name + "\""));
      counts_.webhooks += is_taken ? 1 : 0;
    }
    return {};
  }

  Result<void> CopyFiles(const std::string& from, const std::string& to) {
    Result<std::vector<std::string>> files = source_.Files(from);
    if (!files.ok() && files.error().code() == base::ErrorCode::kUnimplemented) {
      counts_.left_files.push_back(from);
      return {};
    }
    MILL_RETURN_IF_ERROR(files);
    moved_[from] = to;
    if (!scratch_.has_value()) {
      counts_.files += static_cast<std::int64_t>(files->size());
      return {};
    }
    for (const std::string& path : *files) {
      MILL_ASSIGN_OR_RETURN(const std::filesystem::path file, source_.Fetch(from, path, *scratch_));
      Result<void> put = sink_.PutFile(to, path, file);
      if (file.parent_path() == *scratch_) {
        std::error_code ignored;
        std::filesystem::remove(file, ignored);
      }
      MILL_RETURN_IF_ERROR(std::move(put).With("file " + path));
      ++counts_.files;
    }
    return {};
  }

  // A location inside one whose files were copied, as it is now.
  std::string Moved(const std::string& location) const {
    for (const auto& [from, to] : moved_) {
      if (!from.empty() && location.starts_with(from) &&
          (location.size() == from.size() || location[from.size()] == '/')) {
        return to + location.substr(from.size());
      }
    }
    return location;
  }

  const Context& context_;
  TransferSource& source_;
  TransferSink& sink_;
  const std::optional<std::filesystem::path>& scratch_;
  TransferCounts counts_;
  std::map<std::string, std::string> moved_;
  /// Ids of the source to those of the sink.
  std::map<std::string, std::string> experiments_;
};

class DrySink final : public TransferSink, public GenaiSink {
 public:
  Result<tracking::Experiment> PutExperiment(const tracking::Experiment& experiment) override {
    return experiment;
  }
  Result<std::string> PutRun(const tracking::Experiment&, const TransferRun&) override {
    return std::string();
  }
  Result<std::string> PutLoggedModel(const tracking::Experiment&,
                                     const tracking::LoggedModel&) override {
    return std::string();
  }
  Result<void> PutModel(const TransferModel&) override { return {}; }
  Result<void> PutFile(const std::string&, const std::string&,
                       const std::filesystem::path&) override {
    return {};
  }
  Result<void> Finish(const tracking::Experiment&, bool) override { return {}; }
  GenaiSink& genai() override { return *this; }
  Result<std::optional<std::string>> PutTrace(const tracking::Experiment&,
                                              const TransferTrace&) override {
    return std::optional(std::string());
  }
  Result<bool> PutIssue(const tracking::Experiment&, const tracking::Issue&) override {
    return true;
  }
  Result<bool> PutScorer(const tracking::Experiment&,
                         const std::vector<tracking::ScorerVersion>&) override {
    return true;
  }
  Result<bool> PutDataset(const TransferDataset&) override { return true; }
  Result<bool> PutWebhook(const tracking::Webhook&) override { return true; }
};

}  // namespace

void TransferStore::Skip(std::string_view what, std::string_view why, std::int64_t n) {
  const auto known = std::find_if(skips_.begin(), skips_.end(), [&](const TransferSkip& skip) {
    return skip.what == what && skip.why == why;
  });
  if (known != skips_.end()) {
    known->n += n;
  } else {
    skips_.push_back({std::string(what), std::string(why), n});
  }
}

std::unique_ptr<TransferSink> MakeDrySink() {
  return std::make_unique<DrySink>();
}

Result<TransferCounts> Transfer(const Context& context, TransferSource& source, TransferSink& sink,
                                const std::optional<std::filesystem::path>& scratch) {
  return Transferrer(context, source, sink, scratch).Run();
}

}  // namespace millrace::app
