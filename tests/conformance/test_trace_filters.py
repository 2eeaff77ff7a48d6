# SPDX-License-Identifier: Apache-2.0
"""Traces found by what they are as a whole: names, tags, metadata, requests, times, runs; orders and pages."""

import pytest
from mlflow.entities import TraceState
from mlflow.exceptions import MlflowException

from helpers import STORE
from traces import Traces


@pytest.fixture
def traces(server, client, experiment):
    return Traces(server, client, experiment)


def upstream(*names):
    return pytest.mark.answers(*(f"{STORE}::test_search_traces_{name}" for name in names))


def named(traces, **names):
    for trace, name in names.items():
        traces.describe(trace, tags={"mlflow.traceName": name})


@upstream("with_name_ilike_variations", "with_name_rlike_filters")
def test_names_in_any_case_and_by_expressions(traces):
    named(traces, a="USER_LOGIN", b="user_logout", c="User_Profile_Update", d="AdminDashboard")
    assert traces.found("trace.name ILIKE 'user%'") == ["a", "b", "c"] and traces.found("trace.name LIKE 'user%'") == ["b"]
    assert traces.found("trace.name ILIKE '%_log%'") == ["a", "b"] and traces.found("trace.name != 'USER_LOGIN'") == ["b", "c", "d"]
    assert traces.found("trace.name RLIKE '^user_'") == ["b"] and traces.found("name RLIKE '(LOGIN|logout)$'") == ["a", "b"]
    assert traces.found("name RLIKE '[A-Z][a-z]+D'") == ["d"] and traces.found("name RLIKE '^x'") == []


@upstream("with_tag_rlike_filters", "with_metadata_rlike_filters")
def test_tags_and_metadata_by_expressions(traces):
    for trace, value in {"a": "us-east-1", "b": "us-west-2", "c": "eu-west-1"}.items():
        traces.describe(trace, tags={"region": value}, trace_metadata={"zone": value})
    for field in ("tag.region", "metadata.zone"):
        assert traces.found(f"{field} RLIKE '^us-'") == ["a", "b"] and traces.found(f"{field} RLIKE '-1$'") == ["a", "c"]
        assert traces.found(f"{field} RLIKE '^us-(east|north)-[0-9]$'") == ["a"] and traces.found(f"{field} RLIKE '^asia'") == []


def test_tags_and_metadata_that_are_there_or_not(traces):
    traces.describe("a", tags={"k": "v"}, trace_metadata={"m": "v"})
    traces.describe("b", tags={"k": ""})
    assert traces.found("tag.k IS NOT NULL") == ["a", "b"] and traces.found("tag.k IS NULL") == []
    assert traces.found("metadata.m IS NULL") == ["b"] and traces.found("metadata.m IS NOT NULL") == ["a"]
    assert traces.found("tag.none IS NULL AND tag.k = ''") == ["b"] and traces.found("metadata.m != 'x'") == ["a"]


@upstream("with_client_request_id_filter", "with_client_request_id_edge_cases", "with_client_request_id_rlike_filters")
def test_requests_of_clients(traces):
    for trace, request in {"a": "simple", "b": "with-dashes-123", "c": "WITH_UNDERSCORES_456", "d": None}.items():
        traces.describe(trace, client_request_id=request)
    field = "trace.client_request_id"
    assert traces.found(f"{field} = 'simple'") == ["a"] and traces.found("client_request_id = 'Simple'") == []
    assert traces.found(f"{field} != 'simple'") == ["b", "c"], "one that is missing does not differ"
    assert traces.found(f"{field} LIKE '%123'") == ["b"] and traces.found(f"{field} LIKE 'WITH%'") == ["c"]
    assert traces.found(f"{field} ILIKE 'with%'") == ["b", "c"]
    assert traces.found(f"{field} RLIKE '[0-9]+$'") == ["b", "c"] and traces.found(f"{field} RLIKE '^(simple|WITH)'") == ["a", "c"]
    assert traces.found(f"{field} IN ('simple', 'with-dashes-123')") == ["a", "b"]


@upstream("with_empty_and_special_characters")
def test_special_characters_in_values(traces):
    for trace, value in {"a": "test@example.com", "b": "user#admin", "c": "path/to/file", "d": "100% it's"}.items():
        traces.describe(trace, tags={"special": value})
    assert traces.found("tag.special LIKE '%@%'") == ["a"] and traces.found("tag.special LIKE '%#%'") == ["b"]
    assert traces.found("tag.special LIKE '%/%'") == ["c"] and traces.found("tag.special ILIKE '%ADMIN%'") == ["b"]
    assert traces.found("tag.special = \"100% it's\"") == ["d"]


@upstream("with_end_time_ms_all_operators")
@pytest.mark.parametrize("field", ["trace.end_time_ms", "end_time"])
def test_ends(traces, field):
    for trace, duration in {"a": 1000, "b": 3000, "c": 5000, "d": 10_000}.items():
        traces.describe(trace, time=1_000_000, duration=duration)
    assert traces.found(f"{field} = 1003000") == ["b"] and traces.found(f"{field} != 1003000") == ["a", "c", "d"]
    assert traces.found(f"{field} > 1003000") == ["c", "d"] and traces.found(f"{field} >= 1003000") == ["b", "c", "d"]
    assert traces.found(f"{field} < 1005000") == ["a", "b"] and traces.found(f"{field} <= 1005000") == ["a", "b", "c"]
    assert traces.found(f"{field} > 1002000 AND {field} < 1006000") == ["b", "c"]


def test_times_may_be_written_as_texts(traces):
    traces.describe("a", time=1003)
    traces.describe("b", time=1004)
    assert traces.found("timestamp_ms = '1003'") == ["a"] and traces.found("timestamp_ms > '1003'") == ["b"]


@upstream("pagination_tie_breaker", "pagination")
def test_pages_of_traces_at_one_time_go_by_id(traces):
    for name, digit in zip("edcba", "54321", strict=True):
        traces.ids[name] = f"tr-{traces.experiment}-{digit}"
        traces.describe(name, time=7)
    traces.describe("new", time=8)
    page, token = traces.search(max_results=2)
    assert page == ["new", "a"] and token
    page, token = traces.search(max_results=2, page_token=token)
    assert page == ["b", "c"]
    page, token = traces.search(max_results=2, page_token=token)
    assert page == ["d", "e"] and (not token or traces.search(max_results=2, page_token=token)[0] == [])


@upstream("order_by")
def test_orders(traces):
    traces.describe("a", time=3, duration=5, tags={"k": "x", "mlflow.traceName": "q"}, trace_metadata={"m": "2"}, state=TraceState.ERROR)
    traces.describe("b", time=2, duration=9, tags={"k": "y", "mlflow.traceName": "p"}, trace_metadata={"m": "1"})
    traces.describe("c", time=1, duration=7)
    for order, expected in {"timestamp ASC": "cba", "timestamp_ms DESC": "abc", "execution_time": "acb", "execution_time_ms DESC": "bca",
                            "tag.k DESC": "bac", "tag.k": "abc", "metadata.m": "bac", "name": "bac", "trace.name DESC": "abc",
                            "status": "abc", "request_id": None}.items():
        names = traces.search(order_by=[order])[0]
        assert "".join(names) == expected or (expected is None and names == sorted("abc", key=lambda name: traces.ids[name])), order
    assert traces.search(order_by=["status DESC", "timestamp ASC"])[0] == ["c", "b", "a"]
    for wrong in ("span.name", "feedback.x", "foo", "prompt"):
        with pytest.raises(MlflowException) as error:
            traces.search(order_by=[wrong])
        assert error.value.error_code == "INVALID_PARAMETER_VALUE"


@upstream("with_run_id_and_other_filters")
@pytest.mark.answers(f"{STORE}::test_link_traces_to_run_duplicate_trace_ids", f"{STORE}::test_link_traces_to_run_100_limit")
def test_links_to_a_run(traces, client, run):
    for name, kind in {"a": "training", "b": "inference", "c": "training"}.items():
        traces.describe(name, tags={"type": kind})
    client.link_traces_to_run([traces.ids["a"], traces.ids["b"]], run)
    assert traces.found(f"run_id = '{run}'") == ["a", "b"]
    assert traces.found(f"run_id = '{run}' AND tags.type = 'training'") == ["a"]
    client.link_traces_to_run([traces.ids["b"], traces.ids["c"]], run)
    assert traces.found(f"run_id = '{run}'") == ["a", "b", "c"]
    client.link_traces_to_run([traces.ids["a"], traces.ids["a"]], run)
    assert traces.found(f"run_id = '{run}'") == ["a", "b", "c"] and traces.found("run_id = 'other'") == []
    client.link_traces_to_run([f"tr-{i}" for i in range(100)], run)
    with pytest.raises(MlflowException, match="Cannot link more than 100 traces to a run in a single request. Provided 101 traces."):
        traces.store.link_traces_to_run([f"tr-{i}" for i in range(101)], run)


def correlation(traces, first, second, experiments=None, base=None):
    return traces.store.calculate_trace_filter_correlation(
        experiment_ids=[traces.experiment] if experiments is None else experiments, filter_string1=first, filter_string2=second, base_filter=base)


def counts(result):
    return result.filter1_count, result.filter2_count, result.joint_count, result.total_count


@pytest.mark.answers(*(f"{STORE}::test_calculate_trace_filter_correlation_{name}" for name in (
    "basic", "perfect", "count_expressions", "negative_correlation", "zero_counts", "independent_events", "simplified_example")))
def test_how_filters_go_together(traces):
    for number in range(12):
        traces.describe(f"t{number}", tags={"half": str(number % 2), "same": str(number % 2), "third": str(number % 3), "all": "1"})
    result = correlation(traces, "tags.half = '1'", "tags.same = '1'")
    assert counts(result) == (6, 6, 6, 12) and result.npmi == pytest.approx(1) and 0.8 < result.npmi_smoothed <= 1
    result = correlation(traces, "tags.half = '1'", "tags.same = '0'")
    assert counts(result) == (6, 6, 0, 12) and result.npmi == pytest.approx(-1) and result.npmi_smoothed < 0
    result = correlation(traces, "tags.half = '1'", "tags.third = '1'")
    assert counts(result) == (6, 4, 2, 12) and result.npmi == pytest.approx(0, abs=1e-9)
    result = correlation(traces, "tags.half = '1'", "tags.all = '1'")
    assert counts(result) == (6, 12, 6, 12) and result.npmi == pytest.approx(0, abs=1e-9)
    result = correlation(traces, "tags.half = '7'", "tags.all = '1'")
    assert counts(result) == (0, 12, 0, 12) and result.npmi != result.npmi, "not a number"


@pytest.mark.answers(f"{STORE}::test_calculate_trace_filter_correlation_with_base_filter",
                     f"{STORE}::test_calculate_trace_filter_correlation_multiple_experiments")
def test_how_filters_go_together_among_some(traces, client, name):
    for number in range(10):
        tags = {"error": "true"} if number < 6 else {}
        traces.describe(f"t{number}", time=2000 + number, tags={**tags, **({"tool": "true"} if number < 3 or number == 6 else {})})
        traces.describe(f"old{number}", time=1000 + number, tags={"error": "true"})
    base = "timestamp_ms >= 2000 and timestamp_ms < 2100"
    result = correlation(traces, "tags.error = 'true'", "tags.tool = 'true'", base=base)
    assert counts(result) == (6, 4, 3, 10) and result.npmi == pytest.approx(0.18534, abs=1e-4)
    other = Traces(type("Url", (), {"url": traces.url}), client, client.create_experiment(name))
    other.describe("x", tags={"tool": "true"})
    result = correlation(traces, "tags.error = 'true'", "tags.tool = 'true'", experiments=[traces.experiment, other.experiment])
    assert counts(result) == (16, 5, 3, 21)


def test_filters_inside_spans_go_together(traces):
    for number in range(6):
        traces.export(f"t{number}", "tool" if number % 2 else "llm", status="ERROR" if number % 2 else "OK")
    result = correlation(traces, "span.name = 'tool'", "span.status = 'ERROR'")
    assert counts(result) == (3, 3, 3, 6) and result.npmi == pytest.approx(1)


@pytest.mark.answers(f"{STORE}::test_calculate_trace_filter_correlation_empty_experiment_list")
def test_filters_of_no_experiment_are_refused(traces):
    """An empty list is no list in MLflow's protocol."""
    with pytest.raises(MlflowException, match="experiment_ids") as error:
        correlation(traces, "tags.a = '1'", "tags.b = '1'", experiments=[])
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"
