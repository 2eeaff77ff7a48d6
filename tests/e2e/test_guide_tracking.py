# SPDX-License-Identifier: Apache-2.0
"""docs/guide/tracking_server.md holds: its Python runs as it stands against a server, its commands find what was logged."""

import pathlib
import re
import shlex
import subprocess
import sys

import millrace
import pytest

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/guide/tracking_server.md"


@pytest.fixture(name="logged", scope="module")
def _logged(tmp_path_factory):
    """The folder in which the guide's Python was run while the server was up, and what it printed."""
    folder = tmp_path_factory.mktemp("guide")
    (code,) = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.S | re.M)
    with millrace.Server("--workspace", folder / "tracking") as server:
        assert code.count("http://127.0.0.1:5000") == 1
        done = subprocess.run([sys.executable, "-c", code.replace("http://127.0.0.1:5000", server.url)], cwd=folder, capture_output=True,
                              text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, done.stdout


def test_the_guides_python_finds_its_run(logged):
    assert re.search(r"[0-9a-f]{32} +0\.01\b", logged[1])


def test_the_guides_commands_show_the_run(logged):
    looking = GUIDE.read_text().split("## Look")[1].split("## Bring")[0]
    commands = re.findall(r"^millrace (.*)$", looking, re.M)
    assert len(commands) == 2
    answers = [millrace.run(*shlex.split(command), cwd=logged[0], check=True).stdout for command in commands]
    assert "first" in answers[0]
    assert "churn" in answers[1]


def test_the_guides_import_reads_a_server(logged, tmp_path):
    with millrace.Server("--workspace", logged[0] / "tracking") as server:
        done = millrace.run_json("import", "mlflow", server.url, "--workspace", tmp_path / "copy")
    assert done["runs"] == 1
    assert done["metric_values"] == 100
    assert done["files"] == 1
