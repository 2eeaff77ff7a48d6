# SPDX-License-Identifier: Apache-2.0
"""Host check, cross-origin requests, headers, and requests that are not what they should be."""

import pytest
import requests

from helpers import HANDLERS, REST, SECURITY, SECURITY_WHOLE

SEARCH = "/api/2.0/mlflow/experiments/search"


def post(server, path, body=None, **headers):
    return requests.post(server.url + path, json=body or {"max_results": 5}, headers=headers, timeout=30)


@pytest.mark.answers(f"{SECURITY}::test_dns_rebinding_protection", f"{SECURITY}::test_default_allowed_hosts", f"{SECURITY}::test_host_validation",
                     f"{SECURITY_WHOLE}::test_dns_rebinding_and_cors_protection")
@pytest.mark.parametrize("host,taken", [
    ("localhost", True), ("localhost:5000", True), ("127.0.0.1", True), ("127.0.0.1:8080", True), ("[::1]", True), ("[::1]:8080", True),
    ("192.168.1.1", True), ("192.168.1.1:8080", True), ("10.0.0.1", True), ("172.16.0.1", True), ("172.31.255.1:80", True),
    ("evil.attacker.com", False), ("evil.attacker.com:5000", False), ("localhost.evil.com", False), ("127.0.0.1.evil.com", False),
    ("8.8.8.8", False), ("172.32.0.1", False),
])
def test_only_local_hosts_are_answered(server, host, taken):
    answer = post(server, SEARCH, Host=host)
    if taken:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 403 and "Invalid Host header" in answer.text


@pytest.mark.answers(f"{SECURITY}::test_endpoint_security_bypass")
@pytest.mark.parametrize("path", ["/health", "/version"])
def test_health_and_version_answer_every_host(server, path):
    assert requests.get(server.url + path, headers={"Host": "evil.com"}, timeout=30).status_code == 200


@pytest.mark.answers(f"{SECURITY}::test_cors_protection", f"{SECURITY_WHOLE}::test_cors_for_state_changing_requests",
                     f"{SECURITY_WHOLE}::test_dns_rebinding_and_cors_protection")
@pytest.mark.parametrize("origin,taken", [("http://localhost:3000", True), ("http://127.0.0.1:5000", True), (None, True),
                                          ("http://malicious-site.com", False), ("https://localhost.evil.com", False)])
def test_a_foreign_page_cannot_change_anything(server, origin, taken):
    headers = {"Origin": origin} if origin else {}
    answer = post(server, SEARCH, **headers)
    if taken:
        assert answer.status_code == 200
        assert answer.headers.get("Access-Control-Allow-Origin") in (origin, None)
    else:
        assert answer.status_code == 403 and "Cross-origin request blocked" in answer.text
        assert answer.headers.get("Access-Control-Allow-Origin") is None


@pytest.mark.answers(f"{SECURITY}::test_cors_protection")
def test_a_foreign_page_gets_no_leave_to_read(server):
    answer = requests.get(f"{server.url}/api/2.0/mlflow/experiments/get", params={"experiment_id": "0"}, headers={"Origin": "http://evil.com"},
                          timeout=30)
    assert answer.headers.get("Access-Control-Allow-Origin") is None


@pytest.mark.answers(f"{SECURITY}::test_preflight_options_request", f"{SECURITY_WHOLE}::test_preflight_options_requests")
@pytest.mark.parametrize("origin,taken", [("http://localhost:3000", True), ("http://evil.com", False)])
def test_a_preflight_is_answered_for_local_pages(server, origin, taken):
    answer = requests.options(server.url + SEARCH, headers={"Origin": origin, "Access-Control-Request-Method": "POST",
                                                            "Access-Control-Request-Headers": "Content-Type"}, timeout=30)
    assert answer.headers.get("Access-Control-Allow-Origin") == (origin if taken else None)
    if taken:
        assert answer.status_code in (200, 204)


@pytest.mark.answers(f"{SECURITY}::test_security_headers", f"{SECURITY_WHOLE}::test_security_headers_on_responses")
def test_every_answer_forbids_sniffing_and_foreign_frames(server):
    for path in ("/health", "/api/2.0/mlflow/experiments/get?experiment_id=0"):
        headers = requests.get(server.url + path, timeout=30).headers
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "SAMEORIGIN"


@pytest.mark.answers(f"{SECURITY}::test_custom_allowed_hosts", f"{SECURITY}::test_environment_variable_configuration",
                     f"{SECURITY_WHOLE}::test_cors_with_configured_origins")
def test_hosts_and_origins_can_be_allowed_by_name(start):
    server = start({"MLFLOW_SERVER_ALLOWED_HOSTS": "example.com,*.corp.example", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "https://trusted-app.com",
                    "MLFLOW_SERVER_X_FRAME_OPTIONS": "DENY"})
    for host, status in (("example.com", 200), ("a.corp.example", 200), ("evil.com", 403), ("localhost", 403)):
        assert post(server, SEARCH, Host=host).status_code == status, host
    ours = post(server, SEARCH, Host="example.com", Origin="https://trusted-app.com")
    assert ours.status_code == 200 and ours.headers["Access-Control-Allow-Origin"] == "https://trusted-app.com"
    assert post(server, SEARCH, Host="example.com", Origin="http://evil.com").status_code == 403
    assert ours.headers["X-Frame-Options"] == "DENY"


@pytest.mark.answers(f"{SECURITY}::test_wildcard_hosts", f"{SECURITY}::test_insecure_cors_mode", f"{SECURITY}::test_x_frame_options_configuration")
def test_everything_can_be_allowed(start):
    server = start({"MLFLOW_SERVER_ALLOWED_HOSTS": "*", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "*", "MLFLOW_SERVER_X_FRAME_OPTIONS": "NONE"})
    answer = post(server, SEARCH, Host="any.domain.com", Origin="http://evil.com")
    assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] in ("http://evil.com", "*")
    assert "X-Frame-Options" not in answer.headers


@pytest.mark.answers(f"{SECURITY}::test_disable_security_middleware")
def test_the_checks_can_be_turned_off(start):
    server = start({"MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true"})
    assert post(server, SEARCH, Host="evil.com", Origin="http://evil.com").status_code == 200


@pytest.mark.parametrize("content_type,status", [("application/json", 200), ("application/json; charset=utf-8", 200),
                                                 ("text/plain", 400), ("application/x-www-form-urlencoded", 400), (None, 400)])
@pytest.mark.answers(f"{HANDLERS}::test_can_parse_post_json_with_content_type_params", f"{HANDLERS}::test_can_block_post_request_with_missing_content_type",
                     f"{HANDLERS}::test_can_block_post_request_with_invalid_content_type")
def test_a_post_says_that_it_is_json(server, content_type, status):
    headers = {"Content-Type": content_type} if content_type else {}
    answer = requests.post(server.url + SEARCH, data=b'{"max_results": 5}', headers=headers, timeout=30)
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"not json", b"[]", b"null", b'"text"', b"\xff\xfe", b"{}", b'{"name": }'])
def test_a_body_that_is_no_object_misses_its_parameters(server, body):
    # The real server answers [] and "text" with 500.
    answer = requests.post(f"{server.url}/api/2.0/mlflow/experiments/create", data=body, headers={"Content-Type": "application/json"}, timeout=30)
    assert answer.status_code == 400, f"{body}: {answer.status_code} {answer.text[:200]}"
    assert answer.json()["error_code"] in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


@pytest.mark.answers(f"{HANDLERS}::test_can_parse_json_string")
def test_a_body_may_be_json_in_a_json_string(server, experiment):
    answer = server.request("POST", "runs/create", json='{"experiment_id": "%s", "run_name": "twice"}' % experiment)
    assert answer.status_code == 200 and answer.json()["run"]["info"]["run_name"] == "twice"


@pytest.mark.answers(f"{HANDLERS}::test_can_parse_json")
def test_a_get_may_carry_json_instead_of_a_query(server, experiment):
    answer = server.request("GET", "experiments/get", json={"experiment_id": experiment})
    assert answer.status_code == 200 and answer.json()["experiment"]["experiment_id"] == experiment


@pytest.mark.parametrize("method,path,status", [("GET", "/api/2.0/mlflow/no/such", 404), ("POST", "/api/2.0/mlflow/runs/get", 405),
                                                ("GET", "/api/2.0/mlflow/runs/create", 405), ("GET", "/api/2.0/preview/mlflow/runs/get", 404)])
def test_unknown_paths_and_methods(server, method, path, status):
    assert server.request(method, path, **({"json": {}} if method == "POST" else {})).status_code == status


@pytest.mark.answers(f"{REST}::test_path_validation")
@pytest.mark.parametrize("path", ["../path", "a/../../b", "/etc/passwd", "..%2fpath", "%2e%2e/path", "%252e%252e%252fpath", "a#b", "./../x"])
def test_paths_that_climb_are_refused_everywhere(server, run, path):
    for answer in (server.get("artifacts/list", run_id=run, path=path), server.get("/get-artifact", run_id=run, path=path),
                   server.get("/model-versions/get-artifact", name="model", version=1, path=path),
                   server.request("POST", "/ajax-api/2.0/mlflow/upload-artifact", params={"run_uuid": run, "path": path}, data=b"x")):
        assert answer.status_code == 400, f"{answer.url}: {answer.status_code} {answer.text[:200]}"
        assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE" and answer.json()["message"] == "Invalid path"


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc%2fpasswd", "a/%252e%252e/%252e%252e/b"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_the_artifact_proxy_refuses_to_climb(server, method, path):
    request = requests.Request(method, "http://x/", data=b"x" if method == "PUT" else None)
    prepared = request.prepare()
    prepared.url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/{path}"
    answer = requests.Session().send(prepared, timeout=30)
    assert answer.status_code in (400, 404), f"{answer.status_code} {answer.text[:200]}"
    if method != "GET":
        assert answer.status_code == 400 and "Invalid path" in answer.text


def test_small_pages_of_the_service(server):
    assert server.get("/health").text == "OK"
    version = server.get("/version").text
    assert version.count(".") >= 1 and version[0].isdigit()
    for path in ("/api/3.0/mlflow/server-info", "/ajax-api/3.0/mlflow/server-info"):
        assert server.get(path).json()["workspaces_enabled"] is False
