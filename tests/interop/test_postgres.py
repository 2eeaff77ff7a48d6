# SPDX-License-Identifier: Apache-2.0
"""MLflow's client against servers that share one PostgreSQL database."""

import concurrent.futures
import pathlib

import mlflow
import pytest
from mlflow import MlflowClient

import millrace
from postgres import Postgres


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as server:
        yield server


@pytest.fixture
def database(postgres):
    return postgres.new_database()


def serve(workspace, database):
    return millrace.Server("--workspace", workspace, "--backend-store-uri", database)


def log(client, run_id, key, offset):
    for step in range(40):
        client.log_metric(run_id, key, step + offset, step=step)


def test_two_servers_see_each_others_work_at_once(tmp_path, database):
    with serve(tmp_path / "a", database) as a, serve(tmp_path / "b", database) as b:
        first, second = MlflowClient(a.url), MlflowClient(b.url)
        experiment = first.create_experiment("shared", tags={"team": "a"})
        assert second.get_experiment(experiment).tags == {"team": "a"}
        run = second.create_run(experiment).info.run_id
        first.log_param(run, "depth", 7)
        second.set_tag(run, "seen", "yes")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            # Equal points count once, so the two servers log different values.
            work = ((first, "loss", 0), (second, "loss", 0.5), (first, "auc", 0), (second, "auc", 0.5))
            jobs = [pool.submit(log, client, run, key, offset) for client, key, offset in work]
            for job in jobs:
                job.result()
        for client in (first, second):
            found = client.search_runs([experiment], "params.depth = '7' and tags.seen = 'yes' and metrics.loss > 38")
            assert [run.info.run_id for run in found] == [run]
            assert set(found[0].data.metrics) == {"loss", "auc"} and found[0].data.metrics["auc"] in (39, 39.5)
            steps = [point.step for point in client.get_metric_history(run, "auc")]
            assert sorted(steps) == sorted(list(range(40)) * 2)
        second.delete_run(run)
        assert first.search_runs([experiment]) == []
        first.create_registered_model("churn")
        with pytest.raises(mlflow.MlflowException, match="RESOURCE_ALREADY_EXISTS"):
            second.create_registered_model("churn")


def test_nothing_of_tracking_is_on_the_servers_disk(tmp_path, database):
    workspace = tmp_path / "workspace"
    with serve(workspace, database) as server:
        client = MlflowClient(server.url)
        run = client.create_run("0").info.run_id
        client.log_metric(run, "loss", 0.5)
        client.set_tag(run, "needle", "haystack-1848")
        client.create_registered_model("churn")
    holders = [path for path in workspace.rglob("*") if path.is_file() and b"haystack-1848" in path.read_bytes()]
    assert holders == []
    assert not list(workspace.glob("metadata.db*"))
    # Another machine goes on where this one ended.
    with serve(tmp_path / "other", database) as server:
        assert MlflowClient(server.url).get_run(run).data.tags["needle"] == "haystack-1848"


def test_server_goes_on_after_the_database_was_restarted(tmp_path, postgres, database):
    with serve(tmp_path, database) as server:
        client = MlflowClient(server.url)
        run = client.create_run("0").info.run_id
        client.log_metric(run, "loss", 0.5)
        postgres.stop()
        status, text, _ = server.request("POST", "/api/2.0/mlflow/runs/set-tag", {"run_id": run, "key": "k", "value": "v"})
        assert status == 503 and "TEMPORARILY_UNAVAILABLE" in text, text
        postgres.start()
        assert client.get_run(run).data.metrics == {"loss": 0.5}
        client.set_tag(run, "k", "again")
        assert client.get_run(run).data.tags["k"] == "again"


def test_password_is_never_shown(tmp_path, database):
    secret = database.replace("millrace@", "millrace:se-same-42@")
    shown = millrace.run("config", "show", "--backend-store-uri", secret, cwd=tmp_path, check=True).stdout
    assert "millrace:***@" in shown and "se-same-42" not in shown
    wrong = secret.replace("t1?", "nowhere?").rsplit("/", 1)[0] + "/nowhere"
    failed = millrace.run("runs", "list", "--workspace", tmp_path / "w", "--backend-store-uri", wrong, cwd=tmp_path)
    assert failed.returncode != 0 and "se-same-42" not in failed.stdout + failed.stderr


def test_mlflows_own_database_is_left_alone(tmp_path):
    path = pathlib.Path(tmp_path) / "mlflow.db"
    uri = f"sqlite:///{path}"
    MlflowClient(uri).create_experiment("theirs")
    before = path.read_bytes()
    failed = millrace.run("serve", "--port", "0", "--workspace", tmp_path / "w", "--backend-store-uri", uri, cwd=tmp_path)
    assert failed.returncode == 5, failed.stderr
    assert "millrace import mlflow" in failed.stderr
    assert path.read_bytes() == before
