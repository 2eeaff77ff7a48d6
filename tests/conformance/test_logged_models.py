# SPDX-License-Identifier: Apache-2.0
"""Logged models of MLflow 3: create, finalize, parameters, tags, search, artifacts."""

import itertools
import time

import mlflow
import pytest
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric
from mlflow.exceptions import MlflowException

from helpers import FLUENT, REST, STORE, client_of, unique


@pytest.mark.answers(f"{REST}::test_create_logged_model", f"{STORE}::test_create_logged_model")
def test_a_created_model_keeps_what_it_was_given(client, experiment, run):
    model = client.create_logged_model(experiment, name="my_model", source_run_id=run, model_type="LLM", tags={"t": "1"}, params={"p": "2"})
    found = client.get_logged_model(model.model_id)
    assert found.model_id.startswith("m-") and len(found.model_id) == 34
    assert (found.name, found.source_run_id, found.model_type, found.tags, found.params) == ("my_model", run, "LLM", {"t": "1"}, {"p": "2"})
    assert found.status == LoggedModelStatus.PENDING and found.experiment_id == experiment
    assert found.artifact_location == f"mlflow-artifacts:/{experiment}/models/{model.model_id}/artifacts"
    assert found.creation_timestamp == found.last_updated_timestamp > 1_600_000_000_000
    assert not found.metrics


@pytest.mark.answers(f"{STORE}::test_create_logged_model")
def test_without_a_name_one_is_made_up(client, experiment):
    first, second = (client.create_logged_model(experiment) for _ in range(2))
    assert first.name and second.name and first.model_id != second.model_id


@pytest.mark.answers(f"{REST}::test_create_logged_model")
def test_the_source_run_need_not_exist(client, experiment):
    assert client.create_logged_model(experiment, source_run_id="123").source_run_id == "123"


@pytest.mark.answers(f"{STORE}::test_create_logged_model")
def test_a_deleted_experiment_takes_no_models(client, experiment):
    client.delete_experiment(experiment)
    with pytest.raises(MlflowException, match="must be in the 'active' state"):
        client.create_logged_model(experiment)


@pytest.mark.answers(f"{STORE}::test_create_logged_model_invalid_name")
@pytest.mark.parametrize("name", ["my/model", "my.model", "my:model", "my%model", "my'model", 'my"model'])
def test_names_that_would_break_a_uri_are_refused(server, experiment, name):
    server.refused("logged-models", {"experiment_id": experiment, "name": name}, "Invalid model name")


@pytest.mark.answers(f"{REST}::test_log_logged_model_params", f"{STORE}::test_log_logged_model_params")
def test_parameters_can_be_added(client, experiment):
    model = client.create_logged_model(experiment, params={f"first{i}": str(i) for i in range(150)})
    client.log_model_params(model.model_id, {f"second{i}": str(i) for i in range(150)})
    params = client.get_logged_model(model.model_id).params
    assert len(params) == 300 and params["second149"] == "149"


@pytest.mark.answers(f"{REST}::test_finalize_logged_model", f"{STORE}::test_finalize_logged_model")
@pytest.mark.parametrize("status", [LoggedModelStatus.READY, LoggedModelStatus.FAILED])
def test_a_model_is_finalized_with_a_status(client, experiment, status):
    model = client.create_logged_model(experiment)
    assert client.finalize_logged_model(model.model_id, status).status == status
    assert client.get_logged_model(model.model_id).status == status


@pytest.mark.answers(f"{STORE}::test_get_logged_model", f"{STORE}::test_finalize_logged_model", f"{STORE}::test_set_logged_model_tags",
                     f"{STORE}::test_delete_logged_model_tag")
def test_an_unknown_model_is_not_found_everywhere(client):
    for call in (lambda: client.get_logged_model("m-absent"), lambda: client.finalize_logged_model("m-absent", LoggedModelStatus.READY),
                 lambda: client.set_logged_model_tags("m-absent", {"a": "1"}), lambda: client.delete_logged_model_tag("m-absent", "a"),
                 lambda: client.delete_logged_model("m-absent")):
        with pytest.raises(MlflowException, match="not found|Failed to get logged model"):
            call()


@pytest.mark.answers(f"{REST}::test_delete_logged_model", f"{STORE}::test_delete_logged_model")
def test_a_deleted_model_is_gone(client, experiment, run):
    model = client.create_logged_model(experiment, source_run_id=run)
    client.log_metric(run, "m", 0, model_id=model.model_id)
    client.delete_logged_model(model.model_id)
    with pytest.raises(MlflowException, match="not found"):
        client.get_logged_model(model.model_id)
    assert client.search_logged_models([experiment]) == []
    assert client.get_run(run).data.metrics == {"m": 0}


@pytest.mark.answers(f"{REST}::test_set_logged_model_tags", f"{STORE}::test_set_logged_model_tags", f"{REST}::test_delete_logged_model_tag",
                     f"{STORE}::test_delete_logged_model_tag")
def test_tags_are_set_overwritten_and_deleted(client, experiment):
    model = client.create_logged_model(experiment, tags={"a": "0"}).model_id
    client.set_logged_model_tags(model, {"b": "1", "c": "2"})
    client.set_logged_model_tags(model, {"c": "3"})
    assert client.get_logged_model(model).tags == {"a": "0", "b": "1", "c": "3"}
    client.delete_logged_model_tag(model, "b")
    assert client.get_logged_model(model).tags == {"a": "0", "c": "3"}
    with pytest.raises(MlflowException, match="No tag with key"):
        client.delete_logged_model_tag(model, "b")


def test_a_deleted_model_is_found_on_demand(server, client, experiment):
    model = client.create_logged_model(experiment, name="gone")
    client.delete_logged_model(model.model_id)
    assert server.get(f"logged-models/{model.model_id}").status_code == 404
    assert server.get(f"logged-models/{model.model_id}", allow_deleted="false").status_code == 404
    for yes in ("true", "True"):
        assert server.get(f"logged-models/{model.model_id}", allow_deleted=yes).json()["model"]["info"]["name"] == "gone"


@pytest.mark.answers(f"{STORE}::test_log_logged_model_params_on_deleted_model", f"{STORE}::test_set_logged_model_tags_on_deleted_model")
def test_a_late_write_does_not_bring_a_deleted_model_back(server, client, experiment):
    model = client.create_logged_model(experiment).model_id
    client.delete_logged_model(model)
    server.post(f"logged-models/{model}/params", {"params": [{"key": "p", "value": "1"}]})
    server.request("PATCH", f"logged-models/{model}/tags", json={"tags": [{"key": "t", "value": "1"}]})
    with pytest.raises(MlflowException, match="not found"):
        client.get_logged_model(model)


class Models:
    """Five models, a to e, that differ in what a search can ask for; newest first is edcba."""

    def __init__(self, url):
        self.client = client = client_of(url)
        self.experiment = client.create_experiment(unique("models"))
        self.run = client.create_run(self.experiment).info.run_id
        given = {"a": {"params": {"p": "val1"}}, "b": {"tags": {"t": "val1"}}, "c": {"model_type": "tree"},
                 "d": {"params": {"p": "val2"}, "tags": {"t": "val2", "two words": "x"}}, "e": {"source_run_id": self.run}}
        self.ids = {}
        for name, options in given.items():
            self.ids[name] = client.create_logged_model(self.experiment, name=f"model_{name}", **options).model_id
            time.sleep(0.002)
        client.finalize_logged_model(self.ids["a"], LoggedModelStatus.READY)

        times = itertools.count(1)

        def point(model, value, dataset=None, key="m"):
            named = {"dataset_name": dataset[0], "dataset_digest": dataset[1]} if dataset else {}
            return Metric(key, value, next(times), 0, model_id=self.ids[model], run_id=self.run, **named)

        one, two = ("data1", "digest1"), ("data2", "digest2")
        client.log_batch(self.run, metrics=[point("a", 0.9, one), point("a", 0.8, two), point("b", 0.7, one), point("b", 0.95, two),
                                            point("c", 0.1), point("c", 5.0, key="other")])
        self.names = {model: name for name, model in self.ids.items()}

    def found(self, text=None, **options):
        return "".join(self.names[m.model_id] for m in self.client.search_logged_models([self.experiment], text, **options))


@pytest.fixture(scope="module")
def models(server):
    return Models(server.url)


@pytest.mark.answers(f"{REST}::test_search_logged_models", f"{STORE}::test_search_logged_models", f"{STORE}::test_search_logged_models_filter_string")
@pytest.mark.parametrize("text,expected", [
    (None, "edcba"), ("name = 'model_a'", "a"), ("attributes.name = 'model_b'", "b"), ("name != 'model_a'", "edcb"), ("name LIKE 'model%'", "edcba"),
    ("name ILIKE 'MODEL_C'", "c"), ("name IN ('model_a')", "a"), ("name IN ('model_a',)", "a"), ("name IN ('model_a', 'model_e')", "ea"),
    ("name NOT IN ('model_a', 'model_e')", "dcb"), ("creation_timestamp > 0", "edcba"), ("creation_timestamp = 0", ""),
    ("last_updated_timestamp > 0", "edcba"), ("model_type = 'tree'", "c"),
    ("params.p = 'val1'", "a"), ("params.p LIKE 'val%'", "da"), ("tags.t = 'val1'", "b"), ("tags.`two words` = 'x'", "d"),
    ("params.p = 'val2' AND tags.t = 'val2'", "d"), ("metrics.m > 0.5", "ba"), ("metrics.m < 0.5", "c"), ("metrics.other = 5", "c"),
    ("metrics.m >= 0.95", "b"), ("metrics.absent > 0", ""),
])
def test_models_found_by_filter(models, text, expected):
    assert models.found(text) == expected


def test_models_found_by_id_and_run(models):
    assert models.found(f"source_run_id = '{models.run}'") == "e"
    assert models.found(f"model_id = '{models.ids['b']}'") == "b"


@pytest.mark.answers(f"{STORE}::test_search_logged_models_invalid_filter_string")
@pytest.mark.parametrize("text,message", [
    ("Foo", "Invalid filter string"), ("name = 'foo' OR name = 'bar'", "Invalid filter string"), ("foo.bar = 'a'", "Invalid entity type"),
    ("name > 'foo'", "Invalid comparison operator"), ("metrics.foo LIKE 0", "Invalid comparison operator"),
])
def test_a_filter_on_models_that_means_nothing_is_refused(server, models, text, message):
    server.refused("logged-models/search", {"experiment_ids": [models.experiment], "filter": text}, message)


@pytest.mark.answers(f"{REST}::test_search_logged_models", f"{STORE}::test_search_logged_models_order_by",
                     f"{STORE}::test_search_logged_models_order_by_dataset")
@pytest.mark.parametrize("order,expected", [
    ({"field_name": "creation_timestamp", "ascending": True}, "abcde"), ({"field_name": "creation_timestamp", "ascending": False}, "edcba"),
    ({"field_name": "creation_time", "ascending": True}, "abcde"), ({"field_name": "name"}, "abcde"),
    ({"field_name": "name", "ascending": False}, "edcba"),
    ({"field_name": "metrics.m", "dataset_name": "data1", "dataset_digest": "digest1"}, "ba"),
    ({"field_name": "metrics.m", "dataset_name": "data2", "dataset_digest": "digest2"}, "ab"),
    ({"field_name": "metrics.m", "dataset_name": "data1"}, "ba"), ({"field_name": "metrics.m", "dataset_digest": "digest2"}, "ab"),
    ({"field_name": "metrics.other", "ascending": True}, "c"), ({"field_name": "metrics.other", "ascending": False}, "c"),
])
def test_models_in_order_and_those_without_the_metric_last(models, order, expected):
    found = models.found(order_by=[order])
    assert found.startswith(expected) and sorted(found) == list("abcde")


@pytest.mark.answers(f"{REST}::test_search_logged_models", f"{STORE}::test_search_logged_models_datasets_filter")
@pytest.mark.parametrize("text,datasets,expected", [
    (None, [{"dataset_name": "data1", "dataset_digest": "digest1"}], "ab"),
    ("metrics.m >= 0.9", [{"dataset_name": "data2", "dataset_digest": "digest2"}], "b"),
    (None, [{"dataset_name": "absent"}], ""), (None, [{"dataset_name": "data1", "dataset_digest": "digest2"}], ""),
])
def test_models_with_metrics_on_a_dataset(models, text, datasets, expected):
    assert sorted(models.found(text, datasets=datasets)) == sorted(expected)


@pytest.mark.answers(f"{REST}::test_search_logged_models", f"{STORE}::test_search_logged_models_pagination")
def test_pages_of_models_and_their_token(models):
    client = models.client
    first = client.search_logged_models([models.experiment], max_results=2)
    second = client.search_logged_models([models.experiment], max_results=2, page_token=first.token)
    third = client.search_logged_models([models.experiment], max_results=100, page_token=second.token)
    assert "".join(models.names[m.model_id] for m in [*first, *second, *third]) == "edcba" and third.token is None
    with pytest.raises(MlflowException, match="Experiment IDs in the page token do not match"):
        client.search_logged_models(["0"], page_token=first.token)
    with pytest.raises(MlflowException, match="Order by in the page token does not match"):
        client.search_logged_models([models.experiment], order_by=[{"field_name": "name"}], page_token=first.token)
    with pytest.raises(MlflowException, match="Filter string in the page token does not match"):
        client.search_logged_models([models.experiment], "name = 'x'", page_token=first.token)


def test_models_of_several_experiments(models):
    client, other = models.client, models.client.create_experiment(unique("other"))
    newest = client.create_logged_model(other)
    found = client.search_logged_models([models.experiment, other])
    assert [m.model_id for m in found] == [newest.model_id] + [models.ids[name] for name in "edcba"]


@pytest.mark.answers(f"{REST}::test_log_outputs", f"{STORE}::test_log_outputs", f"{STORE}::test_search_runs_returns_outputs")
def test_outputs_of_a_run_are_seen_by_get_and_by_search(client, experiment, run):
    outputs = [LoggedModelOutput(client.create_logged_model(experiment).model_id, step) for step in (1, 2)]
    client.log_outputs(run, outputs)
    key = lambda output: output.step  # noqa: E731
    assert sorted(client.get_run(run).outputs.model_outputs, key=key) == outputs
    [found] = client.search_runs([experiment])
    assert sorted(found.outputs.model_outputs, key=key) == outputs


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[str], params=None) -> list[str]:
        return model_input


@pytest.fixture(scope="module")
def logged(server):
    """A model that the client logged with all its files."""
    mlflow.set_tracking_uri(server.url)
    with mlflow.start_run(experiment_id=client_of(server.url).create_experiment(unique("logged"))):
        return mlflow.pyfunc.log_model(name="model", python_model=Echo(), pip_requirements=["mlflow"])


@pytest.mark.answers(f"{REST}::test_list_logged_model_artifacts", f"{REST}::test_get_logged_model_artifact",
                     f"{REST}::test_logging_model_with_local_artifact_uri")
def test_files_of_a_logged_model_are_listed_and_read(server, logged):
    base = f"/ajax-api/2.0/mlflow/logged-models/{logged.model_id}/artifacts"
    listed = server.get(f"{base}/directories").json()
    assert {"MLmodel", "python_model.pkl", "requirements.txt"} <= {f["path"] for f in listed["files"]}
    answer = server.get(f"{base}/files", artifact_file_path="MLmodel")
    assert answer.status_code == 200 and logged.model_id in answer.text
    assert server.get(f"{base}/files", artifact_file_path="../../secret").status_code == 400


def test_the_logged_model_loads_by_every_address(client, logged):
    for uri in (logged.model_uri, f"models:/{logged.model_id}", f"runs:/{logged.run_id}/model"):
        assert mlflow.pyfunc.load_model(uri).predict(["x", "y"]) == ["x", "y"]
    found = client.get_logged_model(logged.model_id)
    assert found.status == LoggedModelStatus.READY and found.source_run_id == logged.run_id
    assert [o.model_id for o in client.get_run(logged.run_id).outputs.model_outputs] == [logged.model_id]


def test_a_model_can_be_logged_after_a_nan_metric(server, experiment):
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_metric("x", float("nan"), step=1)
        mlflow.log_metric("y", 2.0, step=1)
        info = mlflow.pyfunc.log_model(name="model", python_model=Echo(), pip_requirements=["mlflow"], step=1)
    metrics = {m.key: m.value for m in mlflow.get_logged_model(info.model_id).metrics or []}
    assert metrics.get("y", 2.0) == 2.0
    assert mlflow.get_run(run.info.run_id).info.status == "FINISHED"


@pytest.mark.answers(f"{FLUENT}::test_initialize_logged_model_active_run", f"{FLUENT}::test_initialize_logged_model_tags_from_context",
                     f"{FLUENT}::test_log_model_params", f"{FLUENT}::test_finalized_logged_model", f"{FLUENT}::test_set_and_delete_model_tag",
                     f"{FLUENT}::test_last_logged_model")
def test_a_model_in_steps(client, experiment):
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run() as run:
        model = mlflow.initialize_logged_model()
    assert (model.source_run_id, model.experiment_id, model.status) == (run.info.run_id, experiment, LoggedModelStatus.PENDING)
    assert {"mlflow.source.name", "mlflow.source.type"} <= model.tags.keys()
    params = {f"p{i}": f"v{i}" for i in range(150)}
    mlflow.log_model_params(params, model_id=model.model_id)
    mlflow.set_logged_model_tags(model.model_id, {"t": "1", "u": "2"})
    mlflow.delete_logged_model_tag(model.model_id, "u")
    for status in (LoggedModelStatus.READY, "READY"):
        assert mlflow.finalize_logged_model(model.model_id, status).status == LoggedModelStatus.READY
    last = mlflow.last_logged_model()
    assert (last.model_id, last.params, last.tags["t"]) == (model.model_id, params, "1") and "u" not in last.tags
    assert not mlflow.initialize_logged_model().source_run_id


@pytest.mark.answers(f"{FLUENT}::test_create_external_model", f"{FLUENT}::test_log_model_params_active_model")
def test_a_model_that_lies_elsewhere(experiment, run, tmp_path):
    mlflow.set_experiment(experiment_id=experiment)
    model = mlflow.create_external_model(source_run_id=run)
    assert (model.status, model.experiment_id, model.tags["mlflow.model.isExternal"]) == (LoggedModelStatus.READY, experiment, "true")
    mlflow.artifacts.download_artifacts(f"models:/{model.model_id}", dst_path=str(tmp_path))
    assert mlflow.models.Model.load(str(tmp_path / "MLmodel")).metadata == {"mlflow.model.isExternal": True}
    with mlflow.set_active_model(model_id=model.model_id):
        mlflow.log_model_params({"p": "v"})
    assert mlflow.get_logged_model(model.model_id).params == {"p": "v"}


@pytest.mark.answers(f"{FLUENT}::test_set_active_model", f"{FLUENT}::test_set_active_model_error", f"{FLUENT}::test_log_metric_link_to_active_model",
                     f"{FLUENT}::test_log_metrics_link_to_active_model", f"{FLUENT}::test_log_metrics_with_active_model_log_model_once",
                     f"{FLUENT}::test_log_metric_with_dataset_entity", f"{FLUENT}::test_set_logged_model_tags_error")
def test_metrics_go_to_the_active_model(experiment, name):
    mlflow.set_experiment(experiment_id=experiment)
    first, second = (mlflow.create_external_model(name=name) for _ in range(2))
    try:
        mlflow.set_active_model(name=name)
        assert mlflow.get_active_model_id() == second.model_id  # the newest of that name
        with mlflow.set_active_model(model_id=first.model_id), mlflow.start_run() as run:
            mlflow.log_metric("m", 1)
            mlflow.log_metrics({"a": 2, "b": 3})
        assert mlflow.get_active_model_id() == second.model_id
        with pytest.raises(MlflowException, match="does not match the provided name"):
            mlflow.set_active_model(name="abc", model_id=first.model_id)
        with pytest.raises(MlflowException, match="1234.* not found"):
            mlflow.set_active_model(model_id="1234")
        with pytest.raises(MlflowException, match="Failed to get logged model with ID 1234"):
            mlflow.set_logged_model_tags("1234", {"t": "1"})
    finally:
        mlflow.clear_active_model()
    metrics = mlflow.get_logged_model(first.model_id).metrics
    assert {(m.key, m.value, m.run_id) for m in metrics} == {("m", 1, run.info.run_id), ("a", 2, run.info.run_id), ("b", 3, run.info.run_id)}
    assert not mlflow.get_logged_model(second.model_id).metrics


@pytest.mark.answers(f"{FLUENT}::test_search_logged_models", f"{FLUENT}::test_search_logged_models_pagination",
                     f"{FLUENT}::test_search_logged_models_max_results")
def test_all_models_come_page_by_page(client, experiment):
    for number in range(105):  # a page has 50
        client.create_logged_model(experiment, name=f"m{number}")
    found = mlflow.search_logged_models([experiment], output_format="list", order_by=[{"field_name": "creation_timestamp", "ascending": True}])
    assert [model.name for model in found] == [f"m{number}" for number in range(105)]
    assert len(mlflow.search_logged_models([experiment], max_results=70, output_format="list")) == 70


@pytest.mark.answers(f"{FLUENT}::test_set_active_model_link_traces")
def test_traces_name_the_active_model(client, experiment, name):
    mlflow.set_experiment(experiment_id=experiment)

    @mlflow.trace
    def predict(value):
        return value

    try:
        active = mlflow.set_active_model(name=name)
        predict(1)
        with mlflow.set_active_model(name=f"{name}-other") as other:
            predict(2)
    finally:
        mlflow.clear_active_model()
    mlflow.flush_trace_async_logging()
    found = mlflow.search_traces(locations=[experiment], model_id=active.model_id, return_type="list")
    assert [trace.info.trace_metadata["mlflow.modelId"] for trace in found] == [active.model_id]
    everything = mlflow.search_traces(locations=[experiment], return_type="list")
    assert {trace.info.trace_metadata["mlflow.modelId"] for trace in everything} == {active.model_id, other.model_id}
