# SPDX-License-Identifier: Apache-2.0
"""Scorers as the 3.x client registers, lists and deletes them, through its store and `mlflow.genai.scorers`."""

import json

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.genai.scorers import Guidelines, delete_scorer, get_scorer, list_scorers
from mlflow.genai.scorers.registry import list_scorer_versions

from helpers import REST, STORE

ROOT = "/api/3.0/mlflow/scorers"


@pytest.fixture
def store(client):
    return client._tracking_client.store


def serialized(name, **more):
    return json.dumps({"name": name, **more})


@pytest.mark.answers(f"{REST}::test_scorer_CRUD", f"{STORE}::test_scorer_operations")
def test_versions_are_registered_read_and_deleted(store, experiment):
    one = store.register_scorer(experiment, "s", serialized("s", original_func_name="f"))
    assert (one.scorer_version, one.experiment_id, one.scorer_name) == (1, experiment, "s")
    two = store.register_scorer(experiment, "s", serialized("s2"))
    assert (two.scorer_version, two.scorer_id) == (2, one.scorer_id)
    store.register_scorer(experiment, "a", serialized("a"))
    assert [(s.scorer_name, s.scorer_version) for s in store.list_scorers(experiment)] == [("a", 1), ("s", 2)]
    assert [s.scorer_version for s in store.list_scorer_versions(experiment, "s")] == [1, 2]
    assert store.get_scorer(experiment, "s").scorer_version == 2
    assert json.loads(store.get_scorer(experiment, "s", version=1)._serialized_scorer)["original_func_name"] == "f"
    store.delete_scorer(experiment, "s", version=1)
    assert [s.scorer_version for s in store.list_scorer_versions(experiment, "s")] == [2]
    store.delete_scorer(experiment, "s")
    assert [s.scorer_name for s in store.list_scorers(experiment)] == ["a"]
    with pytest.raises(MlflowException, match=f"Scorer with name 's' not found for experiment {experiment}."):
        store.get_scorer(experiment, "s")
    with pytest.raises(MlflowException, match=f"Scorer with name 'a' and version 7 not found for experiment {experiment}."):
        store.get_scorer(experiment, "a", version=7)


def test_a_judge_of_guidelines_goes_there_and_back(experiment, monkeypatch):
    mlflow.set_experiment(experiment_id=experiment)
    judge = Guidelines(name="polite", guidelines=["Be polite."], model="openai:/gpt-4o-mini")
    judge.register(experiment_id=experiment)
    judge.register(experiment_id=experiment)
    assert [scorer.name for scorer in list_scorers(experiment_id=experiment)] == ["polite"]
    assert [version for _, version in list_scorer_versions(name="polite", experiment_id=experiment)] == [1, 2]
    again = get_scorer(name="polite", experiment_id=experiment)
    assert (again.guidelines, again.model) == (["Be polite."], "openai:/gpt-4o-mini")
    delete_scorer(name="polite", experiment_id=experiment, version="all")
    assert list_scorers(experiment_id=experiment) == []


def test_several_experiments_are_listed_at_once(server, client, store, experiment, name):
    other = client.create_experiment(name)
    store.register_scorer(experiment, "s", serialized("s"))
    store.register_scorer(other, "t", serialized("t"))
    listed = server.get(f"{ROOT}/list", experiment_ids=[experiment, other]).json()["scorers"]
    assert [(s["experiment_id"], s["scorer_name"]) for s in listed] == [(int(experiment), "s"), (int(other), "t")]
    server.refused(f"{ROOT}/list", {"experiment_id": experiment, "experiment_ids": [other]}, "Cannot specify both", method="GET")
    client.delete_experiment(other)
    assert len(server.get(f"{ROOT}/list", experiment_ids=[experiment, other]).json()["scorers"]) == 1
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        store.list_scorers(other)


def test_wrong_scorers_are_refused(server, experiment):
    body = {"experiment_id": experiment, "name": "s", "serialized_scorer": "{}"}
    for change, message in (({"name": " "}, "Scorer name cannot be empty"), ({"serialized_scorer": "{"}, "serialized_scorer must be valid JSON"),
                            ({"name": ""}, "Missing value for required parameter 'name'"),
                            ({"serialized_scorer": serialized("s", builtin_scorer_pydantic_data={"model": 3})}, "Scorer model must be a string")):
        server.refused(f"{ROOT}/register", {**body, **change}, message)
    gateway = serialized("s", instructions_judge_pydantic_data={"model": "gateway:/none"})
    server.refused(f"{ROOT}/register", {**body, "serialized_scorer": gateway}, "GatewayEndpoint not found (name='none')",
                   code="RESOURCE_DOES_NOT_EXIST", status=404)


def test_a_schedule_is_kept_but_nothing_runs_without_a_gateway(store, experiment):
    scorer = store.register_scorer(experiment, "s", serialized("s"))
    put = store.upsert_online_scoring_config(experiment, "s", 0.0, "status = 'OK'")
    assert (put.scorer_id, put.sample_rate, put.experiment_id) == (scorer.scorer_id, 0.0, experiment)
    assert [c.filter_string for c in store.get_online_scoring_configs([scorer.scorer_id])] == ["status = 'OK'"]
    with pytest.raises(MlflowException, match="does not use a gateway model"):
        store.upsert_online_scoring_config(experiment, "s", 0.5)
    with pytest.raises(MlflowException, match="sample_rate must be between 0.0 and 1.0"):
        store.upsert_online_scoring_config(experiment, "s", 1.5)
