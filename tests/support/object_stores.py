# SPDX-License-Identifier: Apache-2.0
"""Real object stores for tests: S3 by moto, Azure Blob Storage by Azurite, each a process on a free port."""

import contextlib
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
AZURITE = ROOT / "third_party/azurite/node_modules/azurite/dist/src/blob/main.js"
NODE = ROOT / "third_party/node/bin/node"

# Published by Azurite for everybody: no secret.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def _listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _line_with(process, pattern, seconds=60):
    """The first match in what the process says on its output."""
    end, text = time.monotonic() + seconds, ""
    while time.monotonic() < end and process.poll() is None:
        if select.select([process.stdout], [], [], 1)[0]:
            text += os.read(process.stdout.fileno(), 4096).decode(errors="replace")
            if found := re.search(pattern, text):
                return found
    raise AssertionError(f"{process.args[0]} did not start: {text[-2000:]}")


@contextlib.contextmanager
def _process(arguments, **options):
    process = subprocess.Popen([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def azurite(folder):
    """The address of a blob service with its data in `folder`, for example "127.0.0.1:43123"."""
    arguments = [NODE, AZURITE, "--location", folder, "--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck",
                 "--disableTelemetry"]
    with _process(arguments) as process:
        found = _line_with(process, r"listens on http://(127\.0\.0\.1:\d+)")
        yield found.group(1)


@contextlib.contextmanager
def moto():
    """The address of an S3 service that keeps everything in memory."""
    with _process([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], env={**os.environ, "PYTHONUNBUFFERED": "1"}) as process:
        found = _line_with(process, r"Running on http://(127\.0\.0\.1:\d+)")
        assert _listens(int(found.group(1).split(":")[1]))
        yield found.group(1)


def make_container(address, name):
    """An empty container in Azurite."""
    from pyarrow import fs

    fs.AzureFileSystem(AZURE_ACCOUNT, account_key=AZURE_KEY, blob_storage_authority=address, blob_storage_scheme="http").create_dir(name)


def make_bucket(address, name):
    """An empty bucket in moto."""
    from pyarrow import fs

    fs.S3FileSystem(access_key="test", secret_key="test", endpoint_override=address, scheme="http", region="us-east-1",
                    allow_bucket_creation=True).create_dir(name)
