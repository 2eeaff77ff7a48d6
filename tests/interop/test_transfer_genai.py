# SPDX-License-Identifier: Apache-2.0
"""Import and export of what MLflow 3 keeps beside runs and models: traces, assessments, issues, scorers, evaluation datasets, prompts and
webhooks. What the real client reads before and after must be the same."""

import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.genai.datasets import search_datasets
from mlflow.tracking import _get_store

import millrace

FILL = pathlib.Path(__file__).resolve().parents[1] / "support/fill_genai.py"
ARTIFACTS = "mlflow.artifactLocation"
RUN = "mlflow.assessment.sourceRunId"
SETTINGS = {name: "true" for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS",
                                      "MLFLOW_ALLOW_FILE_STORE")}


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)


def assessment_content(assessment):
    content = assessment.to_dictionary()
    metadata = dict(content.get("metadata") or {})
    # The run of an assessment is a column in a database and metadata elsewhere; the client reads both.
    content["run"] = metadata.pop(RUN, None) or assessment.run_id
    content["metadata"] = metadata
    content.pop("run_id", None)
    # The client reads it of feedback alone, from a server.
    content["valid"] = content.get("valid") is not False
    return content


def span_content(span):
    content = span.to_dict()
    return content | {"attributes": {key: json.loads(value) for key, value in content["attributes"].items()}}


def trace_content(trace):
    info = trace.info
    return {
        "times": (info.request_time, info.execution_duration), "state": str(info.state), "previews": (info.request_preview, info.response_preview),
        "metadata": info.trace_metadata, "tags": {k: v for k, v in info.tags.items() if k != ARTIFACTS},
        "assessments": [assessment_content(a) for a in sorted(info.assessments, key=lambda a: (a.create_time_ms, a.assessment_id))],
        "spans": [span_content(span) for span in sorted(trace.data.spans, key=lambda span: (span.start_time_ns, span.span_id))]}


def dataset_content(dataset):
    content = dataset.to_dict()
    content["experiment_ids"] = sorted(content["experiment_ids"])
    content["records"] = sorted(content["records"], key=lambda record: record["dataset_record_id"])
    return content


def webhook_content(uri):
    return {w.webhook_id: [w.name, w.url, sorted(map(str, w.events)), w.description] for w in MlflowClient(uri, uri).list_webhooks()}


def content(uri, webhooks=None):
    """Everything of it that the real client reads, or has read."""
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri, uri)
    store = _get_store(uri)
    experiments = {e.name: e.experiment_id for e in client.search_experiments(view_type=ViewType.ACTIVE_ONLY)}
    runs = {run.info.run_id for run in client.search_runs(list(experiments.values()))}
    prompts = {p.name: (p.tags, [(v.version, v.tags, v.template, v.commit_message or "")
                                 for v in sorted(client.search_prompt_versions(p.name), key=lambda v: v.version)])
               for p in client.search_prompts()}
    traces = client.search_traces(locations=list(experiments.values()))
    return {
        "experiments": experiments,
        "traces": {trace.info.trace_id: trace_content(trace) for trace in traces},
        "linked": {run: sorted(t.info.trace_id for t in client.search_traces(locations=list(experiments.values()), run_id=run)) for run in runs},
        "issues": [issue.to_dictionary() for id in experiments.values() for issue in
                   sorted(store.search_issues(experiment_id=id), key=lambda issue: issue.issue_id)],
        "scorers": [(s.scorer_id, s.scorer_name, s.scorer_version, s._serialized_scorer, s.creation_time) for id in experiments.values()
                    for one in sorted(store.list_scorers(id), key=lambda s: s.scorer_name)
                    for s in store.list_scorer_versions(id, one.scorer_name)],
        "datasets": {d.dataset_id: dataset_content(d) for d in search_datasets()},
        "prompts": prompts,
        "webhooks": webhook_content(uri) if webhooks is None else webhooks}


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database that the newest MLflow wrote, and what its client reads from it."""
    folder = tmp_path_factory.mktemp("genai")
    uri = f"sqlite:///{folder}/mlflow.db"
    done = subprocess.run([sys.executable, str(FILL), uri], cwd=folder, env=os.environ | SETTINGS, capture_output=True, text=True,
                          timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        return uri, content(uri, json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def imported(database, tmp_path_factory):
    """A workspace that took the database in, and what the command told."""
    workspace = tmp_path_factory.mktemp("imported") / "w"
    return workspace, millrace.run_json("import", "mlflow", database[0], "--workspace", workspace)


def read(workspace):
    with millrace.Server("--workspace", workspace) as server:
        return content(server.url)


def test_what_judges_applications_arrives_whole(database, imported):
    workspace, report = imported
    assert read(workspace) == database[1]
    counted = {"traces": 3, "spans": 6, "assessments": 6, "issues": 2, "scorer_versions": 5, "evaluation_datasets": 2, "evaluation_records": 3,
               "webhooks": 2, "registered_models": 1}
    assert {kind: report[kind] for kind in counted} == counted
    assert [(s["what"], s["n"]) for s in report["skipped"]] == [("secrets of webhooks", 1)]
    done = millrace.run("import", "mlflow", database[0], "--workspace", workspace, check=True)
    assert "left out" in done.stdout and "secrets of webhooks" in done.stdout


def test_webhooks_arrive_switched_off(imported):
    with millrace.Server("--workspace", imported[0]) as server:
        assert {w.status.value for w in MlflowClient(server.url, server.url).list_webhooks()} == {"DISABLED"}


def test_importing_twice_changes_nothing(database, imported):
    workspace, report = imported
    before = read(workspace)
    assert millrace.run_json("import", "mlflow", database[0], "--workspace", workspace) == report
    assert read(workspace) == before


def test_an_import_that_was_killed_completes_when_run_again(database, tmp_path):
    workspace = tmp_path / "w"
    tables = ("traces", "scorer_versions", "evaluation_records")
    for table in tables:
        process = subprocess.Popen([str(millrace.BINARY), "import", "mlflow", database[0], "--workspace", str(workspace)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stop = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < stop:
            if rows_of(workspace, table) > 0:
                process.send_signal(signal.SIGKILL)
                break
        process.wait(timeout=120)
    millrace.run("import", "mlflow", database[0], "--workspace", workspace, check=True)
    assert read(workspace) == database[1]


def rows_of(workspace, table):
    file = workspace / "metadata.db"
    if not file.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
            return connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def empty_database(folder):
    uri = f"sqlite:///{folder}/target.db"
    MlflowClient(uri, uri).search_experiments()
    return uri


def test_a_database_makes_the_round_trip(database, imported, tmp_path):
    target = empty_database(tmp_path)
    for _ in range(2):
        millrace.run("export", "mlflow", target, "--workspace", imported[0], check=True)
        assert content(target) == database[1]
    # MLflow itself finds the record with the same inputs again.
    questions = next(d for d in search_datasets() if d.name == "questions")
    questions.merge_records([{"inputs": {"q": "ü"}, "expectations": {"answer": 1}}])
    assert len(questions.to_df()) == 3


def test_a_dry_run_counts_and_makes_nothing(database, imported, tmp_path):
    workspace = tmp_path / "none"
    report = millrace.run_json("import", "mlflow", database[0], "--workspace", workspace, "--dry-run")
    assert {k: v for k, v in report.items() if k != "files"} == {k: v for k, v in imported[1].items() if k != "files"}
    assert report["files"] == imported[1]["files"]
    assert not workspace.exists()
    target = pathlib.Path(empty_database(tmp_path).removeprefix("sqlite:///"))
    before = target.read_bytes()
    millrace.run("export", "mlflow", target, "--workspace", imported[0], "--dry-run", check=True)
    assert target.read_bytes() == before


def test_a_server_is_a_source(database, imported, tmp_path):
    workspace = tmp_path / "w"
    with millrace.Server("--workspace", imported[0]) as server:
        report = millrace.run_json("import", "mlflow", server.url, "--workspace", workspace)
    assert read(workspace) == database[1]
    assert {s["what"] for s in report["skipped"]} == {"secrets of webhooks", "scorers of deleted experiments"}


def by_name(seen):
    """Without ids and times that a server gives itself."""
    names = {id: name for name, id in seen["experiments"].items()}
    issues = {issue["issue_id"]: issue["name"] for issue in seen["issues"]}

    def judged(assessments):
        order = [a["assessment_id"] for a in assessments]
        return [{key: issues.get(value, value) if key == "assessment_name" else order.index(value) if key == "overrides" and value else value
                 for key, value in a.items() if key not in ("assessment_id", "last_update_time", "run")} for a in assessments]

    def traced(trace):
        return trace | {"metadata": {k: v for k, v in trace["metadata"].items() if k != "mlflow.sourceRun"},
                        "assessments": judged(trace["assessments"])}

    return {
        "traces": {id: traced(trace) for id, trace in seen["traces"].items()},
        "linked": sorted(seen["linked"].values()),
        "issues": sorted((i["name"], i["status"], i["severity"] or "", i["root_causes"] or [], i["categories"] or []) for i in seen["issues"]),
        "scorers": [(s[1], s[3]) for s in seen["scorers"]],
        "datasets": sorted((d["name"], sorted(names[id] for id in d["experiment_ids"]),
                            {k: v for k, v in d["tags"].items() if not k.startswith("millrace.")}
                            if isinstance(d["tags"], dict) else d["tags"],
                            sorted(json.dumps([r["inputs"], r.get("outputs"), r.get("expectations") or {}, r["tags"]], sort_keys=True)
                                   for r in d["records"])) for d in seen["datasets"].values()),
        "webhooks": sorted(seen["webhooks"].values())}


def test_a_server_is_a_target(database, imported, tmp_path, monkeypatch):
    with millrace.Server("--workspace", tmp_path / "target") as target:
        for _ in range(2):
            millrace.run("export", "mlflow", target.url, "--workspace", imported[0], check=True)
            assert by_name(content(target.url)) == by_name(database[1])


def test_a_folder_takes_none_of_it_and_that_is_told(imported, tmp_path):
    report = millrace.run_json("export", "mlflow", tmp_path / "mlruns", "--workspace", imported[0])
    assert {s["what"]: s["n"] for s in report["skipped"]} == {
        "traces": 3, "issues": 2, "scorer versions": 5, "evaluation datasets": 2, "webhooks": 2, "secrets of webhooks": 2}
    assert report["traces"] == 0
    back = millrace.run_json("import", "mlflow", tmp_path / "mlruns", "--workspace", tmp_path / "w")
    assert [s["what"] for s in back["skipped"]] == ["evaluation datasets, scorers, issues, webhooks"]


def test_a_database_of_an_older_mlflow_is_told(database, tmp_path):
    shutil.copy(database[0].removeprefix("sqlite:///"), tmp_path / "old.db")
    with sqlite3.connect(tmp_path / "old.db") as connection:
        for table in ("issues", "scorer_versions", "online_scoring_configs", "scorers", "evaluation_dataset_records", "evaluation_dataset_tags",
                      "evaluation_datasets", "webhook_events", "webhooks"):
            connection.execute(f"DROP TABLE {table}")
    report = millrace.run_json("import", "mlflow", tmp_path / "old.db", "--workspace", tmp_path / "w")
    assert {s["what"] for s in report["skipped"]} == {"issues", "scorers", "evaluation datasets", "webhooks"}
    assert report["traces"] == 3
