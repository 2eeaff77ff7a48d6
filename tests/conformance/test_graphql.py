# SPDX-License-Identifier: Apache-2.0
"""GraphQL: the queries of the stock user interface, their limits, and numbers as text."""

import math

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag

from helpers import REST

NAME = "testQuery"


def ask(server, query, **variables):
    answer = server.post("/graphql", {"query": query, "operationName": NAME, "variables": variables})
    assert answer.status_code == 200, answer.text
    return answer.json()


def data(server, query, **variables):
    content = ask(server, query, **variables)
    assert content["errors"] is None, content["errors"]
    return content["data"]


@pytest.mark.answers(f"{REST}::test_graphql_handler")
def test_a_test_query_is_answered(server):
    assert data(server, 'query testQuery {test(inputString: "abc") { output }}') == {"test": {"output": "abc"}}


@pytest.mark.answers(f"{REST}::test_get_experiment_graphql")
def test_an_experiment_by_argument_and_by_variable(server, client, experiment):
    name = client.get_experiment(experiment).name
    inline = data(server, 'query testQuery {mlflowGetExperiment(input: {experimentId: "%s"}) { experiment { name experimentId } }}' % experiment)
    assert inline["mlflowGetExperiment"]["experiment"] == {"name": name, "experimentId": experiment}
    variable = data(server, "query testQuery($data: MlflowGetExperimentInput!) @component(name: \"Test\") "
                            "{ mlflowGetExperiment(input: $data) { experiment { lifecycleStage } apiError { code } } }",
                    data={"experimentId": experiment})
    assert variable["mlflowGetExperiment"]["experiment"] == {"lifecycleStage": "active"}


@pytest.mark.answers(f"{REST}::test_get_run_and_experiment_graphql")
def test_a_run_with_its_experiment_and_model_versions(server, client, experiment, run, model):
    client.create_model_version(model, "s3://bucket/model", run)
    query = 'query testQuery @component(name: "Test") {mlflowGetRun(input: {runId: "%s"}) {run {info {status runName startTime endTime} ' \
            "experiment {name} modelVersions {name version}}}}" % run
    found = data(server, query)["mlflowGetRun"]["run"]
    info = client.get_run(run).info
    assert found["info"]["status"] == "RUNNING" and found["info"]["runName"] == info.run_name
    assert found["info"]["startTime"] == str(info.start_time)
    assert found["experiment"]["name"] == client.get_experiment(experiment).name
    assert found["modelVersions"] == [{"name": model, "version": "1"}]


@pytest.mark.answers(f"{REST}::test_graphql_nan_metric_handling")
def test_numbers_are_text_and_nan_is_null(server, client, run):
    client.log_metric(run, "normal", 123, timestamp=1, step=1)
    client.log_metric(run, "nan", math.nan, timestamp=2, step=2)
    query = 'query testQuery {mlflowGetRun(input: {runId: "%s"}) {run {data {metrics {key value timestamp step}}}}}' % run
    metrics = {m["key"]: m for m in data(server, query)["mlflowGetRun"]["run"]["data"]["metrics"]}
    assert metrics == {"normal": {"key": "normal", "value": 123, "timestamp": "1", "step": "1"},
                       "nan": {"key": "nan", "value": None, "timestamp": "2", "step": "2"}}


@pytest.mark.answers(f"{REST}::test_get_metric_history_bulk_interval_graphql")
def test_sampled_history(server, client, run):
    for step in range(10):
        client.log_metric(run, "m", step, step=step)
    query = 'query testQuery {mlflowGetMetricHistoryBulkInterval(input: {runIds: ["%s"], metricKey: "m",}) {metrics {key value step}}}' % run
    assert data(server, query)["mlflowGetMetricHistoryBulkInterval"]["metrics"] == [
        {"key": "m", "value": i, "step": str(i)} for i in range(10)]


@pytest.mark.answers(f"{REST}::test_search_runs_graphql")
@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_searching_runs(server, client, experiment, kind):
    ids = [client.create_run(experiment, start_time=1 + i).info.run_id for i in range(2)]
    query = kind + ' testQuery {mlflowSearchRuns(input: {experimentIds: ["%s"]}) {runs {info {runId}}}}' % experiment
    content = ask(server, query)
    if kind == "query" and content["errors"]:
        pytest.skip("by design: this version offers the search as a mutation only")
    assert content["data"]["mlflowSearchRuns"]["runs"] == [{"info": {"runId": run}} for run in ids[::-1]]


@pytest.mark.answers(f"{REST}::test_list_artifacts_graphql")
def test_listing_artifacts_under_an_alias(server, client, run, tmp_path):
    (tmp_path / "test.txt").write_text("hello world")
    client.log_artifact(run, tmp_path / "test.txt")
    client.log_artifact(run, tmp_path / "test.txt", "testDir")
    query = 'query testQuery {files: mlflowListArtifacts(input: {runId: "%s"}) {files {path isDir fileSize}}}' % run
    assert data(server, query)["files"]["files"] == [{"path": "test.txt", "isDir": False, "fileSize": "11"},
                                                     {"path": "testDir", "isDir": True, "fileSize": "0"}]
    query = 'query testQuery {sub: mlflowListArtifacts(input: {runId: "%s", path: "testDir"}) {files {path fileSize}}}' % run
    assert data(server, query)["sub"]["files"] == [{"path": "testDir/test.txt", "fileSize": "11"}]


@pytest.mark.answers(f"{REST}::test_search_datasets_graphql")
def test_datasets_of_experiments(server, client, experiment, run):
    client.log_inputs(run, [DatasetInput(Dataset("one", "12345", "script", "test"), []),
                            DatasetInput(Dataset("two", "12346", "script", "test"), [InputTag("mlflow.data.context", "training")])])
    query = 'mutation testQuery {mlflowSearchDatasets(input: {experimentIds: ["%s"]}) {datasetSummaries {name digest context}}}' % experiment
    found = data(server, query)["mlflowSearchDatasets"]["datasetSummaries"]
    assert sorted(found, key=lambda d: d["name"]) == [{"name": "one", "digest": "12345", "context": ""},
                                                      {"name": "two", "digest": "12346", "context": "training"}]


ROOTS = "query testQuery {" + " ".join(f'key_{i}: test(inputString: "abc") {{ output }}' for i in range(12)) + "}"
EXPERIMENT = 'query testQuery { mlflowGetExperiment(input: {experimentId: "123"}) {%s} }'
ALIASES = EXPERIMENT % " ".join(f"experiment_{i}: experiment {{ name }}" for i in range(12))
DEEP = EXPERIMENT % ("experiment { " + "name { " * 12 + "name" + " }" * 12 + " }")
WIDE = EXPERIMENT % ("experiment { " + " ".join(f"field_{i} {{ name }}" for i in range(1002)) + " }")


@pytest.mark.answers(f"{REST}::test_graphql_handler_batching_raise_error")
@pytest.mark.parametrize("query,message", [(ROOTS, "GraphQL queries should have at most 10"), (ALIASES, "queries should have at most 10 aliases"),
                                           (DEEP, "Query exceeds maximum depth of 10"), (WIDE, "Query exceeds maximum total selections of 1000")],
                         ids=["root fields", "aliases", "depth", "selections"])
def test_queries_have_limits(server, query, message):
    assert message in ask(server, query)["errors"][0]


@pytest.mark.parametrize("query", ["", "query testQuery {", "not graphql", "query testQuery { noSuchField }", "query testQuery { mlflowGetRun { run { info } } }",
                                   "{" * 500, "query testQuery { test(inputString: \"" + "a" * 100_000 + "\") { output } }"])
def test_a_wrong_query_is_never_the_servers_fault(server, query):
    # The real server answers those that do not parse with 500.
    answer = server.post("/graphql", {"query": query, "operationName": NAME})
    assert answer.status_code in (200, 400), f"{answer.status_code} {answer.text[:300]}"
