# SPDX-License-Identifier: Apache-2.0
"""The fluent interface as scripts use it: active experiment, active run, parents, continued runs, writing in the background."""

import os
import subprocess
import sys
import time

import mlflow
import pytest
from mlflow.entities import Metric, ViewType
from mlflow.exceptions import MlflowException

from helpers import FLUENT, TRACKING, unique

PARENT, NOTE = "mlflow.parentRunId", "mlflow.note.content"


@pytest.fixture(autouse=True)
def active(experiment):
    """The experiment of the case is the active one."""
    mlflow.set_experiment(experiment_id=experiment)


@pytest.mark.answers(f"{TRACKING}::test_create_experiment", f"{TRACKING}::test_create_experiment_with_duplicate_name",
                     f"{TRACKING}::test_create_experiments_with_bad_names", f"{TRACKING}::test_create_experiments_with_bad_name_types")
def test_experiments_have_names_of_their_own(name):
    assert mlflow.get_experiment(mlflow.create_experiment(name)).name == name
    with pytest.raises(MlflowException, match="already exists") as refused:
        mlflow.create_experiment(name)
    assert refused.value.error_code == "RESOURCE_ALREADY_EXISTS"
    for wrong in (None, "", 123, 0, -1.2, [], {}):
        with pytest.raises((MlflowException, TypeError)):
            mlflow.create_experiment(wrong)


@pytest.mark.answers(f"{TRACKING}::test_set_experiment_by_name", f"{FLUENT}::test_get_experiment_by_name", f"{FLUENT}::test_get_experiment_by_id")
def test_an_experiment_chosen_by_name_is_made_where_it_is_missing(name):
    made = mlflow.set_experiment(name)
    for found in (mlflow.get_experiment_by_name(name), mlflow.get_experiment(made.experiment_id), mlflow.set_experiment(name)):
        assert dict(found) == dict(made)
    with mlflow.start_run() as run:
        assert run.info.experiment_id == made.experiment_id
    assert mlflow.get_experiment_by_name(unique("none")) is None


@pytest.mark.answers(f"{TRACKING}::test_set_experiment_by_id")
@pytest.mark.parametrize("unknown", ["-1337", "123456789"])
def test_an_unknown_experiment_is_not_found_and_the_active_one_stays(experiment, unknown):
    with pytest.raises(MlflowException, match=f"No Experiment with id={unknown} exists") as refused:
        mlflow.set_experiment(experiment_id=unknown)
    assert refused.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with mlflow.start_run() as run:
        assert run.info.experiment_id == experiment


@pytest.mark.answers(f"{TRACKING}::test_set_experiment_with_deleted_experiment")
def test_a_deleted_experiment_cannot_be_the_active_one(client, experiment):
    name = client.get_experiment(experiment).name
    client.delete_experiment(experiment)
    for choice in ({"experiment_name": name}, {"experiment_id": experiment}):
        with pytest.raises(MlflowException, match="Cannot set a deleted experiment"):
            mlflow.set_experiment(**choice)


@pytest.mark.answers(f"{TRACKING}::test_start_run_exp_id_0", f"{TRACKING}::test_set_experiment_with_zero_id")
def test_a_run_can_be_in_another_experiment_than_the_active_one(experiment):
    with mlflow.start_run() as run:
        assert run.info.experiment_id == experiment
    with mlflow.start_run(experiment_id=0) as run:
        assert run.info.experiment_id == "0"


@pytest.mark.answers(f"{TRACKING}::test_start_run_context_manager", f"{TRACKING}::test_start_and_end_run", f"{TRACKING}::test_with_startrun")
def test_a_run_ends_with_its_block(client):
    before = int(time.time() * 1000)
    with mlflow.start_run() as run:
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        mlflow.log_metric("m", 25)
    info = client.get_run(run.info.run_id).info
    assert (info.status, mlflow.active_run()) == ("FINISHED", None)
    assert before <= info.start_time <= info.end_time <= int(time.time() * 1000)
    with pytest.raises(RuntimeError, match="stops here"), mlflow.start_run() as failed:
        raise RuntimeError("stops here")
    assert client.get_run(failed.info.run_id).info.status == "FAILED"


@pytest.mark.answers(f"{FLUENT}::test_end_run_inside_start_run_context_manager", f"{FLUENT}::test_runs_are_ended_by_run_id")
def test_a_child_that_ends_early_leaves_its_parent_running(client):
    with mlflow.start_run() as parent:
        with mlflow.start_run(nested=True) as child:
            mlflow.end_run("FAILED")
            assert client.get_run(child.info.run_id).info.status == "FAILED"
        assert client.get_run(parent.info.run_id).info.status == "RUNNING"
    assert client.get_run(parent.info.run_id).info.status == "FINISHED"
    with mlflow.start_run() as run:
        mlflow.end_run()
        mlflow.start_run(run_id=run.info.run_id)
    assert mlflow.active_run() is None


@pytest.mark.answers(f"{TRACKING}::test_parent_create_run", f"{FLUENT}::test_get_parent_run", f"{FLUENT}::test_start_run_with_parent_id",
                     f"{FLUENT}::test_start_run_with_invalid_parent_id", f"{FLUENT}::test_start_run_with_parent",
                     f"{FLUENT}::test_start_run_with_parent_non_nested")
def test_children_know_their_parent(client, monkeypatch):
    with mlflow.start_run() as parent:
        mlflow.log_param("a", 1)
        mlflow.log_metric("b", 2.0)
    monkeypatch.setenv("MLFLOW_RUN_ID", parent.info.run_id)
    with mlflow.start_run() as again:
        assert again.info.run_id == parent.info.run_id
        with pytest.raises(Exception, match="To start a nested run"):
            mlflow.start_run()
        with pytest.raises(MlflowException, match=f"Current run with UUID {parent.info.run_id}"):
            mlflow.start_run(nested=True, parent_run_id="hello")
        with mlflow.start_run(nested=True) as child, mlflow.start_run(nested=True) as grandchild:
            pass
    assert client.get_run(child.info.run_id).data.tags[PARENT] == parent.info.run_id
    assert client.get_run(grandchild.info.run_id).data.tags[PARENT] == child.info.run_id
    found = mlflow.get_parent_run(child.info.run_id)
    assert (found.info.run_id, found.data.params, found.data.metrics) == (parent.info.run_id, {"a": "1"}, {"b": 2.0})
    assert mlflow.get_parent_run(parent.info.run_id) is None
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)  # the client takes it away itself
    with mlflow.start_run(parent_run_id=parent.info.run_id) as late:
        assert mlflow.get_parent_run(late.info.run_id).info.run_id == parent.info.run_id
    children = mlflow.search_runs(filter_string=f"tags.`{PARENT}` = '{parent.info.run_id}'", output_format="list")
    assert {run.info.run_id for run in children} == {child.info.run_id, late.info.run_id}


@pytest.mark.answers(f"{TRACKING}::test_start_deleted_run", f"{FLUENT}::test_start_run_existing_run_deleted")
def test_a_deleted_run_is_not_continued(client, run):
    client.delete_run(run)
    with pytest.raises(MlflowException, match="because it is in the deleted state"):
        mlflow.start_run(run_id=run)
    assert mlflow.active_run() is None


@pytest.mark.answers(f"{FLUENT}::test_start_existing_run_status", f"{FLUENT}::test_start_existing_run_end_time", f"{FLUENT}::test_start_run_existing_run",
                     f"{FLUENT}::test_start_run_existing_run_from_environment")
def test_a_continued_run_runs_again_and_ends_later(client, monkeypatch):
    with mlflow.start_run() as run:
        pass
    first = client.get_run(run.info.run_id).info
    time.sleep(0.002)  # times are whole milliseconds
    monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
    with mlflow.start_run() as again:
        assert (again.info.run_id, again.info.status) == (run.info.run_id, "RUNNING")
    last = client.get_run(run.info.run_id).info
    assert (first.status, last.status) == ("FINISHED", "FINISHED")
    assert (first.start_time, first.end_time < last.end_time) == (last.start_time, True)


@pytest.mark.answers(f"{FLUENT}::test_start_run_existing_run_from_environment_with_set_environment")
def test_a_run_of_another_experiment_is_not_continued_from_the_environment(run, name, monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_ID", run)
    mlflow.set_experiment(name)
    with pytest.raises(MlflowException, match="active experiment ID does not match environment run ID"):
        mlflow.start_run()


@pytest.mark.answers(f"{FLUENT}::test_start_run_resumes_existing_run_and_sets_user_specified_tags",
                     f"{FLUENT}::test_start_run_resumes_existing_run_and_update_run_name",
                     f"{FLUENT}::test_start_run_resumes_existing_run_and_sets_description",
                     f"{FLUENT}::test_start_run_resumes_existing_run_and_sets_description_twice",
                     f"{FLUENT}::test_start_run_creates_new_run_with_user_specified_tags", f"{FLUENT}::test_start_run_with_description",
                     f"{FLUENT}::test_start_run_conflicting_description", f"{FLUENT}::test_start_run_defaults", f"{FLUENT}::test_get_run")
def test_name_tags_and_description_of_new_and_continued_runs():
    with mlflow.start_run(run_name="old", tags={"A": "B", "layers": "7", "mlflow.user": "me"}, description="first") as run:
        pass
    made = mlflow.get_run(run.info.run_id)
    assert (made.info.run_name, made.info.user_id) == ("old", "me")
    assert {"A": "B", "layers": "7", "mlflow.user": "me", NOTE: "first"}.items() <= made.data.tags.items()
    assert made.data.tags["mlflow.source.name"] and made.data.tags["mlflow.source.type"] == "LOCAL"
    with mlflow.start_run(run.info.run_id, run_name="new", tags={"C": "D"}, description="second") as again:
        assert {"A": "B", "C": "D", NOTE: "second"}.items() <= again.data.tags.items()
    assert mlflow.get_run(run.info.run_id).info.run_name == "new"
    with pytest.raises(MlflowException, match="Description is already set via the tag"):
        mlflow.start_run(tags={NOTE: "one"}, description="another")


@pytest.mark.answers(f"{FLUENT}::test_last_active_run_returns_currently_active_run", f"{FLUENT}::test_last_active_run_returns_most_recently_ended_active_run")
def test_the_last_active_run_is_read_from_the_server():
    with mlflow.start_run() as run:
        assert mlflow.last_active_run().info.run_id == run.info.run_id
        mlflow.log_metric("a", 1.0)
        mlflow.log_param("b", 2)
    last = mlflow.last_active_run()
    assert (last.info.run_id, last.data.metrics, last.data.params) == (run.info.run_id, {"a": 1.0}, {"b": "2"})


@pytest.mark.answers(f"{TRACKING}::test_log_metric", f"{TRACKING}::test_metric_timestamp", f"{TRACKING}::test_param_metric_with_colon",
                     f"{TRACKING}::test_log_metrics_uses_millisecond_timestamp_resolution_fluent",
                     f"{TRACKING}::test_log_metrics_uses_millisecond_timestamp_resolution_client",
                     f"{TRACKING}::test_log_metrics_uses_common_timestamp_and_step_per_invocation")
def test_metrics_have_step_and_time_of_their_call(client):
    before = int(time.time() * 1000)
    with mlflow.start_run() as run:
        run_id = run.info.run_id
        mlflow.log_metric("name_1", 25)
        mlflow.log_metric("name_1", 30, step=5)
        mlflow.log_metric("name_1", 40, step=-2)
        mlflow.log_metric("nested/nested/name", 40)
        mlflow.log_metric("with:colon", 3)
        mlflow.log_metrics({"a": 1, "b": -2.5}, step=8)
        mlflow.log_metric("timed", 1, timestamp=12345)
        client.log_metric(run_id, "by client", 1)
    after = int(time.time() * 1000)
    points = client.get_metric_history(run_id, "name_1")
    assert {(point.value, point.step) for point in points} == {(25, 0), (30, 5), (40, -2)}
    assert all(before <= point.timestamp <= after for point in points + client.get_metric_history(run_id, "by client"))
    a, b = (client.get_metric_history(run_id, key)[0] for key in "ab")
    assert (a.step, b.step) == (8, 8) and a.timestamp == b.timestamp
    assert client.get_metric_history(run_id, "timed")[0].timestamp == 12345
    assert client.get_run(run_id).data.metrics == {"name_1": 30, "nested/nested/name": 40, "with:colon": 3, "a": 1, "b": -2.5, "timed": 1, "by client": 1}


@pytest.mark.answers(f"{TRACKING}::test_set_tags", f"{FLUENT}::test_delete_tag")
def test_tags_of_the_active_run(client):
    with mlflow.start_run() as run:
        mlflow.set_tag("a", "b")
        mlflow.set_tags({"name_1": "c", "name_2": "b", "nested/nested/name": 5})
        mlflow.delete_tag("a")
        for missing in "ab":
            with pytest.raises(MlflowException, match="No tag with name"):
                mlflow.delete_tag(missing)
    tags = client.get_run(run.info.run_id).data.tags
    assert {"name_1": "c", "name_2": "b", "nested/nested/name": "5"}.items() <= tags.items() and "a" not in tags


@pytest.mark.answers(f"{TRACKING}::test_log_param", f"{TRACKING}::test_log_params", f"{TRACKING}::test_log_params_duplicate_keys_raises")
def test_parameters_are_texts_and_stay(client):
    with mlflow.start_run() as run:
        assert mlflow.log_param("name_1", "a") == "a"
        mlflow.log_param("nested/nested/name", 5)
        mlflow.log_params({"name_2": 0.5, "name_3": None})
        with pytest.raises(MlflowException, match="Changing param values is not allowed") as refused:
            mlflow.log_params({"name_1": "c", "name_2": "d"})
        assert refused.value.error_code == "INVALID_PARAMETER_VALUE"
    assert client.get_run(run.info.run_id).data.params == {"name_1": "a", "nested/nested/name": "5", "name_2": "0.5", "name_3": "None"}


@pytest.mark.answers(f"{TRACKING}::test_log_metric_validation", f"{TRACKING}::test_log_batch_validates_entity_names_and_values")
def test_what_is_no_number_is_no_metric(client, run):
    for value in ("apple", None, [], {}):
        with pytest.raises((MlflowException, TypeError)):
            client.log_metric(run, "m", value)
        with pytest.raises((MlflowException, TypeError)):
            client.log_batch(run, metrics=[Metric("m", value, 0, 0)])
    assert client.get_run(run).data.metrics == {}


@pytest.mark.answers(f"{TRACKING}::test_log_batch_with_many_elements")
def test_more_than_a_batch_holds_goes_in_several(client):
    metrics = {f"m{i}": i * 2 for i in range(2001)}
    params = {f"p{i}": f"v{i}" for i in range(250)}
    tags = {f"t{i}": f"v{i}" for i in range(250)}
    with mlflow.start_run() as run:
        mlflow.log_metrics(metrics)
        mlflow.log_params(params)
        mlflow.set_tags(tags)
    data = client.get_run(run.info.run_id).data
    assert (data.metrics, data.params) == (metrics, params) and tags.items() <= data.tags.items()


@pytest.mark.answers(f"{FLUENT}::test_log_metric_async", f"{FLUENT}::test_log_param_async", f"{FLUENT}::test_log_param_async_throws",
                     f"{FLUENT}::test_set_tag_async", f"{FLUENT}::test_flush_async_logging", f"{FLUENT}::test_enable_async_logging")
def test_what_is_written_in_the_background_is_there_after_the_flush(client):
    with mlflow.start_run() as run:
        for step in range(100):
            mlflow.log_metric("m", step, step=step, synchronous=False)
        mlflow.log_metrics({f"m{i}": i for i in range(100)}, step=1, synchronous=False)
        mlflow.log_params({f"p{i}": i for i in range(100)}, synchronous=False)
        mlflow.set_tags({f"t{i}": i for i in range(100)}, synchronous=False)
        mlflow.log_param("p", 1, synchronous=False).wait()
        with pytest.raises(MlflowException, match="Changing param values is not allowed"):
            mlflow.log_param("p", 2, synchronous=False).wait()
    mlflow.flush_async_logging()
    data = client.get_run(run.info.run_id).data
    assert [point.value for point in client.get_metric_history(run.info.run_id, "m")] == list(range(100))
    assert data.metrics == {"m": 99} | {f"m{i}": i for i in range(100)}
    assert data.params == {"p": "1"} | {f"p{i}": str(i) for i in range(100)}
    assert {f"t{i}": str(i) for i in range(100)}.items() <= data.tags.items()


@pytest.mark.answers(f"{FLUENT}::test_set_experiment_tag", f"{FLUENT}::test_set_experiment_tags", f"{FLUENT}::test_delete_experiment_tag")
def test_tags_of_the_active_experiment(client, experiment):
    mlflow.set_experiment_tag("one", "abc")
    mlflow.set_experiment_tags({"new/nested/tag": "cbd", "number": 5})
    mlflow.delete_experiment_tag("one")
    assert client.get_experiment(experiment).tags == {"new/nested/tag": "cbd", "number": "5"}


@pytest.mark.answers(f"{TRACKING}::test_search_runs", f"{TRACKING}::test_search_runs_multiple_experiments", f"{FLUENT}::test_search_runs_attributes",
                     f"{FLUENT}::test_search_runs_data", f"{FLUENT}::test_search_runs_no_arguments", f"{FLUENT}::test_search_runs_by_experiment_name",
                     f"{FLUENT}::test_search_runs_by_non_existing_experiment_name", f"{FLUENT}::test_search_runs_by_experiment_id_and_name")
def test_runs_found_as_table_and_as_list(client, experiment, name):
    for number in range(3):
        with mlflow.start_run(run_name=f"r{number}") as run:
            mlflow.log_metric("mse", number)
            mlflow.log_param(f"p{number}", "v")
    other = mlflow.create_experiment(name)
    client.log_metric(client.create_run(other).info.run_id, "mse", 9)
    table = mlflow.search_runs(order_by=["metrics.mse ASC"])
    assert list(table["metrics.mse"]) == [0, 1, 2] and list(table["tags.mlflow.runName"]) == ["r0", "r1", "r2"]
    assert table.loc[2, "run_id"] == run.info.run_id and set(table["status"]) == {"FINISHED"} and set(table["experiment_id"]) == {experiment}
    assert list(table["params.p1"].fillna("")) == ["", "v", ""]
    assert len(mlflow.search_runs(experiment_names=[name], output_format="list")) == 1
    assert len(mlflow.search_runs([experiment, other], "metrics.mse > 1", ViewType.ACTIVE_ONLY, output_format="list")) == 2
    assert mlflow.search_runs(experiment_names=[None, unique("none")], output_format="list") == []
    with pytest.raises(MlflowException, match="Only experiment_ids or experiment_names can be used"):
        mlflow.search_runs(experiment_ids=["0"], experiment_names=[name])


@pytest.mark.answers(f"{FLUENT}::test_subprocess_inherit_active_experiment", f"{FLUENT}::test_subprocess_inherit_tracking_uri",
                     f"{FLUENT}::test_subprocess_inherit_registry_uri", f"{FLUENT}::test_get_experiment_id_from_env")
def test_a_program_that_is_started_writes_to_the_same_place(experiment):
    text = "import mlflow\nwith mlflow.start_run() as run: print(run.info.experiment_id, mlflow.get_registry_uri())"
    seen = subprocess.run([sys.executable, "-c", text], env=os.environ.copy(), capture_output=True, text=True, check=True).stdout
    assert f"{experiment} {mlflow.get_registry_uri()}" in seen.splitlines()
