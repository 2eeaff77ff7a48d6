# SPDX-License-Identifier: Apache-2.0
"""What a pipeline writes, seen by MLflow's own client through the server, wherever artifacts are kept."""

import contextlib
import hashlib
import json
import pathlib
import sqlite3
import subprocess
import time

import mlflow
import numpy
import pandas
import pytest
from mlflow import MlflowClient

import millrace
import object_stores

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    with object_stores.destinations(tmp_path_factory.mktemp("destinations")) as kinds:
        yield kinds


class Place:
    """A starter project, a workspace and the arguments by which every command finds them and the artifacts."""

    def __init__(self, folder, destination):
        self.project = folder / "shop"
        self.workspace = folder / "workspace"
        self.options = ["--workspace", self.workspace]
        if destination is not None:
            self.options += ["--artifacts-destination", destination]
        millrace.run("init", self.project, check=True)

    def run(self, *more):
        return millrace.run_json("run", self.project, *self.options, *more)


@pytest.fixture(params=["workspace", "folder", "s3", "azure"])
def place(request, peers, tmp_path, monkeypatch):
    environment, destination = peers[request.param]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    made = Place(tmp_path, destination)
    made.kind = request.param
    return made


def connect(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    mlflow.set_tracking_uri(server.url)
    return MlflowClient()


def all_files(client, run_id, folder=None):
    for item in client.list_artifacts(run_id, folder):
        if item.is_dir:
            yield from all_files(client, run_id, item.path)
        else:
            yield item.path, item.file_size


def content(client, run_id):
    """SHA-256 of every file of a run, by path."""
    root = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run_id))
    return {path: hashlib.sha256((root / path).read_bytes()).hexdigest() for path, _ in all_files(client, run_id)}


def registered_files(workspace):
    """How many artifacts the workspace names by now."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{workspace}/metadata.db?mode=ro", uri=True)) as database:
            return database.execute("SELECT COUNT(*) FROM artifact_files").fetchone()[0]
    except sqlite3.OperationalError:
        return 0  # no database or no such table yet


def only_run(client):
    experiment = client.get_experiment_by_name("churn")
    (run,) = client.search_runs([experiment.experiment_id])
    return run


def assert_served(server, scores):
    row = scores.iloc[0]
    status, text, _ = server.post("/invocations", {"dataframe_records": [{"customer_id": int(row.customer_id)}]})
    assert status == 200 and json.loads(text)["predictions"] == [row.score], text


def test_the_client_reads_runs_and_loads_models_of_a_pipeline(place, monkeypatch):
    report = place.run()
    with millrace.Server(place.project, *place.options) as server:
        client = connect(server, monkeypatch)
        run = only_run(client)
        sizes = dict(all_files(client, run.info.run_id))
        assert {"evaluation/evaluation.html", "evaluation/metrics.json", "evaluation/reference.parquet",
                "project/training/churn.yaml"} < set(sizes)
        assert any(path.startswith("evaluation/plots/") for path in sizes)
        evaluation = pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="evaluation"))
        stable = place.workspace / "reports/train/evaluation"
        for path in ("evaluation.html", "metrics.json"):
            assert (evaluation / path).read_bytes() == (stable / path).read_bytes()
            assert sizes["evaluation/" + path] == (stable / path).stat().st_size

        scores = pandas.read_parquet(millrace.output(report, "scores.parquet"))
        version = client.get_model_version_by_alias("churn", "champion")
        uris = ["models:/churn@champion", f"models:/churn/{version.version}", version.source]
        for uri in uris:
            model = mlflow.pyfunc.load_model(uri)
            rows = scores[model.metadata.get_input_schema().input_names()].astype("float64")
            answer = model.predict(rows)
            theirs = answer["probability"] if isinstance(answer, pandas.DataFrame) else answer
            numpy.testing.assert_allclose(numpy.asarray(theirs, dtype="float64"), scores["score"], rtol=0, atol=TOLERANCE)

        assert_served(server, scores)
    if place.kind != "workspace":
        assert not list((place.workspace / "artifacts").rglob("*")), "files were left in the workspace"
    copies = list((place.workspace / "cache/artifacts").glob("*/MLmodel"))
    assert bool(copies) == (place.kind in ("s3", "azure"))
    for mlmodel in copies:
        for file in mlmodel.parent.iterdir():
            file.write_bytes(b"damaged")
    with millrace.Server(place.project, *place.options) as server:
        assert_served(server, scores)  # fetched again: copies are checked, not trusted


def test_a_pipeline_keeps_its_files_where_clients_write_them_themselves(peers, tmp_path, monkeypatch):
    """An artifact root in S3 is no place of the server's: each file is an object of its own name, which MLflow's client reads from S3."""
    for name, value in peers["s3"][0].items():
        monkeypatch.setenv(name, value)
    place = Place(tmp_path, None)
    with open(place.project / "millrace.yaml", "a") as file:
        file.write("default_artifact_root: s3://bucket/runs\n")
    report = place.run()
    assert millrace.statuses(place.run())["register"] == "cached", "the model was not found again"
    with millrace.Server(place.project, *place.options) as server:
        client = connect(server, monkeypatch)
        run = only_run(client)
        assert run.info.artifact_uri == f"s3://bucket/runs/{run.info.experiment_id}/{run.info.run_id}/artifacts"
        files = content(client, run.info.run_id)
        stable = place.workspace / "reports/train/evaluation"
        for path in ("evaluation.html", "metrics.json"):
            assert files["evaluation/" + path] == hashlib.sha256((stable / path).read_bytes()).hexdigest()
        assert "project/training/churn.yaml" in files
        scores = pandas.read_parquet(millrace.output(report, "scores.parquet"))
        model = mlflow.pyfunc.load_model("models:/churn@champion")
        answer = model.predict(scores[model.metadata.get_input_schema().input_names()].astype("float64"))
        theirs = answer["probability"] if isinstance(answer, pandas.DataFrame) else answer
        numpy.testing.assert_allclose(numpy.asarray(theirs, dtype="float64"), scores["score"], rtol=0, atol=TOLERANCE)
        assert_served(server, scores)
    assert not list((place.workspace / "artifacts").rglob("*")), "files were left in the workspace"


@pytest.mark.parametrize("place", ["workspace", "azure"], indirect=True)
def test_equal_files_are_kept_once_and_outlive_the_run_they_came_from(place, monkeypatch):
    first = place.run()["run_id"]
    training = place.project / "training/churn.yaml"
    training.write_text(training.read_text().replace("better_than_champion: true", "better_than_champion: false"))
    second = place.run()["run_id"]
    assert first != second
    with contextlib.closing(sqlite3.connect(place.workspace / "metadata.db")) as database:
        (named, kept), = database.execute("SELECT COUNT(*), COUNT(DISTINCT sha256) FROM artifact_files WHERE path LIKE '%/evaluation/%'")
        (stored,), = database.execute("SELECT COUNT(*) FROM artifact_blobs")
        (hashes,), = database.execute("SELECT COUNT(DISTINCT sha256) FROM artifact_files")
    assert named == 2 * kept and stored == hashes
    with millrace.Server(place.project, *place.options) as server:
        client = connect(server, monkeypatch)
        expected = content(client, second)
        client.delete_run(first)
        gone = millrace.run_json("gc", place.project, *place.options, "--yes")
        assert [run["run_id"] for run in gone["runs"]] == [first]
        assert content(client, second) == expected
        assert list(client.search_runs([client.get_run(second).info.experiment_id]))[0].info.run_id == second
        assert mlflow.pyfunc.load_model(client.get_model_version_by_alias("churn", "champion").source)


@pytest.mark.parametrize("place", ["workspace", "s3"], indirect=True)
def test_a_run_killed_while_it_registers_ends_with_the_same_run_and_files(place, monkeypatch):
    """Killed five times, each time a little after the first rows or files of its registration were seen."""
    twin = Place(place.workspace.parent / "twin", None)
    twin.run()
    for turn in range(5):
        child = subprocess.Popen([millrace.BINARY, "run", place.project, *map(str, place.options)], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        while child.poll() is None and not registered_files(place.workspace):
            time.sleep(0.002)
        time.sleep(0.03 * turn)
        child.kill()
        child.wait()
    place.run()
    with millrace.Server(twin.project, *twin.options) as server:
        client = connect(server, monkeypatch)
        expected = content(client, only_run(client).info.run_id)
    with millrace.Server(place.project, *place.options) as server:
        client = connect(server, monkeypatch)
        assert content(client, only_run(client).info.run_id) == expected
        assert len(client.search_model_versions("name = 'churn'")) == 1
        assert mlflow.pyfunc.load_model("models:/churn@champion").metadata.run_id == only_run(client).info.run_id
