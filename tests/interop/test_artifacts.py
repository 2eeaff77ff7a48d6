# SPDX-License-Identifier: Apache-2.0
"""MLflow's own client stores and reads artifacts through the server, on the local disk, in S3 and in Azure Blob Storage."""

import contextlib
import hashlib
import json
import os
import pathlib
import random
import subprocess
import urllib.parse

import mlflow
import pandas
import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

import millrace
import object_stores

API = "/api/2.0/mlflow-artifacts"


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    """Environment and destination of each kind of store; the object stores live as long as the module's tests."""
    with object_stores.destinations(tmp_path_factory.mktemp("destinations")) as kinds:
        yield kinds


@pytest.fixture(params=["workspace", "folder", "s3", "azure"])
def server(request, peers, tmp_path, monkeypatch):
    environment, destination = peers[request.param]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    arguments = ["--workspace", tmp_path / "workspace"]
    if destination is not None:
        arguments += ["--artifacts-destination", destination]
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with millrace.Server(*arguments) as started:
        started.workspace = tmp_path / "workspace"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", started.url)
        mlflow.set_tracking_uri(started.url)
        mlflow.set_experiment(f"artifacts-{request.param}")
        yield started


@pytest.fixture
def local(tmp_path, monkeypatch):
    """A server with the workspace's own store, and its client."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with millrace.Server("--workspace", tmp_path / "workspace") as started:
        started.workspace = tmp_path / "workspace"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", started.url)
        mlflow.set_tracking_uri(started.url)
        mlflow.set_experiment("local")
        yield started


def files(run_id, folder=None):
    return {(item.path, item.is_dir, item.file_size) for item in MlflowClient().list_artifacts(run_id, folder)}


def read(run_id, path, into):
    return pathlib.Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=str(into)))


def test_what_the_client_logs_is_listed_and_read(server, tmp_path):
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "a.txt").write_text("text")
    (source / "deep" / "b.bin").write_bytes(bytes(range(256)) * 5000)
    (source / "deep" / "er" / "empty").write_bytes(b"")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(source, "tree")
        mlflow.log_artifact(source / "a.txt")
        mlflow.log_dict({"k": [1, 2]}, "config/settings.json")
        mlflow.log_text("grüße", "names/übung 模型.txt")
        mlflow.log_table({"x": [1, 2]}, "table.json")
        run_id = run.info.run_id
    assert {item[:2] for item in files(run_id)} == {("a.txt", False), ("config", True), ("names", True), ("table.json", False), ("tree", True)}
    assert files(run_id, "tree") == {("tree/a.txt", False, 4), ("tree/deep", True, None)}
    assert files(run_id, "tree/deep/er") == {("tree/deep/er/empty", False, 0)}
    assert files(run_id, "tree/a.txt") == set() and files(run_id, "nothing") == set()
    whole = read(run_id, "tree", tmp_path / "down")
    assert (whole / "deep" / "b.bin").read_bytes() == (source / "deep" / "b.bin").read_bytes()
    assert (whole / "deep" / "er" / "empty").read_bytes() == b""
    assert mlflow.artifacts.load_dict(f"runs:/{run_id}/config/settings.json") == {"k": [1, 2]}
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/names/übung 模型.txt") == "grüße"
    with pytest.raises(Exception, match="missing.txt"):
        read(run_id, "missing.txt", tmp_path)


def test_deleted_artifacts_are_gone(server, tmp_path):
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with mlflow.start_run() as run:
        mlflow.log_text("1", "keep/a.txt")
        mlflow.log_text("2", "drop/b.txt")
        mlflow.log_text("3", "drop/deeper/c.txt")
    repository = get_artifact_repository(run.info.artifact_uri)
    repository.delete_artifacts("drop")
    assert files(run.info.run_id) == {("keep", True, None)}
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/keep/a.txt") == "1"


def test_logged_models_load(server):
    from sklearn.linear_model import LinearRegression

    frame = pandas.DataFrame({"x": [1.0, 2.0, 3.0]})
    model = LinearRegression().fit(frame, [2.0, 4.0, 6.0])
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="model", input_example=frame, registered_model_name="linear",
                                        pip_requirements=[])
    assert abs(mlflow.pyfunc.load_model(info.model_uri).predict(frame)[2] - 6.0) < 1e-9
    assert abs(mlflow.pyfunc.load_model("models:/linear/1").predict(frame)[0] - 2.0) < 1e-9
    assert abs(mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model").predict(frame)[0] - 2.0) < 1e-9


@pytest.mark.parametrize("size_mb", [64, pytest.param(1024, marks=pytest.mark.slow)])
def test_large_files_stream_both_ways(local, tmp_path, size_mb):
    big = tmp_path / "big.bin"
    generator, digest = random.Random(1), hashlib.sha256()
    with open(big, "wb") as out:
        for _ in range(size_mb):
            block = generator.randbytes(1 << 20)
            digest.update(block)
            out.write(block)

    def peak_kb():
        status = pathlib.Path(f"/proc/{local.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])

    before = peak_kb()
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(big))
    got = read(run.info.run_id, "big.bin", tmp_path / "down")
    grown = peak_kb() - before
    with open(got, "rb") as stream:
        assert hashlib.file_digest(stream, "sha256").hexdigest() == digest.hexdigest()
    print(f"{size_mb} MB up and down: the server's memory grew by {grown} KB at most")
    assert grown < 24_000


def test_uploads_in_parts(server, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(1 << 20))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(1 << 20))
    big = tmp_path / "big.bin"
    big.write_bytes(random.Random(2).randbytes(5_500_000))
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(big), "deep/er")
        mlflow.log_artifact(str(big))
    for path in ("deep/er/big.bin", "big.bin"):
        assert read(run.info.run_id, path, tmp_path / "down").read_bytes() == big.read_bytes()


def test_parts_are_sent_again_after_a_restart(local, tmp_path):
    create = requests.post(local.url + API + "/mpu/create/0/r/artifacts", json={"path": "/home/me/f.bin", "num_parts": 2}, timeout=30)
    assert create.status_code == 200, create.text
    upload, urls = create.json()["upload_id"], [item["url"] for item in create.json()["credentials"]]
    second = requests.put(urls[1], data=b"world", timeout=30)
    assert second.headers["ETag"].strip('"') == hashlib.sha256(b"world").hexdigest()
    local.stop()
    with millrace.Server("--workspace", local.workspace) as again:
        first = requests.put(urls[0].replace(local.url, again.url), data=b"hello ", timeout=30)
        done = requests.post(again.url + API + "/mpu/complete/0/r/artifacts", timeout=30, json={
            "path": "f.bin", "upload_id": upload,
            "parts": [{"part_number": n + 1, "etag": part.headers["ETag"], "url": urls[n]} for n, part in enumerate((first, second))]})
        assert (done.status_code, done.text) == (200, "{}")
        assert requests.get(again.url + API + "/artifacts/0/r/artifacts/f.bin", timeout=30).content == b"hello world"
        assert requests.post(again.url + API + "/mpu/abort/0/r/artifacts", json={"path": "f.bin", "upload_id": upload},
                             timeout=30).status_code == 200


def test_ranges_names_and_types(server):
    body = bytes(range(256)) * 10_000
    url = server.url + API + "/artifacts/0/r/artifacts/" + urllib.parse.quote("plot ü.png")
    assert requests.put(url, data=body, timeout=30).text == "{}"
    whole = requests.get(url, timeout=30)
    assert whole.content == body and whole.headers["Content-Type"] == "image/png"
    assert whole.headers["X-Content-Type-Options"] == "nosniff" and whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Disposition"] == "attachment; filename=\"plot __.png\"; filename*=UTF-8''plot%20%C3%BC.png"
    for asked, begin, end in (("0-0", 0, 1), ("100-1999999", 100, 2_000_000), ("2559990-", 2_559_990, 2_560_000), ("-5", 2_559_995, 2_560_000),
                              ("5-99999999", 5, 2_560_000)):
        part = requests.get(url, headers={"Range": "bytes=" + asked}, timeout=30)
        assert part.status_code == 206 and part.content == body[begin:end], asked
        assert part.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{len(body)}"
    beyond = requests.get(url, headers={"Range": "bytes=2560000-"}, timeout=30)
    assert beyond.status_code == 416 and beyond.headers["Content-Range"] == f"bytes */{len(body)}"
    assert requests.get(url, headers={"Range": "bytes=nonsense"}, timeout=30).status_code == 200
    known = requests.get(url, headers={"If-None-Match": whole.headers["ETag"]}, timeout=30)
    assert known.status_code == 304 and known.content == b""
    head = requests.head(url, timeout=30)
    assert head.headers["Content-Length"] == str(len(body)) and head.content == b""


def test_errors_are_those_of_mlflow(server):
    missing = requests.get(server.url + API + "/artifacts/0/nothing", timeout=30)
    assert missing.status_code == 404 and missing.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    for method, path in (("PUT", "/artifacts/a/%2e%2e/%2e%2e/b"), ("GET", "/artifacts/%2Fetc/passwd"), ("GET", "/artifacts/a/%252e%252e/b"),
                         ("DELETE", "/artifacts/..%5C..%5Cb"), ("GET", "/artifacts?path=../x"), ("PUT", "/artifacts/a%0Ab"),
                         ("PUT", "/artifacts/a%23b"), ("PUT", "/artifacts/%C0%AE%C0%AE/x"), ("PUT", "/artifacts/" + "x" * 256)):
        # A session would tidy the path up before it is sent.
        prepared = requests.Request(method, server.url, data=b"x" if method == "PUT" else None).prepare()
        prepared.url = server.url + API + path
        refused = requests.Session().send(prepared, timeout=30)
        assert refused.status_code == 400 and refused.json()["error_code"] == "INVALID_PARAMETER_VALUE", (method, path, refused.text)
        assert "Invalid path" in refused.json()["message"]
    presigned = requests.get(server.url + API + "/presigned/0/x", timeout=30)
    assert presigned.status_code == 501 and presigned.json()["error_code"] == "NOT_IMPLEMENTED"
    assert requests.get(server.url + API + "/artifacts?path=no/such", timeout=30).json() == {}


def test_pages_read_runs_models_and_versions(local):
    with mlflow.start_run() as run:
        mlflow.log_text("of the run", "d/run.txt")
        model = mlflow.initialize_logged_model(name="m")
    client = MlflowClient()
    url = local.url
    assert requests.get(f"{url}/get-artifact?run_id={run.info.run_id}&path=d/run.txt", timeout=30).text == "of the run"
    assert requests.get(f"{url}/get-artifact?run_uuid={run.info.run_id}&path=d/../../x", timeout=30).status_code == 400
    assert requests.get(f"{url}/get-artifact?run_id=unknown&path=x", timeout=30).status_code == 404
    listed = requests.get(f"{url}/api/2.0/mlflow/artifacts/list?run_id={run.info.run_id}&path=d", timeout=30).json()
    assert listed == {"root_uri": run.info.artifact_uri, "files": [{"path": "d/run.txt", "is_dir": False, "file_size": 10}]}

    requests.put(f"{url}{API}/artifacts/{run.info.experiment_id}/models/{model.model_id}/artifacts/sub/MLmodel", data=b"flavors: {}", timeout=30)
    base = f"{url}/ajax-api/2.0/mlflow/logged-models/{model.model_id}/artifacts"
    assert requests.get(base + "/files?artifact_file_path=sub/MLmodel", timeout=30).text == "flavors: {}"
    assert requests.get(base + "/directories?artifact_directory_path=sub", timeout=30).json()["files"] == [
        {"path": "sub/MLmodel", "is_dir": False, "file_size": 11}]
    client.create_registered_model("n")
    version = client.create_model_version("n", f"models:/{model.model_id}")
    assert requests.get(f"{url}/model-versions/get-artifact?name=n&version={version.version}&path=sub/MLmodel", timeout=30).text == "flavors: {}"

    upload = f"{url}/ajax-api/2.0/mlflow/upload-artifact"
    assert requests.post(f"{upload}?run_uuid={run.info.run_id}&path=up/x.bin", data=b"raw", timeout=30).status_code == 200
    assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/up/x.bin") == "raw"
    for query, body, message in ((f"run_uuid={run.info.run_id}", b"x", "Request must specify path."), ("path=x", b"x", "Request must specify run_uuid."),
                                 (f"run_uuid={run.info.run_id}&path=x", b"", "Request must specify data."),
                                 (f"run_uuid={run.info.run_id}&path=x", b"x" * (10 * 1024 * 1024 + 1), "Artifact size is too large. Max size is 10MB.")):
        refused = requests.post(f"{upload}?{query}", data=body, timeout=30)
        assert (refused.status_code, refused.json()["message"]) == (400, message)


def test_damaged_bytes_are_never_served(local):
    with mlflow.start_run() as run:
        mlflow.log_text("precious", "f.txt")
    path = local.workspace / "artifacts" / run.info.experiment_id / run.info.run_id / "artifacts" / "f.txt"
    assert path.read_text() == "precious"
    os.chmod(path, 0o644)
    path.write_text("precIous")
    answer = requests.get(f"{local.url}/get-artifact?run_id={run.info.run_id}&path=f.txt", timeout=30)
    assert answer.status_code == 500 and answer.json()["error_code"] == "DATA_LOSS"
    assert "f.txt" in answer.json()["message"] and "precIous" not in answer.text


def test_gc_removes_deleted_runs_while_the_server_runs(local, tmp_path):
    shared = tmp_path / "shared.bin"
    shared.write_bytes(b"shared" * 10_000)
    with mlflow.start_run() as kept:
        mlflow.log_artifact(shared)
    with mlflow.start_run() as gone:
        mlflow.log_artifact(shared)
        mlflow.log_text("only here", "own.txt")
    MlflowClient().delete_run(gone.info.run_id)
    arguments = ("gc", "--workspace", local.workspace)
    dry = millrace.run_json(*arguments)
    assert [run["run_id"] for run in dry["runs"]] == [gone.info.run_id] and dry["removed"] is False
    assert files(gone.info.run_id) and MlflowClient().get_run(gone.info.run_id).info.lifecycle_stage == "deleted"
    assert millrace.run_json(*arguments, "--older-than", "1d")["runs"] == []
    done = millrace.run_json(*arguments, "--yes")
    assert done["removed"] is True and done["contents"] == 1
    with pytest.raises(MlflowException, match="not found"):
        MlflowClient().get_run(gone.info.run_id)
    assert not (local.workspace / "artifacts" / gone.info.experiment_id / gone.info.run_id).exists()
    assert read(kept.info.run_id, "shared.bin", tmp_path / "down").read_bytes() == shared.read_bytes()
    again = millrace.run_json(*arguments, "--yes")
    assert again["runs"] == [] and again["contents"] == 0
    assert json.loads(requests.get(local.url + "/api/3.0/mlflow/server-info", timeout=30).text)


def test_gc_removes_deleted_models_and_experiments_and_gives_points_back(local, tmp_path):
    client = MlflowClient()
    shared = tmp_path / "shared.bin"
    shared.write_bytes(b"shared" * 10_000)
    kept = client.create_run(client.get_experiment_by_name("local").experiment_id).info.run_id
    client.log_artifact(kept, shared)
    client.log_metric(kept, "m", 1.5)
    gone = client.create_experiment("gone")
    last = client.create_experiment("last")
    run = client.create_run(gone).info.run_id
    client.log_artifact(run, shared)
    for first in range(0, 200_000, 1000):
        client.log_batch(run, metrics=[Metric("m", random.random(), step, step) for step in range(first, first + 1000)])
    named = client.create_logged_model(gone, name="named")
    model = client.create_logged_model(last, name="deleted")
    client.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model("holds")
    held = client.create_logged_model(last, name="held")
    client.finalize_logged_model(held.model_id, "READY")
    client.create_model_version("holds", f"models:/{held.model_id}", model_id=held.model_id)
    for each in (model, held):
        client.delete_logged_model(each.model_id)
    client.delete_experiment(gone)
    arguments = ("gc", "--workspace", local.workspace)

    def listed(answer):
        return ([r["run_id"] for r in answer["runs"]], sorted(m["model_id"] for m in answer["logged_models"]),
                [e["experiment_id"] for e in answer["experiments"]])

    def point_bytes():
        return sum(file.stat().st_blocks * 512 for file in local.workspace.glob("metadata.db.points/*"))

    assert point_bytes() > 1_000_000
    expected = ([run], sorted([named.model_id, model.model_id]), [gone])
    assert listed(millrace.run_json(*arguments)) == expected and client.get_run(run)
    for _ in range(4):  # killed anywhere, the next one goes on
        child = subprocess.Popen([millrace.BINARY, *map(str, arguments), "--yes"], stdout=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=random.uniform(0.03, 0.12))
        child.kill()
        child.wait()
    millrace.run_json(*arguments, "--yes")
    assert point_bytes() < 400_000, "points of a run that is gone still take space"
    for call in (lambda: client.get_run(run), lambda: client.get_experiment(gone), lambda: client.get_logged_model(model.model_id)):
        with pytest.raises(MlflowException, match="not found|No Experiment"):
            call()
    assert client.get_model_version("holds", "1").source == f"models:/{held.model_id}"
    assert client.get_run(kept).data.metrics == {"m": 1.5}
    assert read(kept, "shared.bin", tmp_path / "down").read_bytes() == shared.read_bytes()
    assert int(client.create_experiment("next")) > int(last)
    assert listed(millrace.run_json(*arguments, "--yes")) == ([], [], [])
