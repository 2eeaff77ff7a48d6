# SPDX-License-Identifier: Apache-2.0
"""Checks that MLflow's 2.22 client makes; run as a program by that client's Python (see test_older_client.py), it prints a JSON object."""

import json
import math
import pathlib
import sys
import tempfile
import traceback
import uuid


def name():
    return f"older-{uuid.uuid4().hex[:10]}"


def experiments(client, mlflow):
    text = name()
    experiment = client.create_experiment(text, tags={"k": "v"})
    assert client.get_experiment_by_name(text).experiment_id == experiment and client.get_experiment(experiment).tags == {"k": "v"}
    assert [e.name for e in client.search_experiments(filter_string=f"name = '{text}'")] == [text]
    client.rename_experiment(experiment, text + "2")
    client.set_experiment_tag(experiment, "t", "1")
    client.delete_experiment(experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    client.restore_experiment(experiment)
    assert client.get_experiment(experiment).name == text + "2"


def runs(client, mlflow):
    experiment = client.create_experiment(name())
    run = client.create_run(experiment, start_time=5, tags={"mlflow.user": "ada"}, run_name="one").info
    assert (run.run_name, run.user_id, run.start_time, run.status) == ("one", "ada", 5, "RUNNING")
    client.log_param(run.run_id, "p", 1)
    client.set_tag(run.run_id, "t", "x")
    client.log_metric(run.run_id, "nan", math.nan)
    for step in range(5):
        client.log_metric(run.run_id, "m", step * 0.5, 100 + step, step)
    data = client.get_run(run.run_id).data
    assert data.params == {"p": "1"} and data.tags["t"] == "x" and data.metrics["m"] == 2.0 and math.isnan(data.metrics["nan"])
    assert [m.value for m in client.get_metric_history(run.run_id, "m")] == [0, 0.5, 1, 1.5, 2]
    client.update_run(run.run_id, name="two")
    client.set_terminated(run.run_id, "FAILED")
    assert (client.get_run(run.run_id).info.run_name, client.get_run(run.run_id).info.status) == ("two", "FAILED")
    client.delete_tag(run.run_id, "t")
    client.delete_run(run.run_id)
    assert client.get_run(run.run_id).info.lifecycle_stage == "deleted"
    client.restore_run(run.run_id)


def batches(client, mlflow):
    from mlflow.entities import Metric, Param, RunTag
    run = client.create_run(client.create_experiment(name())).info.run_id
    client.log_batch(run, [Metric(f"m{i}", float(i), 1, 0) for i in range(500)], [Param("p", "v")], [RunTag("t", "w")])
    data = client.get_run(run).data
    assert len(data.metrics) == 500 and data.params == {"p": "v"} and data.tags["t"] == "w"
    try:
        client.log_batch(run, params=[Param("p", "other")])
    except mlflow.exceptions.MlflowException as error:
        assert error.error_code == "INVALID_PARAMETER_VALUE" and "Changing param values is not allowed" in str(error)
    else:
        raise AssertionError("a changed parameter was taken")


def search(client, mlflow):
    experiment = client.create_experiment(name())
    ids = [client.create_run(experiment, start_time=1 + i).info.run_id for i in range(7)]
    for number, run in enumerate(ids):
        client.log_metric(run, "m", number)
        client.log_param(run, "p", "even" if number % 2 == 0 else "odd")
    found = client.search_runs([experiment], "metrics.m >= 2 AND params.p = 'even'", order_by=["metrics.m DESC"])
    assert [r.info.run_id for r in found] == [ids[6], ids[4], ids[2]]
    page = client.search_runs([experiment], max_results=4)
    rest = client.search_runs([experiment], max_results=4, page_token=page.token)
    assert [r.info.run_id for r in [*page, *rest]] == ids[::-1] and not rest.token


def fluent(client, mlflow):
    mlflow.set_experiment(name())
    with mlflow.start_run(run_name="outer") as run:
        mlflow.log_params({"a": 1, "b": 2})
        mlflow.log_metrics({"x": 1.0, "y": 2.0}, step=1)
        mlflow.set_tags({"t": "1"})
        with mlflow.start_run(nested=True) as child:
            mlflow.log_metric("inner", 1)
    found = mlflow.get_run(run.info.run_id)
    assert found.data.params == {"a": "1", "b": "2"} and found.data.metrics == {"x": 1.0, "y": 2.0} and found.info.status == "FINISHED"
    assert mlflow.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run.info.run_id


def artifacts(client, mlflow):
    run = client.create_run(client.create_experiment(name())).info.run_id
    with tempfile.TemporaryDirectory() as text:
        folder = pathlib.Path(text)
        (folder / "dir").mkdir()
        (folder / "a.txt").write_text("0")
        (folder / "dir/b.txt").write_text("11")
        client.log_artifact(run, str(folder / "a.txt"))
        client.log_artifacts(run, text, "whole")
        assert sorted(f.path for f in client.list_artifacts(run)) == ["a.txt", "whole"]
        assert sorted(f.path for f in client.list_artifacts(run, "whole")) == ["whole/a.txt", "whole/dir"]
        assert pathlib.Path(client.download_artifacts(run, "whole/dir/b.txt")).read_text() == "11"
    client.log_dict(run, {"k": 1}, "dict.json")
    assert mlflow.artifacts.load_dict(f"runs:/{run}/dict.json") == {"k": 1}


def inputs(client, mlflow):
    from mlflow.entities import Dataset, DatasetInput, InputTag
    run = client.create_run(client.create_experiment(name())).info.run_id
    client.log_inputs(run, [DatasetInput(Dataset("n", "d", "local", "s"), [InputTag("mlflow.data.context", "train")])])
    [found] = client.get_run(run).inputs.dataset_inputs
    assert (found.dataset.name, found.tags[0].value) == ("n", "train")


def logged_models_in_a_tag(client, mlflow):
    from mlflow.models import Model
    run = client.create_run(client.create_experiment(name())).info.run_id
    client._record_logged_model(run, Model(artifact_path="model", run_id=run))
    assert json.loads(client.get_run(run).data.tags["mlflow.log-model.history"])[0]["artifact_path"] == "model"


def registry(client, mlflow):
    model = name()
    client.create_registered_model(model, {"k": "v"}, "words")
    for number in range(3):
        assert client.create_model_version(model, "s3://bucket/model", "run").version == str(number + 1)
    client.transition_model_version_stage(model, 1, "Production")
    client.transition_model_version_stage(model, 2, "Production", archive_existing_versions=True)
    assert {v.current_stage: v.version for v in client.get_latest_versions(model)} == {"Archived": "1", "Production": "2", "None": "3"}
    client.set_registered_model_alias(model, "champion", "3")
    assert client.get_model_version_by_alias(model, "champion").version == "3" and client.get_model_version(model, "3").aliases == ["champion"]
    client.set_model_version_tag(model, "1", "t", "x")
    client.update_model_version(model, "1", "described")
    version = client.get_model_version(model, "1")
    assert (version.tags, version.description) == ({"t": "x"}, "described")
    assert client.get_model_version_download_uri(model, "1") == "s3://bucket/model"
    assert [v.version for v in client.search_model_versions(f"name = '{model}'", order_by=["version_number ASC"])] == ["1", "2", "3"]
    client.delete_model_version(model, "3")
    assert client.get_registered_model(model).aliases == {}
    client.rename_registered_model(model, model + "-2")
    assert [m.name for m in client.search_registered_models(f"name = '{model}-2'")] == [model + "-2"]
    client.delete_registered_model(model + "-2")


def errors(client, mlflow):
    for call, code in ((lambda: client.get_run("0" * 32), "RESOURCE_DOES_NOT_EXIST"), (lambda: client.get_registered_model("absent"), "RESOURCE_DOES_NOT_EXIST"),
                       (lambda: client.get_experiment("987654321"), "RESOURCE_DOES_NOT_EXIST"),
                       (lambda: client.search_runs(["0"], "nonsense"), "INVALID_PARAMETER_VALUE")):
        try:
            call()
        except mlflow.exceptions.MlflowException as error:
            assert error.error_code == code, error
        else:
            raise AssertionError("no error was raised")


FUNCTIONS = {check.__name__: check for check in (experiments, runs, batches, search, fluent, artifacts, inputs, logged_models_in_a_tag, registry,
                                                 errors)}
CHECKS = list(FUNCTIONS)


def main():
    import mlflow
    assert mlflow.__version__.startswith("2.22."), mlflow.__version__
    mlflow.set_tracking_uri(sys.argv[1])
    outcomes = {}
    for check, function in FUNCTIONS.items():
        try:
            function(mlflow.MlflowClient(sys.argv[1]), mlflow)
            outcomes[check] = "ok"
        except Exception:  # noqa: BLE001 (reported to the test)
            outcomes[check] = traceback.format_exc()
    print(json.dumps(outcomes))


if __name__ == "__main__":
    main()
