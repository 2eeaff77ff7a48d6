# SPDX-License-Identifier: Apache-2.0
"""`kill -9` of a tracking server under write load: what it acknowledged is there, a batch is there as a whole or not at all, nothing twice."""

import http.client
import json
import random
import threading
import time
import urllib.parse

import millrace
import pytest

API = "/api/2.0/mlflow"
SEED = 20261126
N_CLIENTS = 4
BATCH_METRICS = 5


class Client(threading.Thread):
    """Logs to runs of its own until the server is gone, and keeps its own list of what was acknowledged."""

    def __init__(self, url, name):
        super().__init__()
        self.address = urllib.parse.urlsplit(url).netloc
        self.name = name
        self.run_ids = []
        self.metrics = []
        self.batches = []
        self.refusals = []

    def post(self, connection, path, body):
        connection.request("POST", API + path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            self.refusals.append((path, answer.status, text))
            raise OSError(f"{path} was refused")
        return json.loads(text)

    def run(self):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            i = 0
            while True:
                if i % 40 == 0:
                    made = self.post(connection, "/runs/create", {"experiment_id": "0", "run_name": f"{self.name} {i}"})
                    self.run_ids.append(made["run"]["info"]["run_id"])
                run_id = self.run_ids[-1]
                if i % 4 == 3:
                    # Metrics go to the journal, parameters and tags to the database: both or neither.
                    self.post(connection, "/runs/log-batch", {
                        "run_id": run_id, "metrics": [{"key": f"b{k}", "value": i, "timestamp": i, "step": i} for k in range(BATCH_METRICS)],
                        "params": [{"key": f"p{i}", "value": str(i)}], "tags": [{"key": f"t{i}", "value": str(i)}]})
                    self.batches.append((run_id, i))
                else:
                    self.post(connection, "/runs/log-metric", {"run_id": run_id, "key": "m", "value": i, "timestamp": i, "step": i})
                    self.metrics.append((run_id, i))
                i += 1
        except (OSError, http.client.HTTPException):
            connection.close()


def steps_of(server, run_id, key):
    """Steps of the history; each once."""
    status, text, _ = server.get(f"{API}/metrics/get-history?run_id={run_id}&metric_key={key}&max_results=25000")
    assert status == 200, text
    steps = [metric.get("step", 0) for metric in json.loads(text).get("metrics", ())]
    assert len(steps) == len(set(steps)), f"{run_id} has a point of {key} twice"
    return set(steps)


def check(server, client):
    """Everything that was acknowledged is there, and at most the one write under way besides."""
    assert not client.refusals, client.refusals[:3]
    runs = {}
    for run_id in client.run_ids:
        status, text, _ = server.get(f"{API}/runs/get?run_id={run_id}")
        assert status == 200, f"acknowledged run {run_id} is lost: {text}"
        runs[run_id] = json.loads(text)["run"]
    for run_id in client.run_ids:
        metrics = {i for run, i in client.metrics if run == run_id}
        batches = {i for run, i in client.batches if run == run_id}
        data = runs[run_id]["data"]
        found = steps_of(server, run_id, "m")
        assert metrics <= found, f"lost acknowledged metrics {sorted(metrics - found)[:5]} of {run_id}"
        of_batches = [steps_of(server, run_id, f"b{k}") for k in range(BATCH_METRICS)]
        of_batches.append({int(param["key"][1:]) for param in data.get("params", ())})
        of_batches.append({int(tag["key"][1:]) for tag in data["tags"] if tag["key"][1:].isdigit()})
        assert all(steps == of_batches[0] for steps in of_batches), f"{run_id} has half of a batch: {of_batches}"
        assert batches <= of_batches[0], f"lost acknowledged batches {sorted(batches - of_batches[0])[:5]} of {run_id}"
        assert len(found | of_batches[0]) <= len(metrics) + len(batches) + 1, f"{run_id} has points that nobody logged"
        # The latest values are those of the last points.
        latest = {metric["key"]: metric.get("step", 0) for metric in data.get("metrics", ())}
        assert latest == {key: max(steps) for key, steps in [("m", found)] + [(f"b{k}", of_batches[k]) for k in range(BATCH_METRICS)] if steps}


def kill_under_load(workspace, kills, seed):
    chance = random.Random(seed)
    server = millrace.Server("--workspace", workspace)
    everybody = []
    try:
        for turn in range(kills):
            clients = [Client(server.url, f"turn {turn} client {n}") for n in range(N_CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(chance.uniform(0.01, 0.4))  # the random moment
            server.process.kill()
            server.process.wait()
            for client in clients:
                client.join()
            server = millrace.Server("--workspace", workspace)
            for client in clients:
                check(server, client)
            everybody += clients
        for client in everybody:
            check(server, client)
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.process.kill()
    acknowledged = sum(len(client.metrics) + len(client.batches) + len(client.run_ids) for client in everybody)
    assert acknowledged > 20 * kills, "the kills hit a server without load"
    print(f"{kills} kills, {acknowledged} acknowledged writes, none lost")


def test_three_kills_lose_no_acknowledged_write(tmp_path):
    kill_under_load(tmp_path / "workspace", kills=3, seed=SEED)


@pytest.mark.slow
def test_two_hundred_kills_lose_no_acknowledged_write(tmp_path):
    kill_under_load(tmp_path / "workspace", kills=200, seed=SEED + 1)
