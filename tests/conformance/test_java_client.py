# SPDX-License-Identifier: Apache-2.0
"""MLflow's Java client from Maven Central (2.17.2 is its newest release there)."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
JARS = ROOT / "third_party/java"


@pytest.mark.slow
def test_the_java_client_works_unchanged(server, name):
    assert shutil.which("java") and JARS.exists(), "run scripts/setup.sh --java"
    classes = ":".join(str(jar) for jar in sorted(JARS.glob("*.jar")))
    done = subprocess.run(["java", "-XX:TieredStopAtLevel=1", "-cp", classes, str(ROOT / "tests/interop/java/Client.java"), server.url, name],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.count("ok: ") == 22, done.stdout
