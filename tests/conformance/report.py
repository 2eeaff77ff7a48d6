#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the conformance cases and says which share of them passes, which upstream tests they answer, and why the rest fails.

Run it with the Python of the tests: third_party/pytest/bin/python tests/conformance/report.py [arguments for pytest]. It is `make conformance`.
"""

import argparse
import collections
import fnmatch
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from differences import UNANSWERED

HERE = pathlib.Path(__file__).resolve().parent
# Access control has servers of its own, as its client wants them.
CASES = [str(HERE), *(str(HERE.parent / "interop" / f"test_access{part}.py") for part in ("", "_roles"))]


def run(arguments):
    """Cases of one pytest run: list of (id, state, reason, upstream tests that it answers)."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-c", str(HERE.parent / "pytest.ini"), "-p", "no:cacheprovider", "-q", "--tb=short",
                   "-o", "junit_family=xunit1", f"--junitxml={report}", *(arguments or CASES)]
        subprocess.run(command, check=False)
        if not report.exists():
            sys.exit("conformance: pytest wrote no report; its output is above")
        cases = xml.etree.ElementTree.parse(report).iter("testcase")
        return [outcome(case) for case in cases]


def outcome(case):
    name = f"{pathlib.Path(case.get('file', '')).name}::{case.get('name')}"
    answered = [p.get("value") for p in case.iter("property") if p.get("name") == "answers"]
    for state in ("failure", "error", "skipped"):
        found = case.find(state)
        if found is not None:
            text = (found.get("message") or found.text or "").strip()
            return name, state, text.splitlines()[0][:200] if text else "", answered
    return name, "passed", "", answered


def reason_of(test):
    return next((reason for pattern, reason in UNANSWERED.items() if fnmatch.fnmatchcase(test, pattern)), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    _, arguments = parser.parse_known_args()
    cases = run(arguments)
    passed = [case for case in cases if case[1] == "passed"]
    print(f"\ncases: {len(passed)} of {len(cases)} pass ({100 * len(passed) / max(len(cases), 1):.1f} %)")
    for name, state, reason, _ in cases:
        if state != "passed":
            print(f"  {state:<8} {name}: {reason}")

    known = [line for line in (HERE / "upstream_tests.txt").read_text().splitlines() if line and not line.startswith("#")]
    states = collections.defaultdict(set)
    for _, state, _, answered in cases:
        for test in answered:
            states[test].add(state)
    good = [test for test in known if states.get(test) == {"passed"}]
    unanswered = [test for test in known if test not in states]
    without_reason = [test for test in unanswered if reason_of(test) is None]
    print(f"\nupstream tests answered by cases that all pass: {len(good)} of {len(known)}")
    by_file = collections.Counter(test.split("::")[0] for test in known)
    for file, count in by_file.items():
        print(f"  {sum(test.startswith(file + '::') for test in good):>4} of {count:>3}  {file}")
    by_reason = collections.Counter(reason_of(test) for test in unanswered)
    for reason, count in by_reason.most_common():
        print(f"  {count:>4} not answered: {reason}" if reason else f"  {count:>4} not answered, without a reason:")
    for test in without_reason:
        print(f"       {test}")
    strange = sorted(set(states) - set(known))
    for test in strange:
        print(f"  named by a case but not in upstream_tests.txt: {test}")
    failed = any(state in ("failure", "error") for _, state, _, _ in cases)
    return 1 if failed or (not arguments and without_reason) or strange else 0


if __name__ == "__main__":
    sys.exit(main())
