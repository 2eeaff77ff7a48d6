# SPDX-License-Identifier: Apache-2.0
"""Scoring over HTTP: `millrace serve` against `mlflow models serve` of the same model directory, same bodies, same client (wrk).

Both serve on this machine, one after the other, and share its cores with the client. Before anything is timed, both must answer the same
scores (to 1e-6; to 1e-5 where the directory's flavour is onnx). A request that fails ends the benchmark.

Usage: python bench/serving_http.py [--project examples/churn] [--workspace DIR] [--binary build/release/millrace] [--seconds 5]
       python bench/serving_http.py --ours URL --model-dir DIR      (a server that already runs, for a model directory)

Expected on 2 cores: at 8 connections 30 times the requests a second of mlflow, p99 under 1 ms.
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
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
CONNECTIONS = (1, 8)
TARGET_RATIO = 30.0
TARGET_P99_MS = 1.0


def post(url, body):
    """The answer's object; an error answer is printed and ends the benchmark."""
    request = urllib.request.Request(url, data=body.encode(), headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as error:
        sys.exit(f"{url} answered {error.code}: {error.read().decode(errors='replace')[:500]}")


def scores(answer):
    """Predictions as numbers, whether a flavour answers numbers, lists or objects of one output."""
    def number(value):
        while isinstance(value, (list, dict)):
            value = next(iter(value.values() if isinstance(value, dict) else value))
        return float(value)

    predictions = answer["predictions"]
    if isinstance(predictions, dict):
        predictions = next(iter(predictions.values()))
    return [number(value) for value in predictions]


@contextlib.contextmanager
def process(command, log, **options):
    """A server in a process group of its own, which is ended as a whole."""
    with open(log, "w", encoding="utf-8") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True, **options)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def wait_for(what, probe, child, log, seconds=300):
    """What `probe` gives once it gives something; ends the benchmark when the server died or the time is up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found:
            return found
        if child.poll() is not None:
            break
        time.sleep(0.1)
    sys.exit(f"{what} did not start:\n{pathlib.Path(log).read_text()[-2000:]}")


@contextlib.contextmanager
def millrace(binary, project, workspace, folder):
    """The URL of `millrace serve`."""
    log = folder / "millrace.log"
    # One thread: the other of two cores is the client's. With all three on two cores p99 is a slice of the scheduler, 4 ms.
    command = [str(binary), "serve", str(project), "--port", "0", "--threads", "1", "--workspace", str(workspace)]
    with process(command, log) as child:
        def listening():
            found = re.search(r"listening on (http://\S+)", log.read_text())
            return found and found[1]

        yield wait_for("millrace serve", listening, child, log)


@contextlib.contextmanager
def mlflow(model_dir, workers, folder):
    """The URL of `mlflow models serve` with so many worker processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    log = folder / f"mlflow_{workers}.log"
    command = [str(pathlib.Path(sys.executable).parent / "mlflow"), "models", "serve", "-m", str(model_dir), "--env-manager", "local",
               "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    environment = {**os.environ, "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
                   "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    with process(command, log, env=environment) as child:
        def healthy():
            try:
                with urllib.request.urlopen(url + "/ping", timeout=5) as reply:
                    return reply.status == 200
            except OSError:
                return False

        wait_for("mlflow models serve", healthy, child, log)
        yield url


def load(url, bodies_file, connections, seconds):
    """What wrk counted against the URL."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(ROOT / "bench/serving/score.lua"), url]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "BODIES": str(bodies_file)})
    except FileNotFoundError:
        sys.exit("wrk is missing; install the Debian package wrk (scripts/setup.sh --bench)")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"wrk failed: {done.stderr or done.stdout}")
    counted = json.loads(lines[-1])
    if counted["failed"] != 0 or counted["requests"] == 0:
        sys.exit(f"{url}: {counted['failed']} of {counted['requests']} requests failed")
    counted["rate"] = counted["requests"] / counted["seconds"]
    return counted


def measure(url, bodies_file, seconds):
    """Results by number of connections, after a short warm-up."""
    load(url, bodies_file, 1, 1)
    return {connections: load(url, bodies_file, connections, seconds) for connections in CONNECTIONS}


def full_rows(model_dir):
    """One body per row of the model's own serving example, every column given."""
    example = json.loads((model_dir / "serving_input_example.json").read_text())["dataframe_split"]
    return [json.dumps({"dataframe_split": {"columns": example["columns"], "data": [row]}}) for row in example["data"]]


def key_bodies(url, wanted=200):
    """Bodies that name a stored key alone; empty where the endpoint has none."""
    name = url.rstrip("/").rsplit("/", 2)[-2]
    base = url.split("/endpoints/")[0]
    with urllib.request.urlopen(f"{base}/v2/models/{name}", timeout=30) as reply:
        key = json.loads(reply.read())["properties"].get("key")
    bodies = []
    # The customers of Online Retail are numbered from 12346.
    for number in range(12346, 12346 + 20 * wanted) if key else ():
        body = json.dumps({"dataframe_records": [{key: number}]})
        request = urllib.request.Request(url, data=body.encode(), headers={"Content-Type": "application/json"})
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(request, timeout=30).read()
            bodies.append(body)
        if len(bodies) == wanted:
            break
    return bodies


def champion_directory(binary, project, workspace, model):
    """The model directory of the version that the endpoint serves."""
    command = [str(binary), "models", "show", model, str(project), "--workspace", str(workspace), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed with exit code {done.returncode}: {done.stderr.strip()}")
    versions = [version for version in json.loads(done.stdout)["versions"] if "champion" in version["aliases"]]
    if not versions:
        sys.exit(f"model {model} of {workspace} has no champion; run `millrace run` first")
    return pathlib.Path(versions[0]["storage_location"])


def agree(ours, theirs, bodies, model_dir):
    """Both servers answer the same scores for every body."""
    is_onnx = re.search(r"^  onnx:", (model_dir / "MLmodel").read_text(), re.M) is not None
    tolerance = 1e-5 if is_onnx else 1e-6
    for body in bodies:
        a, b = scores(post(ours, body)), scores(post(theirs, body))
        if len(a) != len(b) or not all(math.isclose(x, y, rel_tol=0, abs_tol=tolerance) for x, y in zip(a, b)):
            sys.exit(f"answers differ: millrace {a}, mlflow {b} for {body[:300]}")


def report(sides):
    """The table of all sides; the ratio is ours over the side's rate."""
    ours = sides["millrace"]
    print(f"{'':22}{'connections':>12}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}")
    for name, results in sides.items():
        for connections, counted in results.items():
            is_ours = name.startswith("millrace")
            ratio = "" if is_ours else f"{ours[connections]['rate'] / counted['rate']:.1f}"
            print(f"{name:22}{connections:12}{counted['rate']:12,.0f}{counted['p50_ms']:9.3f}{counted['p99_ms']:9.3f}{ratio:>8}")
    best = max(results[8]["rate"] for name, results in sides.items() if name.startswith("mlflow"))
    ratio, p99 = ours[8]["rate"] / best, ours[8]["p99_ms"]
    print(f"at 8 connections: {ratio:.1f} times mlflow's best (aim {TARGET_RATIO:.0f}), p99 {p99:.3f} ms (aim {TARGET_P99_MS:g})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=pathlib.Path, default=ROOT / "examples/churn")
    parser.add_argument("--workspace", type=pathlib.Path, help="a workspace with a finished run; a new one if left out")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/millrace")
    parser.add_argument("--endpoint", default="churn", help="name of the endpoint and of its model")
    parser.add_argument("--model-dir", type=pathlib.Path, help="what mlflow serves; the champion's directory if left out")
    parser.add_argument("--ours", help="URL of a running server's endpoint, instead of starting one")
    parser.add_argument("--seconds", type=int, default=5, help="length of each measurement")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workspace = options.workspace or folder / "workspace"
        if not options.ours and not workspace.exists():
            done = subprocess.run([str(options.binary), "run", str(options.project), "--workspace", str(workspace)], check=False,
                                  capture_output=True, text=True)
            if done.returncode != 0:
                sys.exit(f"millrace run failed with exit code {done.returncode}:\n{done.stderr[-2000:]}")
        model_dir = options.model_dir or champion_directory(options.binary, options.project, workspace, options.endpoint)
        bodies = full_rows(model_dir)
        bodies_file = folder / "bodies.txt"
        bodies_file.write_text("\n".join(bodies) + "\n")
        sides = {}
        with contextlib.ExitStack() as ours_stack:
            base = options.ours or ours_stack.enter_context(millrace(options.binary, options.project, workspace, folder))
            url = base if options.ours else f"{base}/endpoints/{options.endpoint}/invocations"
            sides["millrace"] = measure(url, bodies_file, options.seconds)
            keys = key_bodies(url)
            if keys:
                keys_file = folder / "keys.txt"
                keys_file.write_text("\n".join(keys) + "\n")
                sides["millrace, by key"] = measure(url, keys_file, options.seconds)
            with mlflow(model_dir, 1, folder) as theirs:
                agree(url, theirs + "/invocations", bodies, model_dir)
        # Our server is gone now: both have the machine to themselves and the client.
        for workers in (1, 2):
            with mlflow(model_dir, workers, folder) as theirs:
                sides[f"mlflow, {workers} worker{'s' if workers > 1 else ''}"] = measure(theirs + "/invocations", bodies_file, options.seconds)
        print(f"{len(bodies)} bodies of one row, {len(json.loads(bodies[0])['dataframe_split']['columns'])} columns; "
              f"{options.seconds} s each; answers agree")
        report(sides)


if __name__ == "__main__":
    main()
