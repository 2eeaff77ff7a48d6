# SPDX-License-Identifier: Apache-2.0
"""The checks of the lint label, fed trees that break each rule: a check that cannot fail proves nothing."""

import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPDX = "// SPDX-License-Identifier: Apache-2.0\n"


def write(root, path, text):
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


@pytest.fixture
def tree(tmp_path):
    """A small tree without any breach."""
    shutil.copytree(ROOT / "cmake", tmp_path / "cmake")
    write(tmp_path, "Makefile", "demo: ## runs it\n")
    write(tmp_path, "README.md", "# A tree\n\n`make demo` and [base](src/base/README.md)\n\n<!-- module list -->\n"
          "| layer | modules |\n|---|---|\n| 0 | `base` |\n| 2 | `metrics` |\n| 1 | `net` |\n")
    for module, layer, deps in (("base", 0, ""), ("net", 1, "DEPS base"), ("metrics", 2, "DEPS base")):
        write(tmp_path, f"src/{module}/README.md", f"# {module}\n")
        write(tmp_path, f"src/{module}/CMakeLists.txt", f"millrace_module({module} LAYER {layer} SRCS {module}.cc {deps})\n")
        write(tmp_path, f"src/{module}/{module}.h", SPDX + "#pragma once\n")
        write(tmp_path, f"src/{module}/{module}.cc", SPDX + f'#include "{module}/{module}.h"\n')
    write(tmp_path, "src/base/internal/secret.h", SPDX + "#pragma once\n")
    write(tmp_path, "src/metrics/auc.h", SPDX + '#pragma once\n#include "base/base.h"\n')
    return tmp_path


def run_check(script, root):
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, "--root", root], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_clean_tree_passes_both_checks(tree):
    assert run_check("check_layers.py", tree) == (0, "")
    assert run_check("check_docs.py", tree) == (0, "")


LAYER_BREACHES = {
    "an undeclared module": ("src/metrics/auc.h", SPDX + '#include "net/net.h"\n', "net is not among the DEPS"),
    "an internal header of another": ("src/metrics/auc.h", SPDX + '#include "base/internal/secret.h"\n', "internal to base"),
    "a header that does not exist": ("src/metrics/auc.h", SPDX + '#include "base/gone.h"\n', "does not exist"),
    "an include without its module": ("src/metrics/auc.h", SPDX + '#include "auc.h"\n', "not of the form"),
    "a heavy header in a public one": ("src/metrics/auc.h", SPDX + "#include <arrow/api.h>\n", "heavy header"),
    "regex": ("src/metrics/metrics.cc", SPDX + "#include <regex>\n", "not used outside"),
    "an arrow upward": ("src/base/CMakeLists.txt", "millrace_module(base LAYER 0 SRCS base.cc DEPS metrics)\n", "may not depend"),
    "net in a domain module": ("src/metrics/CMakeLists.txt", "millrace_module(metrics LAYER 2 SRCS metrics.cc DEPS base net)\n",
                               "reaches net"),
    "a source that is not built": ("src/metrics/lost.cc", SPDX, "never built"),
    "a module outside the table": ("src/utils/CMakeLists.txt", "millrace_module(utils LAYER 1)\n", "not in the layer table"),
    "a folder without a module call": ("src/plots/x.h", SPDX, "no CMakeLists.txt"),
}


@pytest.mark.parametrize("breach", LAYER_BREACHES)
def test_layer_check_finds(tree, breach):
    path, text, finding = LAYER_BREACHES[breach]
    write(tree, path, text)
    code, output = run_check("check_layers.py", tree)
    assert code == 1
    assert finding in output


def test_layer_check_finds_serving_that_reaches_learners_through_another(tree):
    write(tree, "src/learners/CMakeLists.txt", "millrace_module(learners LAYER 3 SRCS DEPS base)\n")
    write(tree, "src/explain/CMakeLists.txt", "millrace_module(explain LAYER 3 SRCS DEPS learners)\n")
    write(tree, "src/serving/CMakeLists.txt", "millrace_module(serving LAYER 4 SRCS DEPS explain)\n")
    code, output = run_check("check_layers.py", tree)
    assert code == 1
    assert "must not link training code" in output


DOC_BREACHES = {
    "a dead link": ("docs/a.md", "[x](gone.md)\n", "gone.md, which does not exist"),
    "a dead anchor": ("docs/a.md", "[x](../README.md#nowhere)\n", "no heading for #nowhere"),
    "a missing make target": ("docs/a.md", "```sh\nmake everything\n```\n", "make everything is no target"),
    "a missing script": ("docs/a.md", "`scripts/gone.sh`\n", "scripts/gone.sh does not exist"),
    "a module that the list lacks": ("src/plots/README.md", "# plots\n", "lacks plots"),
    "a long module README": ("src/base/README.md", "line\n" * 31, "31 lines"),
    "a missing SPDX line": ("src/base/base.cc", "int x;\n", "SPDX"),
    "a to-do comment": ("src/base/base.cc", SPDX + "// TO" + "DO later\n", "to-do comment"),
}


@pytest.mark.parametrize("breach", DOC_BREACHES)
def test_document_check_finds(tree, breach):
    path, text, finding = DOC_BREACHES[breach]
    write(tree, path, text)
    code, output = run_check("check_docs.py", tree)
    assert code == 1
    assert finding in output


def test_document_check_finds_a_module_without_readme(tree):
    (tree / "src/base/README.md").unlink()
    code, output = run_check("check_docs.py", tree)
    assert code == 1
    assert "README.md is missing" in output


def test_document_check_asks_the_binary_for_commands_flags_and_schemas(tree):
    binary = tree / "fake"
    binary.write_text('#!/bin/sh\ncase "$*" in\n--help) echo "  run  runs";;\n"run --help") echo "  --json  for machines";;\n'
                      '"schema project") echo "{}";;\n"schema") echo project;;\n*) exit 2;;\nesac\n')
    binary.chmod(0o755)
    write(tree, "docs/schemas/project.schema.json", "{}\n")

    def check():
        done = subprocess.run([sys.executable, ROOT / "scripts/check_docs.py", "--root", tree, "--binary", binary], capture_output=True,
                              text=True, check=False)
        return done.returncode, done.stdout

    write(tree, "docs/a.md", "`millrace run --json`\n")
    assert check() == (0, "")
    write(tree, "docs/a.md", "`millrace walk`, `millrace run --fast`\n")
    write(tree, "docs/schemas/project.schema.json", '{"old": 1}\n')
    code, output = check()
    assert code == 1
    assert "millrace has no command walk" in output
    assert "millrace run has no --fast" in output
    assert "differs from today's" in output
    (tree / "docs/schemas/project.schema.json").rename(tree / "docs/schemas/old.schema.json")
    code, output = check()
    assert "docs/schemas/project.schema.json is missing" in output
    assert "old.schema.json: millrace schema knows no such kind" in output


def test_format_check_finds_an_unformatted_file(tmp_path):
    write(tmp_path, "ugly.cc", SPDX + "int   Add( int a,int b ){return a+b;}\n")
    done = subprocess.run([ROOT / "scripts/format.sh", "--check", tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ugly.cc" in done.stdout


@pytest.mark.parametrize("script", ["setup.sh", "format.sh", "build.sh", "tidy.sh", "dist.sh", "bench.sh", "check_layers.py",
                                    "check_docs.py", "run_tests.py", "fetch_native.py", "pin_requirements.py"])
def test_every_script_prints_its_usage(script):
    done = subprocess.run([ROOT / "scripts" / script, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "usage" in done.stdout


ARROWS = [("metrics", 2, "base", True), ("data", 1, "net", True), ("store", 1, "data", True), ("net", 1, "data", False),
          ("metrics", 2, "models", False), ("base", 0, "net", False), ("features", 2, "net", False), ("api", 6, "net", True),
          ("evaluation", 4, "learners", True), ("cli", 6, "api", False)]


@pytest.mark.parametrize("module,layer,dep,allowed", ARROWS)
def test_configuring_stops_at_a_forbidden_arrow(tmp_path, module, layer, dep, allowed):
    write(tmp_path, "CMakeLists.txt", "cmake_minimum_required(VERSION 3.25)\nproject(arrow LANGUAGES NONE)\n"
          f"include({ROOT}/cmake/MillraceModule.cmake)\nmillrace_check_arrow({module} {layer} {dep})\n")
    done = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "b"], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == allowed
    if not allowed:
        assert "may not depend on" in " ".join(done.stderr.split())
