// SPDX-License-Identifier: Apache-2.0
// Searches in MLflow's grammar: runs through the index of columns, the small sets of experiments
// and logged models in memory.
#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tracking/internal/limits.h"
#include "tracking/internal/model_rows.h"
#include "tracking/internal/run_rows.h"
#include "tracking/internal/schema.h"
#include "tracking/internal/store_impl.h"
#include "tracking/search.h"
#include "tracking/store.h"

namespace millrace::tracking {
namespace {

Result<std::vector<std::int64_t>> ExperimentNumbers(const std::vector<std::string>& ids) {
  std::vector<std::int64_t> numbers;
  for (const std::string& id : ids) {
    MILL_ASSIGN_OR_RETURN(const long long number, internal::ParseExperimentId(id));
    numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

FieldValue TextOf(const std::map<std::string, std::string>& texts, const std::string& key) {
  const auto found = texts.find(key);
  return found == texts.end() ? FieldValue() : FieldValue(std::string_view(found->second));
}

/// Cuts a list that was filtered and ordered to one page.
template <typename T>
Page<T> Cut(std::vector<T> items, std::int64_t offset, int max_results,
            const std::vector<TokenPart>& parts = {}) {
  Page<T> page;
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t begin = std::min(offset, size);
  const std::int64_t end = std::min(begin + max_results, size);
  if (end < size) {
    page.next_page_token = PageToken(end, parts);
  }
  page.items.assign(std::make_move_iterator(items.begin() + begin),
                    std::make_move_iterator(items.begin() + end));
  return page;
}

FieldValue ExperimentField(const Experiment& experiment, const Field& field) {
  if (field.kind == FieldKind::kTag) {
    return TextOf(experiment.tags, field.key);
  }
  if (field.key == "name") {
    return std::string_view(experiment.name);
  }
  if (field.key == "experiment_id") {
    return std::string_view(experiment.id);
  }
  if (field.key == "creation_time") {
    return experiment.creation_time_ms;
  }
  if (field.key == "last_update_time") {
    return experiment.last_update_time_ms;
  }
  return {};
}

FieldValue ModelField(const LoggedModel& model, const Field& field) {
  if (field.kind == FieldKind::kTag) {
    return TextOf(model.tags, field.key);
  }
  if (field.kind == FieldKind::kParam) {
    return TextOf(model.params, field.key);
  }
  const auto text = [](const std::string& value) {
    return value.empty() ? FieldValue() : FieldValue(std::string_view(value));
  };
  if (field.key == "name") {
    return text(model.name);
  }
  if (field.key == "model_id") {
    return text(model.model_id);
  }
  if (field.key == "model_type") {
    return text(model.model_type);
  }
  if (field.key == "source_run_id") {
    return text(model.source_run_id);
  }
  if (field.key == "status") {
    return LoggedModelStatusName(model.status);
  }
  if (field.key == "creation_timestamp") {
    return model.creation_time_ms;
  }
  if (field.key == "last_updated_timestamp") {
    return model.last_update_time_ms;
  }
  return {};
}

bool IsOn(const Metric& metric, const std::string& name, const std::string& digest) {
  return (name.empty() || metric.dataset_name == name) &&
         (digest.empty() || metric.dataset_digest == digest);
}

bool IsOnAny(const Metric& metric, const std::vector<Dataset>& datasets) {
  return datasets.empty() ||
         std::any_of(datasets.begin(), datasets.end(), [&](const Dataset& dataset) {
           return IsOn(metric, dataset.name, dataset.digest);
         });
}

/// One search over logged models that were loaded.
class ModelSearch {
 public:
  static Result<ModelSearch> Make(const LoggedModelSearch& search) {
    for (const Dataset& dataset : search.datasets) {
      if (dataset.name.empty()) {
        return base::InvalidArgument("`dataset_name` in the `datasets` clause must be specified.");
      }
    }
    ModelSearch made(search);
    MILL_ASSIGN_OR_RETURN(const std::vector<Clause> clauses,
                          ParseFilter(search.filter, SearchTarget::kLoggedModels));
    for (const Clause& clause : clauses) {
      made.tests_.emplace_back(clause);
    }
    for (const LoggedModelOrder& order : search.order_by) {
      MILL_ASSIGN_OR_RETURN(OrderTerm term,
                            ParseLoggedModelOrder(order.field_name, order.ascending,
                                                  order.dataset_name, order.dataset_digest));
      made.terms_.push_back(std::move(term));
    }
    return made;
  }

  /// Neither filter nor order: the newest come first.
  bool TakesAllAsTheyCome() const {
    return tests_.empty() && terms_.empty() && search_.datasets.empty();
  }

  /// What Matches and IsBefore look at, besides attributes.
  internal::ModelKeys Keys() const {
    internal::ModelKeys keys;
    const auto add = [&keys](const Field& field) {
      if (field.kind == FieldKind::kParam) {
        keys.params.push_back(field.key);
      } else if (field.kind == FieldKind::kTag) {
        keys.tags.push_back(field.key);
      } else if (field.kind == FieldKind::kMetric) {
        keys.metrics.push_back(field.key);
      }
    };
    for (const ClauseTest& test : tests_) {
      add(test.clause().field);
    }
    // Data sets alone ask whether there is any metric on them.
    keys.has_all_metrics = !search_.datasets.empty() && keys.metrics.empty();
    for (const OrderTerm& term : terms_) {
      add(term.field);
    }
    return keys;
  }

  /// Its clauses on attributes.
  bool MatchesAttributes(const LoggedModel& model) const {
    return std::all_of(tests_.begin(), tests_.end(), [&](const ClauseTest& test) {
      return test.clause().field.kind != FieldKind::kAttribute ||
             test(ModelField(model, test.clause().field));
    });
  }

  bool Matches(const LoggedModel& model) const {
    bool asks_metrics = false;
    for (const ClauseTest& test : tests_) {
      const Field& field = test.clause().field;
      if (field.kind != FieldKind::kMetric) {
        if (!test(ModelField(model, field))) {
          return false;
        }
        continue;
      }
      asks_metrics = true;
      const bool any =
          std::any_of(model.metrics.begin(), model.metrics.end(), [&](const LoggedModelMetric& of) {
            return of.metric.key == field.key && IsOnAny(of.metric, search_.datasets) &&
                   test(of.metric.value);
          });
      if (!any) {
        return false;
      }
    }
    // Data sets without a clause on metrics: models that were measured on one of them.
    return asks_metrics || search_.datasets.empty() ||
           std::any_of(
               model.metrics.begin(), model.metrics.end(),
               [&](const LoggedModelMetric& of) { return IsOnAny(of.metric, search_.datasets); });
  }

  bool IsBefore(const LoggedModel& a, const LoggedModel& b) const {
    for (const OrderTerm& term : terms_) {
      const std::weak_ordering order =
          CompareValues(OrderValue(a, term), OrderValue(b, term), term.is_ascending);
      if (order != 0) {
        return order < 0;
      }
    }
    return false;
  }

 private:
  explicit ModelSearch(const LoggedModelSearch& search) : search_(search) {}

  static FieldValue OrderValue(const LoggedModel& model, const OrderTerm& term) {
    if (term.field.kind != FieldKind::kMetric) {
      return ModelField(model, term.field);
    }
    const LoggedModelMetric* latest = nullptr;
    const auto is_later = [](const LoggedModelMetric& a, const LoggedModelMetric& b) {
      return std::tie(a.metric.timestamp_ms, a.metric.step, b.run_id) >
             std::tie(b.metric.timestamp_ms, b.metric.step, a.run_id);
    };
    for (const LoggedModelMetric& of : model.metrics) {
      if (of.metric.key == term.field.key &&
          IsOn(of.metric, term.dataset_name, term.dataset_digest) &&
          (latest == nullptr || is_later(of, *latest))) {
        latest = &of;
      }
    }
    return latest == nullptr ? FieldValue() : FieldValue(latest->metric.value);
  }

  const LoggedModelSearch& search_;
  std::vector<ClauseTest> tests_;
  std::vector<OrderTerm> terms_;
};

/// MLflow checks that a token goes on with the same search, for logged models only.
std::vector<TokenPart> TokenPartsOf(const LoggedModelSearch& search) {
  std::string ids;
  for (const std::string& id : search.experiment_ids) {
    ids += id + ",";
  }
  std::string order;
  for (const LoggedModelOrder& term : search.order_by) {
    order +=
        base::DumpJson({term.field_name, term.ascending, term.dataset_name, term.dataset_digest});
  }
  return {{.key = "experiment_ids",
           .text = std::move(ids),
           .mismatch = "Experiment IDs in the page token do not match the requested experiment "
                       "IDs. Search again without the token."},
          {.key = "filter_string",
           .text = search.filter,
           .mismatch = "Filter string in the page token does not match the requested filter "
                       "string. Search again without the token."},
          {.key = "order_by",
           .text = std::move(order),
           .mismatch = "Order by in the page token does not match the requested order by. "
                       "Search again without the token."}};
}

}  // namespace

Result<Page<Experiment>> TrackingStore::SearchExperiments(const ExperimentSearch& search) {
  MILL_RETURN_IF_ERROR(internal::CheckMaxResults(search.max_results));
  MILL_ASSIGN_OR_RETURN(const std::vector<Clause> filter,
                        ParseFilter(search.filter, SearchTarget::kExperiments));
  MILL_ASSIGN_OR_RETURN(const std::vector<OrderTerm> order,
                        ParseOrderBy(search.order_by, SearchTarget::kExperiments));
  MILL_ASSIGN_OR_RETURN(const std::int64_t offset, ParsePageToken(search.page_token));
  MILL_ASSIGN_OR_RETURN(std::vector<Experiment> experiments,
                        internal::ReadExperiments(impl_->metadata, search.view));
  std::stable_sort(experiments.begin(), experiments.end(),
                   [](const Experiment& a, const Experiment& b) {
                     return a.creation_time_ms > b.creation_time_ms;
                   });
  FilterAndOrder(experiments, filter, order, ExperimentField);
  return Cut(std::move(experiments), offset, search.max_results);
}

Result<Page<Run>> TrackingStore::SearchRuns(const RunSearch& search) {
  MILL_RETURN_IF_ERROR(internal::CheckMaxResults(search.max_results));
  MILL_ASSIGN_OR_RETURN(const std::vector<Clause> filter,
                        ParseFilter(search.filter, SearchTarget::kRuns));
  MILL_ASSIGN_OR_RETURN(const std::vector<OrderTerm> order,
                        ParseOrderBy(search.order_by, SearchTarget::kRuns));
  MILL_ASSIGN_OR_RETURN(const std::int64_t offset, ParsePageToken(search.page_token));
  MILL_ASSIGN_OR_RETURN(const std::vector<std::int64_t> ids,
                        ExperimentNumbers(search.experiment_ids));
  MILL_ASSIGN_OR_RETURN(std::vector<std::int64_t> keys,
                        impl_->Index()->Search({.experiment_ids = ids,
                                                .view = search.view,
                                                .filter = filter,
                                                .order = order,
                                                .offset = offset,
                                                .limit = search.max_results}));
  Page<Run> page;
  if (keys.size() > static_cast<std::size_t>(search.max_results)) {
    keys.resize(static_cast<std::size_t>(search.max_results));
    page.next_page_token = PageToken(offset + search.max_results);
  }
  MILL_ASSIGN_OR_RETURN(page.items, internal::ReadRuns(*impl_, keys));
  return page;
}

Result<Page<LoggedModel>> TrackingStore::SearchLoggedModels(const LoggedModelSearch& search) {
  MILL_RETURN_IF_ERROR(internal::CheckMaxResults(search.max_results));
  MILL_ASSIGN_OR_RETURN(const ModelSearch models_wanted, ModelSearch::Make(search));
  const std::vector<TokenPart> parts = TokenPartsOf(search);
  MILL_ASSIGN_OR_RETURN(const std::int64_t offset, ParsePageToken(search.page_token, parts));
  MILL_ASSIGN_OR_RETURN(const std::vector<std::int64_t> ids,
                        ExperimentNumbers(search.experiment_ids));
  // Of all models only what the search looks at is read; the rest for those of the page.
  constexpr std::int64_t kAll = 1'000'000'000;
  const bool is_plain = models_wanted.TakesAllAsTheyCome();
  MILL_ASSIGN_OR_RETURN(
      std::vector<LoggedModel> models,
      internal::ReadModels(impl_->metadata, ids,
                           is_plain ? std::min(offset, kAll) + search.max_results + 1 : kAll));
  if (!is_plain) {
    const internal::ModelKeys keys = models_wanted.Keys();
    std::erase_if(models,
                  [&](const LoggedModel& m) { return !models_wanted.MatchesAttributes(m); });
    MILL_RETURN_IF_ERROR(internal::ReadModelData(impl_->metadata, models, &keys));
    std::erase_if(models, [&](const LoggedModel& m) { return !models_wanted.Matches(m); });
    std::stable_sort(models.begin(), models.end(), [&](const LoggedModel& a, const LoggedModel& b) {
      return models_wanted.IsBefore(a, b);
    });
  }
  Page<LoggedModel> page = Cut(std::move(models), offset, search.max_results, parts);
  for (LoggedModel& model : page.items) {
    model.params.clear();
    model.tags.clear();
    model.metrics.clear();
  }
  MILL_RETURN_IF_ERROR(internal::ReadModelData(impl_->metadata, page.items));
  return page;
}

Result<void> TrackingStore::WarmUp() {
  return {};
}

}  // namespace millrace::tracking
