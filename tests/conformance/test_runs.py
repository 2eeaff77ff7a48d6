# SPDX-License-Identifier: Apache-2.0
"""Runs: create, update, delete, restore; their parameters and tags."""

import json
import re

import mlflow
import pytest
from mlflow.entities import Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from helpers import REST, STORE


def info(client, run):
    return client.get_run(run).info


@pytest.mark.answers(f"{REST}::test_create_run_all_args", f"{STORE}::test_create_run_with_tags")
def test_a_run_keeps_everything_it_was_created_with(client, experiment):
    tags = {"mlflow.user": "ada", "mlflow.source.type": "LOCAL", "mlflow.source.name": "train.py", "mlflow.project.entryPoint": "main",
            "mlflow.source.git.commit": "c0ffee", "mlflow.parentRunId": "7", "my": "tag"}
    created = client.create_run(experiment, start_time=456, tags=tags, run_name="my name")
    for run in (created, client.get_run(created.info.run_id)):
        assert run.info.run_id == created.info.run_id and run.info.experiment_id == experiment
        assert (run.info.user_id, run.info.start_time, run.info.run_name) == ("ada", 456, "my name")
        assert run.data.tags == {**tags, "mlflow.runName": "my name"}
        assert run.info.status == "RUNNING" and run.info.end_time is None and run.info.lifecycle_stage == "active"
        assert run.info.artifact_uri == f"mlflow-artifacts:/{experiment}/{run.info.run_id}/artifacts"
    assert [run.info for run in client.search_runs([experiment])] == [created.info]


@pytest.mark.answers(f"{REST}::test_create_run_defaults", f"{STORE}::test_create_run_sets_name")
def test_a_run_created_without_anything_gets_user_unknown_and_a_name(client, experiment):
    run = client.create_run(experiment)
    found = client.get_run(run.info.run_id)
    assert found.info.user_id == "unknown"
    assert re.fullmatch(r"[0-9a-f]{32}", run.info.run_id)
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d+", found.info.run_name)
    assert found.data.tags["mlflow.runName"] == found.info.run_name


@pytest.mark.answers(f"{STORE}::test_create_run_sets_name", f"{STORE}::test_get_run_with_name")
def test_a_name_given_as_a_tag_becomes_the_runs_name(client, experiment):
    run = client.create_run(experiment, tags={"mlflow.runName": "by tag"})
    assert client.get_run(run.info.run_id).info.run_name == "by tag"
    same = client.create_run(experiment, tags={"mlflow.runName": "both"}, run_name="both")
    assert same.info.run_name == "both"


@pytest.mark.answers(f"{STORE}::test_create_run_sets_name")
def test_two_different_names_are_refused(server, experiment):
    server.refused("runs/create", {"experiment_id": experiment, "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]},
                   "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values")


def test_the_answer_to_create_holds_both_names_of_the_id(server, experiment):
    created = server.post("runs/create", {"experiment_id": experiment, "start_time": "17"}).json()["run"]
    assert created["info"]["run_id"] == created["info"]["run_uuid"]
    assert created["info"]["start_time"] == 17 and created["info"]["status"] == "RUNNING"
    assert "end_time" not in created["info"]


def test_a_run_in_an_unknown_experiment_is_refused(server):
    server.refused("runs/create", {"experiment_id": "987654321"}, "No Experiment with id=987654321 exists", "RESOURCE_DOES_NOT_EXIST",
                   status=404)


@pytest.mark.answers(f"{REST}::test_set_terminated_defaults", f"{REST}::test_set_terminated_status", f"{STORE}::test_update_run_info")
@pytest.mark.parametrize("status", [None, "FINISHED", "FAILED", "KILLED"])
def test_a_terminated_run_has_status_and_end_time(client, run, status):
    client.set_terminated(run, status) if status else client.set_terminated(run)
    assert info(client, run).status == (status or "FINISHED")
    assert info(client, run).start_time <= info(client, run).end_time


@pytest.mark.answers(f"{STORE}::test_update_run_info")
@pytest.mark.parametrize("status", ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"])
def test_every_status_can_be_set(client, run, status):
    updated = client._tracking_client.store.update_run_info(run, RunStatus.from_string(status), 1234, None)
    assert (updated.status, updated.end_time) == (status, 1234)
    assert (info(client, run).status, info(client, run).end_time) == (status, 1234)


@pytest.mark.answers(f"{REST}::test_update_run_name_without_changing_status")
def test_renaming_a_finished_run_leaves_it_finished(client, run):
    client.set_terminated(run)
    before = info(client, run)
    client.update_run(run, name="name_abc")
    assert (info(client, run).run_name, info(client, run).status, info(client, run).end_time) == ("name_abc", "FINISHED", before.end_time)


@pytest.mark.answers(f"{STORE}::test_update_run_name")
def test_name_and_name_tag_follow_each_other(client, run):
    def both():
        found = client.get_run(run)
        return found.info.run_name, found.data.tags.get("mlflow.runName")

    store = client._tracking_client.store
    store.update_run_info(run, RunStatus.FINISHED, 1000, "one")
    assert both() == ("one", "one")
    store.update_run_info(run, RunStatus.FINISHED, 1000, None)
    store.update_run_info(run, RunStatus.FINISHED, 1000, "")
    assert both() == ("one", "one")
    client.delete_tag(run, "mlflow.runName")
    assert both() == ("one", None)
    store.update_run_info(run, RunStatus.FINISHED, 1000, "two")
    assert both() == ("two", "two")
    client.set_tag(run, "mlflow.runName", "three")
    assert both() == ("three", "three")
    client.log_batch(run, tags=[RunTag("mlflow.runName", "four")])
    assert both() == ("four", "four")


@pytest.mark.answers(f"{STORE}::test_delete_restore_run", f"{STORE}::test_delete_run", f"{STORE}::test_get_deleted_runs")
def test_deleting_and_restoring_may_be_repeated(client, run):
    client.restore_run(run)
    client.delete_run(run)
    client.delete_run(run)
    assert info(client, run).lifecycle_stage == "deleted"
    client.restore_run(run)
    client.restore_run(run)
    assert info(client, run).lifecycle_stage == "active"


@pytest.mark.answers(f"{STORE}::test_error_logging_to_deleted_run")
def test_a_deleted_run_takes_no_writes_until_it_is_restored(server, client, run):
    client.delete_run(run)
    message = f"The run {run} must be in the 'active' state"
    server.refused("runs/log-parameter", {"run_id": run, "key": "p", "value": "1"}, message)
    server.refused("runs/log-metric", {"run_id": run, "key": "m", "value": 1.0, "timestamp": 123}, message)
    server.refused("runs/set-tag", {"run_id": run, "key": "t", "value": "1"}, message)
    server.refused("runs/delete-tag", {"run_id": run, "key": "mlflow.runName"}, message)
    server.refused("runs/log-batch", {"run_id": run, "params": [{"key": "p", "value": "1"}]}, message)
    server.refused("runs/update", {"run_id": run, "status": "FINISHED"}, message)
    client.restore_run(run)
    client.log_param(run, "p", "2")
    client.log_metric(run, "m", 34.0, 85, 1)
    client.set_tag(run, "t", "3")
    found = client.get_run(run).data
    assert found.params == {"p": "2"} and found.metrics == {"m": 34.0} and found.tags["t"] == "3"
    assert [(m.value, m.timestamp, m.step) for m in client.get_metric_history(run, "m")] == [(34.0, 85, 1)]


@pytest.mark.parametrize("method,path,body", [
    ("GET", "runs/get", {}), ("POST", "runs/update", {"status": "FINISHED"}), ("POST", "runs/delete", {}), ("POST", "runs/restore", {}),
    ("POST", "runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}), ("POST", "runs/log-parameter", {"key": "p", "value": "v"}),
    ("POST", "runs/set-tag", {"key": "t", "value": "v"}), ("POST", "runs/delete-tag", {"key": "t"}),
    ("POST", "runs/log-batch", {"tags": [{"key": "t", "value": "v"}]}),
])
@pytest.mark.answers(f"{STORE}::test_log_batch_nonexistent_run")
def test_an_unknown_run_is_not_found_everywhere(server, method, path, body):
    absent = "0123456789abcdef0123456789abcdef"
    server.refused(path, {"run_id": absent, **body}, f"Run with id={absent} not found", "RESOURCE_DOES_NOT_EXIST", method, 404)


@pytest.mark.answers(f"{STORE}::test_log_param", f"{REST}::test_log_param_with_empty_string_as_value", f"{STORE}::test_log_empty_str")
def test_parameters_hold_any_text_and_may_be_repeated(client, run):
    for key, value in (("empty", ""), ("text", "several\nlines"), ("text", "several\nlines"), ("slash/dot.and space", "ключ ✓"), ("n", 3)):
        client.log_param(run, key, value)
    assert client.get_run(run).data.params == {"empty": "", "text": "several\nlines", "slash/dot.and space": "ключ ✓", "n": "3"}


@pytest.mark.answers(f"{STORE}::test_log_param_uniqueness")
def test_a_parameter_cannot_change(server, client, run):
    client.log_param(run, "p", "old")
    server.refused("runs/log-parameter", {"run_id": run, "key": "p", "value": "new"}, "Changing param values is not allowed")
    assert client.get_run(run).data.params == {"p": "old"}


@pytest.mark.answers(f"{STORE}::test_log_param_max_length_value")
def test_a_long_parameter_is_cut_at_6000_characters(server, client, run):
    client.log_param(run, "fits", "x" * 6000)
    assert server.post("runs/log-parameter", {"run_id": run, "key": "long", "value": "ж" * 6001}).status_code == 200
    params = client.get_run(run).data.params
    assert params == {"fits": "x" * 6000, "long": "ж" * 6000}


@pytest.mark.answers(f"{REST}::test_log_param_validation")
@pytest.mark.parametrize("body,message", [
    ({"run_id": 31}, "Invalid value 31 for parameter 'run_id' supplied"),
    ({"key": 31}, "Invalid value 31 for parameter 'key' supplied"),
    ({"value": 31}, "Invalid value 31 for parameter 'value' supplied"),
    ({"key": None}, "Missing value for required parameter 'key'"),
    ({"key": "k" * 251}, "exceeds the maximum length of 250"),
    ({"key": "../up"}, "Invalid value \"../up\" for parameter 'key' supplied"),
    ({"key": "/root"}, "Invalid value \"/root\" for parameter 'key' supplied"),
    ({"key": "a//b"}, "Invalid value \"a//b\" for parameter 'key' supplied"),
    ({"key": "what?"}, "Invalid value \"what?\" for parameter 'key' supplied"),
])
def test_a_parameter_of_wrong_form_is_refused(server, run, body, message):
    server.refused("runs/log-parameter", {"run_id": run, "key": "p", "value": "v", **body}, message)


@pytest.mark.answers(f"{REST}::test_set_tag_with_empty_string_as_value", f"{STORE}::test_set_tag")
def test_tags_hold_any_text_and_the_last_write_wins(client, run):
    for key, value in (("t", "first"), ("t", "second"), ("empty", ""), ("lines", "a\nb"), ("mlflow.note.content", "# Note ✓")):
        client.set_tag(run, key, value)
    tags = client.get_run(run).data.tags
    assert {k: tags[k] for k in ("t", "empty", "lines", "mlflow.note.content")} == {
        "t": "second", "empty": "", "lines": "a\nb", "mlflow.note.content": "# Note ✓"}


@pytest.mark.answers(f"{STORE}::test_set_tag")
def test_a_long_tag_is_cut_at_8000_characters(server, client, run):
    assert server.post("runs/set-tag", {"run_id": run, "key": "long", "value": "a" * 8001}).status_code == 200
    assert client.get_run(run).data.tags["long"] == "a" * 8000


@pytest.mark.answers(f"{STORE}::test_set_tag", f"{STORE}::test_log_param_max_length_value", f"{STORE}::test_log_batch_params_max_length_value")
def test_long_values_are_refused_where_cutting_is_turned_off(start):
    strict = start({"MLFLOW_TRUNCATE_LONG_VALUES": "false"})
    run = strict.post("runs/create", {"experiment_id": "0"}).json()["run"]["info"]["run_id"]
    strict.refused("runs/log-parameter", {"run_id": run, "key": "p", "value": "x" * 6001}, "exceeds the maximum length of 6000")
    strict.refused("runs/set-tag", {"run_id": run, "key": "t", "value": "x" * 8001}, "exceeds the maximum length of 8000")
    strict.refused("runs/log-batch", {"run_id": run, "params": [{"key": "p", "value": "x" * 6001}]}, "exceeds the maximum length of 6000")


@pytest.mark.answers(f"{REST}::test_set_tag_validation")
@pytest.mark.parametrize("body,message", [
    ({"run_id": 31}, "Invalid value 31 for parameter 'run_id' supplied"),
    ({"value": 41}, "Invalid value 41 for parameter 'value' supplied"),
    ({"key": None}, "Missing value for required parameter 'key'"),
    ({"key": "k" * 251}, "exceeds the maximum length of 250"),
])
def test_a_tag_of_wrong_form_is_refused(server, run, body, message):
    server.refused("runs/set-tag", {"run_id": run, "key": "t", "value": "v", **body}, message)


@pytest.mark.answers(f"{REST}::test_set_tag_validation")
@pytest.mark.parametrize("path,body", [("set-tag", {"key": "k", "value": "v"}), ("log-parameter", {"key": "p", "value": "v"}),
                                       ("log-metric", {"key": "m", "value": 1, "timestamp": 1}), ("update", {"run_name": "n"})])
def test_old_clients_name_the_run_by_run_uuid(server, run, path, body):
    assert server.post(f"runs/{path}", {"run_uuid": run, **body}).status_code == 200


@pytest.mark.answers(f"{REST}::test_delete_tag", f"{STORE}::test_delete_tag")
def test_a_deleted_tag_is_gone_from_that_run_only(client, experiment, run):
    other = client.create_run(experiment).info.run_id
    for target in (run, other):
        client.set_tag(target, "taggity", "do-dah")
    client.delete_tag(run, "taggity")
    assert "taggity" not in client.get_run(run).data.tags
    assert client.get_run(other).data.tags["taggity"] == "do-dah"
    with pytest.raises(MlflowException, match="No tag with name: taggity"):
        client.delete_tag(run, "taggity")
    with pytest.raises(MlflowException, match=r"Run .+ not found"):
        client.delete_tag("absent_run_id", "taggity")
    client.delete_run(other)
    with pytest.raises(MlflowException, match=f"The run {other} must be in"):
        client.delete_tag(other, "taggity")


@pytest.mark.answers(f"{STORE}::test_record_logged_model", f"{REST}::test_log_model")
def test_models_of_old_clients_are_listed_in_a_tag(client, run):
    models = [Model(artifact_path=f"model/{i}", run_id=run, flavors={"python_function": {"config": {"a": 1}, "code": "c"}}) for i in (1, 2)]
    for model in models:
        client._record_logged_model(run, model)
    history = json.loads(client.get_run(run).data.tags["mlflow.log-model.history"])
    assert [m["artifact_path"] for m in history] == ["model/1", "model/2"]
    assert [m["model_uuid"] for m in history] == [m.model_uuid for m in models]
    assert "config" not in history[0]["flavors"]["python_function"]


@pytest.mark.answers(f"{STORE}::test_try_get_run_tag", f"{STORE}::test_run_tag_model", f"{STORE}::test_param_model",
                     f"{STORE}::test_run_data_model", f"{STORE}::test_run_info", f"{STORE}::test_to_mlflow_entity_and_proto")
def test_the_fluent_interface_sees_what_it_wrote(server, experiment):
    with mlflow.start_run(experiment_id=experiment, run_name="fluent", tags={"a": "1"}, description="words") as active:
        mlflow.log_params({f"p{i}": i for i in range(250)})
        mlflow.log_metrics({"x": 1.5, "y": 2}, step=3)
        mlflow.set_tags({"b": "2"})
        with mlflow.start_run(experiment_id=experiment, nested=True) as child:
            mlflow.log_metric("inner", 1)
    run = mlflow.get_run(active.info.run_id)
    assert len(run.data.params) == 250 and run.data.metrics == {"x": 1.5, "y": 2.0}
    assert (run.data.tags["a"], run.data.tags["b"], run.data.tags["mlflow.note.content"]) == ("1", "2", "words")
    assert run.info.status == "FINISHED" and run.info.end_time >= run.info.start_time
    assert mlflow.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == active.info.run_id
    assert mlflow.get_parent_run(child.info.run_id).info.run_id == active.info.run_id


def test_an_exception_ends_the_run_as_failed(server, experiment):
    with pytest.raises(RuntimeError), mlflow.start_run(experiment_id=experiment) as active:
        raise RuntimeError("stop")
    assert mlflow.get_run(active.info.run_id).info.status == "FAILED"


def test_a_finished_run_can_be_continued(server, experiment):
    with mlflow.start_run(experiment_id=experiment) as first:
        mlflow.log_metric("a", 1)
    with mlflow.start_run(run_id=first.info.run_id):
        assert mlflow.get_run(first.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("b", 2)
    assert mlflow.get_run(first.info.run_id).data.metrics == {"a": 1, "b": 2}


@pytest.mark.answers(f"{REST}::test_suppress_url_printing", f"{REST}::test_log_url_uses_legacy_route_without_workspace")
def test_the_client_prints_links_without_a_workspace(client, experiment, run, capsys, monkeypatch):
    client._tracking_client._log_url(run)
    printed = capsys.readouterr().out
    assert f"/#/experiments/{experiment}/runs/{run}" in printed and "/workspaces/" not in printed
    monkeypatch.setenv("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    client._tracking_client._log_url(run)
    assert capsys.readouterr().out == ""


def test_param_and_tag_of_the_same_key_are_two_things(client, run):
    client.log_batch(run, params=[Param("k", "param")], tags=[RunTag("k", "tag")])
    client.log_metric(run, "k", 1)
    data = client.get_run(run).data
    assert (data.params["k"], data.tags["k"], data.metrics["k"]) == ("param", "tag", 1)
