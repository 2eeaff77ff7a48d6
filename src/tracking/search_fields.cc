// SPDX-License-Identifier: Apache-2.0
// The fields of each search target and MLflow's messages about them.
#include "tracking/internal/search_fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace millrace::tracking::internal {
namespace {

using base::InvalidArgument;
using View = std::string_view;

constexpr std::array<View, 6> kNumberComparators = {"!=", "<", "<=", "=", ">", ">="};
constexpr std::array<View, 4> kTagComparators = {"!=", "=", "ILIKE", "LIKE"};
constexpr std::array<View, 6> kTagOrNullComparators = {"!=",          "=",       "ILIKE",
                                                       "IS NOT NULL", "IS NULL", "LIKE"};
constexpr std::array<View, 6> kTextComparators = {"!=", "=", "ILIKE", "IN", "LIKE", "NOT IN"};
constexpr std::array<View, 7> kTraceTextComparators = {"!=",   "=",      "ILIKE", "IN",
                                                       "LIKE", "NOT IN", "RLIKE"};
constexpr std::array<View, 7> kTraceTagComparators = {"!=",      "=",    "ILIKE", "IS NOT NULL",
                                                      "IS NULL", "LIKE", "RLIKE"};
constexpr std::array<View, 11> kAssessmentComparators = {
    "!=", "<", "<=", "=", ">", ">=", "ILIKE", "IS NOT NULL", "IS NULL", "LIKE", "RLIKE"};
constexpr std::array<View, 2> kContentComparators = {"ILIKE", "LIKE"};
constexpr std::array<View, 1> kIssueComparators = {"="};

constexpr std::array<View, 4> kExperimentFields = {"creation_time", "experiment_id",
                                                   "last_update_time", "name"};
constexpr std::array<View, 2> kExperimentNumbers = {"creation_time", "last_update_time"};
constexpr std::array<View, 1> kExperimentLists = {"experiment_id"};
constexpr std::array<View, 12> kRunFields = {"Created",  "Run Name",   "Run name", "artifact_uri",
                                             "created",  "end_time",   "run name", "run_id",
                                             "run_name", "start_time", "status",   "user_id"};
constexpr std::array<View, 9> kRunOrders = {"Created",    "artifact_uri", "created",
                                            "end_time",   "run_id",       "run_name",
                                            "start_time", "status",       "user_id"};
constexpr std::array<View, 4> kRunNumbers = {"Created", "created", "end_time", "start_time"};
constexpr std::array<View, 1> kRunLists = {"run_id"};
constexpr std::array<View, 3> kDatasetFields = {"context", "digest", "name"};
constexpr std::array<View, 1> kModelFields = {"name"};
constexpr std::array<View, 3> kModelOrders = {"last_updated_timestamp", "name", "timestamp"};
constexpr std::array<View, 4> kVersionFields = {"name", "run_id", "source_path", "version_number"};
constexpr std::array<View, 4> kVersionOrders = {"creation_timestamp", "last_updated_timestamp",
                                                "name", "version_number"};
constexpr std::array<View, 3> kVersionNumbers = {"creation_timestamp", "last_updated_timestamp",
                                                 "version_number"};
constexpr std::array<View, 2> kVersionLists = {"name", "run_id"};
constexpr std::array<View, 9> kLoggedFields = {"creation_time",
                                               "creation_timestamp",
                                               "last_updated_time",
                                               "last_updated_timestamp",
                                               "model_id",
                                               "model_type",
                                               "name",
                                               "source_run_id",
                                               "status"};
constexpr std::array<View, 4> kLoggedNumbers = {"creation_time", "creation_timestamp",
                                                "last_updated_time", "last_updated_timestamp"};
constexpr std::array<View, 13> kTraceFields = {"client_request_id",
                                               "end_time",
                                               "end_time_ms",
                                               "execution_time",
                                               "execution_time_ms",
                                               "name",
                                               "prompt",
                                               "request_id",
                                               "run_id",
                                               "status",
                                               "text",
                                               "timestamp",
                                               "timestamp_ms"};
constexpr std::array<View, 11> kTraceOrders = {
    "end_time",   "end_time_ms", "execution_time", "execution_time_ms", "experiment_id", "name",
    "request_id", "run_id",      "status",         "timestamp",         "timestamp_ms"};
constexpr std::array<View, 6> kTraceNumbers = {"end_time",          "end_time_ms", "execution_time",
                                               "execution_time_ms", "timestamp",   "timestamp_ms"};
constexpr std::array<View, 5> kTraceLists = {"client_request_id", "name", "request_id", "run_id",
                                             "status"};
constexpr std::array<View, 5> kEvaluationFields = {"created_by", "created_time", "last_update_time",
                                                   "last_updated_by", "name"};
constexpr std::array<View, 3> kEvaluationOrders = {"created_time", "last_update_time", "name"};
constexpr std::array<View, 2> kEvaluationNumbers = {"created_time", "last_update_time"};
constexpr std::array<View, 1> kEvaluationLists = {"name"};
constexpr std::array<View, 2> kIssueFields = {"source_run_id", "status"};
constexpr std::array<View, 2> kEqualities = {"!=", "="};
constexpr std::array<View, 11> kTraceEntities = {
    "attribute",        "attributes", "expectation", "feedback", "issue", "metadata",
    "request_metadata", "span",       "tag",         "tags",     "trace"};

constexpr std::array<FieldRules, 8> kRules = {
    FieldRules{.target = SearchTarget::kExperiments,
               .attributes = kExperimentFields,
               .order_attributes = kExperimentFields,
               .numeric = kExperimentNumbers,
               .lists = kExperimentLists,
               .wants_whole_numbers = true},
    FieldRules{.target = SearchTarget::kRuns,
               .attributes = kRunFields,
               .order_attributes = kRunOrders,
               .numeric = kRunNumbers,
               .lists = kRunLists,
               .quotes_invalid_clauses = true},
    FieldRules{.target = SearchTarget::kRegisteredModels,
               .attributes = kModelFields,
               .order_attributes = kModelOrders,
               .lists = kModelFields,
               .is_loose = true},
    FieldRules{.target = SearchTarget::kModelVersions,
               .attributes = kVersionFields,
               .order_attributes = kVersionOrders,
               .numeric = kVersionNumbers,
               .lists = kVersionLists,
               .is_loose = true,
               .allows_numbers = true,
               .wants_whole_numbers = true},
    FieldRules{.target = SearchTarget::kLoggedModels,
               .attributes = kLoggedFields,
               .order_attributes = kLoggedFields,
               .numeric = kLoggedNumbers},
    FieldRules{.target = SearchTarget::kTraces,
               .attributes = kTraceFields,
               .order_attributes = kTraceOrders,
               .numeric = kTraceNumbers,
               .lists = kTraceLists,
               .is_loose = true,
               .allows_numbers = true,
               .quotes_invalid_clauses = true},
    FieldRules{.target = SearchTarget::kEvaluationDatasets,
               .attributes = kEvaluationFields,
               .order_attributes = kEvaluationOrders,
               .numeric = kEvaluationNumbers,
               .lists = kEvaluationLists,
               .wants_whole_numbers = true},
    FieldRules{.target = SearchTarget::kIssues, .attributes = kIssueFields},
};

bool Contains(Names names, View name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::optional<FieldKind> RunEntity(View name) {
  using Entry = std::pair<View, FieldKind>;
  constexpr std::array<Entry, 14> kEntities = {Entry{"metric", FieldKind::kMetric},
                                               {"metrics", FieldKind::kMetric},
                                               {"parameter", FieldKind::kParam},
                                               {"parameters", FieldKind::kParam},
                                               {"param", FieldKind::kParam},
                                               {"params", FieldKind::kParam},
                                               {"tag", FieldKind::kTag},
                                               {"tags", FieldKind::kTag},
                                               {"attribute", FieldKind::kAttribute},
                                               {"attributes", FieldKind::kAttribute},
                                               {"attr", FieldKind::kAttribute},
                                               {"run", FieldKind::kAttribute},
                                               {"dataset", FieldKind::kDataset},
                                               {"datasets", FieldKind::kDataset}};
  for (const auto& [entity, kind] : kEntities) {
    if (entity == name) {
      return kind;
    }
  }
  return std::nullopt;
}

std::optional<FieldKind> TraceEntity(View name) {
  using Entry = std::pair<View, FieldKind>;
  constexpr std::array<Entry, 11> kEntities = {Entry{"tag", FieldKind::kTag},
                                               {"tags", FieldKind::kTag},
                                               {"attribute", FieldKind::kAttribute},
                                               {"attributes", FieldKind::kAttribute},
                                               {"trace", FieldKind::kAttribute},
                                               {"metadata", FieldKind::kMetadata},
                                               {"request_metadata", FieldKind::kMetadata},
                                               {"span", FieldKind::kSpan},
                                               {"feedback", FieldKind::kFeedback},
                                               {"expectation", FieldKind::kExpectation},
                                               {"issue", FieldKind::kIssue}};
  for (const auto& [entity, kind] : kEntities) {
    if (entity == name) {
      return kind;
    }
  }
  return std::nullopt;
}

Error InvalidKey(View key, Names valid) {
  return InvalidArgument("Invalid attribute key '" + std::string(key) +
                         "' specified. Valid keys are '" + PythonSet(valid) + "'");
}

// Runs and traces: many entities; the key's quotes go before the key is looked up.
Result<Field> ReadWideField(SearchTarget target, View entity, View key, Names valid) {
  const View name = TrimBackticks(entity);
  const std::optional<FieldKind> kind =
      target == SearchTarget::kRuns ? RunEntity(name) : TraceEntity(name);
  if (!kind.has_value()) {
    return InvalidArgument("Invalid entity type '" + std::string(name) + "'. Valid values are " +
                           (target == SearchTarget::kRuns
                                ? "['metric', 'parameter', 'tag', 'attribute', 'dataset']"
                                : PythonSet(kTraceEntities)));
  }
  const View bare = TrimBackticks(StripQuotes(key));
  if (*kind == FieldKind::kAttribute && !Contains(valid, bare)) {
    return InvalidKey(bare, valid);
  }
  if (*kind == FieldKind::kDataset && !Contains(kDatasetFields, bare)) {
    return InvalidArgument("Invalid dataset key '" + std::string(bare) +
                           "' specified. Valid keys are '" + PythonSet(kDatasetFields) + "'");
  }
  return Field{*kind, std::string(bare)};
}

// Experiments, registered models and their versions: attributes and tags.
// @param strips_first  experiments' keys may be quoted; the registry's may not
Result<Field> ReadNarrowField(View entity, View key, Names valid, bool strips_first) {
  if (entity != "attribute" && entity != "tag" && entity != "tags") {
    return InvalidArgument("Invalid entity type '" + std::string(entity) +
                           "'. Valid entity types are ('attribute', 'tag', 'tags')");
  }
  const FieldKind kind = entity == "attribute" ? FieldKind::kAttribute : FieldKind::kTag;
  const View bare = TrimBackticks(StripQuotes(key));
  const View looked_up = strips_first ? bare : key;
  if (kind == FieldKind::kAttribute && !Contains(valid, looked_up)) {
    return InvalidKey(looked_up, valid);
  }
  return Field{kind, std::string(bare)};
}

// Evaluation datasets: attributes alone, tags behind "tags.".
Result<Field> ReadEvaluationField(View identifier, Names valid) {
  const std::size_t dot = identifier.find('.');
  if (dot == View::npos) {
    const View bare = TrimBackticks(StripQuotes(identifier));
    return Contains(valid, bare)
               ? Result<Field>(Field{FieldKind::kAttribute, std::string(bare)})
               : InvalidArgument("Invalid attribute key '" + std::string(bare) +
                                 "' specified. Valid keys are: " + PythonSet(valid));
  }
  if (const View entity = identifier.substr(0, dot); entity != "tags") {
    return InvalidArgument("Invalid identifier token '" + std::string(entity) + "' specified");
  }
  return Field{FieldKind::kTag,
               std::string(TrimBackticks(StripQuotes(identifier.substr(dot + 1))))};
}

Result<Field> ReadIssueField(View identifier, Names valid) {
  const View bare = TrimBackticks(StripQuotes(identifier));
  return Contains(valid, bare) ? Result<Field>(Field{FieldKind::kAttribute, std::string(bare)})
                               : InvalidArgument("Invalid filter field '" + std::string(bare) +
                                                 "'. Supported fields: " + PythonSet(valid));
}

Result<Field> ReadLoggedField(View entity, View key, Names valid) {
  constexpr std::array<std::pair<View, FieldKind>, 4> kEntities = {
      std::pair{View("attributes"), FieldKind::kAttribute},
      {"metrics", FieldKind::kMetric},
      {"params", FieldKind::kParam},
      {"tags", FieldKind::kTag}};
  const auto* found = std::find_if(kEntities.begin(), kEntities.end(),
                                   [&](const auto& entry) { return entry.first == entity; });
  if (found == kEntities.end()) {
    return InvalidArgument("Invalid entity type: " + PythonText(entity) +
                           ". Expected one of ['attributes', 'metrics', 'params', 'tags'].");
  }
  const View bare = TrimBackticks(StripQuotes(key));
  if (found->second == FieldKind::kAttribute && !Contains(valid, bare)) {
    return InvalidKey(bare, valid);
  }
  return Field{found->second, std::string(bare)};
}

// MLflow's runs and traces name the comparators that would do; the quote behind the set is missing
// in some of its messages.
Result<void> OneOf(const std::string& comparator, Names valid, Names printed,
                   View closing_quote = "'") {
  if (Contains(valid, comparator)) {
    return {};
  }
  return InvalidArgument("Invalid comparator '" + comparator + "' not one of '" +
                         PythonSet(printed) + std::string(closing_quote));
}

Result<void> CheckRunComparator(const FieldRules& rules, const Field& field,
                                const std::string& comparator) {
  switch (field.kind) {
    case FieldKind::kMetric:
      return OneOf(comparator, kNumberComparators, kNumberComparators, "");
    case FieldKind::kParam:
      return OneOf(comparator, kTagOrNullComparators, kTagOrNullComparators);
    case FieldKind::kTag:
      return OneOf(comparator, kTagOrNullComparators, kTagOrNullComparators, "");
    case FieldKind::kDataset:
      return OneOf(comparator, kTextComparators, kTextComparators, "");
    default:
      return rules.IsNumeric(field.key)
                 ? OneOf(comparator, kNumberComparators, kTextComparators, "")
                 : OneOf(comparator, kTextComparators, kTextComparators);
  }
}

Result<void> CheckSpanComparator(const Field& field, const std::string& comparator) {
  Names valid = kTraceTextComparators;
  if (field.key == "content") {
    valid = kContentComparators;
  } else if (field.key == "attributes.") {
    return InvalidArgument("Span attribute name cannot be empty after 'attributes.'");
  } else if (!field.key.starts_with("attributes.") && field.key != "name" && field.key != "type" &&
             field.key != "status") {
    return InvalidArgument("Invalid span attribute '" + field.key +
                           "'. Supported attributes: name, status, type, "
                           "attributes.<attribute_name>.");
  }
  if (!Contains(valid, comparator)) {
    return InvalidArgument("span." + field.key + " comparator '" + comparator + "' not one of '" +
                           PythonSet(valid) + "'");
  }
  return {};
}

Result<void> CheckTraceComparator(const FieldRules& rules, const Field& field,
                                  const std::string& comparator) {
  switch (field.kind) {
    case FieldKind::kTag:
      return OneOf(comparator, kTraceTagComparators, kTraceTagComparators, "");
    case FieldKind::kMetadata:
      return OneOf(comparator, kTraceTagComparators, kTraceTagComparators);
    case FieldKind::kSpan:
      return CheckSpanComparator(field, comparator);
    case FieldKind::kFeedback:
    case FieldKind::kExpectation:
      if (field.key.empty()) {
        return InvalidArgument("Assessment field name cannot be empty");
      }
      if (!Contains(kAssessmentComparators, comparator)) {
        return InvalidArgument("assessment." + field.key + " comparator '" + comparator +
                               "' not one of '" + PythonSet(kAssessmentComparators) + "'");
      }
      return {};
    case FieldKind::kIssue:
      if (field.key != "id") {
        return InvalidArgument("Invalid issue attribute '" + field.key +
                               "'. Supported attributes: id");
      }
      if (!Contains(kIssueComparators, comparator)) {
        return InvalidArgument("issue." + field.key + " comparator '" + comparator +
                               "' not one of '" + PythonSet(kIssueComparators) + "'");
      }
      return {};
    default:
      return rules.IsNumeric(field.key)
                 ? OneOf(comparator, kNumberComparators, kTraceTextComparators, "")
                 : OneOf(comparator, kTraceTextComparators, kTraceTextComparators);
  }
}

Result<void> CheckExperimentComparator(const FieldRules& rules, const Field& field,
                                       const std::string& comparator) {
  if (field.kind == FieldKind::kTag) {
    return Contains(kTagOrNullComparators, comparator)
               ? Result<void>()
               : InvalidArgument("Invalid comparator for tag: " + comparator);
  }
  if (field.key == "experiment_id") {
    const bool is_valid =
        comparator == "=" || comparator == "!=" || comparator == "IN" || comparator == "NOT IN";
    return is_valid ? Result<void>()
                    : InvalidArgument("Invalid comparator for experiment_id: " + comparator);
  }
  return rules.IsNumeric(field.key) ? OneOf(comparator, kNumberComparators, kTextComparators, "")
                                    : OneOf(comparator, kTextComparators, kTextComparators);
}

Result<void> CheckRegistryComparator(const FieldRules& rules, const Field& field,
                                     const std::string& comparator) {
  if (field.kind == FieldKind::kTag) {
    return Contains(kTagComparators, comparator)
               ? Result<void>()
               : InvalidArgument("Invalid comparator for tag: " + comparator);
  }
  if (rules.IsNumeric(field.key)) {
    return Contains(kNumberComparators, comparator)
               ? Result<void>()
               : InvalidArgument("Invalid comparator for attribute " + field.key + ": " +
                                 comparator);
  }
  return Contains(kTextComparators, comparator)
             ? Result<void>()
             : InvalidArgument("Invalid comparator for attribute: " + comparator);
}

Result<void> CheckEvaluationComparator(const FieldRules& rules, const Field& field,
                                       const std::string& comparator) {
  if (field.kind == FieldKind::kTag) {
    return Contains(kTagComparators, comparator)
               ? Result<void>()
               : InvalidArgument("Invalid comparator for tag: " + comparator);
  }
  if (rules.IsNumeric(field.key)) {
    return Contains(kNumberComparators, comparator)
               ? Result<void>()
               : InvalidArgument("Invalid comparator for numeric attribute: " + comparator);
  }
  const bool is_list = comparator == "IN" && field.key == "name";
  return is_list || Contains(kTagComparators, comparator)
             ? Result<void>()
             : InvalidArgument("Invalid comparator for string attribute: " + comparator);
}

Result<void> CheckLoggedComparator(const FieldRules& rules, const Field& field,
                                   const std::string& comparator) {
  const bool is_number = field.kind == FieldKind::kMetric ||
                         (field.kind == FieldKind::kAttribute && rules.IsNumeric(field.key));
  if (is_number ? Contains(kNumberComparators, comparator)
                : Contains(kTextComparators, comparator)) {
    return {};
  }
  constexpr std::array<View, 4> kEntities = {"attributes", "metrics", "params", "tags"};
  return InvalidArgument("Invalid comparison operator for " +
                         std::string(kEntities.at(static_cast<std::size_t>(field.kind))) + "." +
                         field.key + ": '" + comparator + "'. Expected one of " +
                         (is_number ? "('<', '<=', '>', '>=', '=', '!=')."
                                    : "('=', '!=', 'LIKE', 'ILIKE', 'IN', 'NOT IN')."));
}

}  // namespace

const FieldRules& RulesOf(SearchTarget target) {
  return kRules.at(static_cast<std::size_t>(target));
}

bool FieldRules::IsNumeric(std::string_view key) const {
  return Contains(numeric, key);
}

namespace {

Result<Field> Read(const FieldRules& rules, View identifier, Names valid) {
  const std::size_t dot = identifier.find('.');
  const bool has_entity = dot != View::npos;
  View entity = rules.target == SearchTarget::kLoggedModels ? "attributes" : "attribute";
  View key = identifier;
  if (has_entity) {
    entity = identifier.substr(0, dot);
    key = identifier.substr(dot + 1);
  }
  switch (rules.target) {
    case SearchTarget::kRuns:
    case SearchTarget::kTraces:
      return ReadWideField(rules.target, entity, key, valid);
    case SearchTarget::kLoggedModels:
      return ReadLoggedField(entity, key, valid);
    case SearchTarget::kEvaluationDatasets:
      return ReadEvaluationField(identifier, valid);
    case SearchTarget::kIssues:
      return ReadIssueField(identifier, valid);
    case SearchTarget::kExperiments:
      return ReadNarrowField(entity, key, valid, true);
    default:
      return ReadNarrowField(entity, key, valid, false);
  }
}

}  // namespace

Result<Field> FieldRules::ReadField(std::string_view identifier) const {
  return Read(*this, identifier, attributes);
}

Result<Field> FieldRules::ReadOrderField(std::string_view identifier) const {
  if (target == SearchTarget::kModelVersions) {
    const std::size_t dot = identifier.find('.');
    return dot == View::npos ? ReadNarrowField("attribute", identifier, order_attributes, true)
                             : ReadNarrowField(identifier.substr(0, dot),
                                               identifier.substr(dot + 1), order_attributes, true);
  }
  return Read(*this, identifier, order_attributes);
}

Result<void> FieldRules::CheckListKey(std::string_view key) const {
  if (Contains(lists, key)) {
    return {};
  }
  if (target == SearchTarget::kTraces) {
    return InvalidArgument("Only attributes in " + PythonSet(lists) +
                           " supports comparison with a list of quoted string values.");
  }
  std::string list;
  for (const View name : lists) {
    list += (list.empty() ? "'" : ", '") + std::string(name) + "'";
  }
  return InvalidArgument("Only [" + list +
                         "] attributes support comparison with a list of quoted string values.");
}

Result<void> FieldRules::CheckNullTest(const Field& field) const {
  switch (target) {
    case SearchTarget::kRuns:
      if (field.kind != FieldKind::kTag && field.kind != FieldKind::kParam) {
        return InvalidArgument(
            "IS NULL / IS NOT NULL is only supported for tags and params, not for '" +
            std::string(EntityName(field.kind)) + "' '" + field.key + "'");
      }
      return {};
    case SearchTarget::kExperiments:
      if (field.kind != FieldKind::kTag) {
        return InvalidArgument(
            "IS NULL / IS NOT NULL is only supported for tags, not for attribute '" + field.key +
            "'");
      }
      return {};
    default:
      return {};
  }
}

Result<void> FieldRules::CheckComparator(const Field& field, const std::string& comparator) const {
  switch (target) {
    case SearchTarget::kExperiments:
      return CheckExperimentComparator(*this, field, comparator);
    case SearchTarget::kRuns:
      return CheckRunComparator(*this, field, comparator);
    case SearchTarget::kRegisteredModels:
    case SearchTarget::kModelVersions:
      return CheckRegistryComparator(*this, field, comparator);
    case SearchTarget::kLoggedModels:
      return CheckLoggedComparator(*this, field, comparator);
    case SearchTarget::kEvaluationDatasets:
      return CheckEvaluationComparator(*this, field, comparator);
    case SearchTarget::kIssues:
      return Contains(kEqualities, comparator)
                 ? Result<void>()
                 : InvalidArgument("Invalid comparator '" + comparator +
                                   "'. Supported comparators: " + PythonSet(kEqualities));
    case SearchTarget::kTraces:
      break;
  }
  return CheckTraceComparator(*this, field, comparator);
}

}  // namespace millrace::tracking::internal
