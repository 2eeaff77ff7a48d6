// SPDX-License-Identifier: Apache-2.0
// The types of MLflow's GraphQL schema (mlflow/server/graphql of 3.17.2), as one table.
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "api/internal/graphql.h"

namespace millrace::api::internal {

namespace {

using Kind = GraphqlField::Kind;

struct TypeRow {
  std::string_view type;
  // "name:kind"; the kind is S text (enums too), L whole number as text, I whole number, F double,
  // B truth value, N always null, [S texts, a type, or [ and the type of a list's items.
  std::string_view fields;
};

constexpr TypeRow kTypes[] = {
    {"Query",
     "test:Test mlflowGetExperiment:MlflowGetExperimentResponse mlflowGetRun:MlflowGetRunResponse "
     "mlflowGetMetricHistoryBulkInterval:MlflowGetMetricHistoryBulkIntervalResponse "
     "mlflowListArtifacts:MlflowListArtifactsResponse "
     "mlflowSearchModelVersions:MlflowSearchModelVersionsResponse "
     "mlflowSearchRuns:MlflowSearchRunsResponse"},
    {"Mutation",
     "testMutation:Test mlflowSearchDatasets:MlflowSearchDatasetsResponse "
     "mlflowSearchRuns:MlflowSearchRunsResponse"},
    {"Test", "output:S"},
    {"ApiError", "code:S message:S helpUrl:S traceId:S errorDetails:N"},
    {"MlflowGetExperimentResponse", "experiment:MlflowExperiment apiError:N"},
    {"MlflowExperiment",
     "experimentId:S name:S artifactLocation:S lifecycleStage:S lastUpdateTime:L creationTime:L "
     "tags:[Pair effectiveTraceArchivalRetention:S workspace:S"},
    {"Pair", "key:S value:S"},
    {"MlflowGetRunResponse", "run:MlflowRun apiError:N"},
    {"MlflowSearchRunsResponse", "runs:[MlflowRun nextPageToken:S apiError:N"},
    {"MlflowRun",
     "info:MlflowRunInfo data:MlflowRunData inputs:MlflowRunInputs outputs:MlflowRunOutputs "
     "experiment:MlflowExperiment modelVersions:[MlflowModelVersion"},
    {"MlflowRunInfo",
     "runId:S runUuid:S runName:S experimentId:S userId:S status:S startTime:L endTime:L "
     "artifactUri:S lifecycleStage:S"},
    {"MlflowRunData", "metrics:[MlflowMetric params:[Pair tags:[Pair"},
    {"MlflowMetric",
     "key:S value:F timestamp:L step:L datasetName:S datasetDigest:S modelId:S runId:S"},
    {"MlflowRunInputs", "datasetInputs:[MlflowDatasetInput modelInputs:[MlflowModelInput"},
    {"MlflowDatasetInput", "tags:[Pair dataset:MlflowDataset"},
    {"MlflowDataset", "name:S digest:S sourceType:S source:S schema:S profile:S"},
    {"MlflowModelInput", "modelId:S"},
    {"MlflowRunOutputs", "modelOutputs:[MlflowModelOutput"},
    {"MlflowModelOutput", "modelId:S step:L"},
    {"MlflowGetMetricHistoryBulkIntervalResponse", "metrics:[MlflowMetricWithRunId apiError:N"},
    {"MlflowMetricWithRunId", "key:S value:F timestamp:L step:L runId:S"},
    {"MlflowListArtifactsResponse", "rootUri:S files:[MlflowFileInfo nextPageToken:S apiError:N"},
    {"MlflowFileInfo", "path:S isDir:B fileSize:L"},
    {"MlflowSearchDatasetsResponse", "datasetSummaries:[MlflowDatasetSummary apiError:N"},
    {"MlflowDatasetSummary", "experimentId:S name:S digest:S context:S"},
    {"MlflowSearchModelVersionsResponse",
     "modelVersions:[MlflowModelVersion nextPageToken:S apiError:N"},
    {"MlflowModelVersion",
     "name:S version:S creationTimestamp:L lastUpdatedTimestamp:L userId:S currentStage:S "
     "description:S source:S runId:S status:S statusMessage:S tags:[Pair runLink:S aliases:[S "
     "modelId:S modelParams:N modelMetrics:N deploymentJobState:N"},
};

GraphqlField FieldOf(std::string_view kind) {
  static const std::map<std::string_view, Kind> kScalars = {
      {"S", Kind::kText}, {"L", Kind::kLong}, {"I", Kind::kInt},   {"F", Kind::kFloat},
      {"B", Kind::kBool}, {"N", Kind::kNull}, {"[S", Kind::kTexts}};
  if (const auto scalar = kScalars.find(kind); scalar != kScalars.end()) {
    return {scalar->second, ""};
  }
  if (kind.starts_with('[')) {
    return {Kind::kObjects, std::string(kind.substr(1))};
  }
  return {Kind::kObject, std::string(kind)};
}

using Schema = std::map<std::pair<std::string, std::string>, GraphqlField>;

Schema MakeSchema() {
  Schema schema;
  for (const TypeRow& row : kTypes) {
    std::string_view rest = row.fields;
    while (!rest.empty()) {
      const std::string_view field = rest.substr(0, rest.find(' '));
      const std::size_t colon = field.find(':');
      schema[{std::string(row.type), std::string(field.substr(0, colon))}] =
          FieldOf(field.substr(colon + 1));
      rest.remove_prefix(std::min(field.size() + 1, rest.size()));
    }
  }
  return schema;
}

}  // namespace

Result<GraphqlField> FindGraphqlField(std::string_view type, std::string_view field) {
  static const Schema schema = MakeSchema();
  const auto found = schema.find({std::string(type), std::string(field)});
  if (found == schema.end()) {
    return base::InvalidArgument("Cannot query field '" + std::string(field) + "' on type '" +
                                 std::string(type) + "'.");
  }
  return found->second;
}

std::string SnakeCase(std::string_view camel) {
  std::string snake;
  for (const char c : camel) {
    if (c >= 'A' && c <= 'Z') {
      snake.push_back('_');
      snake.push_back(static_cast<char>(c - 'A' + 'a'));
    } else {
      snake.push_back(c);
    }
  }
  return snake;
}

}  // namespace millrace::api::internal
