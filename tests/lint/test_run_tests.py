# SPDX-License-Identifier: Apache-2.0
"""The test driver and the case runner: what counts as passed, failed and skipped."""

import json
import pathlib
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Stands in for a GoogleTest executable: prints and reports what the real one would.
FAKE_GTEST = """#!{python}
import json, sys
report = {report!r}
print({output!r})
if {leaves_a_child!r}:
    import os, time
    if os.fork() == 0:
        time.sleep(3600)
if report is not None:
    path = [a.split(":", 1)[1] for a in sys.argv if a.startswith("--gtest_output=json:")][0]
    open(path, "w").write(json.dumps(report))
sys.exit({code})
"""


def gtest(name, **fields):
    return {"name": name, "status": "RUN", "result": "COMPLETED", **fields}


def run_unit(tmp_path, tests, output="", code=0, leaves_a_child=False):
    folder = tmp_path / "build/tests"
    folder.mkdir(parents=True)
    report = None if tests is None else {"testsuites": [{"name": "S", "testsuite": tests}]}
    executable = folder / "fake_test"
    executable.write_text(FAKE_GTEST.format(python=sys.executable, report=report, output=output, code=code,
                                            leaves_a_child=leaves_a_child))
    executable.chmod(0o755)
    (folder / "list.txt").write_text("fake_test\n")
    done = subprocess.run([sys.executable, ROOT / "scripts/run_tests.py", "--build", tmp_path / "build", "unit"], capture_output=True,
                          text=True, check=False)
    return done.returncode, done.stdout


def last_line(output):
    return output.strip().splitlines()[-1]


def test_passed_and_failed_are_counted_and_the_exit_code_is_one(tmp_path):
    code, output = run_unit(tmp_path, [gtest("A"), gtest("B", failures=[{"failure": "1 is not 2"}])], code=1)
    assert (code, last_line(output)) == (1, "1 passed, 1 failed")
    assert "1 is not 2" in output


def test_all_passed_is_exit_code_zero(tmp_path):
    assert run_unit(tmp_path, [gtest("A"), gtest("B")])[0] == 0


def test_a_skip_by_design_is_listed_above_the_last_line(tmp_path):
    output = "[ RUN      ] S.B\nfile.cc:3: Skipped\nby design: needs a GPU\n[  SKIPPED ] S.B (0 ms)"
    code, text = run_unit(tmp_path, [gtest("A"), gtest("B", result="SKIPPED")], output)
    assert (code, last_line(text)) == (0, "1 passed, 0 failed")
    assert "by design: needs a GPU" in text


def test_a_skip_because_something_is_missing_is_a_failure(tmp_path):
    output = "[ RUN      ] S.B\nfile.cc:3: Skipped\nno data\n[  SKIPPED ] S.B (0 ms)"
    code, text = run_unit(tmp_path, [gtest("A"), gtest("B", result="SKIPPED")], output)
    assert (code, last_line(text)) == (1, "1 passed, 1 failed")


def test_a_disabled_test_is_a_failure(tmp_path):
    assert run_unit(tmp_path, [gtest("DISABLED_A", status="NOTRUN", result="SUPPRESSED")])[0] == 1


def test_a_crash_without_a_report_is_a_failure(tmp_path):
    code, text = run_unit(tmp_path, None, "[       OK ] S.A (0 ms)", code=-6)
    assert (code, last_line(text)) == (1, "1 passed, 1 failed")


def test_a_child_that_outlives_its_test_does_not_hold_up_the_driver(tmp_path):
    started = time.monotonic()
    assert last_line(run_unit(tmp_path, [gtest("A")], leaves_a_child=True)[1]) == "1 passed, 0 failed"
    assert time.monotonic() - started < 60


def test_a_sanitizer_finding_after_passing_tests_is_a_failure(tmp_path):
    assert last_line(run_unit(tmp_path, [gtest("A")], code=23)[1]) == "1 passed, 1 failed"


def test_a_missing_executable_is_a_failure(tmp_path):
    (tmp_path / "build/tests").mkdir(parents=True)
    (tmp_path / "build/tests/list.txt").write_text("gone_test\n")
    done = subprocess.run([sys.executable, ROOT / "scripts/run_tests.py", "--build", tmp_path / "build", "unit"], capture_output=True,
                          text=True, check=False)
    assert (done.returncode, last_line(done.stdout)) == (1, "0 passed, 1 failed")


# Stands in for the binary: `echo` answers its words, `fail` exits 3, `serve` is a small HTTP server.
FAKE_BINARY = """#!{python}
import http.server, sys
if sys.argv[1] == "echo":
    print(*sys.argv[2:])
elif sys.argv[1] == "cat":
    print(sys.stdin.read(), end="")
elif sys.argv[1] == "fail":
    sys.exit(3)
elif sys.argv[1] == "serve":
    import signal
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.send_header("X-Seen", self.path)
            self.end_headers()
            self.wfile.write(body)
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening on http://127.0.0.1:{{server.server_port}}", flush=True)
    server.serve_forever()
"""


def run_case(tmp_path, text):
    binary = tmp_path / "fake"
    binary.write_text(FAKE_BINARY.format(python=sys.executable))
    binary.chmod(0o755)
    case = tmp_path / "x.case"
    case.write_text(text)
    done = subprocess.run([sys.executable, ROOT / "tests/cases/run_cases.py", "--binary", binary, case], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout


def test_cases_pass_when_every_answer_fits(tmp_path):
    document = json.dumps({"a": [{"b": 1.5}], "c": True})
    code, output = run_case(tmp_path, f"""# a comment
== the command line
file note.txt
| hello
exists note.txt
missing other.txt
run echo one two
stdout is one two
stdout has two
stdout lacks three
stdout matches ^one
stderr is
run cat
| {document}
stdout json a.0.b = 1.5
stdout json a.0.b ~ 1.50000000000001
stdout json c = true
stdout json d absent
run fail
exit 3
== HTTP
serve
request POST /path
header X-A: 1
| {{"x": 1}}
status 201
answer header X-Seen: /path
body json x = 1
stop
exit 0
""")
    assert output.strip().splitlines()[-1] == "2 passed, 0 failed", output
    assert code == 0


WRONG = ["run echo a\nstdout is b", "run echo a\nstdout has b", "run echo a\nstdout lacks a", "run echo a\nstdout matches ^b", "run fail",
         "run fail\nexit 2", "run cat\n| {\"a\": 1}\nstdout json a = true", "run cat\n| {\"a\": 1}\nstdout json b exists",
         "run cat\n| {\"a\": 1}\nstdout json a absent", "run cat\n| x\nstdout json a = 1", "run echo\nexists gone", "run echo\nstdout", "jump",
         "run echo\nstatus 200", "request GET /", "file ../outside\n| x\nrun echo", "file x\n| nothing is asked", "skip because",
         "serve\nrequest POST /\n| x\nstatus 200", "run cat\n| {\"a\": 1}\nstdout json a ~ 1.1"]


@pytest.mark.parametrize("lines", WRONG)
def test_a_wrong_answer_or_a_wrong_case_fails(tmp_path, lines):
    code, output = run_case(tmp_path, f"== entry\n{lines}\n")
    assert code == 1, output


def test_two_entries_of_one_name_are_refused(tmp_path):
    assert run_case(tmp_path, "== a\nrun echo\n== a\nrun echo\n")[0] == 1
