# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server for tests: the real one, on a socket in a folder of its own, ended with the block or with the test process."""

import contextlib
import ctypes
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

USER = "millrace"
PR_SET_PDEATHSIG = 1


def binaries():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    assert found, "PostgreSQL is missing; run scripts/setup.sh --tests"
    return found[-1].parent


class Postgres:
    """`with Postgres() as server: uri = server.new_database()`."""

    def __init__(self):
        self.bin = binaries()
        # Not below TMPDIR: a socket's path has at most 107 bytes, and user postgres must be able to reach it.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace_pg_", dir="/tmp"))
        self.account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self.account:
            os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)
        self.process = None
        self.databases = 0
        self._must("initdb", "-D", self.folder / "data", "-A", "trust", "-U", USER, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()

    def _before_exec(self):
        if self.account:
            os.setgroups([])
            os.setgid(self.account.pw_gid)
            os.setuid(self.account.pw_uid)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)

    def _spawn(self, program, *arguments, **options):
        return subprocess.Popen([str(self.bin / program), *map(str, arguments)], preexec_fn=self._before_exec, cwd=self.folder,
                                text=True, **options)

    def _must(self, program, *arguments):
        process = self._spawn(program, *arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 0, f"{program}: {output}"
        return output

    def start(self, *settings):
        """Starts the server; settings are like "fsync=on"."""
        chosen = ["listen_addresses=", "fsync=off", "autovacuum=off", "shared_buffers=32MB", *settings]
        with open(self.folder / "log", "ab") as log:
            self.process = self._spawn("postgres", "-D", self.folder / "data", "-k", self.folder,
                                       *[word for setting in chosen for word in ("-c", setting)], stdout=log, stderr=log)
        ready = [str(self.bin / "pg_isready"), "-q", "-h", str(self.folder)]
        deadline = time.monotonic() + 60
        while subprocess.run(ready, check=False).returncode != 0:
            assert self.process.poll() is None and time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.02)

    def stop(self):
        """As a crash of the server would."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(timeout=60)

    def new_database(self):
        self.databases += 1
        name = f"t{self.databases}"
        self.psql("postgres", f"CREATE DATABASE {name} TEMPLATE template0")
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def psql(self, database, sql):
        """What psql prints for a statement, rows as lines, columns parted by |."""
        return self._must("psql", "-X", "-q", "-A", "-t", "-h", self.folder, "-U", USER, "-d", database, "-c", sql)

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
