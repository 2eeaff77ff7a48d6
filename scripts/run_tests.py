#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the test labels and prints, as its last line, `N passed, N failed`.

labels   unit   each module's GoogleTest executable
         case   the entries of tests/cases/*.case
         e2e    pytest over tests/e2e, tests/interop and tests/conformance, without the marker slow
         lint   format, layer and document checks, and the tests of these checks
         slow   pytest's marker slow: kill tests, soaks, long comparisons
         fuzz   each parser under libFuzzer, after replaying its corpus

A skip counts as failed unless its reason starts with "by design:"; those are listed above the last line. The exit code is 1 if anything
failed, 2 on wrong use.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
LABELS = ("unit", "case", "e2e", "lint", "slow", "fuzz")
BY_DESIGN = "by design:"


class Tally:
    """What every suite adds to: counts, the failures with their text, the skips by design."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []

    def add_pass(self, count=1):
        self.passed += count

    def add_failure(self, name, text):
        self.failures.append((name, text))

    def add_skip(self, name, reason):
        """A skip by design is only listed; every other one is a missing thing, hence a failure."""
        if reason.strip().startswith(BY_DESIGN):
            self.skips.append((name, reason.strip()))
        else:
            self.add_failure(name, f"skipped because something is missing: {reason.strip() or 'no reason given'}")


def run(command, timeout_s, env=None, cwd=ROOT):
    """Exit code and output of a command; 124 when it ran too long. Whatever it started and left behind is ended with it."""
    # A file, not a pipe: a child that outlives a crashed test would hold a pipe open and keep the driver waiting for ever.
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        late = ""
        try:
            code = process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            code, late = 124, f"\nended after {timeout_s} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return code, output.read() + late


def last_lines(text, count=40):
    return "\n".join(text.strip().splitlines()[-count:])


def sanitizer_environment(build):
    """Suppressions, each with its reason in the file, for the sanitizer that this build folder was made with."""
    support = ROOT / "tests/support"
    return {
        "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=0",
        "LSAN_OPTIONS": f"suppressions={support}/lsan_suppressions.txt:print_suppressions=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        # Tests fork, as processes that share a workspace. At a fork DuckDB's allocator takes more locks at once than the search for
        # deadlocks can hold, which ends the program.
        "TSAN_OPTIONS": f"suppressions={support}/tsan_suppressions.txt:halt_on_error=0:ignore_noninstrumented_modules=1"
                        ":die_after_fork=0:detect_deadlocks=0",
    } if build.name in ("asan", "tsan") else {}


def gtest_skip_reasons(output):
    """Reasons that GTEST_SKIP printed, by test name: GoogleTest's JSON does not hold them."""
    reasons, text = {}, []
    for line in output.splitlines():
        if line.startswith("[ RUN      ]"):
            text = []
        elif line.startswith("[  SKIPPED ]") and " (" in line:
            reasons[line.split("]", 1)[1].split(" (")[0].strip()] = "\n".join(text[1:] if len(text) > 1 else text)
        else:
            text.append(line)
    return reasons


def add_gtest_report(report, output, executable, tally):
    """Counts one executable's JSON report; a test without a completed result is a failure."""
    reasons = gtest_skip_reasons(output)
    for suite in report["testsuites"]:
        for test in suite["testsuite"]:
            name = f"{executable}: {suite['name']}.{test['name']}"
            if test.get("failures"):
                tally.add_failure(name, "\n".join(failure["failure"] for failure in test["failures"]))
            elif test["result"] == "SKIPPED":
                tally.add_skip(name, reasons.get(f"{suite['name']}.{test['name']}", ""))
            elif test["status"] == "NOTRUN":
                tally.add_failure(name, "disabled; a test runs, or skips with a reason that starts with \"by design:\"")
            else:
                tally.add_pass()


def run_unit(options, tally):
    list_file = options.build / "tests/list.txt"
    if not list_file.exists():
        tally.add_failure("unit", f"{list_file} is missing; run scripts/build.sh {options.build.name} tests")
        return
    env = {**os.environ, **sanitizer_environment(options.build), "TMPDIR": str(options.work)}
    for name in list_file.read_text().split():
        started = time.monotonic()
        before = tally.passed, len(tally.failures)
        report_path = options.work / f"{name}.json"
        command = [str(options.build / "tests" / name), f"--gtest_output=json:{report_path}"]
        try:
            code, output = run(command, options.unit_timeout_s, env)
        except OSError as error:
            tally.add_failure(name, f"cannot run: {error}")
            continue
        if report_path.exists():
            add_gtest_report(json.loads(report_path.read_text()), output, name, tally)
            if code != 0 and len(tally.failures) == before[1]:
                tally.add_failure(name, f"exit code {code} though no test failed\n{last_lines(output)}")
        else:
            # A crash writes no report: the tests that had ended count, the rest is one failure with the last lines.
            tally.add_pass(len(re.findall(r"^\[       OK \]", output, re.MULTILINE)))
            tally.add_failure(name, f"no report, exit code {code}\n{last_lines(output)}")
        say_suite(f"unit {name}", before, tally, started)


def say_suite(name, before, tally, started):
    failed = len(tally.failures) - before[1]
    print(f"{name:<28} {tally.passed - before[0]:>5} passed {failed:>3} failed {time.monotonic() - started:>7.1f} s", flush=True)


def add_junit(path, code, output, name, tally):
    """Counts pytest's (or the case runner's) JUnit report; xfail is pytest's own skip and needs a reason by design too."""
    if not path.exists():
        tally.add_failure(name, f"no report, exit code {code}\n{last_lines(output)}")
        return
    failures_before, passed_before = len(tally.failures), tally.passed
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        title = f"{name}: {case.get('classname', '')}.{case.get('name')}".replace(": .", ": ")
        bad = [child for child in case if child.tag in ("failure", "error")]
        skipped = case.find("skipped")
        if bad:
            tally.add_failure(title, last_lines("\n".join((child.text or child.get("message") or "") for child in bad)))
        elif skipped is not None:
            tally.add_skip(title, re.sub(r"^Skipped: ", "", skipped.get("message") or skipped.text or ""))
        else:
            tally.add_pass()
    if name == "case" and tally.passed == passed_before and len(tally.failures) == failures_before:
        tally.add_failure(name, f"no entry was run, exit code {code}\n{last_lines(output)}")
    if code not in (0, 1, 5) and len(tally.failures) == failures_before:
        tally.add_failure(name, f"exit code {code}\n{last_lines(output)}")


def test_environment(options):
    return {**os.environ, "MILLRACE_BINARY": str(options.build / "millrace"), "MILLRACE_BUILD": str(options.build),
            "MILLRACE_TEST_WORK": str(options.work), "TMPDIR": str(options.work), "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def run_cases(options, tally):
    started, before = time.monotonic(), (tally.passed, len(tally.failures))
    report = options.work / "cases.xml"
    command = [sys.executable, str(ROOT / "tests/cases/run_cases.py"), "--junit", str(report)]
    code, output = run(command, options.suite_timeout_s, test_environment(options))
    add_junit(report, code, output, "case", tally)
    say_suite("case", before, tally, started)


def run_pytest(options, tally, name, folders, marker):
    started, before = time.monotonic(), (tally.passed, len(tally.failures))
    python = ROOT / "third_party/pytest/bin/python"
    if not python.exists():
        tally.add_failure(name, "third_party/pytest is missing; run scripts/setup.sh --tests")
        return
    present = [folder for folder in folders if list((ROOT / folder).glob("test_*.py"))]
    if not present:
        tally.add_failure(name, f"no test_*.py below {' or '.join(folders)}")
        return
    report = options.work / f"{name}.xml"
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "tests/pytest.ini", "--rootdir", str(ROOT),
               "-m", marker, f"--junitxml={report}", "-o", "junit_family=xunit2", *present]
    code, output = run(command, options.suite_timeout_s, test_environment(options))
    if name == "slow" and code == 5:
        tally.add_failure(name, "no test has the marker slow")
    add_junit(report, code, output, name, tally)
    say_suite(name, before, tally, started)


def run_lint(options, tally):
    checks = [("format", ["scripts/format.sh", "--check"]),
              ("layers", [sys.executable, "scripts/check_layers.py"]),
              ("documents", [sys.executable, "scripts/check_docs.py", "--binary", str(options.build / "millrace")])]
    for name, command in checks:
        started, before = time.monotonic(), (tally.passed, len(tally.failures))
        code, output = run(command, 600)
        if code == 0:
            tally.add_pass()
        else:
            tally.add_failure(f"lint {name}", last_lines(output))
        say_suite(f"lint {name}", before, tally, started)
    run_pytest(options, tally, "lint", ["tests/lint"], "not slow")


def run_fuzz(options, tally):
    list_file = ROOT / "build/fuzz/fuzz/list.txt"
    if not list_file.exists():
        tally.add_failure("fuzz", f"{list_file} is missing; run scripts/build.sh fuzz all")
        return
    for name in list_file.read_text().split():
        started, before = time.monotonic(), (tally.passed, len(tally.failures))
        found = options.work / f"corpus_{name}"
        found.mkdir(exist_ok=True)
        artifact = ROOT / f"build/fuzz/fuzz/{name}-"
        command = [str(ROOT / "build/fuzz/fuzz" / name), f"-max_total_time={options.fuzz_s}", "-timeout=10", "-rss_limit_mb=2048",
                   "-max_len=65536", f"-artifact_prefix={artifact}", str(found), str(ROOT / f"tests/fuzz/corpus/{name}")]
        code, output = run(command, options.fuzz_s + 120)
        if code == 0:
            tally.add_pass()
        else:
            tally.add_failure(f"fuzz {name}", f"input kept as {artifact}*\n{last_lines(output)}")
        say_suite(f"fuzz {name}", before, tally, started)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", nargs="+", choices=LABELS, metavar="LABEL", help=", ".join(LABELS))
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="build folder (default build/release)")
    parser.add_argument("--unit-timeout-s", type=int, default=600, help="limit of one executable (default 600)")
    parser.add_argument("--suite-timeout-s", type=int, default=3000, help="limit of one pytest or case run (default 3000)")
    parser.add_argument("--fuzz-s", type=int, default=60, help="seconds per fuzz target (default 60)")
    options = parser.parse_args(arguments)
    options.build = options.build.resolve()
    return options


def main(arguments):
    options = parse_arguments(arguments)
    options.work = pathlib.Path(tempfile.mkdtemp(prefix="millrace_tests_"))
    tally = Tally()
    try:
        for label in options.labels:
            if label == "unit":
                run_unit(options, tally)
            elif label == "case":
                run_cases(options, tally)
            elif label == "e2e":
                run_pytest(options, tally, "e2e", ["tests/e2e", "tests/interop", "tests/conformance"], "not slow")
            elif label == "lint":
                run_lint(options, tally)
            elif label == "slow":
                run_pytest(options, tally, "slow", ["tests/e2e", "tests/interop", "tests/conformance"], "slow")
            else:
                run_fuzz(options, tally)
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    for name, text in tally.failures:
        print(f"\nFAILED {name}\n{text}")
    for name, reason in tally.skips:
        print(f"skipped {name}: {reason}")
    if not tally.passed and not tally.failures:
        tally.add_failure("all", "nothing was run")
    print(f"{tally.passed} passed, {len(tally.failures)} failed", flush=True)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
