# SPDX-License-Identifier: Apache-2.0
"""Registry that governs, from the command line and through MLflow's own client, on the churn project's own model."""

import http.server
import json
import os
import pathlib
import shutil
import sqlite3
import threading

import jsonschema
import mlflow
import pandas
import pytest
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LinearRegression

import churn_project
import millrace

# What the OpenLineage specification 2-0-2 asks of a run event, in our words.
FACETS = {"type": "object", "additionalProperties": {
    "type": "object", "required": ["_producer", "_schemaURL"],
    "properties": {"_producer": {"type": "string", "format": "uri"}, "_schemaURL": {"type": "string", "format": "uri"}}}}
NAMED = {"type": "object", "required": ["namespace", "name"],
         "properties": {"namespace": {"type": "string", "minLength": 1}, "name": {"type": "string", "minLength": 1}, "facets": FACETS,
                        "inputFacets": FACETS, "outputFacets": FACETS}}
RUN_EVENT = {
    "type": "object", "required": ["eventTime", "producer", "schemaURL", "run", "job"],
    "properties": {
        "eventType": {"enum": ["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"]},
        "eventTime": {"type": "string", "format": "date-time"},
        "producer": {"type": "string", "format": "uri"},
        "schemaURL": {"const": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"},
        "run": {"type": "object", "required": ["runId"], "properties": {"runId": {"type": "string", "format": "uuid"}, "facets": FACETS}},
        "job": NAMED,
        "inputs": {"type": "array", "items": NAMED},
        "outputs": {"type": "array", "items": NAMED},
    },
}


@pytest.fixture(scope="module", name="shop")
def finished_project(tmp_path_factory):
    """A copy of the finished churn project, so that what is done to its registry stays here."""
    folder = tmp_path_factory.mktemp("governance") / "churn"
    shutil.copytree(churn_project.finished(pathlib.Path(os.environ["MILLRACE_BINARY"])), folder, symlinks=True)
    return folder


def models(shop, *arguments, **options):
    return millrace.run_json("models", *arguments, "--project", shop, **options)


def refused(shop, *arguments):
    """What a command that must fail says."""
    done = millrace.run("models", *arguments, "--project", shop)
    assert done.returncode != 0, done.stdout
    return done.stderr


def test_the_pipelines_version_has_signature_example_and_onnx(shop):
    version = millrace.run_json("models", "show", "churn", shop)["versions"][0]
    folder = next(shop.glob(f".millrace/artifacts/*/models/{version['model_id']}/artifacts"))
    assert (folder / "model.onnx").is_file()
    info = mlflow.models.Model.load(str(folder))
    assert info.signature is not None and info.saved_input_example_info is not None
    assert mlflow.pyfunc.load_model(str(folder)).predict(info.load_input_example(str(folder))) is not None


def test_a_folder_without_signature_is_not_registered(shop, tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    assert "has no signature" in refused(shop, "register", "other", tmp_path)
    assert "no MLmodel file" in refused(shop, "register", "other", tmp_path / "none")


def test_the_card_tells_what_is_known(shop, tmp_path):
    text = models(shop, "card", "churn", "1")["markdown"]
    for part in ("# Model card: churn, version 1", "## Data", "## Features", "## Parameters", "## Metrics by segment", "## Gates", "## Lineage",
                 "customer\\_activity", "| 2011-07-01 |", "### Metrics by country", "## Fairness", "demographic\\_parity\\_difference"):
        assert part in text, part
    assert "fairness was not measured" not in text
    models(shop, "card", "churn", "1", "--output", tmp_path / "card.md")
    text = (tmp_path / "card.md").read_text()
    for name in ("segments", "fairness"):
        assert f"(<card_{name}.svg>)" in text and "<svg" in (tmp_path / f"card_{name}.svg").read_text(), name
    models(shop, "card", "churn", "1", "--output", tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text()
    assert page.startswith("<!doctype html>") and "Metrics by segment" in page and "Decisions by country" in page and "<script" not in page


def test_lineage_goes_from_the_source_table_to_the_endpoint(shop, tmp_path):
    graph = models(shop, "lineage", "churn", "1")
    kinds = {node["kind"] for node in graph["nodes"]}
    assert kinds == {"table", "features", "training set", "run", "version", "endpoint"}
    reached, edges = {0}, graph["edges"]
    assert graph["nodes"][0]["kind"] == "table"
    for _ in edges:
        reached |= {to for start, to in edges if start in reached}
    assert {graph["nodes"][i]["kind"] for i in reached} == kinds
    models(shop, "lineage", "churn", "1", "--output", tmp_path / "lineage.svg")
    assert (tmp_path / "lineage.svg").read_text().startswith("<svg")


def test_openlineage_events_follow_the_specification(shop):
    lines = (shop / ".millrace/lineage/openlineage.jsonl").read_text().splitlines()
    assert len(lines) > 20
    validator = jsonschema.Draft202012Validator(RUN_EVENT, format_checker=jsonschema.FormatChecker())
    started, ended = set(), set()
    for line in lines:
        event = json.loads(line)
        validator.validate(event)
        (started if event["eventType"] == "START" else ended).add(event["run"]["runId"])
    assert started <= ended
    # From the source table to the endpoint along the jobs.
    edges = {(start["name"], to["name"]) for line in lines for start in json.loads(line)["inputs"] for to in json.loads(line)["outputs"]}
    reached = {"transactions"}
    for _ in edges:
        reached |= {to for start, to in edges if start in reached}
    assert {"view.customer_activity", "training_set", "model.churn", "endpoint.churn"} <= reached


def test_openlineage_events_go_to_a_server_too(shop):
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append((self.path, self.headers["Authorization"], json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *unused):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lineage = shop / ".millrace/lineage/openlineage.jsonl"
        before = len(lineage.read_text().splitlines())
        millrace.run("run", shop, check=True, env={"OPENLINEAGE_URL": f"http://127.0.0.1:{server.server_port}/", "OPENLINEAGE_API_KEY": "k3y"})
        server.shutdown()
    assert [event for _, _, event in received] == [json.loads(line) for line in lineage.read_text().splitlines()[before:]]
    assert {path for path, _, _ in received} == {"/api/v1/lineage"} and {key for _, key, _ in received} == {"Bearer k3y"}
    assert received[-1][2]["eventType"] == "COMPLETE"


def test_approvals_gates_and_overrides_are_recorded(shop):
    training = shop / "training/churn.yaml"
    training.write_text(training.read_text().replace("  minimum_auc: 0.70\n", "  minimum_auc: 0.70\n  required_approvals: 1\n"))
    # A pipeline registers, and leaves the promotion to who approves.
    training.write_text(training.read_text().replace("better_than_champion: true", "better_than_champion: false"))
    report = millrace.run_json("run", shop)
    assert report["model"]["version"] == 2 and not report["model"]["aliases"]
    assert "0 of 1 approvals" in refused(shop, "promote", "churn", "1")
    # The same holds for MLflow's own client.
    with millrace.Server(shop) as server:
        client = mlflow.MlflowClient(server.url)
        with pytest.raises(MlflowException, match="0 of 1 approvals"):
            client.set_registered_model_alias("churn", "champion", "1")
        with pytest.raises(MlflowException, match="0 of 1 approvals"):
            client.transition_model_version_stage("churn", "1", "Production")
        client.set_registered_model_alias("churn", "challenger", "1")
    assert models(shop, "approve", "churn", "1", "--reason", "fair in every segment", "--evidence", "minutes of 12 May", "--by",
                  "alice")["required"] == 1
    assert "champion" in models(shop, "promote", "churn", "1", "--by", "bob")["aliases"]
    entries = models(shop, "audit", "churn", "1")
    promotion = next(entry for entry in entries if entry["action"] == "model_version.promoted" and entry["actor"] == "bob")
    assert promotion["details"]["approvals"][0]["approver"] == "alice"
    training.write_text(training.read_text().replace("minimum_auc: 0.70", "minimum_auc: 0.99"))
    assert "gate minimum_auc failed" in refused(shop, "promote", "churn", "1", "--stage", "Production")
    models(shop, "promote", "churn", "1", "--stage", "Production", "--override", "the rest is worse")
    assert models(shop, "audit", "churn", "1")[1]["details"]["override_reason"] == "the rest is worse"
    # The gates went into the database with the command: they hold for plain clients too, and what they are judged by stays.
    with millrace.Server(shop) as server:
        client = mlflow.MlflowClient(server.url)
        for ask in (lambda: client.set_registered_model_alias("churn", "champion", "1"),
                    lambda: client.transition_model_version_stage("churn", "1", "Production")):
            with pytest.raises(MlflowException, match="gate minimum_auc failed: test AUC 0.7700 is below the wanted minimum 0.9900") as refusal:
                ask()
            assert refusal.value.error_code == "INVALID_PARAMETER_VALUE" and refusal.value.get_http_status_code() == 400
        with pytest.raises(MlflowException, match="tag test_auc of version 1 of churn is .* and stays so"):
            client.set_model_version_tag("churn", "1", "test_auc", "0.999")
    assert models(shop, "audit", "churn", "1")[0]["action"] == "model_version.promotion_refused"
    card = models(shop, "card", "churn", "1")["markdown"]
    assert "fair in every segment" in card and "the rest is worse" in card


def test_a_model_that_no_pipeline_made_gets_gates_by_command(tmp_path):
    with millrace.Server("--workspace", tmp_path) as server:
        client = mlflow.MlflowClient(server.url)
        client.create_registered_model("plain")
        for auc in ("0.6", "0.8"):
            client.create_model_version("plain", "s3://bucket/model", tags={"test_auc": auc, "label_hash": "a"})
        client.set_registered_model_alias("plain", "champion", "1")
        client.delete_registered_model_alias("plain", "champion")
        gates = millrace.run_json("models", "gates", "plain", "--minimum-auc", "0.7", "--workspace", tmp_path)["gates"]
        assert gates == {"minimum_auc": 0.7, "better_than_champion": False, "required_approvals": 0}
        with pytest.raises(MlflowException, match="gate minimum_auc failed"):
            client.set_registered_model_alias("plain", "champion", "1")
        client.set_registered_model_alias("plain", "champion", "2")
        millrace.run_json("models", "gates", "plain", "--clear", "--workspace", tmp_path)
        client.set_registered_model_alias("plain", "champion", "1")


def test_versions_of_models_without_signature_are_refused_where_asked(tmp_path):
    def log(name, **options):
        with mlflow.start_run(experiment_id="0"):
            return mlflow.sklearn.log_model(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), name=name, **options)

    frame = pandas.DataFrame({"x": [0.0, 1.0]})
    with millrace.Server("--workspace", tmp_path, "--model-signature", "refuse") as server:
        mlflow.set_tracking_uri(server.url)
        try:
            client = mlflow.MlflowClient(server.url)
            client.create_registered_model("m")
            bare, whole = log("bare"), log("whole", input_example=frame)
            for source in (bare.model_uri, f"{client.get_logged_model(bare.model_id).artifact_location}"):
                with pytest.raises(MlflowException, match="has no signature with inputs and outputs") as refused_with:
                    client.create_model_version("m", source, model_id=bare.model_id)
                assert refused_with.value.get_http_status_code() == 400
            with pytest.raises(MlflowException, match="--model-signature"):
                client.create_model_version("m", "s3://bucket/model")
            assert client.create_model_version("m", whole.model_uri, model_id=whole.model_id).version in (1, "1")
            assert len(client.search_model_versions("name = 'm'")) == 1, "nothing is left of the refused ones"
        finally:
            mlflow.set_tracking_uri(None)


def test_two_versions_differ_in_nothing_but_their_number(shop):
    version = millrace.run_json("models", "show", "churn", shop)["versions"][0]
    models(shop, "register", "churn", f"models:/{version['model_id']}", "--run", version["run_id"])
    assert models(shop, "diff", "churn", "1", "2") == {"data": {}, "features": {}, "parameters": {}, "metrics": {}}


def test_the_audit_log_is_whole_until_somebody_touches_it(shop):
    whole = models(shop, "audit", "--verify")
    assert whole["entries"] >= 5
    assert models(shop, "audit", "--verify", "--head", whole["head"])["head"] == whole["head"]
    database = next(shop.glob(".millrace/metadata.db"))
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE audit_log SET actor = 'mallory' WHERE number = 2")
    connection.close()
    assert "entry 2" in refused(shop, "audit", "--verify")
