# SPDX-License-Identifier: Apache-2.0
"""Bad input to the tracking server over a real socket: refused early and clearly, while others are served."""

import json
import socket
import time
import urllib.parse

import millrace
import pytest

ROOT = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with millrace.Server("--workspace", tmp_path_factory.mktemp("bad") / "ws") as running:
        yield running


def connect(server):
    place = urllib.parse.urlsplit(server.url)
    connection = socket.create_connection((place.hostname, place.port), timeout=20)
    return connection


def read_all(connection):
    received = b""
    try:
        while block := connection.recv(65536):
            received += block
    except ConnectionResetError:
        pass
    return received


def is_alive(server):
    status, text, _ = server.get("/health")
    return status == 200 and text == "OK"


def peak_bytes(server):
    for line in open(f"/proc/{server.process.pid}/status", encoding="utf-8"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def test_a_body_of_one_gigabyte_is_refused_by_its_header(server):
    with connect(server) as connection:
        connection.sendall(f"POST {ROOT}/runs/log-batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                           "Content-Length: 1073741824\r\n\r\n".encode())
        begun = time.monotonic()
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error_code"] == "RESOURCE_EXHAUSTED"
    assert time.monotonic() - begun < 5
    assert is_alive(server)


def test_a_body_without_a_length_is_cut_off_when_it_is_too_long(server):
    with connect(server) as connection:
        connection.sendall(f"POST {ROOT}/runs/log-batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n".encode())
        block = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        sent = 0
        try:
            while sent < 1 << 30:
                connection.sendall(block)
                sent += 0x100000
        except (BrokenPipeError, ConnectionResetError):
            pass
    # What is still on its way is thrown away, never kept.
    assert sent < 1 << 30, "the server took all of it"
    assert peak_bytes(server) < 1 << 28
    assert is_alive(server)


def test_a_long_body_that_is_allowed_is_answered(server):
    status, text, _ = server.post(f"{ROOT}/experiments/create", {"name": ["x" * (32 << 20)]})
    assert status == 400
    assert len(text) < 5000
    assert "Invalid value" in json.loads(text)["message"]


@pytest.mark.parametrize("depth", [100, 1_000_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting_is_refused(server, depth, brackets):
    inner = {"[]": "[" * depth + "]" * depth, "{}": '{"a":' * depth + "1" + "}" * depth}[brackets]
    status, text, _ = server.request("POST", f"{ROOT}/experiments/create", f'{{"name": {inner}}}'.encode())
    assert status == 400
    assert "parameter 'name'" in text
    assert is_alive(server)


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b"\xff\xfe\x00", b'{"name": "a', b"[1]", b"5", b"null", b"\x00" * 1000])
def test_malformed_json_is_a_request_without_values(server, body):
    status, text, _ = server.request("POST", f"{ROOT}/runs/log-metric", body)
    assert status == 400
    assert json.loads(text)["message"].startswith("Missing value for required parameter 'run_id'.")


def test_text_that_looks_like_sql_or_a_path_comes_back_unchanged(server):
    texts = ["'; DROP TABLE runs; --", "\" OR \"\"=\"", "../../../etc/passwd", "%2e%2e%2f", "${jndi:ldap://x}", "\u202eabc\u0301", "a\tb\nc",
             "🦀", "\\", "{{7*7}}", "<script>"]
    for number, text in enumerate(texts):
        status, body, _ = server.post(f"{ROOT}/experiments/create", {"name": f"{number} {text}", "tags": [{"key": "t", "value": text}]})
        assert status == 200, body
        _, body, _ = server.get(f"{ROOT}/experiments/get?experiment_id={json.loads(body)['experiment_id']}")
        assert json.loads(body)["experiment"]["name"] == f"{number} {text}"
        assert json.loads(body)["experiment"]["tags"] == [{"key": "t", "value": text}]
        _, body, _ = server.get(f"{ROOT}/experiments/get-by-name?" + urllib.parse.urlencode({"experiment_name": f"{number} {text}"}))
        assert json.loads(body)["experiment"]["name"] == f"{number} {text}"
    _, body, _ = server.post(f"{ROOT}/experiments/search", {"max_results": 100})
    assert len(json.loads(body)["experiments"]) == len(texts) + 1


def test_slow_clients_do_not_hold_up_others(server):
    slow = [connect(server) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(f"POST {ROOT}/runs/log-metric HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n".encode())
        begun = time.monotonic()
        for _ in range(20):
            assert is_alive(server)
            assert server.post(f"{ROOT}/runs/search", {"experiment_ids": ["0"]})[0] == 200
        assert time.monotonic() - begun < 5
    finally:
        for connection in slow:
            connection.close()


def test_a_client_that_leaves_is_no_matter(server):
    _, body, _ = server.post(f"{ROOT}/runs/create", {"experiment_id": "0"})
    run = json.loads(body)["run"]["info"]["run_id"]
    for _ in range(50):
        body = json.dumps({"run_id": run, "key": "m", "value": 1, "timestamp": 1}).encode()
        with connect(server) as connection:
            connection.sendall(f"POST {ROOT}/runs/log-metric HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert is_alive(server)


def test_the_server_never_failed(server):
    server.process.terminate()
    assert server.process.wait(timeout=20) == 0
    assert "handler_threw" not in server.process.stderr.read()
