# SPDX-License-Identifier: Apache-2.0
"""Real object stores for tests: S3 by moto, Azure Blob Storage by Azurite, each a process on a free port."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
AZURITE = ROOT / "third_party/azurite/node_modules/azurite/dist/src/blob/main.js"
NODE = ROOT / "third_party/node/bin/node"

# Published by Azurite for everybody: no secret.
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextlib.contextmanager
def _process(arguments, pattern, seconds=60, **options):
    """Runs a server; gives the first match of a pattern in what it says. Its output goes to a file: nobody would empty a pipe."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([str(a) for a in arguments], stdout=output, stderr=subprocess.STDOUT, **options)
        try:
            end, text = time.monotonic() + seconds, ""
            while not (found := re.search(pattern, text)):
                if time.monotonic() > end or process.poll() is not None:
                    raise AssertionError(f"{arguments[0]} did not start: {text[-2000:]}")
                time.sleep(0.05)
                text = os.pread(output.fileno(), 100_000, 0).decode(errors="replace")
            yield found.group(1)
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def azurite(folder):
    """The address of a blob service with its data in `folder`, for example "127.0.0.1:43123"."""
    arguments = [NODE, AZURITE, "--location", folder, "--blobHost", "127.0.0.1", "--blobPort", "0", "--skipApiVersionCheck",
                 "--disableTelemetry"]
    with _process(arguments, r"listens on http://(127\.0\.0\.1:\d+)") as address:
        yield address


@contextlib.contextmanager
def moto():
    """The address of an S3 service that keeps everything in memory."""
    arguments = [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with _process(arguments, r"Running on http://(127\.0\.0\.1:\d+)") as address:
        yield address


def make_container(address, name):
    """An empty container in Azurite."""
    from pyarrow import fs

    fs.AzureFileSystem(AZURE_ACCOUNT, account_key=AZURE_KEY, blob_storage_authority=address, blob_storage_scheme="http").create_dir(name)


def make_bucket(address, name):
    """An empty bucket in moto."""
    from pyarrow import fs

    fs.S3FileSystem(access_key="test", secret_key="test", endpoint_override=address, scheme="http", region="us-east-1",
                    allow_bucket_creation=True).create_dir(name)


@contextlib.contextmanager
def destinations(folder):
    """Environment and destination of each kind of artifact store, none for the workspace's own; the object stores live as long."""
    with moto() as s3, azurite(folder / "azurite") as azure:
        make_bucket(s3, "bucket")
        make_container(azure, "container")
        (folder / "destination").mkdir()
        yield {
            "workspace": ({}, None),
            "folder": ({}, folder / "destination"),
            "s3": ({"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
                    "MLFLOW_S3_ENDPOINT_URL": f"http://{s3}"}, "s3://bucket/artifacts"),
            "azure": ({"AZURE_STORAGE_ACCESS_KEY": AZURE_KEY},
                      f"abfs://{AZURE_ACCOUNT}@{azure}/container/artifacts?enable_tls=false"),
        }
