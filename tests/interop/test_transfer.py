# SPDX-License-Identifier: Apache-2.0
"""Import from and export to MLflow's stores: what its own client reads before and after must be the same."""

import math
import os
import pathlib
import subprocess
import sys

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

import millrace

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILL = ROOT / "tests/support/fill_mlflow.py"
MLFLOW_2 = ROOT / "third_party/pytest-2.22/bin/python"


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    # MLflow's databases keep files below the current folder unless told otherwise.
    monkeypatch.chdir(tmp_path)
    # The newest client still reads its old file store, but only when told to.
    for name in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "true")


def fill(python, uri, folder):
    done = subprocess.run([str(python), str(FILL), uri], cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def value_of(value):
    return "NaN" if math.isnan(value) else value


def files_of(client, run_id, path=None):
    files = {}
    for item in client.list_artifacts(run_id, path):
        if item.is_dir:
            files.update(files_of(client, run_id, item.path))
        else:
            files[item.path] = pathlib.Path(client.download_artifacts(run_id, item.path)).read_bytes()
    return files


def run_content(client, run, reads_deleted):
    data = run.data
    is_read = reads_deleted or run.info.lifecycle_stage == "active"
    return {
        "name": run.info.run_name, "status": run.info.status, "stage": run.info.lifecycle_stage, "user": run.info.user_id,
        "start": run.info.start_time, "end": run.info.end_time, "params": data.params, "tags": data.tags,
        "metrics": {key: value_of(value) for key, value in data.metrics.items()},
        "history": {key: [(m.timestamp, m.step, value_of(m.value)) for m in client.get_metric_history(run.info.run_id, key)]
                    for key in data.metrics} if is_read else None,
        "datasets": [(i.dataset.name, i.dataset.digest, i.dataset.source_type, i.dataset.source, i.dataset.schema, i.dataset.profile,
                      {t.key: t.value for t in i.tags}) for i in run.inputs.dataset_inputs],
        # A deleted run's files are not shown by every store.
        "files": files_of(client, run.info.run_id) if run.info.lifecycle_stage == "active" else None,
    }


def content(uri, reads_deleted=True):
    """Everything that the real client reads, without locations and times of registration. The file store has no histories of deleted runs."""
    client = MlflowClient(uri, uri)
    experiments = {}
    for experiment in client.search_experiments(view_type=ViewType.ALL):
        runs = client.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL)
        experiments[experiment.name] = {
            "id": experiment.experiment_id, "stage": experiment.lifecycle_stage, "tags": experiment.tags,
            "runs": {run.info.run_id: run_content(client, run, reads_deleted) for run in runs}}
    models = {}
    for model in client.search_registered_models():
        versions = client.search_model_versions(f"name = '{model.name}'")
        models[model.name] = {
            "description": model.description, "tags": model.tags, "aliases": {a: int(v) for a, v in model.aliases.items()},
            "versions": {int(v.version): (v.description, v.tags, v.current_stage, v.run_id) for v in versions}}
    return {"experiments": experiments, "models": models}


def import_and_read(where, workspace, reads_deleted=True):
    report = millrace.run_json("import", "mlflow", where, "--workspace", workspace)
    with millrace.Server("--workspace", workspace) as server:
        return report, content(server.url, reads_deleted)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database that the newest MLflow wrote, and what its client reads from it."""
    folder = tmp_path_factory.mktemp("mlflow3")
    uri = f"sqlite:///{folder}/mlflow.db"
    fill(sys.executable, uri, folder)
    return uri, content(uri)


def test_a_database_of_mlflow_3_arrives_whole(database, tmp_path):
    uri, expected = database
    report, seen = import_and_read(uri, tmp_path / "w")
    assert seen == expected
    assert report["runs"] == 4
    assert report["metric_values"] == 506
    assert report["left_files"] == []


def test_importing_twice_changes_nothing(database, tmp_path):
    uri, expected = database
    import_and_read(uri, tmp_path / "w")
    _, seen = import_and_read(uri, tmp_path / "w")
    assert seen == expected


def test_importing_leaves_the_database_as_it_was(database, tmp_path):
    path = pathlib.Path(database[0].removeprefix("sqlite:///"))
    before = path.read_bytes()
    millrace.run("import", "mlflow", database[0], "--workspace", tmp_path / "w", check=True)
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.glob("mlflow.db*")) == ["mlflow.db"]


def test_a_taken_experiment_id_is_kept_as_a_tag(database, tmp_path):
    millrace.run("init", tmp_path / "empty", check=True)
    workspace = tmp_path / "w"
    millrace.run("import", "mlflow", database[0], "--workspace", workspace, check=True)
    other = tmp_path / "other"
    other.mkdir()
    fill(sys.executable, f"sqlite:///{other}/b.db", other)
    client = MlflowClient(f"sqlite:///{other}/b.db")
    old = client.get_experiment_by_name("churn").experiment_id
    client.rename_experiment(old, "churn of another team")
    millrace.run("import", "mlflow", f"sqlite:///{other}/b.db", "--workspace", workspace, check=True)
    seen = {e["name"]: e for e in millrace.run_json("experiments", "list", "--workspace", workspace)}
    renamed = seen["churn of another team"]
    assert renamed["experiment_id"] != old
    assert renamed["tags"]["millrace.imported.experiment_id"] == old
    assert seen["churn"]["experiment_id"] == old


def test_a_file_store_of_mlflow_2_makes_the_round_trip(tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    uri = f"file://{folder}/mlruns"
    fill(MLFLOW_2, uri, folder)
    expected = content(uri, reads_deleted=False)
    _, seen = import_and_read(folder / "mlruns", tmp_path / "w", reads_deleted=False)
    assert seen == expected
    millrace.run("export", "mlflow", tmp_path / "back/mlruns", "--workspace", tmp_path / "w", check=True)
    assert content(f"file://{tmp_path}/back/mlruns", reads_deleted=False) == expected
    _, again = import_and_read(tmp_path / "back/mlruns", tmp_path / "w2", reads_deleted=False)
    assert again == expected


def test_a_database_makes_the_round_trip(database, tmp_path):
    uri, expected = database
    import_and_read(uri, tmp_path / "w")
    target = f"sqlite:///{tmp_path}/target.db"
    refused = millrace.run("export", "mlflow", target, "--workspace", tmp_path / "w")
    assert refused.returncode == 3
    assert "mlflow experiments search" in refused.stderr
    # As the hint says: MLflow makes its tables itself.
    MlflowClient(target).search_experiments()
    millrace.run("export", "mlflow", target, "--workspace", tmp_path / "w", check=True)
    assert content(target) == expected


def test_a_server_is_a_source_and_a_target(database, tmp_path):
    uri, expected = database
    import_and_read(uri, tmp_path / "w")
    with millrace.Server("--workspace", tmp_path / "w") as server:
        _, seen = import_and_read(server.url, tmp_path / "w2")
        assert seen == expected
    with millrace.Server("--workspace", tmp_path / "empty") as target:
        millrace.run("export", "mlflow", target.url, "--workspace", tmp_path / "w", check=True)
        there = content(target.url)
    for name, experiment in expected["experiments"].items():
        # A server gives ids itself; the old ones are tags.
        by_old_id = {run["tags"].pop("millrace.exported.run_id"): run for run in there["experiments"][name]["runs"].values()}
        assert by_old_id == experiment["runs"]


@pytest.mark.parametrize("where, message", [
    ("mysql://host/db", "none of MLflow's stores"),
    ("/nowhere/at/all", "does not exist"),
    ("http://127.0.0.1:1", "127.0.0.1:1"),
])
def test_a_wrong_source_is_told(where, message, tmp_path):
    done = millrace.run("import", "mlflow", where, "--workspace", tmp_path / "w")
    assert done.returncode != 0
    assert message in done.stderr


def test_a_folder_or_database_that_is_not_mlflows_is_told(tmp_path):
    (tmp_path / "some.db").write_text("not a database")
    (tmp_path / "folder").mkdir()
    for name, message in (("some.db", "some.db"), ("folder", "no MLflow experiment")):
        done = millrace.run("import", "mlflow", tmp_path / name, "--workspace", tmp_path / "w")
        assert done.returncode != 0
        assert message in done.stderr
    assert os.path.exists(tmp_path / "some.db")
