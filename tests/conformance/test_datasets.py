# SPDX-License-Identifier: Apache-2.0
"""Inputs of runs: datasets with their tags, models, and the list of datasets of experiments."""

import json

import mlflow
import pandas
import pytest
from mlflow.data.pandas_dataset import from_pandas
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput

from helpers import FLUENT, REST, STORE

SEARCH = "/ajax-api/2.0/mlflow/experiments/search-datasets"
ONE = Dataset("name1", "digest1", "source_type1", "source1", "schema1", "profile1")
TWO = Dataset("name2", "digest2", "source_type2", "source2", "schema2", "profile2")


def context(value):
    return [InputTag("mlflow.data.context", value)]


def inputs(client, run):
    """Datasets of a run with their tags, sorted."""
    return sorted((d.dataset.name, d.dataset.digest, sorted((t.key, t.value) for t in d.tags))
                  for d in client.get_run(run).inputs.dataset_inputs)


@pytest.mark.answers(f"{REST}::test_log_input",
                     f"{FLUENT}::test_log_input", f"{FLUENT}::test_log_inputs")
def test_log_input_of_pandas(client, experiment, tmp_path):
    frame = pandas.DataFrame([[1, 2, 3], [1, 2, 3]], columns=["a", "b", "c"])
    frame.to_csv(tmp_path / "temp.csv")
    dataset = from_pandas(frame, source=str(tmp_path / "temp.csv"))
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_input(dataset, "train", {"foo": "baz"})
    with mlflow.start_run(experiment_id=experiment) as several:
        mlflow.log_inputs([dataset, from_pandas(frame, name="second")], ["train", "test"], [{"a": "b"}, None])
    assert [(name, tags) for name, _, tags in inputs(client, several.info.run_id)] == [
        ("dataset", [("a", "b"), ("mlflow.data.context", "train")]), ("second", [("mlflow.data.context", "test")])]
    [found] = client.get_run(run.info.run_id).inputs.dataset_inputs
    assert (found.dataset.name, found.dataset.digest, found.dataset.source_type) == ("dataset", dataset.digest, "local")
    assert json.loads(found.dataset.source) == {"uri": str(tmp_path / "temp.csv")}
    assert [c["name"] for c in json.loads(found.dataset.schema)["mlflow_colspec"]] == ["a", "b", "c"]
    assert json.loads(found.dataset.profile) == {"num_rows": 2, "num_elements": 6}
    assert {t.key: t.value for t in found.tags} == {"foo": "baz", "mlflow.data.context": "train"}


@pytest.mark.answers(f"{REST}::test_log_inputs", f"{STORE}::test_log_inputs_and_retrieve_runs_behaves_as_expected")
def test_inputs_are_seen_by_get_and_by_search(client, experiment, run):
    client.log_inputs(run, [DatasetInput(ONE, [InputTag("t", "v")]), DatasetInput(TWO, [])])
    expected = [("name1", "digest1", [("t", "v")]), ("name2", "digest2", [])]
    assert inputs(client, run) == expected
    [found] = client.search_runs([experiment])
    assert sorted((d.dataset.name, d.dataset.digest, [(t.key, t.value) for t in d.tags]) for d in found.inputs.dataset_inputs) == expected
    whole = next(d.dataset for d in found.inputs.dataset_inputs if d.dataset.name == "name1")
    assert (whole.source_type, whole.source, whole.schema, whole.profile) == ("source_type1", "source1", "schema1", "profile1")


@pytest.mark.answers(f"{STORE}::test_log_input_multiple_times_does_not_overwrite_tags_or_dataset",
                     f"{STORE}::test_log_inputs_with_duplicates_in_single_request")
def test_a_dataset_logged_again_keeps_its_first_tags_and_content(client, experiment, run):
    client.log_inputs(run, [DatasetInput(ONE, [InputTag("t", "first")]), DatasetInput(ONE, [InputTag("t", "first")])])
    changed = Dataset("name1", "digest1", "other", "other", "other", "other")
    client.log_inputs(run, [DatasetInput(changed, [InputTag("t", "second"), InputTag("u", "new")])])
    assert inputs(client, run) == [("name1", "digest1", [("t", "first")])]
    assert client.get_run(run).inputs.dataset_inputs[0].dataset.source == "source1"
    other = client.create_run(experiment).info.run_id
    client.log_inputs(other, [DatasetInput(changed, [InputTag("t", "third")])])
    assert inputs(client, other) == [("name1", "digest1", [("t", "third")])]
    assert client.get_run(other).inputs.dataset_inputs[0].dataset.source == "source1"


@pytest.mark.answers(f"{STORE}::test_log_inputs_handles_case_when_no_datasets_are_specified")
def test_no_inputs_are_fine(server, client, run):
    client.log_inputs(run)
    assert server.post("runs/log-inputs", {"run_id": run, "datasets": []}).status_code == 200
    assert inputs(client, run) == []


DATASET = {"name": "n", "digest": "d", "source_type": "s", "source": "x"}


@pytest.mark.answers(f"{REST}::test_log_inputs_validation", f"{STORE}::test_log_inputs_fails_with_missing_inputs",
                     f"{STORE}::test_log_inputs_with_large_inputs_limit_check")
@pytest.mark.parametrize("dataset,tags", [
    ({"name": "n" * 501}, []),
    ({"digest": "d" * 37}, []), ({"source": "s" * 65536}, []), ({"schema": "s" * 1048576}, []), ({"profile": "p" * 16777216}, []),
    ({}, [{"key": "k" * 256, "value": "v"}]), ({}, [{"key": "k", "value": "v" * 501}]),
])
def test_inputs_out_of_limits_are_refused(server, client, run, dataset, tags):
    body = {key: value for key, value in {**DATASET, **dataset}.items() if value is not None}
    answer = server.post("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": body, "tags": tags}]})
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE", answer.text[:300]
    assert inputs(client, run) == []


@pytest.mark.answers(f"{REST}::test_log_inputs_validation")
def test_log_inputs_wants_a_run(server):
    server.refused("runs/log-inputs", {"datasets": [{"dataset": DATASET, "tags": []}]}, "Missing value for required parameter 'run_id'")
    absent = "0123456789abcdef0123456789abcdef"
    server.refused("runs/log-inputs", {"run_id": absent, "datasets": [{"dataset": DATASET, "tags": []}]}, f"Run with id={absent} not found",
                   "RESOURCE_DOES_NOT_EXIST", status=404)


@pytest.mark.answers(f"{STORE}::test_insert_large_text_in_dataset_table", f"{STORE}::test_log_inputs_with_large_inputs_limit_check")
def test_schema_and_profile_may_be_large(client, run):
    large = Dataset("n" * 500, "d" * 36, "local", "s" * 65535, "c" * 1048575, "p" * 2000000)
    client.log_inputs(run, [DatasetInput(large, [InputTag("k" * 255, "v" * 500)])])
    [found] = client.get_run(run).inputs.dataset_inputs
    assert (len(found.dataset.source), len(found.dataset.schema), len(found.dataset.profile)) == (65535, 1048575, 2000000)
    assert (len(found.tags[0].key), len(found.tags[0].value)) == (255, 500)


@pytest.mark.answers(f"{REST}::test_log_inputs_model", f"{STORE}::test_get_run_inputs", f"{STORE}::test_get_run_inputs_run_order")
def test_models_may_be_inputs(client, experiment):
    models = [client.create_logged_model(experiment).model_id for _ in range(2)]
    first, second = (client.create_run(experiment).info.run_id for _ in range(2))
    client.log_inputs(first, models=[LoggedModelInput(models[0]), LoggedModelInput(models[1])], datasets=[DatasetInput(ONE, context("training"))])
    client.log_inputs(second, models=[LoggedModelInput(models[1])])
    assert {m.model_id for m in client.get_run(first).inputs.model_inputs} == set(models)
    assert [m.model_id for m in client.get_run(second).inputs.model_inputs] == [models[1]]


@pytest.mark.answers(f"{REST}::test_search_dataset_handler_rejects_invalid_requests")
@pytest.mark.parametrize("body,message", [
    ({}, "SearchDatasets request must specify at least one experiment_id."),
    ({"experiment_ids": []}, "SearchDatasets request must specify at least one experiment_id."),
    ({"experiment_ids": [str(i) for i in range(21)]}, "SearchDatasets request cannot specify more than"),
])
def test_searching_datasets_says_what_is_wrong(server, body, message):
    server.refused(SEARCH, body, message)


@pytest.mark.answers(f"{REST}::test_search_dataset_handler_returns_expected_results", f"{STORE}::test_search_datasets")
def test_datasets_of_experiments_are_listed_once_per_context(server, client, experiment):
    runs = [client.create_run(experiment).info.run_id for _ in range(2)]
    client.log_inputs(runs[0], [DatasetInput(ONE, context("train")), DatasetInput(TWO, context("eval"))])
    client.log_inputs(runs[1], [DatasetInput(ONE, context("train")), DatasetInput(TWO, context("test"))])
    other = client.create_experiment(f"{experiment}-other")
    client.log_inputs(client.create_run(other).info.run_id, [DatasetInput(ONE, [InputTag("no context", "x")])])

    def found(*experiments):
        answer = server.post(SEARCH, {"experiment_ids": experiments})
        assert answer.status_code == 200
        return sorted((d["experiment_id"], d["name"], d["digest"], d.get("context")) for d in answer.json().get("dataset_summaries", []))

    expected = [(experiment, "name1", "digest1", "train"), (experiment, "name2", "digest2", "eval"), (experiment, "name2", "digest2", "test")]
    assert found(experiment) == expected
    assert found(experiment, other) == sorted(expected + [(other, "name1", "digest1", None)], key=str)


@pytest.mark.answers(f"{STORE}::test_search_datasets_returns_no_more_than_max_results")
def test_at_most_1000_datasets_are_listed(server, client, experiment, run):
    client.log_inputs(run, [DatasetInput(Dataset(f"n{i}", f"d{i}", "s", "x"), context(str(i))) for i in range(505)])
    client.log_inputs(run, [DatasetInput(Dataset(f"o{i}", f"d{i}", "s", "x"), context(str(i))) for i in range(505)])
    assert len(server.post(SEARCH, {"experiment_ids": [experiment]}).json()["dataset_summaries"]) == 1000
