# SPDX-License-Identifier: Apache-2.0
"""64 clients that log at once, without an error, without a lost point, in bounded memory."""

import json
import pathlib
import re
import subprocess

import millrace
import pytest

API = "/api/2.0/mlflow"
HTTP_LOAD = millrace.BINARY.parent / "benches/http_load"
N_CLIENTS = 64
MOST_PRIVATE_MB = 200


def private_mb(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(kb) for kb in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M)) / 1024


def count_points(server, run_id):
    """Points of the run's metric, read page by page; no step twice."""
    steps, token = set(), ""
    n = 0
    while True:
        status, text, _ = server.get(f"{API}/metrics/get-history?run_id={run_id}&metric_key=loss&max_results=25000&page_token={token}")
        assert status == 200, text
        answer = json.loads(text)
        page = [metric["step"] for metric in answer.get("metrics", ())]
        steps.update(page)
        n += len(page)
        token = answer.get("next_page_token", "")
        if not token:
            assert len(steps) == n, f"{run_id} has a point twice"
            return n


def soak(tmp_path, seconds):
    with millrace.Server("--workspace", tmp_path / "workspace") as server:
        lines, run_ids = [], []
        for i in range(N_CLIENTS):
            status, text, _ = server.post(f"{API}/runs/create", {"experiment_id": "0", "run_name": f"client {i}"})
            assert status == 200, text
            run_ids.append(json.loads(text)["run"]["info"]["run_id"])
            body = f'{{"run_id":"{run_ids[-1]}","key":"loss","value":0.{{n}},"timestamp":1700000{{n}},"step":{{n}}}}'
            lines.append(f"POST\t{API}/runs/log-metric\t{body}")
        requests = tmp_path / "requests"
        requests.write_text("\n".join(lines) + "\n")
        done = subprocess.run([str(HTTP_LOAD), "--url", server.url, "--requests", str(requests), "--connections", str(N_CLIENTS),
                               "--seconds", str(seconds), "--first", "1000000"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        counted = json.loads(done.stdout)
        print(f"{counted['requests']} requests, {counted['rate']:.0f} a second, p99 {counted['p99_ms']:.2f} ms, "
              f"most {counted['max_ms']:.1f} ms, {private_mb(server.process.pid):.0f} MB")
        assert counted["failed"] == 0 and counted["reconnects"] == 0
        assert counted["requests"] > N_CLIENTS
        assert sum(count_points(server, run_id) for run_id in run_ids) == counted["requests"]
        assert private_mb(server.process.pid) < MOST_PRIVATE_MB
        assert server.stop() == 0


def test_sixty_four_clients_for_ten_seconds(tmp_path):
    soak(tmp_path, 10)


@pytest.mark.slow
def test_sixty_four_clients_for_ten_minutes(tmp_path):
    soak(tmp_path, 600)
