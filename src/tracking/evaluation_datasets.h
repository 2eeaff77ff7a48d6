// SPDX-License-Identifier: Apache-2.0
// Evaluation datasets of MLflow: inputs of an application with what is expected of it, kept for
// several experiments. The data sets that runs read are in store.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "tracking/types.h"

namespace millrace::store {
class Metadata;
}

namespace millrace::tracking {

class TrackingStore;

struct EvaluationDataset {
  /// "d-" and 32 hex digits.
  std::string dataset_id;
  std::string name;
  /// 8 hex digits; another one after each change of the records.
  std::string digest;
  std::int64_t created_time_ms = 0;
  std::int64_t last_update_time_ms = 0;
  Tags tags;
  /// JSON: the types of the records' fields. None before there are records.
  std::optional<std::string> schema;
  /// JSON: {"num_records": 3}.
  std::optional<std::string> profile;
  std::optional<std::string> created_by;
  std::optional<std::string> last_updated_by;
};

/// The members of a JSON object, each key and value as JSON text. Equal keys are equal texts.
using JsonMembers = std::vector<std::pair<std::string, std::string>>;

/// Where a record comes from.
struct RecordSource {
  /// "UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT", "CODE".
  std::string type;
  std::optional<std::string> id;
  /// JSON object.
  std::string data = "{}";
};

/// A record on its way in. Values are JSON texts and are kept to the letter.
struct NewEvaluationRecord {
  JsonMembers inputs;
  /// The inputs with sorted keys: a record with equal ones is the same record.
  std::string canonical_inputs;
  /// Whether outputs were given; a null among them removes those there are.
  bool has_outputs = false;
  std::optional<std::string> outputs;
  JsonMembers expectations;
  bool has_expectations = false;
  JsonMembers tags;
  std::optional<RecordSource> source;
  /// Of the tag mlflow.user.
  std::optional<std::string> user;
};

struct EvaluationRecord {
  /// "dr-" and 32 hex digits.
  std::string record_id;
  std::string dataset_id;
  /// JSON texts.
  std::string inputs;
  std::optional<std::string> outputs;
  std::optional<std::string> expectations;
  std::string tags;
  std::optional<RecordSource> source;
  std::int64_t created_time_ms = 0;
  std::int64_t last_update_time_ms = 0;
  std::optional<std::string> created_by;
  std::optional<std::string> last_updated_by;
};

/// A record that another store held.
struct ImportedRecord {
  EvaluationRecord record;
  /// As in NewEvaluationRecord.
  std::string canonical_inputs;
};

struct UpsertCounts {
  std::int64_t n_inserted = 0;
  std::int64_t n_updated = 0;
};

struct EvaluationDatasetSearch {
  /// Empty: datasets of any experiment.
  std::vector<std::string> experiment_ids = {};
  std::string filter = {};
  std::vector<std::string> order_by = {};
  std::string page_token = {};
  int max_results = 1000;
};

/// Thread-safe; several processes may hold one on the same database. Each call is one transaction,
/// durable on return, in the group commit of the TrackingStore. Errors of every call, in MLflow's
/// words: kNotFound for datasets and experiments, kInvalidArgument for filters, tokens and numbers;
/// those of store::Metadata.
class EvaluationDatasets {
 public:
  /// Migrates the tables. The references outlive the object.
  static Result<std::unique_ptr<EvaluationDatasets>> Open(TrackingStore& tracking,
                                                          store::Metadata& metadata,
                                                          const base::Clock& clock);
  EvaluationDatasets(TrackingStore& tracking, store::Metadata& metadata, const base::Clock& clock)
      : tracking_(tracking), metadata_(metadata), clock_(clock) {}

  Result<EvaluationDataset> Create(const std::string& name, const Tags& tags,
                                   const std::vector<std::string>& experiment_ids);
  Result<EvaluationDataset> Get(const std::string& dataset_id);
  /// With its records. One that does not exist is fine.
  Result<void> Delete(const std::string& dataset_id);
  /// Newest first, unless order_by says otherwise.
  Result<Page<EvaluationDataset>> Search(const EvaluationDatasetSearch& search);

  /// Other tags stay.
  Result<void> SetTags(const std::string& dataset_id, const Tags& tags);
  /// A dataset or tag that does not exist is fine.
  Result<void> DeleteTag(const std::string& dataset_id, const std::string& key);

  /// In the order in which they were added; empty for a dataset that does not exist.
  Result<std::vector<std::string>> ExperimentIds(const std::string& dataset_id);
  /// Those that it has already are fine.
  Result<EvaluationDataset> AddToExperiments(const std::string& dataset_id,
                                             const std::vector<std::string>& experiment_ids);
  /// Those that it has not are fine.
  Result<EvaluationDataset> RemoveFromExperiments(const std::string& dataset_id,
                                                  const std::vector<std::string>& experiment_ids);

  /// Adds records; one with the inputs of another is merged into it.
  Result<UpsertCounts> UpsertRecords(const std::string& dataset_id,
                                     std::span<const NewEvaluationRecord> records);
  /// In the order in which they were added; empty for a dataset that does not exist.
  Result<Page<EvaluationRecord>> Records(const std::string& dataset_id, int max_results,
                                         const std::string& page_token);
  /// How many went.
  Result<std::int64_t> DeleteRecords(const std::string& dataset_id,
                                     const std::vector<std::string>& record_ids);

  /// Takes in what another store held, with its ids and times. A dataset or record that is there
  /// stays as it is; links to experiments are added.
  Result<void> Import(const EvaluationDataset& dataset,
                      const std::vector<std::string>& experiment_ids,
                      std::span<const ImportedRecord> records);

 private:
  std::int64_t NowMs() const { return clock_.Now().micros / 1000; }

  TrackingStore& tracking_;
  store::Metadata& metadata_;
  const base::Clock& clock_;
};

}  // namespace millrace::tracking
