# SPDX-License-Identifier: Apache-2.0
"""The program under test: run it, read its JSON, start and stop its server."""

import json
import os
import pathlib
import signal
import subprocess
import urllib.request

BINARY = pathlib.Path(os.environ.get("MILLRACE_BINARY", pathlib.Path(__file__).resolve().parents[2] / "build/release/millrace"))
TIMEOUT_S = 600


def run(*arguments, cwd=None, env=None, check=False, timeout=TIMEOUT_S):
    """The finished process with its texts."""
    done = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, errors="replace", cwd=cwd,
                          env={**os.environ, **(env or {})}, timeout=timeout, check=False)
    if check:
        assert done.returncode == 0, f"millrace {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr[-3000:]}"
    return done


def run_json(*arguments, **options):
    """What a command answers to --json."""
    return json.loads(run(*arguments, "--json", check=True, **options).stdout)


def stage(report, name):
    return next(stage for stage in report["stages"] if stage["name"] == name)


def statuses(report):
    return {stage["name"]: stage["status"] for stage in report["stages"]}


def output(report, file_name):
    """The path of the result with that file name."""
    return next(pathlib.Path(path) for stage in report["stages"] for path in stage["outputs"] if path.endswith("/" + file_name))


def content(report):
    """Bytes of every result that must not depend on when or how often it was made: native model files instead of model folders."""
    result = {}
    for stage in report["stages"]:
        for path in map(pathlib.Path, stage["outputs"]):
            if (path / "MLmodel").exists():
                for name in ("model.lgb", "model.ubj", "model.onnx", "model.forest", "model.logistic"):
                    if (path / name).exists():
                        key = json.loads((path / "millrace.json").read_text())["kind"] + "/" + name
                        result[key] = (path / name).read_bytes()
            elif path.is_file():
                result[path.name + "/" + stage["name"]] = path.read_bytes()
    assert len(result) > 15
    return result


class Server:
    """`millrace serve` on a free port; `with Server(project) as server: server.post(...)`."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen([str(BINARY), "serve", *map(str, arguments), "--port", "0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("listening on http://"):
            self.process.kill()
            raise AssertionError(f"the server did not start: {line!r} {self.process.stderr.read()}")
        self.url = line.split()[-1]

    def request(self, method, path, body=None, content_type="application/json"):
        """Status, text and headers of the answer."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": content_type})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode(), dict(answer.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), dict(error.headers)

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body):
        return self.request("POST", path, body)

    def stop(self):
        """Ends the server in order; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process.poll() is None:
            self.stop()
        self.process.stdout.close()
        self.process.stderr.close()
