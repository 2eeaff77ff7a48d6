# SPDX-License-Identifier: Apache-2.0
"""What the cases share: names of the upstream files they answer, unique names, and servers."""

import contextlib
import os
import shlex
import subprocess
import uuid

import mlflow
import requests

import millrace

COMMAND = os.environ.get("MILLRACE_CONFORMANCE_COMMAND")
OPTIONS = shlex.split(os.environ.get("MILLRACE_CONFORMANCE_OPTIONS", ""))

# Upstream test files, below mlflow's repository.
REST = "tests/tracking/test_rest_tracking.py"
REGISTRY = "tests/tracking/test_model_registry.py"
ARTIFACTS = "tests/tracking/test_mlflow_artifacts.py"
WEBHOOKS = "tests/tracking/test_client_webhooks.py"
STORE = "tests/store/tracking/test_sqlalchemy_store.py"
REGISTRY_STORE = "tests/store/model_registry/test_sqlalchemy_store.py"
DELIVERY = "tests/webhooks/test_e2e.py"
SECURITY = "tests/server/test_security.py"
SECURITY_WHOLE = "tests/server/test_security_integration.py"
HANDLERS = "tests/server/test_handlers.py"
TRACKING = "tests/tracking/test_tracking.py"
FLUENT = "tests/tracking/fluent/test_fluent.py"
AUTH = "tests/server/auth/test_auth.py"
SEARCH_UTILS = "tests/utils/test_search_utils.py"


def unique(stem):
    """A name that nothing else on the server has."""
    return f"{stem}-{uuid.uuid4().hex[:10]}"


class Server:
    """The server under test and plain HTTP to it; paths without a leading slash are below /api/2.0/mlflow."""

    def __init__(self, url):
        self.url = url

    def request(self, method, path, **options):
        url = self.url + path if path.startswith("/") else f"{self.url}/api/2.0/mlflow/{path}"
        return requests.request(method, url, timeout=60, **options)

    def get(self, path, /, **query):
        return self.request("GET", path, params=query)

    def post(self, path, body=None):
        return self.request("POST", path, json={} if body is None else body)

    def refused(self, path, body, message, code="INVALID_PARAMETER_VALUE", method="POST", status=400):
        """Asserts that the request is answered with that error, message (a part of it) and status."""
        if method == "GET":
            answer = self.get(path, **body)
        else:
            answer = self.request(method, path, json=body)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        assert answer.json()["error_code"] == code
        assert message in answer.json()["message"]


@contextlib.contextmanager
def started(folder, environment=None, options=()):
    """A server on an empty folder: `millrace serve`, or what MILLRACE_CONFORMANCE_COMMAND starts."""
    folder.mkdir(exist_ok=True)
    if COMMAND:
        command = shlex.split(COMMAND.format(data=folder))
    else:
        command = [str(millrace.BINARY), "serve", "--workspace", str(folder), "--port", "0", *OPTIONS, *options]
    with open(folder / "server.log", "w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **(environment or {})})
    try:
        line = process.stdout.readline()
        assert line.startswith("listening on http://"), f"{command}: {line!r} {(folder / 'server.log').read_text()[-2000:]}"
        yield Server(line.split()[-1])
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        finally:
            process.kill()
            process.stdout.close()


def client_of(url):
    """A client of that server for both runs and models (by itself it would take the last registry that was set)."""
    return mlflow.MlflowClient(url, url)
