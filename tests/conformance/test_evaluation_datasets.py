# SPDX-License-Identifier: Apache-2.0
"""Evaluation datasets through `mlflow.genai.datasets` and the client: make, find, tag, fill, share between experiments, delete."""

import json
import math

import mlflow
import pandas
import pytest
from mlflow.exceptions import MlflowException
from mlflow.genai import datasets

from helpers import REST, STORE, unique

ROOT = "/api/3.0/mlflow/datasets"


@pytest.fixture
def dataset(client, experiment, name):
    return client.create_dataset(name=name, experiment_id=experiment, tags={"env": "dev"})


def names(found):
    return [d.name for d in found]


@pytest.mark.answers(f"{REST}::test_create_and_get_evaluation_dataset", f"{STORE}::test_dataset_crud_operations")
def test_a_dataset_has_its_name_tags_and_experiments(client, experiment, name):
    made = client.create_dataset(name=name, experiment_id=experiment, tags={"environment": "test", "version": "1.0"})
    assert (made.name, made.experiment_ids) == (name, [experiment])
    assert made.dataset_id.startswith("d-") and len(made.dataset_id) == 34 and len(made.digest) == 8
    read = client.get_dataset(made.dataset_id)
    assert (read.name, read.digest, read.created_time) == (made.name, made.digest, made.created_time)
    assert read.tags.items() >= {"environment": "test", "version": "1.0"}.items()
    assert read.schema is None and read.profile is None
    assert read.experiment_ids == [experiment]


@pytest.mark.answers(f"{REST}::test_evaluation_dataset_delete")
def test_a_deleted_dataset_is_gone(client, dataset):
    client.delete_dataset(dataset.dataset_id)
    with pytest.raises(MlflowException, match=f"Evaluation dataset with id '{dataset.dataset_id}' not found") as error:
        client.get_dataset(dataset.dataset_id)
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.answers(f"{REST}::test_search_evaluation_datasets", f"{STORE}::test_dataset_search_comprehensive")
def test_datasets_are_found_by_experiment_tag_and_name(client, name):
    one, two = (client.create_experiment(unique(name)) for _ in range(2))
    client.create_dataset(name=f"{name}-1", experiment_id=one, tags={"team": name, "status": "active"})
    client.create_dataset(name=f"{name}-2", experiment_id=[one, two], tags={"team": "data", "status": "active"})
    client.create_dataset(name=f"{name}-3", experiment_id=two, tags={"team": name, "status": "archived"})
    assert set(names(client.search_datasets(experiment_ids=[one]))) == {f"{name}-1", f"{name}-2"}
    by_team = client.search_datasets(filter_string=f"tags.team = '{name}'", order_by=["name DESC"])
    assert names(by_team) == [f"{name}-3", f"{name}-1"]
    assert names(client.search_datasets(filter_string=f"tags.team = '{name}' AND tags.status != 'active'")) == [f"{name}-3"]
    by_name = client.search_datasets(filter_string=f"name LIKE '{name}-%'", order_by=["name ASC"])
    assert names(by_name) == [f"{name}-{i}" for i in (1, 2, 3)]
    assert names(client.search_datasets(filter_string=f"name IN ('{name}-2')")) == [f"{name}-2"]
    assert len(client.search_datasets()) >= 3


@pytest.mark.answers(f"{STORE}::test_dataset_filtering_ordering_pagination")
def test_searches_come_in_pages(client, experiment, name):
    for i in range(5):
        client.create_dataset(name=f"{name}-{i}", experiment_id=experiment)
    seen, token = [], None
    while True:
        page = client.search_datasets(experiment_ids=[experiment], max_results=2, order_by=["name DESC"], page_token=token)
        seen += names(page)
        token = page.token
        if not token:
            break
    assert seen == [f"{name}-{i}" for i in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("filter_string, message", [
    ("digest = 'x'", "Invalid attribute key 'digest' specified"),
    ("params.x = 'y'", "Invalid identifier token 'params' specified"),
    ("tags.x > 'y'", "Invalid comparator for tag: >"),
    ("created_time LIKE 3", "Invalid comparator for numeric attribute: LIKE"),
    ("name = 'a' OR name = 'b'", "Invalid clause"),
])
def test_wrong_filters_are_refused(server, filter_string, message):
    server.refused(f"{ROOT}/search", {"filter_string": filter_string}, message)


@pytest.mark.answers(f"{REST}::test_evaluation_dataset_tag_operations", f"{STORE}::test_dataset_tags_with_sql_backend",
                     f"{STORE}::test_dataset_update_tags")
def test_tags_are_merged_and_deleted(client, dataset):
    client.set_dataset_tags(dataset.dataset_id, {"env": "staging", "new": "value"})
    client.delete_dataset_tag(dataset.dataset_id, "new")
    client.delete_dataset_tag(dataset.dataset_id, "new")
    assert client.get_dataset(dataset.dataset_id).tags == {**dataset.tags, "env": "staging"}
    with pytest.raises(MlflowException, match="Could not find evaluation dataset with ID d-none"):
        client.set_dataset_tags("d-none", {"a": "b"})


@pytest.mark.answers(f"{REST}::test_evaluation_dataset_upsert_records", f"{STORE}::test_dataset_upsert_comprehensive")
def test_records_with_equal_inputs_are_merged(server, dataset):
    records = f"{ROOT}/{dataset.dataset_id}/records"

    def upsert(*added):
        answer = server.post(records, {"records": json.dumps(added)})
        assert answer.status_code == 200, answer.text
        return answer.json()["inserted_count"], answer.json()["updated_count"]

    assert upsert({"inputs": {"q": "MLflow?"}, "expectations": {"a": "platform"}, "tags": {"level": "easy"}},
                  {"inputs": {"q": "Python?"}, "expectations": {"a": "language"}}) == (2, 0)
    assert upsert({"inputs": {"q": "MLflow?"}, "expectations": {"a": "open platform", "b": 1}, "tags": {"updated": "true"}},
                  {"inputs": {"q": "Docker?"}}) == (1, 1)
    first = json.loads(server.get(records).json()["records"])[0]
    assert (first["expectations"], first["tags"]) == ({"a": "open platform", "b": 1}, {"level": "easy", "updated": "true"})
    server.refused(f"{ROOT}/d-none/records", {"records": "[]"}, "not found", code="RESOURCE_DOES_NOT_EXIST", status=404)


@pytest.mark.answers(f"{STORE}::test_dataset_schema_and_profile_computation", f"{STORE}::test_dataset_digest_updates_with_changes",
                     f"{STORE}::test_dataset_schema_and_profile_incremental_updates")
def test_records_make_schema_profile_and_digest(client, dataset):
    dataset.merge_records([{"inputs": {"q": "a", "n": 1, "x": 1.5, "b": True, "l": [1], "o": {"k": None}}, "outputs": {"r": "s"},
                            "expectations": {"e": None}}])
    dataset.merge_records([{"inputs": {"q": 7, "new": "x"}}])
    read = client.get_dataset(dataset.dataset_id)
    assert json.loads(read.schema) == {
        "inputs": {"q": "string", "n": "integer", "x": "float", "b": "boolean", "l": "array", "o": "object", "new": "string"},
        "outputs": {"r": "string"}, "expectations": {"e": "null"}, "version": "1.0"}
    assert json.loads(read.profile) == {"num_records": 2}
    assert read.digest != dataset.digest and read.last_update_time >= dataset.created_time


@pytest.mark.answers(f"{STORE}::test_dataset_user_detection", f"{STORE}::test_sql_dataset_record_merge",
                     f"{STORE}::test_sql_dataset_record_wrapping_unwrapping")
def test_merged_records_come_back_as_they_were(client, dataset):
    inputs = {"text": 'é "quoted" \U0001f600', "nan": math.nan, "big": 12345678901234567890, "nested": {"a": [1, {"b": "}"}]}}
    dataset.merge_records(pandas.DataFrame([{"inputs": inputs, "expectations": {"e": 1}, "outputs": "a plain text"}]))
    dataset.merge_records([{"inputs": {"text": "second"}, "outputs": None}, {"inputs": {"text": "third"}, "outputs": [1, 2]}])
    records = client.get_dataset(dataset.dataset_id).records
    assert [record.inputs["text"] for record in records] == [inputs["text"], "second", "third"]
    assert math.isnan(records[0].inputs.pop("nan"))
    assert records[0].inputs == {k: v for k, v in inputs.items() if k != "nan"}
    assert [record.outputs for record in records] == ["a plain text", None, [1, 2]]
    assert [record.source.source_type.value for record in records] == ["HUMAN", "CODE", "CODE"]
    assert records[0].created_by == records[0].tags["mlflow.user"]
    frame = client.get_dataset(dataset.dataset_id).to_df()
    assert list(frame["expectations"])[0] == {"e": 1}


@pytest.mark.answers(f"{STORE}::test_dataset_records_pagination")
def test_records_come_in_pages_and_are_deleted(client, dataset):
    dataset.merge_records([{"inputs": {"i": i}} for i in range(2500)])  # the client asks for 1000 at a time
    read = client.get_dataset(dataset.dataset_id)
    assert [record.inputs["i"] for record in read.records] == list(range(2500))
    assert read.delete_records([record.dataset_record_id for record in read.records[:2499]] + ["dr-none"]) == 2499
    left = client.get_dataset(dataset.dataset_id)
    assert [record.inputs["i"] for record in left.records] == [2499]
    assert json.loads(left.profile) == {"num_records": 1}


def test_traces_become_records(client, experiment, dataset):
    mlflow.set_experiment(experiment_id=experiment)

    @mlflow.trace
    def answer(question):
        return question.upper()

    answer("why")
    mlflow.flush_trace_async_logging()
    trace_id = mlflow.get_last_active_trace_id()
    dataset.merge_records([mlflow.get_trace(trace_id)])
    record = client.get_dataset(dataset.dataset_id).records[0]
    assert (record.inputs, record.outputs) == ({"question": "why"}, "WHY")
    assert (record.source_type, record.source_id) == ("TRACE", trace_id)


@pytest.mark.parametrize("records, message", [
    ("no JSON", "JSON list of records"), ("{}", "JSON list of records"), ("[1]", "record 0: Each record must be a dictionary"),
    ('[{"inputs": 3}]', "'inputs' must be a JSON object"),
    ('[{"inputs": {}, "source": {"source_type": "MOON"}}]', "Invalid dataset record source type: MOON."),
])
def test_records_that_are_none_are_refused(server, dataset, records, message):
    server.refused(f"{ROOT}/{dataset.dataset_id}/records", {"records": records}, message)


@pytest.mark.answers(f"{REST}::test_add_dataset_to_experiments_rest_tracking", f"{REST}::test_remove_dataset_from_experiments_rest_tracking",
                     f"{REST}::test_client_api_add_remove_experiments_rest_tracking", f"{STORE}::test_dataset_experiment_associations",
                     f"{REST}::test_idempotent_add_experiments_rest_tracking", f"{REST}::test_idempotent_remove_experiments_rest_tracking",
                     f"{REST}::test_add_multiple_experiments_at_once_rest_tracking", f"{STORE}::test_dataset_get_experiment_ids",
                     f"{STORE}::test_dataset_associations_and_lazy_loading")
def test_a_dataset_is_shared_between_experiments(client, experiment, dataset, name):
    more = [client.create_experiment(unique(name)) for _ in range(3)]
    added = datasets.add_dataset_to_experiments(dataset_id=dataset.dataset_id, experiment_ids=[*more, experiment])
    assert added.experiment_ids == [experiment, *more]
    removed = datasets.remove_dataset_from_experiments(dataset_id=dataset.dataset_id, experiment_ids=[experiment, more[0]])
    assert removed.experiment_ids == more[1:]
    again = client.remove_dataset_from_experiments(dataset_id=dataset.dataset_id, experiment_ids=[experiment])
    assert again.experiment_ids == more[1:]
    assert client.get_dataset(dataset.dataset_id).experiment_ids == more[1:]


@pytest.mark.answers(f"{REST}::test_dataset_experiment_association_error_cases_rest_tracking")
def test_what_is_not_there_is_not_shared(client, experiment, dataset):
    for change in (client.add_dataset_to_experiments, client.remove_dataset_from_experiments):
        with pytest.raises(MlflowException, match="Dataset 'd-none' not found"):
            change(dataset_id="d-none", experiment_ids=[experiment])
    with pytest.raises(MlflowException, match="No Experiment with id=999999"):
        client.add_dataset_to_experiments(dataset_id=dataset.dataset_id, experiment_ids=["999999"])
