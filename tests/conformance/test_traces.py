# SPDX-License-Identifier: Apache-2.0
"""Traces as the 3.x client and its tracing decorators write them: store, find, tag, delete, link to runs."""

import json
import time

import mlflow
import pytest
from mlflow.entities import SpanEvent, TraceInfo, TraceLocation, TraceState
from mlflow.entities.trace_data import TraceData
from mlflow.exceptions import MlflowException

from helpers import REST, STORE, unique


@pytest.fixture
def traced(client, experiment):
    """`traced(name, tags, ok)` makes a trace of one span in the experiment and gives its id."""
    mlflow.set_experiment(experiment_id=experiment)

    def make(name, tags=None, ok=True, attributes=None):
        span = client.start_trace(name=name, experiment_id=experiment, tags=tags)
        if attributes:
            span.set_attributes(attributes)
        client.end_trace(span.trace_id, status="OK" if ok else "ERROR")
        mlflow.flush_trace_async_logging()
        return span.trace_id

    yield make
    mlflow.flush_trace_async_logging()


def ids(traces):
    return [trace.info.trace_id for trace in traces]


@pytest.mark.answers(f"{REST}::test_start_trace", f"{REST}::test_get_trace", f"{STORE}::test_start_trace")
def test_a_traced_function_arrives_with_tags_and_metadata(server, client, experiment):
    mlflow.set_experiment(experiment_id=experiment)

    @mlflow.trace(span_type="TOOL")
    def inner(x):
        return x + 1

    with mlflow.start_span(name="outer") as span:
        span.set_inputs({"x": 1})
        span.set_outputs(inner(1))
        mlflow.update_current_trace(tags={"t": "1"}, metadata={"m": "2"})
    mlflow.flush_trace_async_logging()
    trace = client.get_trace(span.trace_id)
    assert trace.info.trace_id == span.trace_id and trace.info.experiment_id == experiment
    assert trace.info.state == TraceState.OK and trace.info.request_time > 0 and trace.info.execution_duration is not None
    assert trace.info.tags["t"] == "1" and trace.info.trace_metadata["m"] == "2"
    assert trace.info.trace_metadata["mlflow.trace_schema.version"] == "3"
    spans = {s.name: s for s in trace.data.spans}
    assert set(spans) == {"outer", "inner"} and spans["inner"].parent_id == spans["outer"].span_id
    assert spans["inner"].span_type == "TOOL" and spans["inner"].outputs == 2 and spans["outer"].inputs == {"x": 1}


@pytest.mark.answers(f"{REST}::test_search_traces", f"{STORE}::test_search_traces_with_filter", f"{STORE}::test_search_traces_order_by",
                     f"{STORE}::test_search_traces_pagination", f"{STORE}::test_search_traces_with_status_operators")
def test_traces_are_found_by_filter_order_and_page(client, experiment, traced):
    first, second, third = (traced("trace1", {"env": "prod"}), traced("trace2", {"env": "dev"}), traced("trace3", {"env": "prod"}, ok=False))

    def found(text=None, order=None):
        return ids(client.search_traces(locations=[experiment], filter_string=text, order_by=order, include_spans=False))

    assert found() == [third, second, first]
    assert found("status = 'OK'", ["timestamp ASC"]) == [first, second]
    assert found("trace.status != 'OK'") == [third]
    assert found("tags.env = 'prod'") == [third, first] and found("tags.env = 'prod' AND status = 'ERROR'") == [third]
    assert found("timestamp_ms > 0") == [third, second, first] and found("timestamp_ms < 1000") == []
    assert found("trace.name = 'trace2'") == [second]
    page = client.search_traces(locations=[experiment], max_results=2, include_spans=False)
    assert ids(page) == [third, second] and page.token
    rest = client.search_traces(locations=[experiment], page_token=page.token, include_spans=False)
    assert ids(rest) == [first] and not rest.token


@pytest.mark.answers(f"{REST}::test_search_traces_parameter_validation", f"{STORE}::test_search_traces_with_invalid_filter",
                     f"{STORE}::test_search_traces_raise_if_max_results_arg_is_invalid")
@pytest.mark.parametrize("text", ["invalid", "name = 'a' OR name = 'b'", "invalid.filter = 'x'", "status <> 'OK'"])
def test_a_filter_on_traces_that_means_nothing_is_refused(client, experiment, text):
    with pytest.raises(MlflowException) as error:
        client.search_traces(locations=[experiment], filter_string=text, include_spans=False)
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.answers(f"{REST}::test_delete_traces", f"{STORE}::test_delete_traces", f"{STORE}::test_delete_traces_with_max_timestamp",
                     f"{STORE}::test_delete_traces_with_max_count", f"{STORE}::test_delete_traces_with_trace_ids")
def test_traces_are_deleted_by_id_time_and_number(client, experiment, traced):
    first, second, third = (traced(f"trace{i}") for i in range(3))
    assert client.delete_traces(experiment, trace_ids=[second, "tr-absent"]) == 1
    assert set(ids(client.search_traces(locations=[experiment], include_spans=False))) == {first, third}
    assert client.delete_traces(experiment, max_timestamp_millis=1) == 0
    assert client.delete_traces(experiment, max_timestamp_millis=int(1e15), max_traces=1) == 1
    assert client.delete_traces(experiment, max_timestamp_millis=int(1e15)) == 1
    assert list(client.search_traces(locations=[experiment], include_spans=False)) == []


@pytest.mark.answers(f"{REST}::test_set_and_delete_trace_tag", f"{STORE}::test_set_and_delete_tags", f"{STORE}::test_set_invalid_tag")
def test_tags_of_a_trace(client, experiment):
    info = client._tracing_client.start_trace(TraceInfo(
        trace_id=unique("tr"), trace_location=TraceLocation.from_experiment_id(experiment), request_time=1000, execution_duration=2000,
        state=TraceState.OK, tags={"tag1": "red", "tag2": "blue"}))
    client.set_trace_tag(info.trace_id, "tag1", "green")
    client.delete_trace_tag(info.trace_id, "tag2")
    found = client._tracing_client.get_trace_info(info.trace_id)
    assert found.tags["tag1"] == "green" and "tag2" not in found.tags
    assert (found.request_time, found.execution_duration, found.state) == (1000, 2000, TraceState.OK)
    with pytest.raises(MlflowException):
        client.delete_trace_tag(info.trace_id, "tag2")


@pytest.mark.answers(f"{REST}::test_link_traces_to_run_and_search_traces", f"{STORE}::test_search_traces_with_run_id",
                     f"{STORE}::test_link_traces_to_run", f"{STORE}::test_search_traces_with_run_id_filter")
def test_traces_of_a_run_are_those_made_in_it_and_those_linked_to_it(server, client, experiment, run):
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run(run_id=run), mlflow.start_span(name="inside") as inside:
        pass
    with mlflow.start_span(name="linked") as linked:
        pass
    with mlflow.start_span(name="apart") as apart:
        pass
    mlflow.flush_trace_async_logging()
    client.link_traces_to_run([linked.trace_id], run)
    every = client.search_traces(locations=[experiment], include_spans=False)
    assert set(ids(every)) == {inside.trace_id, linked.trace_id, apart.trace_id}
    found = client.search_traces(locations=[experiment], filter_string=f"attribute.run_id = '{run}'", include_spans=False)
    assert set(ids(found)) == {inside.trace_id, linked.trace_id}


@pytest.mark.answers(f"{REST}::test_get_trace_artifact_handler", f"{REST}::test_get_trace_handler")
def test_the_spans_for_the_user_interface(server, experiment):
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_span(name="test") as span:
        span.set_attributes({"fruit": "apple"})
        span.add_event(SpanEvent("test_event", timestamp=99999, attributes={"foo": "bar"}))
    mlflow.flush_trace_async_logging()
    answer = server.get("/ajax-api/2.0/mlflow/get-trace-artifact", request_id=span.trace_id)
    assert answer.status_code == 200 and answer.headers["Content-Disposition"] == "attachment; filename=traces.json"
    assert TraceData.from_dict(answer.json()).spans[0].to_dict() == span.to_dict()


@pytest.mark.answers(f"{REST}::test_legacy_start_and_end_trace_v2", f"{STORE}::test_legacy_start_and_end_trace_v2")
def test_traces_of_old_clients(client, experiment):
    store = client._tracing_client.store

    def own(tags):
        return {k: v for k, v in tags.items() if not k.startswith("mlflow.")}

    started = store.deprecated_start_trace_v2(experiment, 1000, {"meta1": "apple", "meta2": "grape"}, {"tag1": "football", "tag2": "basketball"})
    assert (started.experiment_id, started.timestamp_ms, started.status.value) == (experiment, 1000, "IN_PROGRESS")
    assert own(started.tags) == {"tag1": "football", "tag2": "basketball"}
    from mlflow.entities.trace_status import TraceStatus
    ended = store.deprecated_end_trace_v2(started.request_id, 3000, TraceStatus.OK, {"meta1": "orange", "meta3": "banana"},
                                          {"tag1": "soccer", "tag3": "tennis"})
    assert (ended.timestamp_ms, ended.execution_time_ms, ended.status) == (1000, 2000, TraceStatus.OK)
    assert {k: ended.request_metadata[k] for k in ("meta1", "meta2", "meta3")} == {"meta1": "orange", "meta2": "grape", "meta3": "banana"}
    assert own(ended.tags) == {"tag1": "soccer", "tag2": "basketball", "tag3": "tennis"}


def test_an_unknown_trace_is_not_found(client):
    with pytest.raises(MlflowException, match="not found|does not exist"):
        client.get_trace("tr-" + "0" * 32)


@pytest.mark.answers(f"{STORE}::test_search_traces_with_name_like_filters", f"{STORE}::test_search_traces_with_tag_like_filters",
                     f"{STORE}::test_search_traces_with_metadata_like_filters", f"{STORE}::test_search_traces_with_timestamp_ms_filters",
                     f"{STORE}::test_search_traces_with_execution_time_ms_filters")
def test_filters_on_names_tags_metadata_and_times(client, experiment):
    made = {}
    for number, (name, tag, duration) in enumerate((("GET /a", "alpha", 10), ("GET /b", "beta", 20), ("POST /a", "Alpha", 30))):
        made[number] = unique("tr")
        client._tracing_client.start_trace(TraceInfo(
            trace_id=made[number], trace_location=TraceLocation.from_experiment_id(experiment), request_time=1000 + number,
            execution_duration=duration, state=TraceState.OK, tags={"mlflow.traceName": name, "t": tag}, trace_metadata={"m": tag}))

    def found(text):
        result = client.search_traces(locations=[experiment], filter_string=text, order_by=["timestamp_ms ASC"], include_spans=False)
        return [key for trace in result for key, value in made.items() if value == trace.info.trace_id]

    assert found("trace.name LIKE 'GET%'") == [0, 1] and found("trace.name ILIKE '%/A'") == [0, 2]
    assert found("tags.t = 'alpha'") == [0] and found("tags.t ILIKE 'ALPHA'") == [0, 2] and found("tag.t != 'alpha'") == [1, 2]
    assert found("metadata.m LIKE '%eta'") == [1] and found("metadata.m = 'Alpha'") == [2]
    assert found("timestamp_ms >= 1001") == [1, 2] and found("timestamp_ms = 1000") == [0]
    assert found("execution_time_ms < 30 AND execution_time_ms > 10") == [1]
    assert found("trace.status = 'OK' AND tags.t = 'beta' AND timestamp_ms < 2000") == [1]


def test_a_traced_run_never_fails(server, experiment):
    """What autologging does: spans and runs interleaved, errors inside."""
    mlflow.set_experiment(experiment_id=experiment)
    with pytest.raises(ValueError), mlflow.start_run(), mlflow.start_span("broken"):
        mlflow.log_metric("x", 1)
        raise ValueError("stop")
    mlflow.flush_trace_async_logging()
    deadline = time.monotonic() + 20
    while not (found := mlflow.search_traces(locations=[experiment], return_type="list", include_spans=False)):
        assert time.monotonic() < deadline
    assert found[0].info.state == TraceState.ERROR


@pytest.mark.answers(f"{REST}::test_assessments_end_to_end")
def test_an_expectation_that_is_an_object_is_answered_as_text(server, traced):
    path = f"/api/3.0/mlflow/traces/{traced('t')}/assessments"
    for value in ({"passed": True, "limit": [1, 2]}, [1], "text"):
        answer = server.post(path, {"assessment": {"assessment_name": "check", "expectation": {"value": value},
                                                   "source": {"source_type": "CODE", "source_id": "test"}}})
        assert answer.status_code == 200, answer.text
        kept = answer.json()["assessment"]["expectation"]
        if value == "text":
            assert kept == {"value": "text"}
        else:
            assert kept["serialized_value"]["serialization_format"] == "JSON_FORMAT"
            assert json.loads(kept["serialized_value"]["value"]) == value


@pytest.mark.answers(f"{REST}::test_search_traces_match_text")
def test_traces_are_found_by_their_text(client, experiment, traced):
    first, second, third = (traced("trace1", attributes={"test": "value1"}), traced("trace2", attributes={"test": "value2"}),
                            traced("trace3", attributes={"test3": "I like it"}))

    def found(text):
        page = client.search_traces(locations=[experiment], filter_string=text)
        assert page.token is None
        return sorted(ids(page))

    assert found(None) == sorted([first, second, third]) and found("trace.text LIKE '%trace%'") == sorted([first, second, third])
    assert found("trace.text LIKE '%value%'") == sorted([first, second]) and found("trace.text LIKE '%I like it%'") == [third]
