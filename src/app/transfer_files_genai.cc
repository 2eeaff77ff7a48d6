// SPDX-License-Identifier: Apache-2.0
// Traces of MLflow's file store, as far as MLflow 2 writes them: trace_info.yaml, a file a tag and
// a file a datum, spans among the artifacts. The store keeps nothing that judges them, and as a
// sink takes none of it.
#include <algorithm>

#include "app/internal/transfer_files.h"

namespace millrace::app::internal {
namespace {

namespace fs = std::filesystem;
using base::YamlNode;

constexpr const char* kNone = "MLflow's file store keeps none";

class FilesGenaiSource final : public GenaiSource {
 public:
  explicit FilesGenaiSource(const std::map<std::string, fs::path>& folders) : folders_(folders) {
    Skip("evaluation datasets, scorers, issues, webhooks", kNone, 0);
  }

  Result<void> ForEachTrace(const tracking::Experiment& experiment,
                            const std::function<Result<void>(TransferTrace)>& take) override {
    const fs::path all = folders_.at(experiment.id) / "traces";
    std::error_code code;
    if (!fs::is_directory(all, code)) {
      return {};
    }
    std::vector<fs::path> folders;
    for (fs::directory_iterator it(all, code), end; !code && it != end; it.increment(code)) {
      if (fs::is_regular_file(it->path() / "trace_info.yaml", code)) {
        folders.push_back(it->path());
      }
    }
    if (code) {
      return base::FromErrno(code.value(), "listing", all.string());
    }
    std::sort(folders.begin(), folders.end());
    for (const fs::path& folder : folders) {
      const fs::path file = folder / "trace_info.yaml";
      MILL_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file));
      MILL_ASSIGN_OR_RETURN(const YamlNode meta, YamlNode::Parse(text, file.string()));
      if (!meta.Find("request_id") || !meta.Find("timestamp_ms")) {
        Skip("traces", "their trace_info.yaml is of MLflow 3; read them through its server", 1);
        continue;
      }
      TransferTrace trace;
      trace.info.trace_id = TextOf(meta, "request_id");
      trace.info.experiment_id = experiment.id;
      trace.info.request_time_ms = IntOf(meta, "timestamp_ms").value_or(0);
      trace.info.execution_time_ms = IntOf(meta, "execution_time_ms");
      trace.info.state = TextOf(meta, "status");
      MILL_ASSIGN_OR_RETURN(trace.info.tags, ReadPairs(folder / "tags"));
      MILL_ASSIGN_OR_RETURN(trace.info.metadata, ReadPairs(folder / "request_metadata"));
      std::string& location = trace.info.tags["mlflow.artifactLocation"];
      location = NearestFolder(location, folder / "artifacts");
      MILL_RETURN_IF_ERROR(take(std::move(trace)));
    }
    return {};
  }
  Result<std::vector<tracking::Issue>> Issues(const tracking::Experiment&) override {
    return std::vector<tracking::Issue>();
  }
  Result<std::vector<tracking::ScorerVersion>> Scorers(const tracking::Experiment&) override {
    return std::vector<tracking::ScorerVersion>();
  }
  Result<void> ForEachDataset(const std::function<Result<void>(TransferDataset)>&) override {
    return {};
  }
  Result<std::vector<tracking::Webhook>> Webhooks() override {
    return std::vector<tracking::Webhook>();
  }

 private:
  const std::map<std::string, fs::path>& folders_;
};

class FilesGenaiSink final : public GenaiSink {
 public:
  Result<std::optional<std::string>> PutTrace(const tracking::Experiment&,
                                              const TransferTrace&) override {
    Skip("traces", "a folder takes none; export to a database or a server", 1);
    return std::optional<std::string>();
  }
  Result<bool> PutIssue(const tracking::Experiment&, const tracking::Issue&) override {
    Skip("issues", kNone, 1);
    return false;
  }
  Result<bool> PutScorer(const tracking::Experiment&,
                         const std::vector<tracking::ScorerVersion>& versions) override {
    Skip("scorer versions", kNone, static_cast<std::int64_t>(versions.size()));
    return false;
  }
  Result<bool> PutDataset(const TransferDataset&) override {
    Skip("evaluation datasets", kNone, 1);
    return false;
  }
  Result<bool> PutWebhook(const tracking::Webhook&) override {
    Skip("webhooks", kNone, 1);
    return false;
  }
};

}  // namespace

std::unique_ptr<GenaiSource> MakeFilesGenaiSource(const std::map<std::string, fs::path>& folders) {
  return std::make_unique<FilesGenaiSource>(folders);
}

std::unique_ptr<GenaiSink> MakeFilesGenaiSink() {
  return std::make_unique<FilesGenaiSink>();
}

}  // namespace millrace::app::internal
