# SPDX-License-Identifier: Apache-2.0
"""MLflow's 2.22 client, in a Python environment of its own: one process does all checks of older_client.py and says how each went."""

import json
import os
import pathlib
import subprocess

import pytest

from helpers import ARTIFACTS, REGISTRY, REST
from older_client import CHECKS

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTHON = ROOT / "third_party/pytest-2.22/bin/python"


@pytest.fixture(scope="module")
def outcomes(server):
    """Name of the check -> "ok" or the text of what went wrong."""
    done = subprocess.run([str(PYTHON), str(pathlib.Path(__file__).with_name("older_client.py")), server.url], capture_output=True, text=True,
                          timeout=300, check=False, env={**os.environ, "MLFLOW_TRACKING_URI": server.url})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.answers(f"{REST}::test_create_run_all_args", f"{REST}::test_log_batch", f"{REST}::test_search_pagination", f"{REST}::test_log_model",
                     f"{REGISTRY}::test_update_model_version_flow", f"{REGISTRY}::test_latest_models", f"{ARTIFACTS}::test_log_artifacts")
@pytest.mark.parametrize("check", CHECKS)
def test_the_client_of_2_22(outcomes, check):
    assert outcomes[check] == "ok"
