# SPDX-License-Identifier: Apache-2.0
"""Spans on their way in and out: what they make of their trace, whole traces by id, in batches, incomplete ones, deletion, long tags."""

import concurrent.futures
import json

import pytest
from mlflow.entities import TraceState
from mlflow.exceptions import MlflowException

from helpers import REST, STORE
from traces import SECOND, Traces


@pytest.fixture
def traces(server, client, experiment):
    return Traces(server, client, experiment)


def log_spans(*names):
    return pytest.mark.answers(*(f"{STORE}::test_log_spans_{name}" for name in names))


def expecting(number):
    return {"mlflow.trace.sizeStats": json.dumps({"num_spans": number})}


def names_in(trace):
    return sorted(span.name for span in trace.data.spans)


@log_spans("default_trace_status_in_progress")
def test_without_its_root_a_trace_is_in_progress(traces):
    traces.export("t", "child", parent=77, status="ERROR")
    assert traces.info("t").state == TraceState.IN_PROGRESS


@log_spans("sets_trace_status_from_root_span", "unset_root_span_status_defaults_to_ok")
@pytest.mark.parametrize("status, state", [("OK", TraceState.OK), ("ERROR", TraceState.ERROR), ("UNSET", TraceState.OK)])
def test_the_root_says_how_a_trace_ended(traces, status, state):
    traces.export("t", "root", status=status)
    assert traces.info("t").state == state


@log_spans("updates_in_progress_trace_status_from_root_span", "updates_state_unspecified_trace_status_from_root_span",
           "does_not_update_finalized_trace_status")
def test_a_root_that_comes_later_ends_what_is_open_and_nothing_else(traces):
    traces.export("open", "child", parent=77)
    traces.export("open", "root", status="ERROR")
    assert traces.info("open").state == TraceState.ERROR
    traces.describe("unspecified", state=TraceState.STATE_UNSPECIFIED)
    traces.export("unspecified", "root", status="OK")
    assert traces.info("unspecified").state == TraceState.OK
    traces.export("over", "root", status="OK")
    traces.export("over", "second root", status="ERROR", start=SECOND // 2)
    assert traces.info("over").state == TraceState.OK


@log_spans("updates_trace_time_range")
def test_a_trace_lasts_from_its_first_span_to_its_last(traces):
    traces.export("t", "first")
    assert (traces.info("t").request_time, traces.info("t").execution_duration) == (1000, 1000)
    traces.export("t", "wider", start=SECOND // 2, end=3 * SECOND)
    assert (traces.info("t").request_time, traces.info("t").execution_duration) == (500, 2500)
    traces.export("t", "inside", start=SECOND, end=2 * SECOND)
    assert (traces.info("t").request_time, traces.info("t").execution_duration) == (500, 2500)


@log_spans("no_end_time")
def test_spans_without_an_end_leave_the_end_open(server, traces):
    """Protocol buffers have no absent end: it is 0, which is no time after the start."""
    traces.export("t", "open", end=0)
    info = traces.info("t")
    assert info.request_time == 1000 and (info.execution_duration or 0) <= 0
    traces.export("t", "ended", start=SECOND // 2, end=2 * SECOND)
    assert (traces.info("t").request_time, traces.info("t").execution_duration) == (500, 1500)


@log_spans("token_usage", "update_token_usage_incrementally")
@pytest.mark.answers(f"{STORE}::test_batch_get_traces_token_usage")
def test_tokens_of_spans_add_up(traces, client):
    traces.export("t", "one", **{"mlflow.chat.tokenUsage": {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}})
    assert traces.info("t").token_usage == {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150}
    traces.export("t", "two", **{"mlflow.chat.tokenUsage": {"input_tokens": 200, "output_tokens": 75, "total_tokens": 275}})
    [trace] = traces.store.batch_get_traces([traces.ids["t"]], None)
    assert trace.info.token_usage == {"input_tokens": 300, "output_tokens": 125, "total_tokens": 425}


@log_spans("different_traces_raises_error", "empty_list")
def test_one_export_may_hold_spans_of_several_traces_but_not_none(server, traces):
    """MLflow 3.6 refused several; 3.17 takes them."""
    (_, one), (_, two) = traces.span("a", "x"), traces.span("b", "x")
    traces.send(one, two)
    assert traces.found("span.name = 'x'") == ["a", "b"]
    answer = server.request("POST", "/v1/traces", data=b"", headers={
        "Content-Type": "application/x-protobuf", "X-MLflow-Experiment-Id": traces.experiment})
    assert answer.status_code == 400 and "no spans found" in answer.json()["detail"]


@log_spans("concurrent_trace_creation")
def test_many_at_once_make_one_trace(traces):
    made = [traces.span("t", f"span{i}", parent=None if i == 0 else 1)[1] for i in range(12)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(traces.send, made))
    assert names_in(traces.store.get_trace(traces.ids["t"])) == sorted(f"span{i}" for i in range(12))
    assert traces.found() == ["t"] and traces.info("t").state == TraceState.OK


@pytest.mark.answers(f"{REST}::test_rest_store_logs_spans_via_otel_endpoint", f"{STORE}::test_batch_get_traces_integration_with_trace_handler")
def test_spans_by_opentelemetry_are_read_by_the_client(traces, client):
    root = traces.export("t", "root", type="AGENT", status="OK", inputs={"q": 1}, outputs=[1, "b"])
    traces.send(traces.span("t", "child", parent=root, type="TOOL")[1], resource={"service.name": "shop"})
    info = traces.info("t")
    assert info.tags["mlflow.trace.spansLocation"] == "TRACKING_STORE" and info.tags["service.name"] == "shop"
    trace = client.get_trace(traces.ids["t"])
    spans = {span.name: span for span in trace.data.spans}
    assert spans["root"].inputs == {"q": 1} and spans["root"].outputs == [1, "b"] and spans["root"].span_type == "AGENT"
    assert spans["child"].parent_id == spans["root"].span_id and spans["child"].trace_id == traces.ids["t"]


@pytest.mark.answers(f"{STORE}::test_batch_get_traces_with_complex_attributes", f"{STORE}::test_batch_get_traces_preserves_json_serialization")
def test_attributes_come_back_as_they_were(traces):
    attributes = {"text": "gpt-4", "whole": 100, "float": 0.5, "yes": True, "list": [1, "b", 2.5], "nested": {"a": {"b": [1]}}, "quote": 'a"b\\c',
                  "line": "a\nb", "script": "東京", "empty": "", "large": 2**53 + 1}
    traces.export("t", "x", status="ERROR", **attributes)
    [trace] = traces.store.batch_get_traces([traces.ids["t"]], None)
    [span] = trace.data.spans
    assert {key: span.attributes[key] for key in attributes} == attributes
    assert span.status.status_code == "ERROR" and (span.start_time_ns, span.end_time_ns) == (SECOND, 2 * SECOND)


@pytest.mark.answers(f"{STORE}::test_get_trace_basic", f"{STORE}::test_batch_get_traces_basic", f"{STORE}::test_batch_get_traces_ordering",
                     f"{STORE}::test_batch_get_traces_multiple_traces", f"{STORE}::test_batch_get_traces_empty_trace")
def test_whole_traces_alone_and_in_batches(traces):
    root = traces.export("a", "second", start=2 * SECOND, end=4 * SECOND)
    traces.export("a", "third", parent=root, start=3 * SECOND, end=4 * SECOND)
    traces.export("a", "first", parent=root, start=SECOND)
    traces.export("b", "other")
    assert names_in(traces.store.get_trace(traces.ids["a"])) == ["first", "second", "third"]
    batch = traces.store.batch_get_traces([traces.ids["b"], "tr-absent", traces.ids["a"]], None)
    assert [trace.info.trace_id for trace in batch] == [traces.ids["b"], traces.ids["a"]]
    assert names_in(batch[0]) == ["other"] and names_in(batch[1]) == ["first", "second", "third"]
    children = [span.name for span in batch[1].data.spans if span.parent_id]
    assert children == ["first", "third"], "by their start"
    assert traces.store.batch_get_traces(["tr-absent"], None) == []
    infos = traces.store.batch_get_trace_infos([traces.ids["a"], "tr-absent"], None)
    assert [info.trace_id for info in infos] == [traces.ids["a"]]


@pytest.mark.answers(f"{STORE}::test_batch_get_traces_with_incomplete_trace", f"{STORE}::test_get_trace_with_partial_trace",
                     f"{STORE}::test_get_trace_with_complete_trace")
def test_incomplete_traces_are_given_to_those_who_ask(traces):
    traces.export("t", "one")
    traces.describe("t", trace_metadata=expecting(2))
    traces.export("whole", "one")
    traces.describe("whole")
    with pytest.raises(MlflowException, match="is not fully exported yet"):
        traces.store.get_trace(traces.ids["t"], allow_partial=False)
    assert names_in(traces.store.get_trace(traces.ids["t"], allow_partial=True)) == ["one"]
    batch = traces.store.batch_get_traces([traces.ids["t"], traces.ids["whole"]], None)
    assert [trace.info.trace_id for trace in batch] == [traces.ids["whole"]]
    traces.export("t", "two", parent=1)
    for partial in (False, True):
        assert names_in(traces.store.get_trace(traces.ids["t"], allow_partial=partial)) == ["one", "two"]


@pytest.mark.answers(f"{STORE}::test_get_trace_not_found")
def test_a_trace_that_is_not_there(traces):
    for ask in (traces.store.get_trace, traces.store.get_trace_info):
        with pytest.raises(MlflowException, match="not found") as error:
            ask("tr-nothing")
        assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.answers(f"{STORE}::test_delete_traces_raises_error")
def test_what_deletes_nothing_in_particular_is_refused(server, traces):
    path, base = "/api/3.0/mlflow/traces/delete-traces", {"experiment_id": traces.experiment}
    server.refused(path, base, "Either `max_timestamp_millis` or `trace_ids` must be specified.")
    server.refused(path, {**base, "max_timestamp_millis": 100, "request_ids": ["t"]},
                   "Only one of `max_timestamp_millis` and `trace_ids` can be specified.")
    server.refused(path, {**base, "max_traces": 2, "request_ids": ["t"]}, "`max_traces` can't be specified if `trace_ids` is specified.")
    server.refused(path, {**base, "max_timestamp_millis": 100, "max_traces": 0}, "`max_traces` must be a positive integer, received 0")


@pytest.mark.answers(f"{STORE}::test_set_tag_truncate_too_long_tag")
def test_a_long_tag_of_a_trace_is_cut(server, traces):
    """At 8000 characters, as MLflow 3.6 did; 3.17 keeps 4096."""
    traces.describe("t")
    value = "123" + "é" * 8000
    answer = server.request("PATCH", f"/api/3.0/mlflow/traces/{traces.ids['t']}/tags", json={"key": "key", "value": value})
    kept = traces.info("t").tags["key"]
    assert answer.status_code == 200 and value.startswith(kept) and len(kept) in (8000, 4096)
