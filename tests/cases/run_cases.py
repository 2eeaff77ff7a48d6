#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the entries of *.case files against the binary; the format stands in README.md beside this file."""

import argparse
import http.client
import json
import math
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
import churn_project  # noqa: E402  (the path above comes first)

COMMAND_TIMEOUT_S = 120
ACTIONS = ("env", "file", "copy", "use", "run", "serve", "request", "stop", "skip")


class CaseError(Exception):
    """The case file is wrong, not the product."""


class Difference(Exception):
    """The product's answer is not the expected one."""


class Line:
    """One line of a case file with the `| ` block that follows it."""

    def __init__(self, number, text):
        self.number, self.text, self.block = number, text, []
        self.word, _, self.rest = text.partition(" ")
        self.rest = self.rest.strip()

    def joined(self):
        return "".join(line + "\n" for line in self.block)


class Entry:
    def __init__(self, name, number):
        self.name, self.number, self.lines = name, number, []


def parse(text, path):
    """Entries of one case file."""
    entries = []
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.startswith("== "):
            entries.append(Entry(raw[3:].strip(), number))
        elif raw.startswith("|"):
            if not entries or not entries[-1].lines:
                raise CaseError(f"{path}:{number}: a block line before any action")
            entries[-1].lines[-1].block.append(raw[2:] if raw.startswith("| ") else raw[1:])
        elif raw.strip() and not raw.startswith("#"):
            if not entries:
                raise CaseError(f"{path}:{number}: \"{raw}\" stands before the first entry (== name)")
            entries[-1].lines.append(Line(number, raw.strip()))
    if not entries:
        raise CaseError(f"{path}: no entry (== name)")
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise CaseError(f"{path}: two entries are called \"{name}\"")
    return entries


def json_at(document, path):
    """Value at a dotted path; raises KeyError with the part that is missing."""
    if path == "*":
        return document
    for part in path.split("."):
        if isinstance(document, list) and re.fullmatch(r"-?\d+", part) and -len(document) <= int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        else:
            raise KeyError(part)
    return document


def check_text(what, seen, line):
    """One expectation about a text; `line.rest` holds operator and operand."""
    operator, _, operand = line.rest.partition(" ")
    if operator == "is":
        strip = lambda text: [row.rstrip() for row in text.rstrip("\n").split("\n")]
        wanted = line.joined() if line.block else operand
        if strip(seen) != strip(wanted):
            raise Difference(f"{what} differs\n--- wanted\n{wanted}\n--- seen\n{seen}")
    elif operator == "has":
        if operand not in seen:
            raise Difference(f"{what} lacks: {operand}\n--- seen\n{seen}")
    elif operator == "lacks":
        if operand in seen:
            raise Difference(f"{what} should not hold: {operand}\n--- seen\n{seen}")
    elif operator == "matches":
        if not re.search(operand, seen, re.MULTILINE):
            raise Difference(f"{what} does not match: {operand}\n--- seen\n{seen}")
    elif operator == "plain":
        controls = re.findall(r"[\x00-\x08\x0b-\x1f\x7f]", seen)
        if controls:
            raise Difference(f"{what} holds the control character {controls[0]!r}\n--- seen\n{seen!r}")
    elif operator == "json":
        check_json(what, seen, operand)
    else:
        raise CaseError(f"line {line.number}: \"{operator}\" is none of is, has, lacks, matches, plain, json, keep")


def check_json(what, seen, operand):
    try:
        document = json.loads(seen)
    except ValueError as error:
        raise Difference(f"{what} is not JSON ({error})\n--- seen\n{seen}") from error
    match = re.fullmatch(r"(\S+) (?:(exists|absent)|([=~]) (.*))", operand)
    if not match:
        raise CaseError(f"json expectation \"{operand}\": PATH exists, PATH absent, PATH = VALUE or PATH ~ VALUE wanted")
    path, presence, operator, text = match.groups()
    try:
        value = json_at(document, path)
    except KeyError as error:
        if presence == "absent":
            return
        raise Difference(f"{what} has no {path} (at {error})\n--- seen\n{seen}") from error
    if presence == "absent":
        raise Difference(f"{what} has {path} = {json.dumps(value)}, wanted none")
    if presence == "exists":
        return
    wanted = json.loads(text)
    same = (isinstance(value, (int, float)) and math.isclose(value, wanted, rel_tol=1e-9)) if operator == "~" else (
        value == wanted and isinstance(value, bool) == isinstance(wanted, bool))
    if not same:
        raise Difference(f"{what} {path} is {json.dumps(value)}, wanted {json.dumps(wanted)}")


class Server:
    """A running `millrace serve`, with its output kept for messages."""

    def __init__(self, binary, arguments, folder, env):
        self.log = []
        self.process = subprocess.Popen([binary, "serve", *arguments, "--port", "0"], cwd=folder, env=env, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
        self.ready = threading.Event()
        self.address = None
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        if not self.ready.wait(60) or self.address is None:
            self.process.kill()
            self.process.wait()
            raise Difference("the server did not start listening\n" + "".join(self.log))

    def read(self):
        for line in self.process.stdout:
            self.log.append(line)
            found = re.search(r"listening on http://([^:\s]+):(\d+)", line)
            if found and self.address is None:
                self.address = (found.group(1), int(found.group(2)))
                self.ready.set()
        self.ready.set()

    def request(self, method, path, headers, body):
        connection = http.client.HTTPConnection(*self.address, timeout=COMMAND_TIMEOUT_S)
        try:
            connection.request(method, path, body=body.encode() if body else None, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict((name.lower(), value) for name, value in answer.getheaders()), answer.read().decode(
                errors="replace")
        except OSError as error:
            raise Difference(f"{method} {path}: {error}\n--- server\n{''.join(self.log[-20:])}") from error
        finally:
            connection.close()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Difference("the server did not end within 30 s of SIGTERM\n" + "".join(self.log[-20:])) from None
        self.reader.join(5)
        return code


class Runner:
    """Runs the entries of one file in one folder."""

    def __init__(self, binary, folder):
        self.binary, self.folder, self.server = binary, folder, None
        self.base_env = {**os.environ, "NO_COLOR": "1", "HOME": str(folder)}
        self.env = dict(self.base_env)
        self.kept = {}

    def inside(self, path):
        target = (self.folder / path).resolve()
        if self.folder.resolve() not in (target, *target.parents):
            raise CaseError(f"path \"{path}\" leaves the case's folder")
        return target

    def run_entry(self, entry):
        """None, or the reason of a skip by design; raises Difference or CaseError."""
        self.env = dict(self.base_env)
        lines, place, acted = entry.lines, 0, False
        while place < len(lines):
            end = place + 1
            while end < len(lines) and lines[end].word not in ACTIONS:
                end += 1
            action, rest = lines[place], lines[place + 1:end]
            if action.word == "skip":
                if not action.rest.startswith("by design:"):
                    raise CaseError(f"line {action.number}: a skip says \"skip by design: REASON\"")
                return action.rest
            if action.word not in ACTIONS:
                raise CaseError(f"line {action.number}: \"{action.word}\" is no action; one of {', '.join(ACTIONS)}")
            try:
                getattr(self, "do_" + action.word)(self.filled(action), rest)
            except Difference as difference:
                raise Difference(f"line {action.number}: {action.text}\n{difference}") from difference
            acted = acted or action.word in ("run", "request", "serve", "stop")
            place = end
        if not acted:
            raise CaseError("the entry asks nothing of the product")
        return None

    def filled(self, line):
        """The line with the kept texts in place of their $NAMEs."""
        if not self.kept:
            return line
        pattern = re.compile(r"\$(" + "|".join(map(re.escape, self.kept)) + r")\b")
        put = lambda text: pattern.sub(lambda match: self.kept[match.group(1)], text)
        copy = Line(line.number, put(line.text))
        copy.block = [put(row) for row in line.block]
        return copy

    def do_env(self, action, rest):
        name, _, value = action.rest.partition("=")
        self.env.pop(name, None)
        if value:
            self.env[name] = value
        self.expect(rest, {})

    def do_file(self, action, rest):
        path = self.inside(action.rest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(action.joined())
        self.expect(rest, {})

    def do_copy(self, action, rest):
        source, target = action.rest.split()
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, self.inside(target), dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns(".millrace", "__pycache__"))
        else:
            self.inside(target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, self.inside(target))
        self.expect(rest, {})

    def do_use(self, action, rest):
        if action.rest != "churn":
            raise CaseError(f"line {action.number}: use knows churn, not \"{action.rest}\"")
        try:
            churn_project.copy_finished(self.binary, self.folder / "churn")
        except churn_project.RunFailed as error:
            raise Difference(str(error)) from error
        self.expect(rest, {})

    def do_run(self, action, rest):
        try:
            done = subprocess.run([self.binary, *shlex.split(action.rest)], cwd=self.folder, env=self.env, text=True, errors="replace",
                                  input=action.joined(), capture_output=True, timeout=COMMAND_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise Difference(f"did not end within {COMMAND_TIMEOUT_S} s") from error
        self.expect(rest, {"stdout": done.stdout, "stderr": done.stderr, "exit": done.returncode})

    def do_serve(self, action, rest):
        self.stop_server()
        self.server = Server(self.binary, shlex.split(action.rest), self.folder, self.env)
        self.expect(rest, {})

    def do_request(self, action, rest):
        if self.server is None:
            raise CaseError(f"line {action.number}: no server; an earlier entry must `serve`")
        method, path = action.rest.split(" ", 1)
        headers, body, expected = {}, action.joined(), []
        for line in rest:
            if line.word == "header":
                name, _, value = line.rest.partition(":")
                headers[name.strip()] = value.strip()
                body = body or line.joined()
            else:
                expected.append(line)
        if body and not any(name.lower() == "content-type" for name in headers):
            headers["Content-Type"] = "application/json"
        status, answer_headers, text = self.server.request(method, path.strip(), headers, body)
        self.expect(expected, {"status": status, "headers": answer_headers, "body": text})

    def do_stop(self, action, rest):
        if self.server is None:
            raise CaseError(f"line {action.number}: no server to stop")
        server, self.server = self.server, None
        self.expect(rest, {"exit": server.stop(), "stdout": "".join(server.log)})

    def stop_server(self):
        if self.server is not None:
            server, self.server = self.server, None
            server.stop()

    def keep(self, line, seen):
        match = re.fullmatch(r"keep ([A-Z]+) = (\S+)", line.rest)
        if not match:
            raise CaseError(f"line {line.number}: \"{line.rest}\"; wanted: keep NAME = PATH")
        try:
            value = json_at(json.loads(seen), match.group(2))
            self.kept[match.group(1)] = value if isinstance(value, str) else json.dumps(value)
        except (ValueError, KeyError) as error:
            raise Difference(f"{line.word} has no JSON value at {match.group(2)}\n--- seen\n{seen}") from error

    def expect(self, lines, seen):
        words = [line.word for line in lines]
        context = "".join(f"\n--- {name}\n{seen[name]}" for name in ("stdout", "stderr", "body") if seen.get(name))
        if "exit" in seen and "exit" not in words and seen["exit"] != 0:
            raise Difference(f"exit code {seen['exit']}, wanted 0{context}")
        if "status" in seen and "status" not in words and seen["status"] != 200:
            raise Difference(f"status {seen['status']}, wanted 200{context}")
        for line in map(self.filled, lines):
            if line.word in ("stdout", "body") and line.word in seen and line.rest.startswith("keep "):
                self.keep(line, seen[line.word])
            elif line.word in ("exists", "missing"):
                if self.inside(line.rest).exists() != (line.word == "exists"):
                    raise Difference(f"{line.rest} should be {'there' if line.word == 'exists' else 'absent'}")
            elif line.word in ("exit", "status") and line.word in seen:
                if seen[line.word] != int(line.rest):
                    raise Difference(f"{line.word} {seen[line.word]}, wanted {line.rest}{context}")
            elif line.word in ("stdout", "stderr", "body") and line.word in seen:
                check_text(line.word, seen[line.word], line)
            elif line.word == "answer" and "headers" in seen:
                name, _, value = line.rest.removeprefix("header ").partition(":")
                if seen["headers"].get(name.strip().lower()) != value.strip():
                    raise Difference(f"header {name.strip()} is {seen['headers'].get(name.strip().lower())}, wanted {value.strip()}")
            else:
                raise CaseError(f"line {line.number}: \"{line.text}\" does not fit after this action")


def run_file(path, binary, name_filter, suite):
    """Runs one file and adds its entries to the JUnit suite; returns (passed, failed)."""
    passed = failed = 0
    folder = pathlib.Path(tempfile.mkdtemp(prefix="case_", dir=os.environ.get("MILLRACE_TEST_WORK")))
    runner = Runner(binary, folder)

    def record(name, started, tag=None, text=""):
        element = ElementTree.SubElement(suite, "testcase", classname=path.stem, name=name, time=f"{time.monotonic() - started:.3f}")
        if tag:
            child = ElementTree.SubElement(element, tag, message=text.splitlines()[0] if text else tag)
            # XML 1.0 has no place for most control characters.
            child.text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "?", text)

    try:
        entries = parse(path.read_text(), path.name)
    except CaseError as error:
        record("parse", time.monotonic(), "failure", str(error))
        print(f"FAILED {path.stem}: {error}")
        return 0, 1
    try:
        for entry in entries:
            if name_filter and name_filter not in entry.name:
                continue
            started = time.monotonic()
            try:
                reason = runner.run_entry(entry)
            except (Difference, CaseError, OSError, ValueError) as error:
                failed += 1
                record(entry.name, started, "failure", f"{path.name}:{entry.number}: {error}")
                print(f"FAILED {path.stem}: {entry.name}\n{error}\n")
                continue
            if reason:
                record(entry.name, started, "skipped", reason)
            else:
                passed += 1
                record(entry.name, started)
        try:
            runner.stop_server()
        except Difference as error:
            failed += 1
            record("the server ends", time.monotonic(), "failure", str(error))
    finally:
        if runner.server is not None:
            runner.server.process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="case files (default: all beside this script)")
    parser.add_argument("--binary", default=os.environ.get("MILLRACE_BINARY", str(ROOT / "build/release/millrace")))
    parser.add_argument("--name", help="only entries whose name holds this")
    parser.add_argument("--junit", type=pathlib.Path, help="write a JUnit report here")
    options = parser.parse_args()
    binary = pathlib.Path(options.binary).resolve()
    if not binary.exists():
        print(f"run_cases: {binary} is missing; run make build", file=sys.stderr)
        return 2
    here = pathlib.Path(__file__).parent
    files = [file if file.exists() else here / file.name for file in options.files] or sorted(here.glob("*.case"))
    suite = ElementTree.Element("testsuite", name="case")
    passed = failed = 0
    for file in files:
        more_passed, more_failed = run_file(file, str(binary), options.name, suite)
        passed, failed = passed + more_passed, failed + more_failed
    if options.junit:
        ElementTree.ElementTree(suite).write(options.junit, encoding="utf-8", xml_declaration=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
