# SPDX-License-Identifier: Apache-2.0
"""API traps of tests/compile_fail: each file compiles as it stands, and must not with -DWRONG."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "tests/compile_fail").glob("*.cc"))


def compile_file(path, *flags):
    command = ["g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Werror", "-I", ROOT / "src", *flags, path]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_must_not_compile(path):
    right = compile_file(path)
    assert right.returncode == 0, right.stderr
    wrong = compile_file(path, "-DWRONG")
    assert wrong.returncode != 0
    assert re.search(r"^// expect: (.*)$", path.read_text(), re.M)[1] in wrong.stderr
