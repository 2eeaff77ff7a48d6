# SPDX-License-Identifier: Apache-2.0
"""Webhooks: their life, and what arrives at a receiver. No name is resolved here: receivers have numeric addresses."""

import base64
import hashlib
import hmac
import http.server
import json
import queue
import threading
import time

import pytest
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent, WebhookStatus
from mlflow.exceptions import MlflowException

from helpers import DELIVERY, REGISTRY_STORE, WEBHOOKS, client_of, started, unique

CREATED = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
ALIAS = WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED)
MODEL = WebhookEvent(WebhookEntity.REGISTERED_MODEL, WebhookAction.CREATED)
URL = "https://8.8.8.8/webhook"
# The real server encrypts secrets with this key; ours makes one of its own.
SETTINGS = {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": base64.urlsafe_b64encode(b"k" * 32).decode()}


@pytest.fixture(scope="module")
def hooks(tmp_path_factory):
    with started(tmp_path_factory.mktemp("webhooks") / "server", SETTINGS) as running:
        yield running


@pytest.fixture
def client(hooks):
    return client_of(hooks.url)


def key(event):
    return event.entity.value, event.action.value


@pytest.mark.answers(f"{WEBHOOKS}::test_create_webhook", f"{WEBHOOKS}::test_get_webhook", f"{REGISTRY_STORE}::test_create_webhook",
                     f"{REGISTRY_STORE}::test_get_webhook", f"{REGISTRY_STORE}::test_webhook_secret_encryption")
@pytest.mark.parametrize("events,secret", [([CREATED], None), ([CREATED], "my_secret"), ([ALIAS, CREATED], None)])
def test_a_webhook_keeps_everything_and_never_shows_its_secret(client, name, events, secret):
    created = client.create_webhook(name, URL, events, description="words", secret=secret)
    found = client.get_webhook(created.webhook_id)
    for webhook in (created, found):
        assert (webhook.name, webhook.url, webhook.description, webhook.secret) == (name, URL, "words", None)
        assert sorted(webhook.events, key=key) == sorted(events, key=key)
        assert webhook.status == WebhookStatus.ACTIVE and webhook.creation_timestamp > 0


@pytest.mark.answers(f"{WEBHOOKS}::test_get_webhook_not_found", f"{WEBHOOKS}::test_update_webhook_not_found", f"{WEBHOOKS}::test_delete_webhook_not_found",
                     f"{REGISTRY_STORE}::test_get_webhook_not_found", f"{REGISTRY_STORE}::test_update_webhook_not_found",
                     f"{REGISTRY_STORE}::test_delete_webhook_not_found")
def test_an_unknown_webhook_is_not_found_everywhere(client):
    for call in (lambda: client.get_webhook("nonexistent"), lambda: client.update_webhook("nonexistent", name="x"),
                 lambda: client.delete_webhook("nonexistent"), lambda: client.test_webhook("nonexistent")):
        with pytest.raises(MlflowException, match="Webhook with ID nonexistent not found") as error:
            call()
        assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.answers(f"{WEBHOOKS}::test_list_webhooks", f"{REGISTRY_STORE}::test_list_webhooks", f"{REGISTRY_STORE}::test_list_webhooks_pagination")
def test_pages_of_webhooks_have_no_gap(client, name):
    created = {client.create_webhook(f"{name}{i}", URL, [CREATED]).webhook_id for i in range(5)}
    seen, token = [], None
    while True:
        page = client.list_webhooks(max_results=2, page_token=token)
        assert len(page) <= 2
        seen += [webhook.webhook_id for webhook in page]
        token = page.token
        if not token:
            break
    assert len(seen) == len(set(seen)) and created <= set(seen)


@pytest.mark.answers(f"{WEBHOOKS}::test_update_webhook", f"{WEBHOOKS}::test_update_webhook_partial", f"{REGISTRY_STORE}::test_update_webhook",
                     f"{REGISTRY_STORE}::test_update_webhook_partial", f"{REGISTRY_STORE}::test_webhook_status_transitions")
def test_a_webhook_is_updated_in_part_or_whole(client, name):
    webhook = client.create_webhook(name, URL, [CREATED], description="before")
    time.sleep(0.003)
    renamed = client.update_webhook(webhook.webhook_id, name=f"{name}-2")
    assert (renamed.name, renamed.url, renamed.events, renamed.description) == (f"{name}-2", URL, [CREATED], "before")
    assert renamed.last_updated_timestamp > webhook.last_updated_timestamp
    whole = client.update_webhook(webhook.webhook_id, name=f"{name}-3", url="https://1.1.1.1/x", events=[CREATED, MODEL], description="after",
                                  secret="new", status=WebhookStatus.DISABLED)
    assert (whole.name, whole.url, whole.description, whole.status) == (f"{name}-3", "https://1.1.1.1/x", "after", WebhookStatus.DISABLED)
    assert sorted(whole.events, key=key) == sorted([CREATED, MODEL], key=key)
    assert client.update_webhook(webhook.webhook_id, status=WebhookStatus.ACTIVE).status == WebhookStatus.ACTIVE


@pytest.mark.answers(f"{WEBHOOKS}::test_update_webhook_invalid_urls", f"{REGISTRY_STORE}::test_update_webhook_invalid_urls",
                     f"{REGISTRY_STORE}::test_create_webhook_invalid_urls")
@pytest.mark.parametrize("url,message", [("   ", "Webhook URL cannot be empty or just whitespace"), ("ftp://8.8.8.8", "Invalid webhook URL scheme"),
                                         ("https://[invalid", "Invalid webhook URL")])
def test_wrong_addresses_are_refused(client, name, url, message):
    webhook = client.create_webhook(name, URL, [CREATED])
    for call in (lambda: client.update_webhook(webhook.webhook_id, url=url), lambda: client.create_webhook(f"{name}-2", url, [CREATED])):
        with pytest.raises(MlflowException, match=message) as error:
            call()
        assert error.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("url", ["https://127.0.0.1/x", "https://10.0.0.1/x", "https://192.168.1.1/x", "https://169.254.169.254/latest", "https://[::1]/x"])
def test_addresses_inside_are_refused(client, name, url):
    with pytest.raises(MlflowException) as error:
        client.create_webhook(name, url, [CREATED])
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.answers(f"{REGISTRY_STORE}::test_create_webhook_invalid_names", f"{REGISTRY_STORE}::test_update_webhook_invalid_names")
@pytest.mark.parametrize("bad", ["   ", "webhook<script>", "webhook@test", "webhook/slash", "-webhook", "webhook-", "_webhook", ".webhook", "a" * 64])
def test_wrong_names_are_refused(client, name, bad):
    webhook = client.create_webhook(name, URL, [CREATED])
    for call in (lambda: client.update_webhook(webhook.webhook_id, name=bad), lambda: client.create_webhook(bad, URL, [CREATED])):
        with pytest.raises(MlflowException, match="is invalid"):
            call()


@pytest.mark.answers(f"{REGISTRY_STORE}::test_create_webhook_valid_names")
@pytest.mark.parametrize("good", ["a", "1", "web_hook", "web-hook", "web.hook", "A1-b.c_d", "a" * 63])
def test_good_names_are_taken(client, good):
    assert client.create_webhook(good, URL, [CREATED]).name == good


@pytest.mark.answers(f"{REGISTRY_STORE}::test_create_webhook_invalid_events", f"{REGISTRY_STORE}::test_list_webhooks_invalid_max_results",
                     f"{REGISTRY_STORE}::test_update_webhook_invalid_events")
def test_a_webhook_wants_events_and_a_list_a_size(hooks):
    for events in ([], None):
        answer = hooks.post("webhooks", {"name": unique("w"), "url": URL, "events": events})
        assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE", answer.text
    answer = hooks.get("webhooks", max_results=1001)
    assert answer.status_code == 400, answer.text


@pytest.mark.answers(f"{WEBHOOKS}::test_delete_webhook", f"{REGISTRY_STORE}::test_delete_webhook")
def test_a_deleted_webhook_is_gone(client, name):
    webhook = client.create_webhook(name, URL, [CREATED])
    client.delete_webhook(webhook.webhook_id)
    with pytest.raises(MlflowException, match=r"Webhook with ID .* not found"):
        client.get_webhook(webhook.webhook_id)
    assert webhook.webhook_id not in {w.webhook_id for w in client.list_webhooks(max_results=100)}


class Receiver:
    """An HTTP server that answers with the given statuses, one after the other, then 200, and keeps what arrived."""

    def __init__(self, *statuses):
        self.arrived, waiting = queue.Queue(), list(statuses)
        arrived = self.arrived

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = waiting.pop(0) if waiting else 200
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                arrived.put((dict(self.headers), body, status))

            def log_message(self, *unused):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.server.shutdown()
        self.server.server_close()


# Only for this: plain HTTP to this machine. Both settings are MLflow's own.
LOCAL = {**SETTINGS, "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true"}


@pytest.fixture
def local(start, monkeypatch):
    """A server that may deliver to this machine; the client checks addresses by the same settings."""
    for setting, value in LOCAL.items():
        monkeypatch.setenv(setting, value)
    return client_of(start(LOCAL).url)


def assert_signed(headers, body, secret):
    """As a receiver checks who sent a delivery, and that it is new."""
    lower = {k.lower(): v for k, v in headers.items()}
    signed = f"{lower['x-mlflow-delivery-id']}.{lower['x-mlflow-timestamp']}.{body.decode()}"
    expected = base64.b64encode(hmac.new(secret, signed.encode(), hashlib.sha256).digest()).decode()
    assert lower["x-mlflow-signature"] == f"v1,{expected}"
    assert abs(time.time() - int(lower["x-mlflow-timestamp"])) < 60



@pytest.mark.answers(f"{DELIVERY}::test_webhook_with_secret", f"{DELIVERY}::test_model_version_created")
def test_an_event_arrives_signed(local):
    client = local
    with Receiver() as receiver:
        client.create_webhook("hook", receiver.url, [CREATED], secret="my_secret")
        client.create_registered_model("m")
        client.create_model_version("m", "s3://bucket/model", "run_id", tags={"k": "v"}, description="words")
        headers, body, _ = receiver.arrived.get(timeout=20)
    content = json.loads(body)
    assert (content["entity"], content["action"]) == ("model_version", "created")
    assert {k: content["data"][k] for k in ("name", "version", "source", "run_id", "tags", "description")} == {
        "name": "m", "version": "1", "source": "s3://bucket/model", "run_id": "run_id", "tags": {"k": "v"}, "description": "words"}
    assert_signed(headers, body, b"my_secret")


@pytest.mark.answers(f"{DELIVERY}::test_webhook_test_insecure_endpoint", f"{DELIVERY}::test_webhook_test_with_specific_event",
                     f"{DELIVERY}::test_webhook_test_failed_endpoint", f"{DELIVERY}::test_webhook_test_secure_endpoint")
def test_a_test_delivery_reports_the_receivers_answer(local):
    client = local
    with Receiver() as receiver:
        webhook = client.create_webhook("hook", receiver.url, [CREATED, ALIAS])
        result = client.test_webhook(webhook.webhook_id, ALIAS)
        assert result.success and result.response_status == 200
        assert json.loads(receiver.arrived.get(timeout=20)[1])["entity"] == "model_version_alias"
        signed = client.create_webhook("signed", receiver.url, [CREATED], secret="another")
        assert client.test_webhook(signed.webhook_id).success
        headers, body, _ = receiver.arrived.get(timeout=20)
        assert_signed(headers, body, b"another")
    with Receiver(401, 401, 401, 401, 401) as unwilling:
        result = client.test_webhook(client.create_webhook("unwilling", unwilling.url, [CREATED]).webhook_id)
        assert not result.success and result.response_status == 401


@pytest.mark.answers(f"{DELIVERY}::test_prompt_webhook_test_endpoint")
def test_a_test_delivery_for_a_prompt_has_an_example_of_the_asked_event(local):
    client = local
    asked = WebhookEvent(WebhookEntity.PROMPT_VERSION_TAG, WebhookAction.SET)
    others = [WebhookEvent(WebhookEntity.PROMPT, WebhookAction.CREATED), WebhookEvent(WebhookEntity.PROMPT_VERSION, WebhookAction.CREATED)]
    with Receiver() as receiver:
        webhook = client.create_webhook("hook", receiver.url, [*others, asked])
        result = client.test_webhook(webhook.webhook_id, event=asked)
        assert result.success and result.response_status == 200 and not result.error_message
        content = json.loads(receiver.arrived.get(timeout=20)[1])
    assert (content["entity"], content["action"]) == ("prompt_version_tag", "set")
    assert content["data"] == {"name": "example_prompt", "version": "1", "key": "example_key", "value": "example_value"}


@pytest.mark.answers(f"{DELIVERY}::test_webhook_with_wrong_secret", f"{DELIVERY}::test_webhook_without_secret_to_secure_endpoint",
                     f"{DELIVERY}::test_webhook_test_with_wrong_secret")
def test_a_receiver_that_refuses_a_signature_keeps_nobody_from_working(local):
    """What the receiver checks is the signature itself: another secret gives another, none gives none."""
    client = local
    with Receiver(401, 401) as receiver:
        webhook = client.create_webhook("wrong", receiver.url, [MODEL], secret="wrong-secret")
        result = client.test_webhook(webhook.webhook_id)
        assert not result.success and result.response_status == 401 and not result.error_message
        headers, body, _ = receiver.arrived.get(timeout=20)
        assert_signed(headers, body, b"wrong-secret")
        with pytest.raises(AssertionError):
            assert_signed(headers, body, b"secret")
        assert client.create_registered_model("m").name == "m"
        assert receiver.arrived.get(timeout=20)[2] == 401
    with Receiver(401) as receiver:
        client.create_webhook("plain", receiver.url, [ALIAS])
        client.create_model_version("m", "s3://bucket/model", "run_id")
        client.set_registered_model_alias("m", "a", "1")
        headers, _, status = receiver.arrived.get(timeout=20)
        assert status == 401 and "x-mlflow-signature" not in {key.lower() for key in headers}
    assert client.get_model_version_by_alias("m", "a").version == "1"


EVENTS = {
    "registered_model.created": {"name": "m", "description": "words", "tags": {"k": "v"}},
    "model_version.created": {"name": "m", "version": "1", "source": "s3://bucket/model", "run_id": "run", "description": "", "tags": {"t": "0"}},
    "model_version_tag.set": {"name": "m", "version": "1", "key": "k", "value": "v"},
    "model_version_tag.deleted": {"name": "m", "version": "1", "key": "t"},
    "model_version_alias.created": {"name": "m", "alias": "a", "version": "1"},
    "model_version_alias.deleted": {"name": "m", "alias": "a"},
    "prompt.created": {"name": "p", "tags": {"k": "v"}},
    "prompt_version.created": {"name": "p", "version": "1", "template": "Hello {{name}}", "tags": {"t": "0"}},
    "prompt_tag.set": {"name": "p", "key": "new", "value": "1"},
    "prompt_tag.deleted": {"name": "p", "key": "k"},
    "prompt_version_tag.set": {"name": "p", "version": "1", "key": "k", "value": "v"},
    "prompt_version_tag.deleted": {"name": "p", "version": "1", "key": "t"},
    "prompt_alias.created": {"name": "p", "alias": "a", "version": "1"},
    "prompt_alias.deleted": {"name": "p", "alias": "a"},
}


@pytest.mark.answers(*(f"{DELIVERY}::test_{event.replace('.', '_')}" for event in EVENTS), f"{DELIVERY}::test_prompt_webhook_with_mixed_events")
def test_every_event_arrives_once_with_its_content(local):
    client = local
    with Receiver() as receiver:
        client.create_webhook("all", receiver.url, [WebhookEvent.from_str(event) for event in EVENTS])
        client.create_registered_model("m", {"k": "v"}, "words")
        client.create_model_version("m", "s3://bucket/model", "run", {"t": "0"})
        client.set_model_version_tag("m", "1", "k", "v")
        client.delete_model_version_tag("m", "1", "t")
        client.set_registered_model_alias("m", "a", "1")
        client.delete_registered_model_alias("m", "a")
        client.create_prompt("p", tags={"k": "v"})
        client.create_prompt_version("p", "Hello {{name}}", tags={"t": "0"})
        client.set_prompt_tag("p", "new", "1")
        client.delete_prompt_tag("p", "k")
        client.set_prompt_version_tag("p", "1", "k", "v")
        client.delete_prompt_version_tag("p", "1", "t")
        client.set_prompt_alias("p", "a", 1)
        client.delete_prompt_alias("p", "a")
        arrived = {}
        for _ in EVENTS:
            content = json.loads(receiver.arrived.get(timeout=20)[1])
            arrived[f"{content['entity']}.{content['action']}"] = content["data"]
    assert set(arrived) == set(EVENTS)
    for event, data in EVENTS.items():
        seen = {key: arrived[event].get(key) or "" for key in data}
        assert seen == data, event


def test_only_the_asked_events_arrive_and_none_when_disabled(local):
    client = local
    with Receiver() as receiver:
        webhook = client.create_webhook("hook", receiver.url, [ALIAS])
        client.create_registered_model("m")
        client.create_model_version("m", "s3://bucket/model", "run_id")
        client.set_registered_model_alias("m", "a", "1")
        assert json.loads(receiver.arrived.get(timeout=20)[1])["data"] == {"name": "m", "alias": "a", "version": "1"}
        client.update_webhook(webhook.webhook_id, status=WebhookStatus.DISABLED)
        client.set_registered_model_alias("m", "b", "1")
        client.create_webhook("other", receiver.url, [MODEL])
        client.create_registered_model("n")
        seen = []
        while not seen or seen[-1]["name"] != "n":
            seen.append(json.loads(receiver.arrived.get(timeout=20)[1])["data"])
        assert not any("alias" in data for data in seen)


@pytest.mark.answers(f"{DELIVERY}::test_webhook_retry_on_5xx_error", f"{DELIVERY}::test_webhook_retry_on_429_rate_limit")
def test_a_receiver_in_trouble_is_asked_again(local):
    client = local
    with Receiver(503) as receiver:
        client.create_webhook("hook", receiver.url, [MODEL])
        client.create_registered_model("m")
        first, second = (receiver.arrived.get(timeout=30) for _ in range(2))
    assert (first[2], second[2]) == (503, 200) and first[1] == second[1]
