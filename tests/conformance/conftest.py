# SPDX-License-Identifier: Apache-2.0
"""One server for all cases (a case takes an experiment or a model name of its own), fresh ones where a case needs an empty store."""

import contextlib
import fnmatch
import os
import uuid

os.environ.update({
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a 500 is a finding at once, not a hang of four minutes
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
})

import mlflow  # noqa: E402
import pytest  # noqa: E402

from differences import DIFFERENCES  # noqa: E402
from helpers import client_of, started, unique  # noqa: E402

@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with started(tmp_path_factory.mktemp("conformance") / "shared") as running:
        yield running


@pytest.fixture
def fresh(tmp_path):
    """A server with nothing in it, for cases that count all there is."""
    with started(tmp_path / "fresh") as running:
        yield running


@pytest.fixture
def start(tmp_path):
    """`start(environment)` gives a further server, set up by environment variables."""
    with contextlib.ExitStack() as stack:
        yield lambda environment=None, options=(): stack.enter_context(
            started(tmp_path / f"server{uuid.uuid4().hex[:6]}", environment, options))


@pytest.fixture(autouse=True)
def tracking(request):
    """The fluent interface talks to the shared server; a case leaves neither an active run nor a server behind."""
    if "server" in request.fixturenames or "fresh" in request.fixturenames:
        url = request.getfixturevalue("fresh" if "fresh" in request.fixturenames else "server").url
        mlflow.set_tracking_uri(url)
        mlflow.set_registry_uri(url)
    yield
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.tracking.fluent._active_experiment_id = None  # what set_experiment remembers
    # The clients of other tests in this process would send what they register to the server of these cases.
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    for variable in ("MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        os.environ.pop(variable, None)


@pytest.fixture
def client(server):
    return client_of(server.url)


@pytest.fixture
def fresh_client(fresh):
    return client_of(fresh.url)


@pytest.fixture
def experiment(client, request):
    """The id of a new experiment."""
    return client.create_experiment(unique(request.node.name.split("[")[0]))


@pytest.fixture
def run(client, experiment):
    """The id of a new run in that experiment."""
    return client.create_run(experiment).info.run_id


@pytest.fixture
def name(request):
    """A name that nothing else has."""
    return unique(request.node.name.split("[")[0].removeprefix("test_")[:40])


@pytest.fixture
def model(client, name):
    """The name of a new registered model without versions."""
    client.create_registered_model(name)
    return name


def pytest_collection_modifyitems(items):
    """Cases that are known to fail carry their reason from the one table."""
    for item in items:
        if "conformance/" not in item.nodeid:
            continue
        for pattern, reason in DIFFERENCES.items():
            if fnmatch.fnmatchcase(item.nodeid.split("conformance/")[-1], pattern):
                item.add_marker(pytest.mark.xfail(reason=f"by design: {reason}", strict=True))
