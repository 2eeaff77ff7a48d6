# SPDX-License-Identifier: Apache-2.0
"""Webhooks made by the real MlflowClient; what a receiver gets is verified with the real package's code."""

import http.server
import json
import queue
import threading

import mlflow
import pytest
from mlflow.entities.webhook import WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException
from mlflow.webhooks import constants, delivery, types

import millrace


SECRET = "s3cret"
WAIT_S = 30


class Receiver:
    """Keeps what it is sent; answers 503 as often as told, then 200."""

    def __init__(self):
        self.calls = queue.Queue()
        self.refusals = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                outer.calls.put((self.path, dict(self.headers), body))
                status = 503 if outer.refusals > 0 else 200
                outer.refusals -= 1
                self.send_response(status)
                self.end_headers()
                self.wfile.write(b"thanks")

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def next(self):
        """The next call, its signature verified: headers and body as an object."""
        path, headers, text = self.calls.get(timeout=WAIT_S)
        assert path == "/hook?x=1"
        assert headers["Content-Type"] == "application/json"
        assert headers[constants.WEBHOOK_SIGNATURE_HEADER] == delivery._generate_hmac_signature(
            SECRET, headers[constants.WEBHOOK_DELIVERY_ID_HEADER], headers[constants.WEBHOOK_TIMESTAMP_HEADER], text)
        return headers, json.loads(text)


@pytest.fixture(name="receiver")
def make_receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()


@pytest.fixture(name="allowed")
def allow_this_machine(monkeypatch):
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOWED_SCHEMES", "http,https")
    monkeypatch.setenv("MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS", "true")
    monkeypatch.setenv("MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY", "a key")
    monkeypatch.setenv("MLFLOW_WEBHOOK_REQUEST_TIMEOUT", "5")


def events_of(*names):
    return [WebhookEvent.from_str(name) for name in names]


def test_a_webhook_is_made_listed_changed_and_deleted(tmp_path):
    with millrace.Server("--workspace", tmp_path / "workspace") as server:
        client = mlflow.MlflowClient(server.url)
        made = [client.create_webhook(name=f"hook{i}", url="https://example.com/hook", description="d",
                                      events=events_of("model_version.created", "model_version_alias.created"), secret=SECRET)
                for i in range(3)]
        assert made[0].secret is None and made[0].description == "d" and made[0].status == WebhookStatus.ACTIVE
        page = client.list_webhooks(max_results=2)
        assert len(page) == 2 and len(client.list_webhooks(max_results=2, page_token=page.token)) == 1
        changed = client.update_webhook(made[0].webhook_id, status="DISABLED", events=events_of("prompt.created"))
        assert changed.status == WebhookStatus.DISABLED and changed.events == events_of("prompt.created")
        assert changed.last_updated_timestamp > made[0].last_updated_timestamp
        client.delete_webhook(made[0].webhook_id)
        with pytest.raises(MlflowException, match="Webhook with ID .* not found"):
            client.get_webhook(made[0].webhook_id)


def test_inner_addresses_are_refused(tmp_path, receiver):
    with millrace.Server("--workspace", tmp_path / "workspace") as server:
        client = mlflow.MlflowClient(server.url)
        for url in (receiver.url.replace("http:", "https:"), "https://169.254.169.254/", "https://[::1]/", "https://localhost/"):
            with pytest.raises(MlflowException, match="non-public"):
                client.create_webhook(name="hook", url=url, events=events_of("model_version.created"))
        with pytest.raises(MlflowException, match="Invalid webhook URL scheme"):
            client.create_webhook(name="hook", url=receiver.url, events=events_of("model_version.created"))
    assert receiver.calls.empty()


@pytest.mark.usefixtures("allowed")
def test_every_event_is_tested_with_mlflows_example(tmp_path, receiver):
    with millrace.Server("--workspace", tmp_path / "workspace") as server:
        client = mlflow.MlflowClient(server.url)
        hook = client.create_webhook(name="hook", url=receiver.url, events=events_of("registered_model.created"), secret=SECRET)
        for entity, action in types.EVENT_TO_PAYLOAD_CLASS:
            event = WebhookEvent(entity, action)
            result = client.test_webhook(hook.webhook_id, event)
            assert (result.success, result.response_status, result.response_body) == (True, 200, "thanks")
            _, body = receiver.next()
            assert body["data"] == types.get_example_payload_for_event(event)
            assert (body["entity"], body["action"]) == (entity.value, action.value)
        receiver.refusals = 1
        assert client.test_webhook(hook.webhook_id).response_status == 503


@pytest.mark.usefixtures("allowed")
def test_changes_are_told_and_told_again_after_a_refusal(tmp_path, receiver):
    with millrace.Server("--workspace", tmp_path / "workspace") as server:
        client = mlflow.MlflowClient(server.url)
        client.create_webhook(name="hook", url=receiver.url, secret=SECRET,
                              events=events_of("registered_model.created", "model_version.created", "model_version_tag.set",
                                               "model_version_tag.deleted", "model_version_alias.created", "model_version_alias.deleted"))
        receiver.refusals = 1
        client.create_registered_model("churn", tags={"team": "growth"}, description="who leaves")
        first, body = receiver.next()
        again, same = receiver.next()
        assert body == same and first[constants.WEBHOOK_DELIVERY_ID_HEADER] == again[constants.WEBHOOK_DELIVERY_ID_HEADER]
        assert body["data"] == {"name": "churn", "tags": {"team": "growth"}, "description": "who leaves"}
        expected = {}
        client.create_model_version("churn", "s3://bucket/model", tags={"a": "b"})
        expected["model_version", "created"] = {"name": "churn", "version": "1", "source": "s3://bucket/model", "run_id": None,
                                                "tags": {"a": "b"}, "description": None}
        client.set_model_version_tag("churn", "1", "k", "v")
        expected["model_version_tag", "set"] = {"name": "churn", "version": "1", "key": "k", "value": "v"}
        client.delete_model_version_tag("churn", "1", "k")
        expected["model_version_tag", "deleted"] = {"name": "churn", "version": "1", "key": "k"}
        client.set_registered_model_alias("churn", "champion", "1")
        expected["model_version_alias", "created"] = {"name": "churn", "alias": "champion", "version": "1"}
        client.delete_registered_model_alias("churn", "champion")
        expected["model_version_alias", "deleted"] = {"name": "churn", "alias": "champion"}
        told = {}
        while len(told) < len(expected):
            _, body = receiver.next()
            told[body["entity"], body["action"]] = body["data"]
        assert told == expected


@pytest.mark.usefixtures("allowed")
def test_what_waits_survives_a_kill(tmp_path, receiver):
    with millrace.Server("--workspace", tmp_path / "workspace") as server:
        client = mlflow.MlflowClient(server.url)
        client.create_webhook(name="hook", url=receiver.url, events=events_of("registered_model.created"), secret=SECRET)
        receiver.refusals = 1
        client.create_registered_model("churn")
        first, _ = receiver.next()
        server.process.kill()
        server.process.wait()
    # Killed between the refusal and the next try, or in the midst of it: the next process sends it.
    with millrace.Server("--workspace", tmp_path / "workspace"):
        again, body = receiver.next()
        assert body["data"]["name"] == "churn"
        assert first[constants.WEBHOOK_DELIVERY_ID_HEADER] == again[constants.WEBHOOK_DELIVERY_ID_HEADER]
