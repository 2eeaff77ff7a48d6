# SPDX-License-Identifier: Apache-2.0
"""The server is asked by docs/api/openapi.yaml, with good and bad values alike: no answer is a server error, and each has the described form."""

import pathlib

import hypothesis
import millrace
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

DESCRIPTION = pathlib.Path(__file__).resolve().parents[2] / "docs/api/openapi.yaml"
CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]
# A server without endpoints is not ready, and says so with 503.
NOT_READY = ("/ready", "/v2/health/ready")
# MLflow's client takes 501 here as the advice to use the plain route.
NOT_OFFERED = ("/api/2.0/mlflow-artifacts/presigned/{path}",)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with millrace.Server("--workspace", tmp_path_factory.mktemp("openapi") / "ws") as running:
        yield running


def operations():
    schema = schemathesis.openapi.from_path(str(DESCRIPTION))
    found = [result.ok() for result in schema.get_all_operations()]
    assert len(found) > 80
    return [pytest.param(operation, id=operation.label) for operation in found if operation.path not in NOT_READY + NOT_OFFERED]


def ask(operation, server, n_examples):
    @hypothesis.settings(max_examples=n_examples, deadline=None, database=None, derandomize=True,
                         suppress_health_check=list(hypothesis.HealthCheck))
    @hypothesis.given(operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
                      | operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
    def check(case):
        checks = CHECKS[1:] if "Switched off" in (operation.tags or []) else CHECKS  # 501 and 503 are what these are for
        case.validate_response(case.call(base_url=server.url), checks=checks)

    check()


@pytest.mark.parametrize("operation", operations())
def test_no_answer_is_a_server_error(operation, server):
    ask(operation, server, 12)


@pytest.mark.slow
@pytest.mark.parametrize("operation", operations())
def test_no_answer_is_a_server_error_after_many_requests(operation, server):
    ask(operation, server, 200)
