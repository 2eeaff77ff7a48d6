# SPDX-License-Identifier: Apache-2.0
"""Experiments: create, find, rename, tag, delete, restore."""

import pathlib
import time

import mlflow
import pytest
from mlflow.entities import ExperimentTag, ViewType
from mlflow.exceptions import MlflowException

from helpers import FLUENT, REST, STORE, TRACKING, client_of, started, unique


def names(experiments):
    return [experiment.name for experiment in experiments]


@pytest.mark.answers(f"{STORE}::test_default_experiment")
def test_an_empty_store_has_the_experiment_default_with_id_0(fresh_client):
    assert [(e.experiment_id, e.name, e.lifecycle_stage) for e in fresh_client.search_experiments()] == [("0", "Default", "active")]


@pytest.mark.answers(f"{REST}::test_create_get_search_experiment", f"{STORE}::test_search_experiments_view_type")
def test_view_types_and_pages_of_all_experiments(fresh_client):
    gone = fresh_client.create_experiment("gone", tags={"k1": "v1", "k2": "v2"})
    assert fresh_client.get_experiment(gone).tags == {"k1": "v1", "k2": "v2"}
    assert set(names(fresh_client.search_experiments())) == {"gone", "Default"}
    fresh_client.delete_experiment(gone)
    assert names(fresh_client.search_experiments()) == ["Default"]
    assert names(fresh_client.search_experiments(view_type=ViewType.ACTIVE_ONLY)) == ["Default"]
    assert names(fresh_client.search_experiments(view_type=ViewType.DELETED_ONLY)) == ["gone"]
    assert set(names(fresh_client.search_experiments(view_type=ViewType.ALL))) == {"gone", "Default"}
    only = fresh_client.search_experiments(max_results=1)
    assert names(only) == ["Default"] and only.token is None
    first = fresh_client.search_experiments(max_results=1, view_type=ViewType.ALL)
    second = fresh_client.search_experiments(max_results=1, view_type=ViewType.ALL, page_token=first.token)
    assert len(first) == len(second) == 1
    assert set(names(first) + names(second)) == {"gone", "Default"}


@pytest.mark.answers(f"{REST}::test_create_get_search_experiment", f"{STORE}::test_create_experiments",
                     f"{STORE}::test_create_experiment_with_tags_works_correctly")
def test_a_created_experiment_has_name_location_times_and_tags(client, name):
    experiment_id = client.create_experiment(name, artifact_location="s3://bucket/prefix", tags={"k": "v"})
    assert experiment_id.isdigit() and int(experiment_id) > 0
    found = client.get_experiment(experiment_id)
    assert (found.name, found.artifact_location, found.lifecycle_stage, found.tags) == (name, "s3://bucket/prefix", "active", {"k": "v"})
    assert found.creation_time == found.last_update_time > 1_600_000_000_000


@pytest.mark.answers(f"{REST}::test_create_get_search_experiment")
def test_a_relative_location_is_below_the_folder_that_the_server_runs_in(client, name):
    here = pathlib.Path.cwd()
    for location, absolute in (("my_location", f"{here}/my_location"), ("/my/location", "/my/location"), ("file:///my/location", "file:///my/location")):
        experiment_id = client.create_experiment(f"{name}{location}", artifact_location=location)
        assert client.get_experiment(experiment_id).artifact_location == absolute


def test_without_a_location_artifacts_go_through_the_server(client, experiment):
    assert client.get_experiment(experiment).artifact_location == f"mlflow-artifacts:/{experiment}"


@pytest.mark.answers(f"{REST}::test_create_experiment_validation")
@pytest.mark.parametrize("body,message", [
    ({"name": 123}, "Invalid value 123 for parameter 'name'"),
    ({}, "Missing value for required parameter 'name'."),
    ({"name": None}, "Missing value for required parameter 'name'."),
    ({"name": "e", "artifact_location": 9.0}, "Invalid value 9.0 for parameter 'artifact_location'"),
    ({"name": "e", "tags": "5"}, "Invalid value \"5\" for parameter 'tags'"),
])
def test_creating_with_wrong_types_is_refused_by_name_of_the_field(server, body, message):
    server.refused("experiments/create", body, message)


@pytest.mark.parametrize("location", ["file:///a/%2e%2e/x?p=../..", "mlflow-artifacts:/a#b", "s3://bucket/x?a=../../y", "runs:/abc/model"])
def test_locations_that_lead_elsewhere_are_refused(server, name, location):
    answer = server.post("experiments/create", {"name": name, "artifact_location": location})
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.answers(f"{STORE}::test_create_experiments")
def test_an_empty_name_is_refused(server):
    server.refused("experiments/create", {"name": ""}, "name")


def test_a_name_of_more_than_500_characters_is_refused(server):
    server.refused("experiments/create", {"name": "n" * 501}, "exceeds the maximum length of 500")


@pytest.mark.answers(f"{STORE}::test_raise_duplicate_experiments",
                     f"{STORE}::test_duplicate_experiment_with_artifact_location_returns_resource_already_exists")
@pytest.mark.parametrize("more", [{}, {"artifact_location": "s3://bucket/elsewhere"}])
def test_a_name_is_given_once_even_after_deletion(server, client, name, more):
    experiment_id = client.create_experiment(name)
    server.refused("experiments/create", {"name": name, **more}, f"Experiment(name={name}) already exists", "RESOURCE_ALREADY_EXISTS")
    client.delete_experiment(experiment_id)
    server.refused("experiments/create", {"name": name}, "already exists", "RESOURCE_ALREADY_EXISTS")


@pytest.mark.answers(f"{STORE}::test_raise_experiment_dont_exist")
@pytest.mark.parametrize("method,path", [("GET", "get"), ("POST", "delete"), ("POST", "restore")])
def test_an_unknown_id_is_not_found(server, method, path):
    server.refused(f"experiments/{path}", {"experiment_id": "987654321"}, "No Experiment with id=987654321 exists",
                   "RESOURCE_DOES_NOT_EXIST", method, 404)


def test_an_id_that_is_no_number_is_refused(server):
    answer = server.get("experiments/get", experiment_id="abc")
    assert answer.status_code in (400, 404)
    assert answer.json()["error_code"] in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.answers(f"{REST}::test_get_experiment", f"{REST}::test_get_experiment_by_name", f"{STORE}::test_get_experiment")
def test_found_by_id_and_by_name(client, name):
    experiment_id = client.create_experiment(name)
    assert client.get_experiment(experiment_id).name == name
    assert client.get_experiment_by_name(name).experiment_id == experiment_id
    assert client.get_experiment_by_name(unique("absent")) is None


@pytest.mark.answers(f"{REST}::test_delete_restore_experiment", f"{STORE}::test_delete_experiment", f"{STORE}::test_restore_experiment")
def test_deleted_and_restored(client, experiment):
    before = client.get_experiment(experiment)
    client.delete_experiment(experiment)
    deleted = client.get_experiment(experiment)
    assert (before.lifecycle_stage, deleted.lifecycle_stage) == ("active", "deleted")
    assert deleted.last_update_time >= before.last_update_time
    assert client.get_experiment_by_name(before.name).lifecycle_stage == "deleted"
    client.restore_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "active"


@pytest.mark.answers(f"{STORE}::test_delete_restore_experiment_with_runs")
def test_runs_are_deleted_and_restored_with_their_experiment(client, experiment):
    runs = {client.create_run(experiment).info.run_id for _ in range(3)}

    def found(view_type):
        return {run.info.run_id for run in client.search_runs([experiment], run_view_type=view_type)}

    client.delete_experiment(experiment)
    assert found(ViewType.ACTIVE_ONLY) == set()
    assert found(ViewType.DELETED_ONLY) == found(ViewType.ALL) == runs
    client.restore_experiment(experiment)
    assert found(ViewType.ACTIVE_ONLY) == runs
    assert found(ViewType.DELETED_ONLY) == set()


def test_a_deleted_experiment_takes_no_new_runs(client, experiment):
    client.delete_experiment(experiment)
    with pytest.raises(MlflowException, match=f"The experiment {experiment} must be in the 'active' state"):
        client.create_run(experiment)


@pytest.mark.answers(f"{STORE}::test_default_experiment_lifecycle",
                     f"{STORE}::test_sqlalchemy_store_can_be_initialized_when_default_experiment_has_been_deleted")
def test_the_experiment_default_can_be_deleted_and_stays_so(fresh_client):
    other = fresh_client.create_experiment("other")
    fresh_client.delete_experiment("0")
    assert names(fresh_client.search_experiments()) == ["other"]
    assert {e.experiment_id for e in fresh_client.search_experiments(view_type=ViewType.ALL)} == {"0", other}
    fresh_client.restore_experiment("0")
    assert set(names(fresh_client.search_experiments())) == {"Default", "other"}


@pytest.mark.answers(f"{REST}::test_rename_experiment", f"{STORE}::test_rename_experiment")
def test_renamed(client, experiment):
    before = client.get_experiment(experiment)
    new_name = unique("renamed")
    client.rename_experiment(experiment, new_name)
    after = client.get_experiment(experiment)
    assert after.name == new_name and after.last_update_time >= before.last_update_time
    assert client.get_experiment_by_name(before.name) is None


def test_renaming_to_a_name_in_use_is_refused(server, client, experiment):
    taken = unique("taken")
    client.create_experiment(taken)
    answer = server.post("experiments/update", {"experiment_id": experiment, "new_name": taken})
    assert answer.status_code in (400, 500)  # the real server answers 500
    assert client.get_experiment(experiment).name != taken


@pytest.mark.answers(f"{REST}::test_set_experiment_tag", f"{REST}::test_set_experiment_tag_with_empty_string_as_value",
                     f"{STORE}::test_set_experiment_tag")
@pytest.mark.parametrize("value", ["imagenet1K", "", "several\nlines\nof text", "ключ ✓"])
def test_a_tag_holds_any_text_and_the_last_write_wins(client, experiment, value):
    other = client.create_experiment(unique("other"))
    client.set_experiment_tag(experiment, "k", "first")
    client.set_experiment_tag(experiment, "k", value)
    assert client.get_experiment(experiment).tags == {"k": value}
    assert client.get_experiment(other).tags == {}


@pytest.mark.answers(f"{STORE}::test_set_experiment_tag")
def test_tags_of_a_deleted_experiment_cannot_be_set(server, client, experiment):
    client.delete_experiment(experiment)
    server.refused("experiments/set-experiment-tag", {"experiment_id": experiment, "key": "k", "value": "v"},
                   f"The experiment {experiment} must be in the 'active' state")


@pytest.mark.answers(f"{STORE}::test_set_experiment_tag")
@pytest.mark.parametrize("key,value", [("k" * 251, "v"), ("a/../b", "v"), ("what?", "v")])
def test_tags_out_of_limits_are_refused(server, experiment, key, value):
    answer = server.post("experiments/set-experiment-tag", {"experiment_id": experiment, "key": key, "value": value})
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.answers(f"{REST}::test_delete_experiment_tag", f"{STORE}::test_delete_experiment_tag")
def test_a_deleted_tag_is_gone_and_a_missing_one_is_not_found(server, client, experiment):
    client.set_experiment_tag(experiment, "k", "v")
    client.delete_experiment_tag(experiment, "k")
    assert client.get_experiment(experiment).tags == {}
    server.refused("experiments/delete-experiment-tag", {"experiment_id": experiment, "key": "k"}, "No tag with name: k",
                   "RESOURCE_DOES_NOT_EXIST", status=404)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A server of its own with a, ab, Abc and Default, created at different milliseconds."""
    with started(tmp_path_factory.mktemp("experiments") / "searched") as running:
        client = client_of(running.url)
        client.search_experiments()
        ids = {"Default": "0"}
        for name, tags in (("a", {"key": "value"}), ("ab", {"key": "vaLue", "other": "x"}), ("Abc", {})):
            time.sleep(0.002)
            ids[name] = client.create_experiment(name, tags=tags)
        yield client, ids


@pytest.mark.answers(f"{REST}::test_search_experiments", f"{STORE}::test_search_experiments_filter_by_attribute",
                     f"{STORE}::test_search_experiments_filter_by_tag",
                     f"{STORE}::test_search_experiments_filter_by_attribute_and_tag")
@pytest.mark.parametrize("text,expected", [
    ("", ["Abc", "ab", "a", "Default"]),
    ("name = 'a'", ["a"]),
    ("attribute.name = 'a'", ["a"]),
    ("attribute.name != 'a'", ["Abc", "ab", "Default"]),
    ("attribute.`name` = \"ab\"", ["ab"]),
    ("name LIKE 'a%'", ["ab", "a"]),
    ("name ILIKE 'a%'", ["Abc", "ab", "a"]),
    ("name LIKE '_b'", ["ab"]),
    ("name ILIKE '%B%' AND name LIKE 'A%'", ["Abc"]),
    ("tag.key = 'value'", ["a"]),
    ("tags.key != 'value'", ["ab"]),
    ("tags.`key` LIKE 'va%'", ["ab", "a"]),
    ("tag.key ILIKE '%alu%'", ["ab", "a"]),
    ("tag.key IS NULL", ["Abc", "Default"]),
    ("tag.key IS NOT NULL", ["ab", "a"]),
    ("tags.key ILIKE 'value' AND name != 'a'", ["ab"]),
    ("tags.key ILIKE 'value' AND tags.other = 'x'", ["ab"]),
    ("creation_time > 0", ["Abc", "ab", "a", "Default"]),
    ("creation_time < 1000", []),
])
def test_experiments_found_by_filter(searched, text, expected):
    client, _ = searched
    assert names(client.search_experiments(filter_string=text)) == expected


@pytest.mark.answers(f"{REST}::test_search_experiments", f"{STORE}::test_search_experiments_order_by")
@pytest.mark.parametrize("order,expected", [
    (["name DESC"], ["ab", "a", "Default", "Abc"]),
    (["name"], ["Abc", "Default", "a", "ab"]),
    (["experiment_id ASC"], ["Default", "a", "ab", "Abc"]),
    (["attribute.experiment_id DESC"], ["Abc", "ab", "a", "Default"]),
    (["creation_time asc"], ["Default", "a", "ab", "Abc"]),
    (["last_update_time DESC", "name ASC"], ["Abc", "ab", "a", "Default"]),
])
def test_experiments_in_order(searched, order, expected):
    client, _ = searched
    assert names(client.search_experiments(order_by=order)) == expected


@pytest.mark.answers(f"{REST}::test_search_experiments", f"{STORE}::test_search_experiments_max_results",
                     f"{STORE}::test_search_experiments_pagination")
def test_pages_of_experiments_have_no_gap(searched):
    client, _ = searched
    first = client.search_experiments(max_results=3)
    assert names(first) == ["Abc", "ab", "a"] and first.token
    second = client.search_experiments(max_results=3, page_token=first.token)
    assert names(second) == ["Default"] and second.token is None


@pytest.mark.answers(f"{STORE}::test_search_experiments_filter_by_time_attribute",
                     f"{STORE}::test_search_experiments_order_by_time_attribute")
def test_times_are_compared_as_numbers(searched):
    client, ids = searched
    middle = client.get_experiment(ids["ab"]).creation_time
    assert names(client.search_experiments(filter_string=f"creation_time = {middle}")) == ["ab"]
    assert names(client.search_experiments(filter_string=f"creation_time > {middle}")) == ["Abc"]
    assert names(client.search_experiments(filter_string=f"creation_time >= {middle}")) == ["Abc", "ab"]
    assert names(client.search_experiments(filter_string=f"last_update_time < {middle}")) == ["a", "Default"]
    assert names(client.search_experiments(filter_string=f"last_update_time != {middle}")) == ["Abc", "a", "Default"]


@pytest.mark.answers(f"{STORE}::test_search_experiments_max_results_validation")
@pytest.mark.parametrize("value,message", [(0, "max_results"), (-1, "max_results"), (50001, "max_results")])
def test_a_page_holds_1_to_50000_experiments(server, value, message):
    server.refused("experiments/search", {"max_results": value}, message)


@pytest.mark.parametrize("text", ["name = a", "nom = 'a'", "name > 'a'", "name = 'a' OR name = 'b'", "metrics.x > 1", "creation_time = 'x'",
                                  "(name = 'a')", "name", "= 'a'", "name = 'a' ; DROP TABLE x"])
def test_a_filter_that_means_nothing_is_refused(server, text):
    answer = server.post("experiments/search", {"max_results": 10, "filter": text})
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE", answer.text


@pytest.mark.parametrize("order", ["nom", "name SIDEWAYS", "name; DROP TABLE x", "tags.k ASC"])
def test_an_order_that_means_nothing_is_refused(server, order):
    answer = server.post("experiments/search", {"max_results": 10, "order_by": [order]})
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE", answer.text


def test_search_works_by_get_too(server, client, name):
    experiment_id = client.create_experiment(name, tags={"k": "v"})
    answer = server.get("experiments/search", filter=f"name = '{name}'", max_results=5)
    assert [e["experiment_id"] for e in answer.json()["experiments"]] == [experiment_id]
    assert answer.json()["experiments"][0]["tags"] == [{"key": "k", "value": "v"}]


def test_the_browsers_path_gives_the_same_answer(server, experiment):
    twin = server.get("/ajax-api/2.0/mlflow/experiments/get", experiment_id=experiment)
    assert twin.status_code == 200
    assert twin.json() == server.get("experiments/get", experiment_id=experiment).json()


def test_tags_given_at_creation_are_kept_by_a_later_one(client, name):
    experiment_id = client._tracking_client.store.create_experiment(name, None, [ExperimentTag("a", "1")])
    client.set_experiment_tag(experiment_id, "b", "2")
    assert client.get_experiment(experiment_id).tags == {"a": "1", "b": "2"}


LOCATIONS = [
    ("/dirname/rootpa#th?", "/dirname/rootpa#th?{}"), ("file:///d/e?param=value#f", "file:///d/e{}?param=value#f"),
    ("file:d/e?param=value", "file://{here}/d/e{}?param=value"), ("#d/e?", "{here}/#d/e?{}"), ("s3://bucket/root", "s3://bucket/root{}"),
    ("s3://bucket/root?creds=c", "s3://bucket/root{}?creds=c"), ("mysql://user:password@host:port/db?driver=d", "mysql://user:password@host:port/db{}?driver=d"),
    ("mysql+driver://u:p@host:port/db/sub/#fragment", "mysql+driver://u:p@host:port/db/sub{}#fragment"),
    ("dbscheme+driver://root:password@host.com?creds=c#f", "dbscheme+driver://root:password@host.com{}?creds=c#f"),
]


@pytest.mark.answers(f"{STORE}::test_create_experiment_appends_to_artifact_local_path_file_uri_correctly",
                     f"{STORE}::test_create_experiment_appends_to_artifact_uri_path_correctly",
                     f"{STORE}::test_create_run_appends_to_artifact_local_path_file_uri_correctly",
                     f"{STORE}::test_create_run_appends_to_artifact_uri_path_correctly",
                     f"{TRACKING}::test_get_artifact_uri_appends_to_uri_path_component_correctly",
                     f"{TRACKING}::test_get_artifact_uri_appends_to_local_path_component_correctly",
                     f"{TRACKING}::test_get_artifact_uri_uses_currently_active_run_id",
                     f"{TRACKING}::test_get_artifact_uri_with_artifact_path_unspecified_returns_artifact_root_dir")
@pytest.mark.parametrize("root,below", LOCATIONS)
def test_what_is_below_a_location_comes_before_its_query(start, root, below):
    below = below.replace("{here}", str(pathlib.Path.cwd()))
    url = start({"MILLRACE_DEFAULT_ARTIFACT_ROOT": root}).url
    client = client_of(url)
    experiment = client.create_experiment("e")
    run = client.create_run(experiment).info
    assert client.get_experiment(experiment).artifact_location == below.format(f"/{experiment}")
    assert run.artifact_uri == below.format(f"/{experiment}/{run.run_id}/artifacts")
    mlflow.set_tracking_uri(url)
    with mlflow.start_run(run_id=run.run_id):
        assert mlflow.get_artifact_uri() == run.artifact_uri
        assert mlflow.get_artifact_uri("/path/to") == below.format(f"/{experiment}/{run.run_id}/artifacts/path/to")


@pytest.mark.answers(f"{FLUENT}::test_search_runs_all_experiments", f"{FLUENT}::test_search_experiments", f"{FLUENT}::test_search_registered_models",
                     f"{FLUENT}::test_search_model_versions", f"{FLUENT}::test_paginate_gt_maxresults_multipage",
                     f"{FLUENT}::test_paginate_lt_maxresults_multipage")
def test_searches_go_through_all_pages(fresh_client, fresh):
    mlflow.set_tracking_uri(fresh.url)
    mlflow.set_registry_uri(fresh.url)
    n = 1010  # a page has 1,000
    ids = [fresh_client.create_experiment(f"e{i:04}") for i in range(n)]
    for i in range(n):
        fresh.post("runs/create", {"experiment_id": ids[0], "start_time": i})
    for i in range(110):  # a page has 100
        fresh_client.create_registered_model(f"m{i:03}")
        fresh_client.create_model_version("m000", "s3://bucket/m")
    assert [e.name for e in mlflow.search_experiments(order_by=["name ASC"])] == ["Default"] + [f"e{i:04}" for i in range(n)]
    assert len(mlflow.search_experiments(max_results=7)) == 7
    assert len(mlflow.search_runs(search_all_experiments=True, output_format="list")) == n
    assert [run.info.start_time for run in mlflow.search_runs(ids[:1], max_results=1005, output_format="list")] == list(range(n - 1, 4, -1))
    assert [m.name for m in mlflow.search_registered_models()] == [f"m{i:03}" for i in range(110)]
    assert len(mlflow.search_registered_models(max_results=105, filter_string="name LIKE 'm%'")) == 105
    assert sorted(int(v.version) for v in mlflow.search_model_versions(filter_string="name = 'm000'")) == list(range(1, 111))
