# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the server while files are uploaded: what was acknowledged is there whole, and no half file is ever seen."""

import hashlib
import random
import threading

import pytest
import requests

import millrace

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"


def upload(url, worker, seed, acknowledged, sent, stop):
    """Puts files until the server dies; a name is used again and again, so that replacing is killed as well."""
    generator = random.Random(seed)
    session = requests.Session()
    for n in range(100_000):
        if stop.is_set():
            return
        path = f"0/run/artifacts/w{worker}/f{n % 7}"
        body = generator.randbytes(generator.choice((10, 3_000, 300_000, 1_500_000)))
        digest = hashlib.sha256(body).hexdigest()
        sent.setdefault(path, set()).add(digest)
        try:
            reply = session.put(f"{url}{ARTIFACTS}/{path}", data=body, timeout=30)
        except requests.RequestException:
            return
        assert reply.status_code == 200, reply.text
        # From now on an older content of this path is a loss.
        acknowledged[path] = digest
        sent[path] = {digest}


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_acknowledged_uploads_survive(tmp_path, kills):
    acknowledged, sent, generator = {}, {}, random.Random(4)
    for kill in range(kills):
        with millrace.Server("--workspace", tmp_path / "workspace") as server:
            for path, digest in acknowledged.items():
                reply = requests.get(f"{server.url}{ARTIFACTS}/{path}", timeout=30)
                assert reply.status_code == 200, (path, reply.text)
                assert hashlib.sha256(reply.content).hexdigest() in sent[path], (kill, path, digest)
            for folder in {path.rsplit("/", 1)[0] for path in sent}:
                for item in requests.get(f"{server.url}{ARTIFACTS}?path={folder}", timeout=30).json().get("files", []):
                    path = f"{folder}/{item['path']}"
                    content = requests.get(f"{server.url}{ARTIFACTS}/{path}", timeout=30).content
                    assert hashlib.sha256(content).hexdigest() in sent[path], (kill, path)
            stop = threading.Event()
            workers = [threading.Thread(target=upload, args=(server.url, w, kill * 10 + w, acknowledged, sent, stop)) for w in range(3)]
            for worker in workers:
                worker.start()
            stop.wait(generator.uniform(0.05, 1.0))
            server.process.kill()
            stop.set()
            for worker in workers:
                worker.join()
    assert len(acknowledged) > 5
