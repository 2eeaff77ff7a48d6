# SPDX-License-Identifier: Apache-2.0
"""The `mlflow` command line, and plain REST as curl, R and other clients send it."""

import json
import pathlib
import sys
import time

import mlflow
import pytest
import requests
from click.testing import CliRunner
from mlflow.cli import cli

import millrace
from helpers import COMMAND, REST, STORE, unique


def command(server, *arguments):
    """The output of `mlflow ARGUMENTS`, run in this process (the program takes three seconds to start)."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments], env={"MLFLOW_TRACKING_URI": server.url, "MLFLOW_REGISTRY_URI": server.url})
    assert result.exit_code == 0, f"mlflow {' '.join(map(str, arguments))}: {result.output} {result.exception}"
    return result.output


@pytest.mark.answers(f"{REST}::test_delete_restore_experiment_cli", f"{REST}::test_rename_experiment_cli")
def test_experiments_from_the_command_line(server, client, name):
    command(server, "experiments", "create", "--experiment-name", name)
    experiment = client.get_experiment_by_name(name).experiment_id
    assert name in command(server, "experiments", "search", "--view", "all")
    assert name in command(server, "experiments", "get", "-x", experiment)
    command(server, "experiments", "delete", "-x", experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "deleted"
    command(server, "experiments", "restore", "-x", experiment)
    assert client.get_experiment(experiment).lifecycle_stage == "active"
    command(server, "experiments", "rename", "-x", experiment, "--new-name", f"{name}-renamed")
    assert client.get_experiment(experiment).name == f"{name}-renamed"


def test_an_experiment_as_a_table(server, client, experiment, tmp_path):
    run = client.create_run(experiment, run_name="first").info.run_id
    client.log_metric(run, "auc", 0.5)
    command(server, "experiments", "csv", "-x", experiment, "-o", tmp_path / "runs.csv")
    header, row = (tmp_path / "runs.csv").read_text().splitlines()
    assert run in row and "auc" in header


def test_runs_from_the_command_line(server, client, experiment, run):
    assert run in command(server, "runs", "list", "--experiment-id", experiment)
    assert json.loads(command(server, "runs", "describe", "--run-id", run))["info"]["run_id"] == run
    command(server, "runs", "delete", "--run-id", run)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    command(server, "runs", "restore", "--run-id", run)
    assert client.get_run(run).info.lifecycle_stage == "active"


def test_artifacts_from_the_command_line(server, run, tmp_path):
    (tmp_path / "a.txt").write_text("words")
    command(server, "artifacts", "log-artifact", "--run-id", run, "--local-file", tmp_path / "a.txt", "--artifact-path", "dir")
    assert [f["path"] for f in json.loads(command(server, "artifacts", "list", "--run-id", run, "--artifact-path", "dir"))] == ["dir/a.txt"]
    folder = command(server, "artifacts", "download", "--run-id", run, "--artifact-path", "dir", "--dst-path", tmp_path / "down").strip()
    assert (pathlib.Path(folder.splitlines()[-1]) / "a.txt").read_text() == "words"


def test_a_project_runs_against_the_server(server, client, experiment, tmp_path):
    (tmp_path / "MLproject").write_text("name: p\nentry_points:\n  main:\n    parameters:\n      alpha: {type: float, default: 0.1}\n"
                                        f"    command: \"{sys.executable} train.py {{alpha}}\"\n")
    (tmp_path / "train.py").write_text("import sys, mlflow\nwith mlflow.start_run():\n    mlflow.log_param('seen', sys.argv[1])\n")
    done = mlflow.projects.run(str(tmp_path), parameters={"alpha": 0.5}, experiment_id=experiment, env_manager="local")
    data = client.get_run(done.run_id).data
    assert data.params == {"alpha": "0.5", "seen": "0.5"} and data.tags["mlflow.project.entryPoint"] == "main"
    assert client.get_run(done.run_id).info.status == "FINISHED"


class R:
    """What MLflow's R client sends (its source: `mlflow_rest` in tracking-rest.R). R itself is not run here: one verb per call, JSON bodies
    with unboxed scalars and times in milliseconds as whole numbers, both names of the run's id, `User-Agent` of its own."""

    def __init__(self, url):
        self.session = requests.Session()
        self.session.headers["User-Agent"] = "mlflow-r-client/2.22.0"
        self.base = f"{url}/api/2.0/mlflow"

    def call(self, verb, *path, query=None, data=None):
        body = None if data is None else json.dumps(data)
        answer = self.session.request(verb, "/".join([self.base, *path]), params=query, data=body, headers={"Content-Type": "application/json"} if body else {},
                                      timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


def test_what_the_r_client_sends_works(server, name):
    r = R(server.url)
    experiment = r.call("POST", "experiments", "create", data={"name": name, "artifact_location": None, "tags": [{"key": "k", "value": "v"}]})["experiment_id"]
    found = r.call("GET", "experiments", "get-by-name", query={"experiment_name": name})["experiment"]
    assert (found["experiment_id"], found["tags"]) == (experiment, [{"key": "k", "value": "v"}])
    now = int(time.time() * 1000)
    created = r.call("POST", "runs", "create", data={"experiment_id": experiment, "user_id": "ada", "start_time": now,
                                                     "tags": [{"key": "mlflow.source.type", "value": "LOCAL"}]})
    run = created["run"]["info"]["run_uuid"]
    both = {"run_uuid": run, "run_id": run}
    assert r.call("POST", "runs", "log-metric", data={**both, "key": "m", "value": 0.5, "timestamp": now, "step": 0}) == {}
    assert r.call("POST", "runs", "log-metric", data={**both, "key": "nan", "value": "NaN", "timestamp": now, "step": 0}) == {}
    assert r.call("POST", "runs", "log-parameter", data={**both, "key": "p", "value": "1"}) == {}
    assert r.call("POST", "runs", "set-tag", data={**both, "key": "t", "value": "2"}) == {}
    assert r.call("POST", "runs", "log-batch", data={"run_id": run, "metrics": [{"key": "b", "value": 1, "timestamp": now, "step": 1}],
                                                     "params": [{"key": "q", "value": "3"}], "tags": []}) == {}
    ended = r.call("POST", "runs", "update", data={**both, "status": "FINISHED", "end_time": now + 5})["run_info"]
    assert (ended["status"], ended["end_time"]) == ("FINISHED", now + 5)
    whole = r.call("GET", "runs", "get", query=both)["run"]
    assert {m["key"]: m["value"] for m in whole["data"]["metrics"]} == {"m": 0.5, "nan": "NaN", "b": 1}
    assert {p["key"]: p["value"] for p in whole["data"]["params"]} == {"p": "1", "q": "3"}
    history = r.call("GET", "metrics", "get-history", query={**both, "metric_key": "m", "max_results": 10})["metrics"]
    assert history == [{"key": "m", "value": 0.5, "timestamp": now, "step": 0}]
    runs = r.call("POST", "runs", "search", data={"experiment_ids": [experiment], "filter": "metrics.m > 0.1", "run_view_type": "ACTIVE_ONLY",
                                                  "order_by": ["metrics.m DESC"]})["runs"]
    assert [x["info"]["run_id"] for x in runs] == [run]
    assert r.call("GET", "artifacts", "list", query={**both, "path": None})["root_uri"] == whole["info"]["artifact_uri"]
    assert r.call("POST", "runs", "delete", data={"run_id": run}) == r.call("POST", "runs", "restore", data={"run_id": run}) == {}
    model = unique("r")
    r.call("POST", "registered-models", "create", data={"name": model, "tags": [], "description": "from R"})
    version = r.call("POST", "model-versions", "create", data={"name": model, "source": f"{whole['info']['artifact_uri']}/model", "run_id": run})
    assert version["model_version"]["version"] == "1"
    staged = r.call("POST", "model-versions", "transition-stage", data={"name": model, "version": "1", "stage": "Production", "archive_existing_versions": True})
    assert staged["model_version"]["current_stage"] == "Production"
    latest = r.call("GET", "registered-models", "get-latest-versions", query={"name": model, "stages": "Production"})["model_versions"]
    assert [v["version"] for v in latest] == ["1"]
    r.call("DELETE", "model-versions", "delete", data={"name": model, "version": "1"})
    r.call("DELETE", "registered-models", "delete", data={"name": model})
    r.call("POST", "experiments", "delete", data={"experiment_id": experiment})


def test_answers_are_json_with_numbers_as_numbers(server, run):
    answer = server.get("runs/get", run_id=run)
    assert answer.headers["Content-Type"].split(";")[0] == "application/json"
    info = answer.json()["run"]["info"]
    assert isinstance(info["start_time"], int) and info["run_id"] == info["run_uuid"] == run
    assert answer.json()["run"]["data"]["tags"][0]["key"] == "mlflow.runName"
    assert "metrics" not in answer.json()["run"]["data"]


def test_one_connection_serves_many_requests(server, run):
    with requests.Session() as session:
        for number in range(50):
            body = {"run_id": run, "key": "m", "value": number, "timestamp": number, "step": number}
            assert session.post(f"{server.url}/api/2.0/mlflow/runs/log-metric", json=body, timeout=30).status_code == 200
    assert len(server.get("metrics/get-history", run_id=run, metric_key="m", max_results=100).json()["metrics"]) == 50


def test_asynchronous_logging_arrives_whole(server, experiment):
    with mlflow.start_run(experiment_id=experiment) as run:
        for step in range(200):
            mlflow.log_metric("x", step, step=step, synchronous=False)
        mlflow.log_params({f"p{i}": i for i in range(50)}, synchronous=False)
        mlflow.flush_async_logging()
    found = mlflow.get_run(run.info.run_id).data
    assert found.metrics == {"x": 199.0} and len(found.params) == 50
    assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "x")) == 200


def test_system_metrics_are_metrics_of_odd_names(server, experiment):
    names = ["system/cpu_utilization_percentage", "system/node_0/gpu_0_memory_usage_megabytes"]
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_metrics({name: 1.0 for name in names}, step=0)
    assert sorted(mlflow.get_run(run.info.run_id).data.metrics) == names


@pytest.mark.answers(f"{STORE}::test_hard_delete_run")
def test_a_deleted_run_goes_for_good(fresh, fresh_client, tmp_path):
    """`millrace gc` beside our server, `mlflow gc` beside MLflow's."""
    kept, gone = (fresh_client.create_run("0").info.run_id for _ in range(2))
    for run in (kept, gone):
        fresh_client.log_metric(run, "m", 100.0)
        fresh_client.log_param(run, "p", "100.0")
        fresh_client.set_tag(run, "t", "a boogie")
    fresh_client.delete_run(gone)
    folder = tmp_path / "fresh"
    if COMMAND:
        command(fresh, "gc", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--run-ids", gone)
    else:
        assert [run["run_id"] for run in millrace.run_json("gc", "--workspace", folder, "--yes")["runs"]] == [gone]
    with pytest.raises(mlflow.exceptions.MlflowException, match="not found") as error:
        fresh_client.get_run(gone)
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    assert fresh.get("metrics/get-history", run_id=gone, metric_key="m").status_code in (200, 404)
    assert [run.info.run_id for run in fresh_client.search_runs(["0"], run_view_type=mlflow.entities.ViewType.ALL)] == [kept]
    assert fresh_client.get_run(kept).data.metrics == {"m": 100.0}
