# SPDX-License-Identifier: Apache-2.0
"""Projects to run against: the finished example, and small ones made by `millrace init`."""

import pytest

import churn_project
import millrace


@pytest.fixture(scope="session")
def finished():
    """The folder of examples/churn with a finished run; nobody may change it."""
    return churn_project.finished(millrace.BINARY)


@pytest.fixture(scope="session")
def report(finished):
    """The object of `run --json` on the finished run."""
    return millrace.run_json("run", finished)


@pytest.fixture
def small(tmp_path):
    """A fresh starter project: the example with one customer in eight."""
    project = tmp_path / "shop"
    millrace.run("init", project, check=True)
    return project


def replace(path, old, new):
    """Edits a project file; the text to replace must stand in it exactly once."""
    text = path.read_text()
    assert text.count(old) == 1, f"{path}: {old!r} stands {text.count(old)} times"
    path.write_text(text.replace(old, new))


@pytest.fixture
def edit():
    return replace
