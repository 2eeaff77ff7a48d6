# SPDX-License-Identifier: Apache-2.0
"""The project examples/churn with a finished run, made once per test run and copied for each user."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUN_TIMEOUT_S = 600
_made_here = False  # whether this process has made the run: without the driver a folder left behind may be another binary's


class RunFailed(Exception):
    """`millrace run examples/churn` failed; the text holds its last lines."""


def finished(binary):
    """Folder of the one finished run of this test run; nobody may change it. Safe for several processes at once."""
    global _made_here
    work = pathlib.Path(os.environ.get("MILLRACE_TEST_WORK") or tempfile.gettempdir())
    folder = work / "churn_finished"
    with open(work / "churn_finished.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if "MILLRACE_TEST_WORK" not in os.environ and not _made_here:
            shutil.rmtree(folder, ignore_errors=True)
        if not (folder / ".finished").exists():
            shutil.rmtree(folder, ignore_errors=True)
            copy_sources(folder)
            done = subprocess.run([str(binary), "run", str(folder)], capture_output=True, text=True, errors="replace",
                                  timeout=RUN_TIMEOUT_S, check=False)
            if done.returncode != 0:
                tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
                raise RunFailed(f"millrace run examples/churn: exit code {done.returncode}\n{tail}")
            (folder / ".finished").touch()
        _made_here = True
    return folder


def copy_sources(folder):
    """The project without any workspace."""
    shutil.copytree(ROOT / "examples/churn", folder, ignore=shutil.ignore_patterns(".millrace", ".finished"))


def copy_finished(binary, folder):
    """A copy of the finished run that its user may change."""
    shutil.copytree(finished(binary), folder, ignore=shutil.ignore_patterns(".finished"), symlinks=True)
    return folder
