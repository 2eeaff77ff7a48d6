# SPDX-License-Identifier: Apache-2.0
"""`millrace serve` over a finished run, and beside a run that writes to the same workspace."""

import json
import threading
import time

import churn_project
import millrace
import pandas
import pytest

JSON_BY_KEY = {"dataframe_records": [{"customer_id": 12347}]}
REFRESH_S = 2


@pytest.fixture(scope="module")
def server(finished, tmp_path_factory):
    with millrace.Server(churn_project.copy_finished(millrace.BINARY, tmp_path_factory.mktemp("serve") / "churn")) as running:
        yield running


@pytest.fixture(scope="module")
def scores(report):
    return pandas.read_parquet(millrace.output(report, "scores.parquet"))


def test_health_ping_version_ready(server):
    assert server.get("/health")[:2] == (200, "OK")
    assert server.get("/ping")[:2] == (200, "\n")
    assert server.get("/version")[:2] == (200, "3.17.2")
    assert server.get("/ready")[0] == 200


def test_a_key_alone_is_answered_from_stored_values_bit_for_bit(server, scores):
    row = scores.sample(1, random_state=1).iloc[0]
    status, text, _ = server.post("/invocations", {"dataframe_records": [{"customer_id": int(row.customer_id)}]})
    answer = json.loads(text)
    assert status == 200 and answer["predictions"] == [row.score]
    assert answer["features_as_of"].startswith("2011-12-01T00:00:00")


def test_full_rows_give_the_same_score(server, scores):
    rows = scores.sample(50, random_state=2)
    features = rows.drop(columns=["customer_id", "as_of", "score"])
    body = {"dataframe_split": json.loads(features.to_json(orient="split", index=False, double_precision=15))}
    status, text, _ = server.post("/endpoints/churn/invocations", body)
    assert status == 200
    assert json.loads(text)["predictions"] == pytest.approx(rows["score"].tolist(), abs=1e-12)


def test_every_input_form_is_answered(server, scores):
    row = scores.drop(columns=["customer_id", "as_of", "score"]).dropna().iloc[[0]]
    records = json.loads(row.to_json(orient="records"))
    forms = [{"dataframe_split": json.loads(row.to_json(orient="split", index=False))}, {"dataframe_records": records},
             {"instances": records}, {"inputs": {name: [value] for name, value in records[0].items()}}]
    answers = [server.post("/invocations", form) for form in forms]
    assert [status for status, _, _ in answers] == [200] * 4, answers
    assert len({json.dumps(json.loads(text)["predictions"]) for _, text, _ in answers}) == 1


def test_an_unknown_key_is_404_and_named(server):
    status, text, _ = server.post("/invocations", {"dataframe_records": [{"customer_id": 1}]})
    assert status == 404 and "1" in json.loads(text)["message"]


@pytest.mark.parametrize("body", [{}, {"dataframe_records": [{"lifetime_value": 1}]}, {"dataframe_split": {"data": [[1]]}},
                                  {"instances": 3}, {"dataframe_records": [{"customer_id": "x"}]}, [1], "text"])
def test_a_clients_mistake_is_never_a_500(server, body):
    status, text, _ = server.post("/invocations", body)
    assert 400 <= status < 500 and json.loads(text)["error_code"] and json.loads(text)["message"]


def test_open_inference_protocol_answers_the_same(server, scores):
    row = scores.dropna().iloc[0]
    names = [name for name in scores.columns if name not in ("customer_id", "as_of", "score")]
    inputs = [{"name": name, "shape": [1], "datatype": "FP64", "data": [float(row[name])]} for name in names]
    status, text, _ = server.post("/v2/models/churn/infer", {"id": "7", "inputs": inputs})
    answer = json.loads(text)
    assert status == 200 and answer["id"] == "7" and answer["model_name"] == "churn"
    assert answer["outputs"][0]["data"][0] == pytest.approx(row["score"], abs=1e-12)


def test_metrics_are_prometheus_text(server):
    status, text, headers = server.get("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    assert "# TYPE" in text and "millrace_" in text


class Asking:
    """Asks the server for one key without a pause, in a thread of its own, and keeps every status."""

    def __init__(self, running):
        self.running = running
        self.statuses = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.ask)

    def ask(self):
        while not self.is_over.is_set():
            self.statuses.append(self.running.post("/invocations", JSON_BY_KEY)[0])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *unused):
        self.is_over.set()
        self.thread.join()


def test_a_run_beside_the_server_hands_over_its_values_and_the_new_champion_shows(small, edit):
    millrace.run_json("run", small)
    edit(small / "training/churn.yaml", "better_than_champion: true", "better_than_champion: false")
    with millrace.Server(small) as running:
        before = json.loads(running.get("/v2/models/churn")[1])["versions"]
        edit(small / "features/customer.yaml", "count(*) where amount >= 100", "count(*) where amount >= 150")
        with Asking(running) as asking:
            report = millrace.run_json("run", small)
            time.sleep(REFRESH_S)
        assert len(asking.statuses) > 100 and set(asking.statuses) == {200}
        assert report["model"]["version"] == 2 and report["model"]["aliases"] == ["champion"]
        deadline = time.monotonic() + REFRESH_S
        while time.monotonic() < deadline:
            after = json.loads(running.get("/v2/models/churn")[1])["versions"]
            if after != before:
                break
            time.sleep(0.05)
        assert (before, after) == (["1"], ["2"])
        rows = pandas.read_parquet(millrace.output(report, "scores.parquet"))
        status, text, _ = running.post("/invocations", {"dataframe_records": [{"customer_id": int(rows.customer_id.iloc[0])}]})
        assert status == 200 and json.loads(text)["predictions"] == [rows.score.iloc[0]]
        assert millrace.run("features", "show", small).returncode == 0
        assert running.stop() == 0


def test_serve_without_a_project_needs_only_a_workspace(tmp_path):
    with millrace.Server("--workspace", tmp_path / "workspace") as running:
        assert running.get("/health")[0] == 200
        status, text, _ = running.post("/invocations", JSON_BY_KEY)
        assert status == 404 and "endpoint" in json.loads(text)["message"]
