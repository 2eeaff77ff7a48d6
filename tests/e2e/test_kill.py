# SPDX-License-Identifier: Apache-2.0
"""`kill -9` at any moment of a run, then the same command: the same content, one run, one version."""

import random
import subprocess
import time

import millrace
import pytest

KILLS_SEED = 20101209


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Project, content and duration of a run that nobody disturbs."""
    project = tmp_path_factory.mktemp("kill") / "shop"
    millrace.run("init", project, check=True)
    start = time.monotonic()
    report = millrace.run_json("run", project)
    return project, millrace.content(report), time.monotonic() - start


def kill_and_continue(undisturbed, tmp_path, kills, seed):
    """A run killed `kills` times, each time later than the last by chance, then left alone."""
    project, expected, duration = undisturbed
    workspace = tmp_path / "workspace"
    chance = random.Random(seed)
    for _ in range(kills):
        process = subprocess.Popen([str(millrace.BINARY), "run", str(project), "--workspace", str(workspace)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=chance.uniform(0.05, max(1.0, duration * 0.6)))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    report = millrace.run_json("run", project, "--workspace", workspace)
    assert millrace.content(report) == expected
    assert len(millrace.run_json("runs", "list", project, "--workspace", workspace)) == 1
    versions = millrace.run_json("models", "show", "churn", project, "--workspace", workspace)["versions"]
    assert [(version["version"], version["aliases"]) for version in versions] == [(1, ["champion"])]


def test_three_kills_change_nothing(undisturbed, tmp_path):
    kill_and_continue(undisturbed, tmp_path, kills=3, seed=KILLS_SEED)


@pytest.mark.slow
@pytest.mark.parametrize("turn", range(10))
def test_thirty_kills_change_nothing(undisturbed, tmp_path, turn):
    kill_and_continue(undisturbed, tmp_path, kills=3, seed=KILLS_SEED + 1 + turn)
