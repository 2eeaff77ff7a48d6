# SPDX-License-Identifier: Apache-2.0
"""Artifacts through the server: upload, list, download, delete, types, the pages of the user interface."""

import io
import json
import os

import matplotlib.figure
import mlflow
import numpy
import pandas
import pytest
import requests
import yaml
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from helpers import ARTIFACTS, COMMAND, REST, TRACKING, Server, client_of, unique

PROXY = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def files(tmp_path):
    """A folder with a.txt and dir/b.txt."""
    folder = tmp_path / "files"
    (folder / "dir").mkdir(parents=True)
    (folder / "a.txt").write_text("0")
    (folder / "dir/b.txt").write_text("11")
    return folder


def paths(client, run, path=None):
    return sorted(f.path for f in client.list_artifacts(run, path))


@pytest.fixture
def on_disk(start, tmp_path):
    """A client of a server whose experiments keep their files in a folder, and that folder."""
    root = tmp_path / "their files"
    return client_of(start(options=["--default-artifact-root", root.as_uri()]).url), root


@pytest.mark.answers(f"{REST}::test_artifacts", f"{REST}::test_list_artifacts_graphql")
def test_files_of_a_folder_are_served_from_it(on_disk, files):
    client, root = on_disk
    server = Server(client.tracking_uri)
    run = client.create_run(client.create_experiment("on disk"))
    assert run.info.artifact_uri == f"{root.as_uri()}/1/{run.info.run_id}/artifacts"
    client.log_artifacts(run.info.run_id, files)  # the client writes the folder itself
    assert (root / f"1/{run.info.run_id}/artifacts/dir/b.txt").read_text() == "11"
    assert server.get("artifacts/list", run_id=run.info.run_id).json() == {
        "root_uri": run.info.artifact_uri, "files": [{"path": "a.txt", "is_dir": False, "file_size": 1}, {"path": "dir", "is_dir": True}]}
    assert server.get("/get-artifact", run_id=run.info.run_id, path="dir/b.txt").text == "11"
    up = server.request("POST", "/ajax-api/2.0/mlflow/upload-artifact", params={"run_uuid": run.info.run_id, "path": "up/c.txt"}, data=b"222")
    assert up.status_code == 200 and (root / f"1/{run.info.run_id}/artifacts/up/c.txt").read_text() == "222"


@pytest.mark.answers(f"{REST}::test_list_logged_model_artifacts", f"{REST}::test_get_logged_model_artifact")
def test_files_of_a_logged_model_in_a_folder(on_disk):
    client, root = on_disk
    server = Server(client.tracking_uri)
    model = client.create_logged_model(client.create_experiment("on disk"))
    folder = root / f"1/models/{model.model_id}/artifacts"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    assert [f["path"] for f in server.get(f"logged-models/{model.model_id}/artifacts/directories").json()["files"]] == ["MLmodel"]
    read = server.get(f"/ajax-api/2.0/mlflow/logged-models/{model.model_id}/artifacts/files", artifact_file_path="MLmodel")
    assert read.text == "flavors: {}"


@pytest.mark.skipif(bool(COMMAND), reason="by design: MLflow's server reads any file that it can")
def test_no_other_folder_of_the_machine_is_served(on_disk, tmp_path):
    client, root = on_disk
    server = Server(client.tracking_uri)
    (tmp_path / "secret.txt").write_text("of the machine")
    (root / "x").mkdir(parents=True)
    (root / "x" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "x" / "out").symlink_to(tmp_path)
    outside = [str(tmp_path), tmp_path.as_uri(), f"file://localhost{tmp_path}", f"{root.as_uri()}/..", f"{root.as_uri()}/x/../..",
               f"{root.as_uri()}/%2e%2e", f"{root}/..", f"{root}-other", "/", "file:///"]
    for number, location in enumerate(outside):
        run = client.create_run(client.create_experiment(f"e{number}", artifact_location=location)).info.run_id
        experiment = client.get_run(run).info.experiment_id
        (tmp_path / experiment / run / "artifacts").mkdir(parents=True)
        (tmp_path / experiment / run / "artifacts/secret.txt").write_text("of the machine")
        for answer in (server.get("/get-artifact", run_id=run, path="secret.txt"), server.get("artifacts/list", run_id=run),
                       server.post(f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=new.txt", {"a": 1})):
            assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE", f"{location}: {answer.text}"
        assert not (tmp_path / experiment / run / "artifacts/new.txt").exists()
    inside = client.create_run(client.create_experiment("inside", artifact_location=f"{root}/x/out")).info.run_id
    assert server.get("/get-artifact", run_id=inside, path="secret.txt").status_code in (400, 404)
    assert "files" not in server.get("artifacts/list", run_id=inside).json()


@pytest.mark.answers(f"{ARTIFACTS}::test_rest_get_artifact_api_proxied_with_artifacts",
                     f"{ARTIFACTS}::test_rest_tracking_api_list_artifacts_with_proxied_artifacts")
def test_the_address_of_the_proxy_is_a_location(server, client, files):
    if COMMAND:
        location = "mlflow-artifacts:/by-address"
    else:
        location = f"{server.url}{PROXY}/by-address"
    run = client.create_run(client.create_experiment(unique("address"), artifact_location=location)).info.run_id
    client.log_artifacts(run, files)
    assert paths(client, run) == ["a.txt", "dir"]
    assert server.get("/get-artifact", run_id=run, path="dir/b.txt").text == "11"


@pytest.mark.answers(f"{ARTIFACTS}::test_mlflow_artifacts_rest_apis")
def test_files_go_up_are_listed_and_come_down(server):
    top = unique("rest")
    for name, content in (("a.txt", b"0"), ("dir/b.txt", b"11"), ("dir/sub/c.bin", bytes(range(256)))):
        answer = requests.put(f"{server.url}{PROXY}/{top}/{name}", data=content, timeout=30)
        assert answer.status_code == 200
        answer = server.get(f"{PROXY}/{top}/{name}")
        assert answer.content == content and answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"] == f"attachment; filename={os.path.basename(name)}"
    assert server.get(PROXY, path=top).json() == {"files": [{"path": "a.txt", "is_dir": False, "file_size": 1}, {"path": "dir", "is_dir": True}]}
    assert server.get(PROXY, path=f"{top}/dir").json() == {"files": [{"path": "b.txt", "is_dir": False, "file_size": 2},
                                                                       {"path": "sub", "is_dir": True}]}
    assert {"path": top, "is_dir": True} in server.get(PROXY).json()["files"]


def test_what_is_missing_is_an_empty_list_or_a_404(server):
    assert server.get(PROXY, path=unique("absent")).json() == {}
    answer = server.get(f"{PROXY}/{unique('absent')}/x.txt")
    assert answer.status_code == 404 and answer.json()["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_a_file_is_replaced_and_deleted(server):
    top = unique("delete")
    for content in (b"first", b"second, longer"):
        requests.put(f"{server.url}{PROXY}/{top}/x.txt", data=content, timeout=30)
        assert server.get(f"{PROXY}/{top}/x.txt").content == content
    requests.put(f"{server.url}{PROXY}/{top}/dir/y.txt", data=b"", timeout=30)
    for path in (f"{top}/x.txt", f"{top}/dir"):
        answer = server.request("DELETE", f"{PROXY}/{path}")
        assert (answer.status_code, answer.json()) == (200, {})
    assert server.get(f"{PROXY}/{top}/x.txt").status_code == 404
    assert server.get(PROXY, path=top).json() == {}


@pytest.mark.parametrize("name", ["with space.txt", "ünïcode ✓.txt", "a+b=c&d.txt", "semi;colon.txt", "dir with space/ключ.txt", "..hidden", "a..b"])
def test_odd_names_come_back_as_they_were(client, run, tmp_path, name):
    source = tmp_path / os.path.basename(name)
    source.write_text(name)
    client.log_artifact(run, source, os.path.dirname(name) or None)
    assert name in [f.path for f in client.list_artifacts(run, os.path.dirname(name) or None)]
    assert open(client.download_artifacts(run, name), encoding="utf-8").read() == name


@pytest.mark.answers(f"{ARTIFACTS}::test_log_artifact", f"{ARTIFACTS}::test_log_artifacts", f"{ARTIFACTS}::test_list_artifacts", f"{REST}::test_artifacts",
                     f"{TRACKING}::test_log_artifact", f"{TRACKING}::test_log_artifact_with_dirs")
def test_files_and_folders_of_a_run(client, run, files):
    assert client.list_artifacts(run) == []
    client.log_artifact(run, files / "a.txt")
    client.log_artifact(run, files / "a.txt", "path/to")
    client.log_artifacts(run, files, "whole")
    assert paths(client, run) == ["a.txt", "path", "whole"]
    assert paths(client, run, "path") == ["path/to"] and paths(client, run, "path/to") == ["path/to/a.txt"]
    assert paths(client, run, "whole") == ["whole/a.txt", "whole/dir"] and paths(client, run, "whole/dir") == ["whole/dir/b.txt"]
    found = {f.path: (f.is_dir, f.file_size) for f in client.list_artifacts(run, "whole")}
    assert found == {"whole/a.txt": (False, 1), "whole/dir": (True, None)}


@pytest.mark.answers(f"{ARTIFACTS}::test_download_artifacts", f"{REST}::test_artifacts")
def test_files_and_folders_come_down(server, client, run, files):
    client.log_artifacts(run, files)
    whole = download_artifacts(run_id=run, artifact_path="")
    assert sorted(os.listdir(whole)) == ["a.txt", "dir"] and open(f"{whole}/a.txt").read() == "0"
    folder = download_artifacts(run_id=run, artifact_path="dir", tracking_uri=server.url)
    assert open(f"{folder}/b.txt").read() == "11"
    assert open(download_artifacts(artifact_uri=f"runs:/{run}/dir/b.txt")).read() == "11"
    assert open(download_artifacts(artifact_uri=client.get_run(run).info.artifact_uri + "/a.txt")).read() == "0"
    with pytest.raises((MlflowException, OSError)):
        download_artifacts(run_id=run, artifact_path="absent.txt")


@pytest.mark.answers(f"{ARTIFACTS}::test_rest_tracking_api_list_artifacts_with_proxied_artifacts")
def test_the_list_by_rest_names_the_root(server, client, run, files):
    client.log_artifacts(run, files)
    root = client.get_run(run).info.artifact_uri
    assert server.get("artifacts/list", run_id=run).json() == {
        "root_uri": root, "files": [{"path": "a.txt", "is_dir": False, "file_size": 1}, {"path": "dir", "is_dir": True}]}
    assert server.get("artifacts/list", run_id=run, path="dir").json() == {
        "root_uri": root, "files": [{"path": "dir/b.txt", "is_dir": False, "file_size": 2}]}
    assert server.get("artifacts/list", run_uuid=run).status_code == 200
    answer = server.get("artifacts/list", run_id="0123456789abcdef0123456789abcdef")
    assert answer.status_code == 404 and "not found" in answer.json()["message"]


@pytest.mark.answers(f"{ARTIFACTS}::test_rest_get_artifact_api_proxied_with_artifacts")
@pytest.mark.parametrize("parameter", ["run_id", "run_uuid"])
def test_a_file_of_a_run_for_the_user_interface(server, client, run, files, parameter):
    client.log_artifact(run, files / "a.txt")
    answer = server.get("/get-artifact", **{parameter: run, "path": "a.txt"})
    assert answer.status_code == 200 and answer.text == "0"


@pytest.mark.answers(f"{ARTIFACTS}::test_rest_get_model_version_artifact_api_proxied_artifact_root")
def test_a_file_of_a_version_for_the_user_interface(server, client, run, model, files):
    client.log_artifacts(run, files, "model")
    client.create_model_version(model, client.get_run(run).info.artifact_uri + "/model", run)
    answer = server.get("/model-versions/get-artifact", name=model, version="1", path="dir/b.txt")
    assert answer.status_code == 200 and answer.text == "11"


TYPES = [("a.txt", "text/plain"), ("b.pkl", "application/octet-stream"), ("c.png", "image/png"), ("d.pdf", "application/pdf"),
         ("MLmodel", "text/plain"), ("mlproject", "text/plain"), ("e.json", "application/json"), ("f.html", "text/html"), ("g", "application/octet-stream")]


@pytest.mark.answers(f"{ARTIFACTS}::test_mime_type_for_download_artifacts_api", f"{ARTIFACTS}::test_server_overrides_requested_mime_type")
@pytest.mark.parametrize("name,expected", TYPES)
def test_the_type_follows_the_name_whatever_is_asked_for(server, client, run, tmp_path, name, expected):
    (tmp_path / name).write_bytes(b"")
    client.log_artifact(run, tmp_path / name)
    for answer in (server.get("/get-artifact", run_id=run, path=name),
                   server.request("GET", f"{PROXY}/{client.get_run(run).info.artifact_uri.split(':/')[1]}/{name}", headers={"Accept": "text/html"})):
        assert answer.status_code == 200 and answer.headers["Content-Type"].split(";")[0] in (expected, "text/plain" if name == "e.json" else expected)
        assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.answers(f"{REST}::test_upload_artifact_handler", f"{REST}::test_upload_artifact_handler_rejects_invalid_requests")
def test_a_file_goes_up_from_the_user_interface(server, run):
    upload = "/ajax-api/2.0/mlflow/upload-artifact"

    def refused(message, body=b"x", **query):
        answer = server.request("POST", upload, params=query, data=body)
        assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE" and message in answer.json()["message"]

    refused("Request must specify run_uuid.")
    refused("Request must specify path.", run_uuid=run)
    refused("Request must specify path.", run_uuid=run, path="")
    refused("Invalid path", run_uuid=run, path="../test.txt")
    refused("Request must specify data.", body=b"", run_uuid=run, path="test.txt")
    assert server.request("POST", upload, params={"run_uuid": run, "path": "dir/test.txt"}, data="hello world").status_code == 200
    assert server.get("/get-artifact", run_uuid=run, path="dir/test.txt").text == "hello world"


@pytest.mark.answers(f"{ARTIFACTS}::test_rest_get_artifact_api_log_image",
                     f"{TRACKING}::test_log_text", f"{TRACKING}::test_log_dict", f"{TRACKING}::test_log_table", f"{TRACKING}::test_load_table",
                     f"{TRACKING}::test_log_table_with_subdirectory", f"{TRACKING}::test_log_table_with_datetime_columns")
def test_pictures_tables_figures_and_texts(server, client, experiment):
    image = numpy.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=numpy.uint8)
    table = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    mlflow.set_experiment(experiment_id=experiment)  # load_table looks nowhere else
    with mlflow.start_run() as run:
        mlflow.log_image(image, key="dog", step=100, timestamp=100, synchronous=True)
        mlflow.log_image(image, "picture.png")
        mlflow.log_table(table, "table.json")
        mlflow.log_table(table, "table.json")
        mlflow.log_table(pandas.DataFrame({"at": pandas.to_datetime(["2026-01-02"])}), "tables/times.json")
        mlflow.log_dict({"k": [1, 2]}, "deep/dict.yaml")
        mlflow.log_text("words ✓", "text.txt")
        mlflow.log_figure(matplotlib.figure.Figure(), "figure.png")
    run_id = run.info.run_id
    assert {"picture.png", "table.json", "tables", "deep", "text.txt", "figure.png", "images"} == {f.path for f in client.list_artifacts(run_id)}
    listed = server.get("/ajax-api/2.0/mlflow/artifacts/list", run_id=run_id, path="images").json()["files"]
    assert len(listed) == 2
    for file in listed:
        answer = server.get("/get-artifact", run_id=run_id, path=file["path"])
        assert answer.status_code == 200 and "attachment; filename=dog" in answer.headers["Content-Disposition"]
    from PIL import Image
    stored = Image.open(io.BytesIO(server.get("/get-artifact", run_id=run_id, path="picture.png").content))
    assert (numpy.asarray(stored) == image).all()
    assert mlflow.artifacts.load_text(f"runs:/{run_id}/text.txt") == "words ✓"
    assert yaml.safe_load(mlflow.artifacts.load_text(f"runs:/{run_id}/deep/dict.yaml")) == {"k": [1, 2]}
    assert len(mlflow.load_table("table.json", run_ids=[run_id])) == 4
    assert [value[:10] for value in mlflow.load_table("tables/times.json", run_ids=[run_id])["at"]] == ["2026-01-02"]
    listed = json.loads(client.get_run(run_id).data.tags["mlflow.loggedArtifacts"])
    assert listed == [{"path": "table.json", "type": "table"}, {"path": "tables/times.json", "type": "table"}]


def test_a_large_file_comes_back_the_same(client, run, tmp_path):
    content = numpy.random.default_rng(2).bytes(30_000_000)
    (tmp_path / "large.bin").write_bytes(content)
    client.log_artifact(run, tmp_path / "large.bin")
    assert open(client.download_artifacts(run, "large.bin"), "rb").read() == content


def test_an_upload_in_parts_is_refused_or_works(server, client, run, tmp_path, monkeypatch):
    """MLflow's client uploads in parts only if told so; a store that cannot says 501 and the client sends the file whole."""
    monkeypatch.setenv("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(5 * 1024 * 1024))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(5 * 1024 * 1024))
    content = numpy.random.default_rng(3).bytes(12_000_000)
    (tmp_path / "parts.bin").write_bytes(content)
    client.log_artifact(run, str(tmp_path / "parts.bin"))
    assert open(client.download_artifacts(run, "parts.bin"), "rb").read() == content


@pytest.mark.answers(f"{REST}::test_create_promptlab_run_handler_rejects_invalid_requests")
def test_a_prompt_lab_run_says_what_is_missing(server):
    body = {}
    for field, value in (("experiment_id", "123"), ("prompt_template", "t"), ("prompt_parameters", [{"key": "k", "value": "v"}]),
                         ("model_route", "r"), ("model_input", "i"), ("mlflow_version", "1.0.0")):
        server.refused("/ajax-api/2.0/mlflow/runs/create-promptlab-run", body, f"CreatePromptlabRun request must specify {field}.")
        body[field] = value


@pytest.mark.answers(f"{REST}::test_create_promptlab_run_handler_returns_expected_results")
def test_a_prompt_lab_run_is_a_run_with_a_table(server, experiment):
    answer = server.post("/ajax-api/2.0/mlflow/runs/create-promptlab-run", {
        "experiment_id": experiment, "run_name": "my_run_name", "prompt_template": "my_prompt_template",
        "prompt_parameters": [{"key": "my_key", "value": "my_value"}], "model_route": "my_route",
        "model_parameters": [{"key": "temperature", "value": "0.1"}], "model_input": "my_input", "model_output": "my_output",
        "model_output_parameters": [{"key": "latency", "value": "100"}], "mlflow_version": "1.0.0", "user_id": "username", "start_time": 456})
    assert answer.status_code == 200, answer.text
    run = answer.json()["run"]
    assert {k: run["info"][k] for k in ("run_name", "experiment_id", "user_id", "status", "start_time")} == {
        "run_name": "my_run_name", "experiment_id": experiment, "user_id": "username", "status": "FINISHED", "start_time": 456}
    params = {p["key"]: p["value"] for p in run["data"]["params"]}
    assert {k: params[k] for k in ("model_route", "prompt_template", "temperature")} == {
        "model_route": "my_route", "prompt_template": "my_prompt_template", "temperature": "0.1"}
    tags = {t["key"]: t["value"] for t in run["data"]["tags"]}
    assert tags["mlflow.runSourceType"] == "PROMPT_ENGINEERING"
    assert tags["mlflow.loggedArtifacts"] == '[{"path": "eval_results_table.json", "type": "table"}]'
    assert mlflow.artifacts.load_dict(f"{run['info']['artifact_uri']}/eval_results_table.json") == {
        "columns": ["my_key", "prompt", "output", "latency"], "data": [["my_value", "my_input", "my_output", "100"]]}
    model = mlflow.pyfunc.load_model(f"runs:/{run['info']['run_id']}/model")
    assert model.metadata.signature.inputs.input_names() == ["my_key"]


def test_a_prompt_lab_run_keeps_any_text(server, experiment):
    """Control characters and emoji go through MLmodel and parameters.yaml, which MLflow reads as YAML."""
    template = 'say "{{q}}"\n\x7f\x85 \u00e9 \U0001f600'
    answer = server.post("/ajax-api/2.0/mlflow/runs/create-promptlab-run", {
        "experiment_id": experiment, "prompt_template": template, "prompt_parameters": [{"key": "q: 1", "value": 2.5}], "model_route": "r",
        "model_input": "i", "mlflow_version": "1.0.0"})
    run_id = answer.json()["run"]["info"]["run_id"]
    folder = download_artifacts(f"runs:/{run_id}/model")
    parameters = yaml.safe_load(open(os.path.join(folder, "parameters.yaml"), encoding="utf-8"))
    assert parameters == {"model_parameters": {}, "model_route": "r", "prompt_parameters": {"q: 1": "2.5"}, "prompt_template": template}
    assert mlflow.pyfunc.load_model(folder).metadata.signature.inputs.input_names() == ["q: 1"]


def test_a_prompt_lab_run_that_cannot_be_filled_has_failed_and_says_why(server, experiment):
    answer = server.post("/ajax-api/2.0/mlflow/runs/create-promptlab-run", {
        "experiment_id": experiment, "prompt_template": "t", "prompt_parameters": [{"key": "k", "value": "v"}], "model_route": "r",
        "model_parameters": [{"key": "../x", "value": "1"}], "model_input": "i", "mlflow_version": "1.0.0"})
    run = answer.json()["run"]
    assert run["info"]["status"] == "FAILED"
    assert "../x" in {t["key"]: t["value"] for t in run["data"]["tags"]}.get("millrace.error", "")


def test_the_gateway_proxy_asks_nobody(server):
    """As the real server without a gateway: an empty list, whatever address the client names."""
    path = "/ajax-api/2.0/mlflow/gateway-proxy"
    for answer in (server.get(path), server.get(path, gateway_path="http://127.0.0.1:1/api/2.0/endpoints"),
                   server.post(path, {"gateway_path": "gateway/x/invocations", "json_data": {"prompt": "p"}})):
        assert (answer.status_code, answer.json()) == (200, {"endpoints": []})
    assert server.request("DELETE", path).status_code == 405
