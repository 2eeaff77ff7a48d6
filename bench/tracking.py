# SPDX-License-Identifier: Apache-2.0
"""Tracking over HTTP: `millrace serve` with durability on against `mlflow server` on SQLite with its default workers.

Both sides get the same requests from the same lean client (bench/http_load: connections that are kept, quick acknowledgements, time from
the request's first byte to the answer's last), one side after the other, on this machine. Their answers are compared before any figure is
printed: histories point by point, searches run by run, and every acknowledged metric must be there. A request that fails ends the benchmark.

Usage: python bench/tracking.py [--binary build/release/millrace] [--seconds 5] [--only millrace] [--workers N] [--json FILE]
       python bench/tracking.py --million [--runs 1000000] [--keep DIR]

--million fills a workspace with a million runs of ten metrics each and measures searches with a filter and an order over two metrics,
and the server's private memory.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import re
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
HTTP_LOAD = ROOT / "build/release/benches/http_load"
API = "/api/2.0/mlflow"
N_RUNS = 1000
N_HISTORY = 20_000
T0 = 1_700_000_000_000
SEARCH = {"filter": "metrics.loss < 0.5 and params.model = 'a'", "order_by": ["metrics.loss ASC"], "max_results": 100}
AIM_RATIO, AIM_RATE, AIM_P99_MS, AIM_READY_S, AIM_IDLE_MB = 30.0, 10_000, 5.0, 0.2, 80.0
AIM_MILLION_MS, AIM_MILLION_MB = 100.0, 500.0
PRIORITY = []


def call(url, method, path, body=None):
    """The answer's object; an error answer ends the benchmark."""
    request = urllib.request.Request(url + path, data=None if body is None else json.dumps(body).encode(), method=method,
                                     headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            return json.loads(reply.read() or b"{}")
    except urllib.error.HTTPError as error:
        sys.exit(f"{url}{path} answered {error.code}: {error.read().decode(errors='replace')[:500]}")


def request_line(method, path, body=None):
    return f"{method}\t{path}" + ("" if body is None else "\t" + json.dumps(body))


def load(url, lines, connections=1, seconds=600.0, count=None, first=0):
    """What http_load counted while it sent the lines in turn."""
    with tempfile.NamedTemporaryFile("w", suffix=".requests") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        command = [str(HTTP_LOAD), "--url", url, "--requests", file.name, "--connections", str(connections), "--seconds", str(seconds),
                   "--first", str(first)] + ([] if count is None else ["--count", str(count)])
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            sys.exit(f"{HTTP_LOAD} is missing; run scripts/build.sh release http_load")
    if not done.stdout.startswith("{"):
        sys.exit(f"http_load failed at {lines[0][:80]}: {done.stderr}")
    counted = json.loads(done.stdout)
    if counted["reconnects"]:
        print(f"  {url} closed {counted['reconnects']} connections under way", file=sys.stderr)
    if counted["failed"] or not counted["requests"]:
        sys.exit(f"{url}: {counted['failed']} of {counted['requests']} requests failed, the first: {counted['failure']}")
    return counted


def process_tree(pid):
    """The process and all that descend from it."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text()
            parent = int(text.rsplit(")", 1)[1].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    tree = [pid]
    for member in tree:
        tree.extend(children.get(member, ()))
    return tree


def private_mb(pid):
    """Memory that the tree of processes shares with nobody, in MB, and the number of processes."""
    kb, n = 0, 0
    for member in process_tree(pid):
        with contextlib.suppress(OSError):
            text = pathlib.Path(f"/proc/{member}/smaps_rollup").read_text()
            kb += sum(int(value) for value in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))
            n += 1
    return kb / 1024, n


def fdatasync_p50_ms(folder, n=400):
    """Of 200 bytes in space that exists: what a group commit waits for at least."""
    path = pathlib.Path(folder) / "fdatasync_probe"
    times = []
    with open(path, "wb+", buffering=0) as file:
        file.write(bytes(1 << 20))
        os.fsync(file.fileno())
        for i in range(n):
            begin = time.perf_counter()
            os.pwrite(file.fileno(), b"x" * 200, i * 200)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begin) * 1e3)
    path.unlink()
    return statistics.median(times)


def prefer(pid):
    """Gives the session of the process the priority asked for: the kernel shares the processors between sessions first."""
    for nice in PRIORITY:
        pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(nice))


@contextlib.contextmanager
def process(command, log, **options):
    """A server in a process group of its own, which is ended as a whole."""
    with open(log, "w", encoding="utf-8") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, **options)
    prefer(child.pid)
    try:
        yield child
    finally:
        members = process_tree(child.pid)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        # mlflow's helpers may outlive their parent.
        for member in members[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)


def wait_until_healthy(url_of, child, log, begin, seconds=180):
    """URL of the server, and seconds from its start to its first good answer."""
    while time.perf_counter() - begin < seconds and child.poll() is None:
        url = url_of()
        if url:
            with contextlib.suppress(OSError), urllib.request.urlopen(url + "/health", timeout=5) as reply:
                if reply.status == 200:
                    return url, time.perf_counter() - begin
        time.sleep(0.002)
    sys.exit(f"the server did not start:\n{pathlib.Path(log).read_text()[-2000:]}")


@contextlib.contextmanager
def millrace(binary, workspace, folder):
    log = folder / "millrace.log"
    begin = time.perf_counter()
    with process([str(binary), "serve", "--port", "0", "--workspace", str(workspace)], log) as child:
        def url_of():
            found = re.search(r"listening on (http://\S+)", log.read_text())
            return found and found[1]

        url, ready = wait_until_healthy(url_of, child, log, begin)
        yield {"name": "millrace", "url": url, "pid": child.pid, "ready_s": ready}


@contextlib.contextmanager
def mlflow(workers, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", folder / "mlflow.log"
    bin_dir = pathlib.Path(sys.executable).parent
    command = [str(bin_dir / "mlflow"), "server", "--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination",
               str(folder / "artifacts"), "--host", "127.0.0.1", "--port", str(port)]
    if workers:
        command += ["--workers", str(workers)]
    environment = {**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    begin = time.perf_counter()
    with process(command, log, env=environment, cwd=folder) as child:
        url, ready = wait_until_healthy(lambda: url, child, log, begin)
        yield {"name": f"mlflow, {workers or 4} workers", "url": url, "pid": child.pid, "ready_s": ready}


def make_experiment(url, name):
    return call(url, "POST", f"{API}/experiments/create", {"name": name})["experiment_id"]


def make_run(url, experiment):
    return call(url, "POST", f"{API}/runs/create", {"experiment_id": experiment, "start_time": T0})["run"]["info"]["run_id"]


def history_value(step):
    return math.exp(-step / 5000) + (step * 2654435761 % 1000) / 1e4


def batch(run, first, n, key="loss", step=0):
    return {"run_id": run, "metrics": [{"key": key, "value": history_value(i), "timestamp": T0 + 100 * i, "step": i + step}
                                       for i in range(first, first + n)]}


def points_of(url, run, key):
    """All points of the history, page by page."""
    points, token = [], None
    while True:
        answer = call(url, "GET", f"{API}/metrics/get-history?run_id={run}&metric_key={key}&max_results=25000"
                      + (f"&page_token={token}" if token else ""))
        points += [(m["timestamp"], m.get("step", 0), m["value"]) for m in answer.get("metrics", ())]
        token = answer.get("next_page_token")
        if not token:
            return points


def measure_writes(side, seconds, results):
    url = side["url"]
    experiment = make_experiment(url, "writes")
    run = make_run(url, experiment)
    # The value, time and step of a point are its running number, so that what was acknowledged can be checked.
    line = f'POST\t{API}/runs/log-metric\t{{"run_id":"{run}","key":"m","value":{{n}},"timestamp":1700000{{n}},"step":{{n}}}}'
    load(url, [line], seconds=0.3)
    n = 1_000_000
    eight = load(url, [line], connections=8, seconds=seconds, first=n)
    one = load(url, [line], seconds=seconds, first=eight["next"])
    logged = {step for _, step, _ in points_of(url, run, "m")}
    lost = [i for i in range(n, one["next"]) if i not in logged]
    if lost:
        sys.exit(f"{side['name']} acknowledged {len(lost)} metrics that it does not have, the first is {lost[0]}")
    results["log-metric, 8 connections"] = eight
    results["log-metric, 1 connection"] = one
    body = {"experiment_id": experiment, "start_time": T0, "run_name": "run {n}", "tags": [{"key": "mlflow.user", "value": "bench"}]}
    results["create-run"] = load(url, [request_line("POST", f"{API}/runs/create", body)], seconds=seconds)
    batches = [request_line("POST", f"{API}/runs/log-batch", batch(run, 1000 * i, 1000, key="batch")) for i in range(100)]
    results["log-batch of 1,000 points"] = load(url, batches, seconds=seconds, count=100)


def measure_history(side, results):
    url = side["url"]
    run = make_run(url, make_experiment(url, "history"))
    for first in range(0, N_HISTORY, 1000):
        call(url, "POST", f"{API}/runs/log-batch", batch(run, first, 1000))
    path = f"{API}/metrics/get-history?run_id={run}&metric_key=loss&max_results=25000"
    results["history of 20,000 points"] = load(url, [request_line("GET", path)], count=15, seconds=30)
    side["history"] = points_of(url, run, "loss")


def measure_searches(side, results):
    url = side["url"]
    experiment = make_experiment(url, "searches")
    body = {"experiment_id": experiment, "start_time": T0, "run_name": "run {n}", "tags": [{"key": "team", "value": "t"}]}
    load(url, [request_line("POST", f"{API}/runs/create", body)], count=N_RUNS)
    found = call(url, "POST", f"{API}/runs/search", {"experiment_ids": [experiment], "max_results": N_RUNS})["runs"]
    ids = {run["info"]["run_name"]: run["info"]["run_id"] for run in found}
    if len(ids) != N_RUNS:
        sys.exit(f"{side['name']} has {len(ids)} of {N_RUNS} runs")
    lines = []
    for i in range(N_RUNS):
        values = {"loss": i * 7919 % N_RUNS / N_RUNS, "acc": i * 104729 % N_RUNS / N_RUNS, "auc": 0.5}
        lines.append(request_line("POST", f"{API}/runs/log-batch", {
            "run_id": ids[f"run {i}"], "metrics": [{"key": key, "value": value, "timestamp": T0, "step": 1} for key, value in values.items()],
            "params": [{"key": "model", "value": "ab"[i % 2]}, {"key": "depth", "value": str(i % 9)}]}))
    load(url, lines, count=N_RUNS)
    search = {"experiment_ids": [experiment], **SEARCH}
    everything = {"experiment_ids": [experiment], "max_results": N_RUNS}
    results["search: filter, order, 100 of 1,000"] = load(url, [request_line("POST", f"{API}/runs/search", search)], count=30, seconds=15)
    results["search: 1,000 runs"] = load(url, [request_line("POST", f"{API}/runs/search", everything)], count=10, seconds=30)
    side["search"] = [summary(run) for run in call(url, "POST", f"{API}/runs/search", search)["runs"]]
    side["everything"] = sorted(summary(run) for run in call(url, "POST", f"{API}/runs/search", everything)["runs"])


def summary(run):
    """What both sides must say of a run; ids and tags of the server's own differ."""
    data = run["data"]
    return (run["info"]["run_name"], run["info"]["status"], run["info"]["start_time"],
            tuple(sorted((m["key"], m["value"], m["timestamp"], m["step"]) for m in data["metrics"])),
            tuple(sorted((p["key"], p["value"]) for p in data["params"])))


def measure_real_client(side, results):
    """The same by MLflow's own Python client: mostly the client's own time."""
    code = (
        "import sys, time, statistics\n"
        "from mlflow import MlflowClient\n"
        "from mlflow.entities import Metric\n"
        "client = MlflowClient(sys.argv[1])\n"
        "run = client.create_run('0').info.run_id\n"
        "def p50(n, call):\n"
        "    times = []\n"
        "    for i in range(n):\n"
        "        begin = time.perf_counter(); call(i); times.append((time.perf_counter() - begin) * 1e3)\n"
        "    return statistics.median(times)\n"
        "print(p50(150, lambda i: client.log_metric(run, 'm', float(i), step=i)),\n"
        "      p50(20, lambda i: client.log_batch(run, [Metric('b', float(j), j, 1000 * i + j) for j in range(1000)])))\n")
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, side["url"]], capture_output=True, text=True, check=False,
                          env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"})
    if done.returncode != 0:
        sys.exit(f"the Python client failed against {side['name']}:\n{done.stderr[-1500:]}")
    metric, batches = map(float, done.stdout.split())
    results["Python client: log_metric"] = {"p50_ms": metric}
    results["Python client: log_batch of 1,000"] = {"p50_ms": batches}


def measure(side, seconds):
    results = {}
    side["idle_mb"], side["n_processes"] = private_mb(side["pid"])
    measure_writes(side, seconds, results)
    measure_history(side, results)
    measure_searches(side, results)
    measure_real_client(side, results)
    side["loaded_mb"], _ = private_mb(side["pid"])
    side["results"] = results
    return side


def agree(ours, theirs):
    for what in ("history", "search", "everything"):
        if ours[what] != theirs[what]:
            a, b = next(((a, b) for a, b in zip(ours[what], theirs[what]) if a != b), (len(ours[what]), len(theirs[what])))
            sys.exit(f"answers differ ({what}): millrace {a}, mlflow {b}")
    if len(ours["history"]) != N_HISTORY or len(ours["search"]) != SEARCH["max_results"] or len(ours["everything"]) != N_RUNS:
        sys.exit("both sides answer less than was logged")


def report(ours, theirs):
    """The table; returns the sentences of aims that are missed."""
    missed = []
    print(f"{'':36}{'millrace':>22}{'mlflow':>22}{'ratio':>8}")
    print(f"{'':36}{'p50 ms':>11}{'p99 ms':>11}{'p50 ms':>11}{'p99 ms':>11}")
    for name, mine in ours["results"].items():
        other = theirs["results"][name] if theirs else None
        is_rate = name == "log-metric, 8 connections"
        ratio = None
        if other:
            ratio = mine["rate"] / other["rate"] if is_rate else other["p50_ms"] / mine["p50_ms"]
        cells = [f"{side[key]:11.3f}" if side and key in side else f"{'':11}" for side in (mine, other) for key in ("p50_ms", "p99_ms")]
        print(f"{name:36}{''.join(cells)}{'' if ratio is None else f'{ratio:8.1f}'}")
        if is_rate:
            print(f"{'    requests a second':36}{mine['rate']:11,.0f}{'':11}{other['rate'] if other else 0:11,.0f}")
            if mine["rate"] < AIM_RATE:
                missed.append(f"{name}: {mine['rate']:,.0f} requests/s, aim {AIM_RATE:,}")
        if ratio is not None and ratio < AIM_RATIO and not name.startswith("Python"):
            missed.append(f"{name}: {ratio:.1f} times mlflow, aim {AIM_RATIO:.0f}")
        if mine.get("p99_ms", 0) > AIM_P99_MS and name.startswith(("log-", "create-")):
            missed.append(f"{name}: p99 {mine['p99_ms']:.2f} ms, aim {AIM_P99_MS:g}")
    for label, key in (("start until /health answers, s", "ready_s"), ("private memory when idle, MB", "idle_mb"),
                       ("private memory afterwards, MB", "loaded_mb"), ("processes", "n_processes")):
        values = f"{ours[key]:11.2f}{'':11}" + (f"{theirs[key]:11.2f}{'':11}{theirs[key] / ours[key]:8.1f}" if theirs else "")
        print(f"{label:36}{values}")
    if ours["ready_s"] > AIM_READY_S:
        missed.append(f"start: {ours['ready_s']:.3f} s, aim {AIM_READY_S:g}")
    if ours["idle_mb"] > AIM_IDLE_MB:
        missed.append(f"idle: {ours['idle_mb']:.1f} MB, aim {AIM_IDLE_MB:g}")
    return missed


def fill_million(database, n_runs):
    """Rows as the store writes them, straight into its tables: through the interface it would take an hour of fsyncs."""
    connection = sqlite3.connect(database)
    connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; PRAGMA foreign_keys = OFF; BEGIN")
    run = connection.execute
    first_name = run("SELECT COALESCE(MAX(name_id), 0) FROM names").fetchone()[0]
    for i in range(10):
        run("INSERT INTO names (name_id, name) VALUES (?, ?)", (first_name + 1 + i, f"metric{i}"))
    run("UPDATE counters SET number = number + 10 WHERE name = 'name_id'")
    first_run = run("SELECT COALESCE(MAX(run_key), 0) FROM runs").fetchone()[0]
    run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO runs (run_key, run_id, experiment_id, name, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage, "
        "deleted_time, idempotency_key, change) SELECT ? + i, printf('%032x', i * 2654435761), 0, 'run ' || i, 'bench', 3, ? + i, ? + i + 1000, "
        "'mlflow-artifacts:/0/' || printf('%032x', i * 2654435761) || '/artifacts', 'active', NULL, NULL, 0 FROM n",
        (n_runs, first_run, T0, T0))
    run("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?), k(j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM k WHERE j < 9) "
        "INSERT INTO latest_metrics (run_key, name_id, value, timestamp, step, is_nan, change) "
        "SELECT ? + i, ? + 1 + j, ((i * 48271 + j * 7919 + i * j) % 1000003) / 1000003.0, ? + i, 1, 0, 0 FROM n CROSS JOIN k",
        (n_runs, first_run, first_name, T0))
    run("UPDATE counters SET number = ? WHERE name = 'run_key'", (first_run + n_runs,))
    run("UPDATE counters SET number = number + 1 WHERE name = 'change'")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def expected_search(n_runs, limit):
    """The answer by plain arithmetic: metric0 < 0.5 and metric1 > 0.25, by metric2, then newest first."""
    def value(i, j):
        return ((i * 48271 + j * 7919 + i * j) % 1000003) / 1000003.0

    found = [(value(i, 2), -i) for i in range(1, n_runs + 1) if value(i, 0) < 0.5 and value(i, 1) > 0.25]
    found.sort()
    return [f"run {-negative}" for _, negative in found[:limit]]


def million(options, folder):
    workspace = options.keep or folder / "million"
    database = workspace / "metadata.db"
    with millrace(options.binary, workspace, folder):
        pass
    begin = time.perf_counter()
    if sqlite3.connect(database).execute("SELECT COUNT(*) FROM runs").fetchone()[0] < options.runs:
        fill_million(database, options.runs)
    print(f"{options.runs:,} runs with 10 metrics each in {time.perf_counter() - begin:.0f} s, "
          f"database {database.stat().st_size / 1e6:,.0f} MB")
    with millrace(options.binary, workspace, folder) as side:
        url = side["url"]
        idle, _ = private_mb(side["pid"])
        body = {"experiment_ids": ["0"], "filter": "metrics.metric0 < 0.5 and metrics.metric1 > 0.25", "order_by": ["metrics.metric2 ASC"],
                "max_results": 100}
        begin = time.perf_counter()
        names = [run["info"]["run_name"] for run in call(url, "POST", f"{API}/runs/search", body)["runs"]]
        first = time.perf_counter() - begin
        if names != expected_search(options.runs, 100):
            sys.exit(f"the search answers {names[:5]}, expected {expected_search(options.runs, 5)}")
        line = request_line("POST", f"{API}/runs/search", body)
        alone = load(url, [line], count=50, seconds=20)
        # A metric logged between two searches must not make the next one read everything again.
        run = call(url, "POST", f"{API}/runs/search", {"experiment_ids": ["0"], "max_results": 1})["runs"][0]["info"]["run_id"]
        metric = f'POST\t{API}/runs/log-metric\t{{"run_id":"{run}","key":"metric0","value":0.9,"timestamp":{T0},"step":{{n}}}}'
        mixed = load(url, [metric, line], count=100, seconds=20, first=10)
        memory, _ = private_mb(side["pid"])
        by_start = load(url, [request_line("POST", f"{API}/runs/search", {"experiment_ids": ["0"], "max_results": 100})], count=50, seconds=20)
    print(f"start {side['ready_s']:.3f} s, idle {idle:.1f} MB; first search {first:.2f} s")
    print(f"search with filter and order: p50 {alone['p50_ms']:.2f} ms, p99 {alone['p99_ms']:.2f} ms; newest 100: p50 {by_start['p50_ms']:.2f} ms")
    print(f"log-metric and search in turn: search at most {mixed['p99_ms']:.2f} ms")
    print(f"private memory {memory:.0f} MB")
    missed = []
    if alone["p50_ms"] > AIM_MILLION_MS:
        missed.append(f"search among {options.runs:,} runs: {alone['p50_ms']:.1f} ms, aim {AIM_MILLION_MS:g}")
    if memory > AIM_MILLION_MB:
        missed.append(f"memory with {options.runs:,} runs: {memory:.0f} MB, aim {AIM_MILLION_MB:g}")
    return missed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/millrace")
    parser.add_argument("--seconds", type=float, default=5, help="length of each measurement of writes")
    parser.add_argument("--workers", type=int, help="worker processes of mlflow; its default (4) if left out")
    parser.add_argument("--only", choices=("millrace", "mlflow"), help="measure one side alone")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures to this file")
    parser.add_argument("--priority", type=int, help="nice value of both sides' and the client's sessions (below 0 needs root), so that what "
                        "else the machine does counts less")
    parser.add_argument("--million", action="store_true", help="the searches among a million runs instead")
    parser.add_argument("--runs", type=int, default=1_000_000, help="number of runs for --million")
    parser.add_argument("--keep", type=pathlib.Path, help="workspace for --million; made and filled if it does not exist")
    options = parser.parse_args()
    if options.priority is not None:
        PRIORITY.append(options.priority)
        prefer(os.getpid())
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name:
        folder = pathlib.Path(name)
        print(f"fdatasync p50 {fdatasync_p50_ms(folder):.3f} ms, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
        if options.million:
            missed = million(options, folder)
        else:
            ours = theirs = None
            if options.only != "mlflow":
                with millrace(options.binary, folder / "workspace", folder) as side:
                    ours = measure(side, options.seconds)
            if options.only != "millrace":
                with mlflow(options.workers, folder) as side:
                    theirs = measure(side, options.seconds)
            if ours and theirs:
                agree(ours, theirs)
                print("answers agree")
            missed = report(ours or theirs, theirs if ours else None)
            if options.json:
                figures = [{key: side[key] for key in ("name", "ready_s", "idle_mb", "loaded_mb", "n_processes", "results")}
                           for side in (ours, theirs) if side]
                options.json.write_text(json.dumps(figures, indent=1) + "\n")
    for sentence in missed:
        print(f"missed: {sentence}")


if __name__ == "__main__":
    main()
