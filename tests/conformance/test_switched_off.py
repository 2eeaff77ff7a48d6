# SPDX-License-Identifier: Apache-2.0
"""What MLflow's server does with language models and Python, switched off: here for good, in the real server by its variables; and gateway-proxy."""

import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

from helpers import COMMAND, REST

GATEWAY = "The AI Gateway feature is disabled"
JOBS = "Mlflow server job execution feature is not enabled"
PROXY = "/ajax-api/2.0/mlflow/gateway-proxy"
V3 = "/api/3.0/mlflow"
AJAX = "/ajax-api/3.0/mlflow"


def refused(answer, status, code, message):
    assert answer.status_code == status, answer.text
    assert answer.json()["error_code"] == code
    assert message in answer.json()["message"]


@pytest.mark.parametrize("method, path", [
    *[("POST", f"{V3}/gateway/secrets/{name}") for name in ("create", "update")],
    ("GET", f"{V3}/gateway/secrets/get"), ("GET", f"{V3}/gateway/secrets/list"), ("DELETE", f"{V3}/gateway/secrets/delete"),
    *[("POST", f"{V3}/gateway/endpoints/{name}") for name in ("create", "update", "models/attach", "models/detach", "set-tag", "bindings/create")],
    ("GET", f"{V3}/gateway/endpoints/list"), ("DELETE", f"{V3}/gateway/endpoints/delete"), ("DELETE", f"{V3}/gateway/endpoints/bindings/delete"),
    ("GET", f"{V3}/gateway/model-definitions/list"), ("GET", f"{V3}/gateway/budgets/list"), ("GET", f"{V3}/gateway/guardrails/list"),
    ("PATCH", f"{V3}/gateway/guardrails/update-config"),
    *[("GET", f"{AJAX}/gateway/{name}") for name in ("supported-providers", "supported-models", "provider-config", "secrets/config")],
])
def test_the_gateway_is_off(server, method, path):
    refused(server.request(method, path, json={}), 501, "NOT_IMPLEMENTED", GATEWAY)


@pytest.mark.parametrize("path", ["any/mlflow/invocations", "mlflow/v1/chat/completions", "openai/v1/chat/completions", "openai/v1/embeddings",
                                  "openai/v1/responses", "anthropic/v1/messages", "gemini/v1beta/models/m:generateContent", "proxy/any/a/b"])
def test_endpoints_of_the_gateway_are_off(server, path):
    answer = server.post(f"/gateway/{path}", {"messages": []})
    assert answer.status_code == 501 and answer.json()["detail"].startswith(GATEWAY)


def test_the_server_says_what_it_does_not_do(server):
    info = server.get(f"{V3}/server-info").json()
    assert info["features_enabled"] == {"gateway": False}
    assert info["workspaces_enabled"] is False
    assert server.get(f"{AJAX}/server-info").json() == info


def test_there_are_no_jobs(server, experiment):
    unknown = "Job with ID j-7 not found"
    for method, path in (("GET", "j-7"), ("PATCH", "cancel/j-7")):
        answer = server.request(method, f"/ajax-api/3.0/jobs/{path}", json={})
        assert (answer.status_code, answer.json()) == (404, {"detail": unknown})
        refused(server.request(method, f"{AJAX}/jobs/{path}", json={}), 404, "RESOURCE_DOES_NOT_EXIST", unknown)
    assert server.post("/ajax-api/3.0/jobs/search", {"job_name": "optimize_prompts"}).json() == {"jobs": []}

    jobs = f"{V3}/prompt-optimization/jobs"
    for method, path in (("GET", "j-7"), ("DELETE", "j-7"), ("POST", "j-7/cancel")):
        refused(server.request(method, f"{jobs}/{path}", json={}), 404, "RESOURCE_DOES_NOT_EXIST", unknown)
    assert server.get(f"{jobs}/search", experiment_id=experiment).json() == {}
    assert server.post(f"{jobs}/search", {"experiment_id": experiment}).json() == {}


def test_no_job_begins(server, experiment):
    """MLflow refuses with 500, which its clients repeat for minutes; here it is 501."""
    trace = "tr-" + "a" * 32
    scorer = json.dumps({"name": "s", "builtin_scorer_class": "Safety", "builtin_scorer_pydantic_data": {"name": "s"}})
    status, code = (500, "INTERNAL_ERROR") if COMMAND else (501, "NOT_IMPLEMENTED")
    answer = server.post("/ajax-api/3.0/jobs/", {"job_name": "optimize_prompts", "params": {}})
    assert answer.status_code == status and answer.json()["detail"].startswith(JOBS)
    for path, body in (
            (f"{V3}/prompt-optimization/jobs", {"source_prompt_uri": "prompts:/p/1", "config": {"optimizer_type": "OPTIMIZER_TYPE_GEPA"}}),
            (f"{AJAX}/scorer/invoke", {"serialized_scorer": scorer, "trace_ids": [trace]}),
            (f"{AJAX}/genai/evaluate/invoke", {"serialized_scorers": [scorer], "trace_ids": [trace]})):
        refused(server.post(path, {"experiment_id": experiment, **body}), status, code, JOBS)


@pytest.mark.parametrize("method, path, rule", [
    ("GET", "", ""), ("POST", "", ""), ("GET", "/w", "/<workspace_name>"), ("PATCH", "/w", "/<workspace_name>"), ("DELETE", "/w", "/<workspace_name>")])
def test_there_is_one_workspace(server, method, path, rule):
    for root in (V3, AJAX):
        answer = server.request(method, f"{root}/workspaces{path}", json={"name": "w"})
        assert answer.status_code == 503
        assert answer.text.startswith(f"Endpoint: {root}/workspaces{rule} disabled because the server is running without workspaces support.")


@pytest.mark.skipif(bool(COMMAND), reason="by design: MLflow's own server has these, and no switch for them")
@pytest.mark.parametrize("method, path, what", [
    ("POST", f"{AJAX}/demo/generate", "Demo data"), ("POST", f"{AJAX}/demo/delete", "Demo data"),
    ("GET", f"{V3}/label-schemas/list", "Label schemas"), ("POST", f"{V3}/label-schemas/create", "Label schemas"),
    ("GET", f"{V3}/review-queues/items/list", "Review queues"), ("POST", f"{V3}/review-queues/create", "Review queues"),
    ("GET", f"{V3}/mcp-servers", "MCP servers"), ("POST", f"{V3}/mcp-servers/io.example/name/versions", "MCP servers")])
def test_what_is_not_kept_says_so(server, method, path, what):
    refused(server.request(method, path, json={}), 501, "NOT_IMPLEMENTED", what)


@pytest.mark.skipif(bool(COMMAND), reason="by design: MLflow's own server has an assistant, and no switch for it")
def test_there_is_no_assistant(server):
    for method, path in (("GET", "config"), ("PUT", "config"), ("POST", "message"), ("GET", "sessions/s/stream"), ("PATCH", "sessions/s")):
        answer = server.request(method, f"{AJAX}/assistant/{path}", json={})
        assert answer.status_code == 501 and "Assistant is off" in answer.json()["detail"]


def test_the_file_of_a_trace_is_in_both_versions(server):
    refused(server.get("/ajax-api/3.0/mlflow/get-trace-artifact", request_id="tr-1"), 404, "RESOURCE_DOES_NOT_EXIST", "tr-1")


@contextlib.contextmanager
def deployments_server(answer):
    """A server for a gateway-proxy to ask: `answer(path, body)` gives status, header and text; the second value lists what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked.append({"method": self.command, "path": self.path, "body": json.loads(body) if body else None, "headers": dict(self.headers)})
            status, header, text = answer(self.path, asked[-1]["body"])
            self.send_response(status)
            for name, value in header.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.answers(f"{REST}::test_gateway_proxy_handler_rejects_invalid_requests")
def test_a_gateway_proxy_asks_for_nothing_but_endpoints(start):
    with deployments_server(lambda path, body: (200, {}, "{}")) as (url, asked):
        server = start({"MLFLOW_DEPLOYMENTS_TARGET": url})
        wrong = "Invalid gateway_path: {} for method: {}"
        server.refused(PROXY, {}, "Deployments proxy request must specify a gateway_path.")
        server.refused(PROXY, {}, "Deployments proxy request must specify a gateway_path.", method="GET")
        for path in ("bad/invocations", "gateway/", "gateway/a/b/invocations", "gateway//invocations", "api/2.0/endpoints", "http://127.0.0.1:1/",
                     "gateway/a/invocations/..", "../gateway/a/invocations"):
            server.refused(PROXY, {"gateway_path": path}, wrong.format(path, "POST"))
        for path in ("gateway/a/invocations", "api/2.0/endpoints/..", "health", "//evil.com/api/2.0/endpoints", "api/2.0/endpoints?x=1"):
            server.refused(PROXY, {"gateway_path": path}, wrong.format(path, "GET"), method="GET")
        assert server.request("DELETE", PROXY).status_code == 405
        assert asked == []


@pytest.mark.skipif(bool(COMMAND), reason="by design: MLflow's own server sends these on")
@pytest.mark.parametrize("name", ["..", ".", "a?x=1", "a#b", "a%2f..", "a\\b", "a b", "a\r\nHost: evil.com"])
def test_a_gateway_proxy_takes_no_name_that_leads_elsewhere(start, name):
    with deployments_server(lambda path, body: (200, {}, "{}")) as (url, asked):
        server = start({"MLFLOW_DEPLOYMENTS_TARGET": url})
        server.refused(PROXY, {"gateway_path": f"gateway/{name}/invocations"}, "Invalid gateway_path")
        assert asked == []


def test_a_gateway_proxy_hands_requests_on_and_answers_back(start):
    endpoints = {"endpoints": [{"name": "chat", "model": {"name": "m", "provider": "openai"}}]}

    def answer(path, body):
        if path == "/api/2.0/endpoints":  # as MLflow's own deployments server
            return 307, {"Location": path + "/"}, ""
        text = endpoints if path.startswith("/api") else {"candidates": [{"text": f"you said {(body or {}).get('prompt')}"}]}
        return 200, {"Content-Type": "application/json"}, json.dumps(text)

    with deployments_server(answer) as (url, asked):
        server = start({"MLFLOW_DEPLOYMENTS_TARGET": url})
        secret = {"Authorization": "Basic c2VjcmV0", "Cookie": "session=1"}
        for path in ("api/2.0/endpoints", "api/2.0/endpoints/"):
            assert server.request("GET", PROXY, params={"gateway_path": path}, headers=secret).json() == endpoints
        reached = [each for each in asked if each["path"] != "/api/2.0/endpoints"]
        said = server.request("POST", PROXY, json={"gateway_path": "gateway/my-chat.1/invocations", "json_data": {"prompt": "Grüße\n"}}, headers=secret)
        assert (said.status_code, said.json()) == (200, {"candidates": [{"text": "you said Grüße\n"}]})
        assert [(each["method"], each["path"], each["body"]) for each in [*reached, asked[-1]]] == [
            ("GET", "/api/2.0/endpoints/", None), ("GET", "/api/2.0/endpoints/", None),
            ("POST", "/gateway/my-chat.1/invocations", {"prompt": "Grüße\n"})]
        assert not any(name in each["headers"] for each in asked for name in secret)


def test_a_gateway_proxy_says_what_the_other_server_said(start):
    """MLflow answers 500 to a mistake of the client too; here it is 400, and 503 where the other server failed."""
    answers = {"unknown": (404, "no such endpoint"), "broken": (502, "model is down")}
    with deployments_server(lambda path, body: (answers[path.split("/")[2]][0], {}, answers[path.split("/")[2]][1])) as (url, _):
        server = start({"MLFLOW_DEPLOYMENTS_TARGET": url})
        for name, ours in (("unknown", 400), ("broken", 503)):
            answer = server.post(PROXY, {"gateway_path": f"gateway/{name}/invocations", "json_data": {}})
            assert answer.status_code == (500 if COMMAND else ours), answer.text
            status, text = answers[name]
            assert answer.json()["message"] == f"Deployments proxy request failed with error code {status}. Error message: {text}"


@pytest.mark.skipif(bool(COMMAND), reason="by design: MLflow's own server follows redirections and answers these with 500 and a page")
def test_a_gateway_proxy_follows_nobody_and_waits_for_nothing(start):
    with deployments_server(lambda path, body: (200, {}, "not JSON")) as (url, _):
        server = start({"MLFLOW_DEPLOYMENTS_TARGET": url})
        server.refused(PROXY, {"gateway_path": "api/2.0/endpoints"}, "is no JSON", code="TEMPORARILY_UNAVAILABLE", method="GET", status=503)
    server.refused(PROXY, {"gateway_path": "api/2.0/endpoints"}, url.removeprefix("http://"), code="TEMPORARILY_UNAVAILABLE", method="GET", status=503)
    with deployments_server(lambda path, body: (200, {}, "{}")) as (elsewhere, asked), \
            deployments_server(lambda path, body: (302, {"Location": elsewhere + path}, "")) as (url, _):
        server = start({"MLFLOW_DEPLOYMENTS_TARGET": url})
        server.refused(PROXY, {"gateway_path": "api/2.0/endpoints"}, "error code 302", code="TEMPORARILY_UNAVAILABLE", method="GET", status=503)
        assert asked == []


# Prints method and path of every route of MLflow's server, parameters as "any".
MOUNTED = """
import json, re, sys
from mlflow.server import app as flask
from mlflow.server.fastapi_app import app as fastapi

routes = set()
def walk(mounted, prefix):
    for route in mounted:
        if hasattr(route, "original_router"):
            walk(route.original_router.routes, prefix + route.include_context.prefix)
        else:
            routes.update((method, prefix + route.path) for method in getattr(route, "methods", None) or ())
walk(fastapi.routes, "")
routes.update((method, rule.rule) for rule in flask.url_map.iter_rules() for method in rule.methods)
json.dump(sorted({(method, re.sub("<[^>]*>|{[^}]*}", "any", path)) for method, path in routes if method not in ("HEAD", "OPTIONS")}), sys.stdout)
"""
# Files of its web pages, and routes that MLflow itself answers with 404.
NOWHERE = ("/static-files/any", "/build/any", "/mlflow/unified-traces", "/mlflow/get-online-trace-details", "2.0mlflow/experiments/search-datasets")


@pytest.mark.skipif(bool(COMMAND), reason="by design: the list is that server's own")
def test_every_route_of_mlflow_is_answered(server, tmp_path):
    routes = json.loads(subprocess.run([sys.executable, "-W", "ignore", "-c", MOUNTED], stdout=subprocess.PIPE, check=True, env={
        **os.environ, "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{tmp_path}/mlflow.db", "_MLFLOW_SERVER_ARTIFACT_ROOT": str(tmp_path)}).stdout)
    assert len(routes) > 400
    missing = []
    for method, path in routes:
        answer = server.request(method, path, **({} if method == "GET" else {"json": {}}))
        if answer.status_code == 405 or "ENDPOINT_NOT_FOUND" in answer.text:
            missing.append(path)
    assert [path for path in missing if not path.endswith(NOWHERE)] == []
