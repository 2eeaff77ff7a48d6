# SPDX-License-Identifier: Apache-2.0
"""Model registry: models, versions, stages, aliases, tags."""

import time

import pytest
from mlflow.exceptions import MlflowException

from helpers import REGISTRY, REGISTRY_STORE, REST, unique

SOURCE = "runs:/run_id/model"


def now():
    return int(time.time() * 1000)


@pytest.mark.answers(f"{REGISTRY}::test_create_and_query_registered_model_flow", f"{REGISTRY_STORE}::test_create_registered_model",
                     f"{REGISTRY_STORE}::test_get_registered_model")
def test_a_created_model_has_tags_description_and_times(client, name):
    start = now()
    client.create_registered_model(name, {"key": "value", "another key": "some other value", "numeric value": 12345}, "words")
    end = now()
    found = client.get_registered_model(name)
    assert found.tags == {"key": "value", "another key": "some other value", "numeric value": "12345"}
    assert (found.name, found.description, found.latest_versions, found.aliases) == (name, "words", [], {})
    assert start <= found.creation_timestamp <= end and start <= found.last_updated_timestamp <= end
    assert [m.name for m in client.search_registered_models(f"name = '{name}'")] == [name]


@pytest.mark.answers(f"{REGISTRY_STORE}::test_create_registered_model", f"{REGISTRY}::test_delete_registered_model_flow")
def test_a_model_name_is_given_once(server, model):
    server.refused("registered-models/create", {"name": model}, f"Registered Model (name={model}) already exists", "RESOURCE_ALREADY_EXISTS")


@pytest.mark.answers(f"{REGISTRY_STORE}::test_create_registered_model")
@pytest.mark.parametrize("name,message", [("", "name"), (None, "Missing value for required parameter 'name'"), ("a/b", "name"), ("a:b", "name"),
                                          (123, "Invalid value 123 for parameter 'name' supplied")])
def test_a_model_name_of_wrong_form_is_refused(server, name, message):
    server.refused("registered-models/create", {"name": name}, message)


@pytest.mark.answers(f"{REGISTRY_STORE}::test_get_registered_model")
@pytest.mark.parametrize("method,path,body", [
    ("GET", "get", {}), ("POST", "rename", {"new_name": "x"}), ("PATCH", "update", {"description": "x"}), ("DELETE", "delete", {}),
    ("POST", "get-latest-versions", {}), ("POST", "set-tag", {"key": "k", "value": "v"}), ("DELETE", "delete-tag", {"key": "k"}),
    ("POST", "alias", {"alias": "a", "version": "1"}), ("GET", "alias", {"alias": "a"}),
])
def test_an_unknown_model_is_not_found_everywhere(server, method, path, body):
    absent = unique("absent")
    options = {"params": {"name": absent, **body}} if method == "GET" else {"json": {"name": absent, **body}}
    answer = server.request(method, f"registered-models/{path}", **options)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), answer.text
    assert "not found" in answer.json()["message"]


@pytest.mark.answers(f"{REGISTRY}::test_update_registered_model_flow", f"{REGISTRY_STORE}::test_update_registered_model",
                     f"{REGISTRY_STORE}::test_rename_registered_model")
def test_a_model_is_renamed_with_its_versions(client, model):
    client.create_model_version(model, SOURCE, "run_id")
    client.set_registered_model_tag(model, "k", "v")
    client.set_registered_model_alias(model, "a", "1")
    created = client.get_registered_model(model).creation_timestamp
    client.update_registered_model(model, "4th update")
    new_name, start = unique("renamed"), now()
    client.rename_registered_model(model, new_name)
    found = client.get_registered_model(new_name)
    assert (found.description, found.tags, found.aliases) == ("4th update", {"k": "v"}, {"a": "1"})
    assert found.creation_timestamp == created and start <= found.last_updated_timestamp <= now()
    assert [v.name for v in client.search_model_versions(f"name = '{new_name}'")] == [new_name]
    with pytest.raises(MlflowException, match=f"Registered Model with name={model} not found"):
        client.get_registered_model(model)


@pytest.mark.answers(f"{REGISTRY_STORE}::test_rename_registered_model")
def test_a_model_is_not_renamed_to_a_name_in_use_or_of_wrong_form(server, client, model):
    taken = unique("taken")
    client.create_registered_model(taken)
    server.refused("registered-models/rename", {"name": model, "new_name": taken}, "already exists", "RESOURCE_ALREADY_EXISTS")
    server.refused("registered-models/rename", {"name": model}, "Missing value for required parameter 'new_name'")
    assert client.get_registered_model(model).name == model


@pytest.mark.answers(f"{REGISTRY}::test_delete_registered_model_flow", f"{REGISTRY_STORE}::test_delete_registered_model")
def test_a_deleted_model_is_gone_and_its_name_free(client, model):
    client.create_model_version(model, SOURCE, "run_id")
    client.delete_registered_model(model)
    for call in (lambda: client.get_registered_model(model), lambda: client.rename_registered_model(model, "x"),
                 lambda: client.delete_registered_model(model)):
        with pytest.raises(MlflowException, match=f"Registered Model with name={model} not found"):
            call()
    assert client.search_registered_models(f"name = '{model}'") == client.search_model_versions(f"name = '{model}'") == []
    start = now()
    client.create_registered_model(model)
    assert client.get_registered_model(model).creation_timestamp >= start
    assert client.create_model_version(model, SOURCE, "run_id").version == "1"


@pytest.mark.answers(f"{REGISTRY}::test_set_delete_registered_model_tag_flow", f"{REGISTRY_STORE}::test_set_registered_model_tag",
                     f"{REGISTRY}::test_set_registered_model_tag_with_empty_string_as_value", f"{REGISTRY_STORE}::test_delete_registered_model_tag")
def test_tags_of_a_model(server, client, model):
    for key, value in (("key", "old"), ("key", "value"), ("numeric value", 12345), ("empty", "")):
        client.set_registered_model_tag(model, key, value)
    assert client.get_registered_model(model).tags == {"key": "value", "numeric value": "12345", "empty": ""}
    client.delete_registered_model_tag(model, "key")
    client.delete_registered_model_tag(model, "key")
    assert client.get_registered_model(model).tags == {"numeric value": "12345", "empty": ""}
    server.refused("registered-models/set-tag", {"name": model, "value": "v"}, "Missing value for required parameter 'key'")
    for key, value in (("k" * 251, "v"), ("k", "v" * 100_001)):
        server.refused("registered-models/set-tag", {"name": model, "key": key, "value": value}, "exceeds the maximum length of")


@pytest.mark.answers(f"{REGISTRY}::test_create_and_query_model_version_flow", f"{REGISTRY_STORE}::test_create_model_version",
                     f"{REGISTRY}::test_get_model_version", f"{REGISTRY_STORE}::test_get_model_version_download_uri")
def test_versions_are_numbered_and_keep_what_they_were_given(client, model):
    start = now()
    first = client.create_model_version(model, SOURCE, "run_id", {"k": "v", "numeric value": 12345}, run_link="http://run", description="words")
    found = client.get_model_version(model, "1")
    assert first.version == found.version == "1" and found.name == model
    assert (found.source, found.run_id, found.run_link, found.description) == (SOURCE, "run_id", "http://run", "words")
    assert found.tags == {"k": "v", "numeric value": "12345"} and found.status == "READY" and found.current_stage == "None"
    assert start <= found.creation_timestamp <= now() and found.last_updated_timestamp == found.creation_timestamp
    assert client.get_registered_model(model).latest_versions == [found]
    second = client.create_model_version(model, "runs:/run_id/another", "run_id")
    assert second.version == "2"
    assert client.get_registered_model(model).latest_versions == [client.get_model_version(model, "2")]
    assert client.get_model_version_download_uri(model, "1") == SOURCE
    assert client.get_registered_model(model).last_updated_timestamp >= second.creation_timestamp


@pytest.mark.answers(f"{REGISTRY}::test_get_model_version")
def test_a_version_that_is_no_number_is_refused(server, client, model):
    client.create_model_version(model, SOURCE, "run_id")
    server.refused("model-versions/get", {"name": model, "version": "something not correct"},
                   "Parameter 'version' must be an integer, got 'something not correct'.", method="GET")


@pytest.mark.parametrize("method,path,body", [
    ("GET", "get", {}), ("GET", "get-download-uri", {}), ("PATCH", "update", {"description": "x"}), ("DELETE", "delete", {}),
    ("POST", "transition-stage", {"stage": "Staging", "archive_existing_versions": False}), ("POST", "set-tag", {"key": "k", "value": "v"}),
    ("DELETE", "delete-tag", {"key": "k"}),
])
def test_an_unknown_version_is_not_found_everywhere(server, model, method, path, body):
    body = {"name": model, "version": "77", **body}
    options = {"params": body} if method == "GET" else {"json": body}
    answer = server.request(method, f"model-versions/{path}", **options)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST"), answer.text
    assert f"Model Version (name={model}, version=77) not found" in answer.json()["message"]


@pytest.mark.answers(f"{REGISTRY_STORE}::test_create_model_version")
@pytest.mark.parametrize("missing", ["name", "source"])
def test_a_version_wants_name_and_source(server, model, missing):
    body = {"name": model, "source": SOURCE, "run_id": "run_id"}
    del body[missing]
    server.refused("model-versions/create", body, f"Missing value for required parameter '{missing}'")


@pytest.mark.answers(f"{REGISTRY}::test_update_model_version_flow", f"{REGISTRY_STORE}::test_update_model_version")
def test_a_description_touches_the_version_only_a_stage_touches_both(client, model):
    client.create_model_version(model, SOURCE, "run_id")
    created = client.get_model_version(model, 1)
    time.sleep(0.003)
    client.transition_model_version_stage(model, 1, "Staging")
    staged, touched = client.get_model_version(model, 1), client.get_registered_model(model).last_updated_timestamp
    assert staged.current_stage == "Staging" and staged.creation_timestamp == created.creation_timestamp
    assert created.last_updated_timestamp < staged.last_updated_timestamp and created.last_updated_timestamp < touched
    time.sleep(0.003)
    client.update_model_version(model, 1, "This is a test model")
    described = client.get_model_version(model, 1)
    assert described.description == "This is a test model" and described.last_updated_timestamp > staged.last_updated_timestamp
    assert client.get_registered_model(model).last_updated_timestamp == touched


def staged(client, model, *stages):
    """Versions 1, 2, ... of the model in these stages."""
    for stage in stages:
        version = client.create_model_version(model, SOURCE, "run_id").version
        if stage != "None":
            client.transition_model_version_stage(model, version, stage)


@pytest.mark.answers(f"{REGISTRY}::test_latest_models", f"{REGISTRY_STORE}::test_get_latest_versions")
def test_the_latest_version_of_each_stage(client, model):
    staged(client, model, "Archived", "Production", "Archived", "Production", "Staging", "Staging", "None")

    def latest(stages):
        return {v.current_stage: v.version for v in client.get_latest_versions(model, stages)}

    every = {"Production": "4", "Staging": "6", "Archived": "3", "None": "7"}
    assert latest(["None"]) == {"None": "7"} and latest(["Staging"]) == {"Staging": "6"}
    assert latest(["None", "Staging"]) == {"None": "7", "Staging": "6"}
    assert latest(["production", "PRODUCTION"]) == {"Production": "4"}
    assert latest(None) == latest([]) == every
    assert {v.current_stage: v.version for v in client.get_registered_model(model).latest_versions} == every


@pytest.mark.answers(f"{REGISTRY_STORE}::test_get_latest_versions")
def test_latest_versions_by_both_methods(server, client, model):
    staged(client, model, "Staging", "None")
    for answer in (server.get("registered-models/get-latest-versions", name=model, stages=["Staging"]),
                   server.post("registered-models/get-latest-versions", {"name": model, "stages": ["Staging"]})):
        assert [v["version"] for v in answer.json()["model_versions"]] == ["1"]


@pytest.mark.answers(f"{REGISTRY_STORE}::test_transition_model_version_stage_when_archive_existing_versions_is_false",
                     f"{REGISTRY_STORE}::test_transition_model_version_stage_when_archive_existing_versions_is_true")
@pytest.mark.parametrize("archive,others", [(False, ["Production", "Production"]), (True, ["Archived", "Archived"])])
def test_a_stage_archives_the_others_if_asked(client, model, archive, others):
    staged(client, model, "Production", "Production", "Staging", "None")
    client.transition_model_version_stage(model, 4, "production", archive_existing_versions=archive)
    stages = [client.get_model_version(model, v).current_stage for v in (1, 2, 3, 4)]
    assert stages == [*others, "Staging", "Production"]


@pytest.mark.answers(f"{REGISTRY_STORE}::test_transition_model_version_stage_when_archive_existing_versions_is_true")
def test_an_unknown_stage_is_refused(server, client, model):
    client.create_model_version(model, SOURCE, "run_id")
    body = {"name": model, "version": "1", "stage": "Nirvana", "archive_existing_versions": False}
    server.refused("model-versions/transition-stage", body, "Invalid Model Version stage")
    answer = server.post("model-versions/transition-stage", {**body, "stage": "None", "archive_existing_versions": True})
    assert answer.json().get("error_code") in (None, "INVALID_PARAMETER_VALUE", "INTERNAL_ERROR")
    assert client.get_model_version(model, 1).current_stage == "None"


@pytest.mark.answers(f"{REGISTRY}::test_delete_model_version_flow", f"{REGISTRY_STORE}::test_delete_model_version",
                     f"{REGISTRY_STORE}::test_delete_model_version_redaction", f"{REGISTRY_STORE}::test_delete_model_version_deletes_alias")
def test_a_deleted_version_is_gone_and_its_number_never_returns(client, model):
    staged(client, model, "None", "None", "None")
    client.set_registered_model_alias(model, "gone", "3")
    before = client.get_registered_model(model).last_updated_timestamp
    time.sleep(0.003)
    client.delete_model_version(model, "3")
    client.delete_model_version(model, "1")
    assert client.get_registered_model(model).last_updated_timestamp > before
    assert {v.version for v in client.search_model_versions(f"name = '{model}'")} == {"2"}
    assert client.get_registered_model(model).aliases == {}
    for call in (lambda: client.get_model_version(model, "3"), lambda: client.delete_model_version(model, "3"),
                 lambda: client.update_model_version(model, 3, "x"), lambda: client.transition_model_version_stage(model, 3, "Staging"),
                 lambda: client.get_model_version_download_uri(model, 3), lambda: client.set_model_version_tag(model, "3", "k", "v")):
        with pytest.raises(MlflowException, match=r"Model Version .+ not found"):
            call()
    assert client.create_model_version(model, SOURCE, "run_id").version == "4"


@pytest.mark.answers(f"{REGISTRY}::test_set_delete_model_version_tag_flow", f"{REGISTRY_STORE}::test_set_model_version_tag",
                     f"{REGISTRY}::test_set_model_version_tag_with_empty_string_as_value", f"{REGISTRY_STORE}::test_delete_model_version_tag")
def test_tags_of_a_version(server, client, model):
    staged(client, model, "None", "None")
    for key, value in (("key", "old"), ("key", "value"), ("numeric value", 12345), ("empty", "")):
        client.set_model_version_tag(model, "1", key, value)
    assert client.get_model_version(model, "1").tags == {"key": "value", "numeric value": "12345", "empty": ""}
    assert client.get_model_version(model, "2").tags == {}
    client.delete_model_version_tag(model, "1", "key")
    client.delete_model_version_tag(model, "1", "key")
    assert client.get_model_version(model, "1").tags == {"numeric value": "12345", "empty": ""}
    server.refused("model-versions/set-tag", {"name": model, "version": "1", "value": "v"}, "Missing value for required parameter 'key'")
    server.refused("model-versions/set-tag", {"name": model, "version": "1", "key": "k" * 251, "value": "v"}, "exceeds the maximum length of 250")


@pytest.mark.answers(f"{REGISTRY_STORE}::test_set_model_version_tag")
def test_the_client_finds_the_version_of_a_stage_for_a_tag(client, model):
    staged(client, model, "Staging", "None")
    client.set_model_version_tag(model, key="k", value="v", stage="Staging")
    assert client.get_model_version(model, "1").tags == {"k": "v"}


@pytest.mark.answers(f"{REGISTRY}::test_set_delete_registered_model_alias_and_get_model_version_by_alias_flow",
                     f"{REGISTRY_STORE}::test_set_registered_model_alias", f"{REGISTRY_STORE}::test_delete_registered_model_alias",
                     f"{REGISTRY_STORE}::test_get_model_version_by_alias")
def test_an_alias_points_to_one_version_at_a_time(client, model):
    staged(client, model, "None", "None")
    client.set_registered_model_alias(model, "champion", "1")
    client.set_registered_model_alias(model, "best", "1")
    assert client.get_registered_model(model).aliases == {"champion": "1", "best": "1"}
    assert sorted(client.get_model_version(model, "1").aliases) == ["best", "champion"]
    assert client.get_model_version_by_alias(model, "best") == client.get_model_version(model, "1")
    client.set_registered_model_alias(model, "champion", "2")
    assert client.get_model_version_by_alias(model, "champion").version == "2"
    assert client.get_model_version(model, "1").aliases == ["best"]
    client.delete_registered_model_alias(model, "champion")
    client.delete_registered_model_alias(model, "best")
    client.delete_registered_model_alias(model, "best")
    assert client.get_registered_model(model).aliases == {} and client.get_model_version(model, "2").aliases == []


@pytest.mark.answers(f"{REGISTRY_STORE}::test_get_model_version_by_alias")
def test_a_missing_alias_is_an_invalid_value(server, client, model):
    staged(client, model, "None")
    server.refused("registered-models/alias", {"name": model, "alias": "absent"}, "alias absent not found", method="GET")


@pytest.mark.parametrize("alias", ["latest", "Latest", "v1", "V27", "a b", "a/b", "é?", "a" * 256])
def test_reserved_and_odd_aliases_are_refused(server, client, model, alias):
    staged(client, model, "None")
    answer = server.post("registered-models/alias", {"name": model, "alias": alias, "version": "1"})
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE", answer.text
    assert client.get_registered_model(model).aliases == {}


def test_an_alias_for_a_missing_version_is_refused(server, client, model):
    answer = server.post("registered-models/alias", {"name": model, "alias": "a", "version": "9"})
    assert answer.status_code == 404 and "not found" in answer.json()["message"]


@pytest.mark.answers(f"{REGISTRY_STORE}::test_delete_model_deletes_alias")
def test_aliases_end_with_their_model(client, model):
    staged(client, model, "None")
    client.set_registered_model_alias(model, "a", "1")
    client.delete_registered_model(model)
    with pytest.raises(MlflowException, match="not found"):
        client.get_model_version_by_alias(model, "a")
    client.create_registered_model(model)
    assert client.get_registered_model(model).aliases == {}


@pytest.mark.answers(f"{REGISTRY}::test_copy_model_version_flow", f"{REGISTRY_STORE}::test_copy_model_version")
@pytest.mark.parametrize("same", [True, False])
def test_a_version_is_copied_with_everything_but_its_aliases(client, model, same):
    source = client.create_model_version(model, SOURCE, "run_id", description="dummy", tags={"hello": "world"})
    client.set_registered_model_alias(model, "test_alias", "1")
    target = model if same else unique("copy")
    copied = client.copy_model_version(f"models:/{model}@test_alias", target)
    assert (copied.name, copied.version) == (target, "2" if same else "1")
    found = client.get_model_version(target, copied.version)
    assert (found.source, found.description, found.run_id, found.tags) == (f"models:/{model}/1", "dummy", "run_id", {"hello": "world"})
    assert found.aliases == []
    assert client.get_model_version_download_uri(target, copied.version) == source.source
    again = client.copy_model_version(f"models:/{target}/{copied.version}", target)
    assert client.get_model_version_download_uri(target, again.version) == source.source


@pytest.mark.answers(f"{REST}::test_create_model_version_model_id", f"{REGISTRY_STORE}::test_create_model_version_with_model_id_and_no_run_id")
def test_a_version_of_a_logged_model_knows_it_and_its_run(client, experiment, run, model):
    logged = client.create_logged_model(experiment, source_run_id=run)
    version = client.create_model_version(model, f"models:/{logged.model_id}", model_id=logged.model_id)
    found = client.get_model_version(model, version.version)
    assert (found.run_id, found.source) == (run, f"models:/{logged.model_id}")
    assert client.get_model_version_download_uri(model, version.version) == logged.artifact_location
    client.create_model_version(model, logged.artifact_location, model_id=logged.model_id)
    tags = client.get_logged_model(logged.model_id).tags
    assert tags["mlflow.modelVersions"] == f'[{{"name": "{model}", "version": 1}}, {{"name": "{model}", "version": 2}}]'
