# SPDX-License-Identifier: Apache-2.0
"""Traces by the real client: what mlflow.trace and autologging send is stored, found and given back; so does plain OpenTelemetry."""

import json
import urllib.request

import millrace
import mlflow
import pytest
from mlflow.entities import AssessmentSource, Expectation, Feedback, SpanType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with millrace.Server("--workspace", tmp_path_factory.mktemp("traces") / "workspace") as server:
        mlflow.set_tracking_uri(server.url)
        yield server


@pytest.fixture
def experiment(server, request):
    return mlflow.set_experiment(request.node.name).experiment_id


def flush():
    mlflow.flush_trace_async_logging()


@mlflow.trace(span_type=SpanType.TOOL, attributes={"n": 3, "list": [1, 2.5, True, None], "text": "Grüße"})
def look_up(word):
    return {"found": [word, word.upper()]}


@mlflow.trace(name="answer", span_type=SpanType.CHAIN)
def answer(question, fails=False):
    found = look_up(question)
    with mlflow.start_span("inner", span_type=SpanType.LLM) as span:
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
        span.set_inputs({"q": question})
    if fails:
        raise ValueError("no answer")
    mlflow.update_current_trace(tags={"topic": question}, metadata={"mlflow.trace.session": "s-" + question})
    return found["found"]


def search(experiment, text=None, **options):
    return mlflow.search_traces(locations=[experiment], filter_string=text, return_type="list", **options)


def test_a_trace_comes_back_whole(experiment):
    assert answer("why") == ["why", "WHY"]
    flush()
    [trace] = search(experiment)
    assert trace.info.state == "OK"
    assert trace.info.experiment_id == experiment
    assert trace.info.tags["topic"] == "why"
    assert trace.info.tags["mlflow.traceName"] == "answer"
    assert trace.info.trace_metadata["mlflow.trace.session"] == "s-why"
    assert trace.info.token_usage == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert json.loads(trace.info.request_preview) == {"question": "why", "fails": False}
    spans = {span.name: span for span in trace.data.spans}
    assert set(spans) == {"answer", "look_up", "inner"}
    root = spans["answer"]
    assert root.parent_id is None
    assert root.inputs == {"question": "why", "fails": False}
    assert root.outputs == ["why", "WHY"]
    tool = spans["look_up"]
    assert tool.parent_id == root.span_id
    assert tool.span_type == "TOOL"
    assert tool.get_attribute("n") == 3
    assert tool.get_attribute("list") == [1, 2.5, True, None]
    assert tool.get_attribute("text") == "Grüße"
    assert tool.status.status_code == "OK"
    assert tool.start_time_ns <= tool.end_time_ns
    again = mlflow.get_trace(trace.info.trace_id)
    assert again.to_dict() == trace.to_dict()
    assert MlflowClient().get_trace(trace.info.trace_id).info.trace_id == trace.info.trace_id


def test_a_failed_trace_has_its_exception(experiment):
    with pytest.raises(ValueError, match="no answer"):
        answer("what", fails=True)
    flush()
    [trace] = search(experiment, "status = 'ERROR'")
    [root] = [span for span in trace.data.spans if span.parent_id is None]
    assert root.status.status_code == "ERROR"
    [event] = [event for event in root.events if event.name == "exception"]
    assert event.attributes["exception.message"] == "no answer"
    assert search(experiment, "status = 'OK'") == []


FILTERS = [
    ("", 4), ("status = 'OK'", 3), ("status != 'OK'", 1), ("status IN ('OK', 'ERROR')", 4), ("tags.topic = 'b'", 1), ("tags.topic != 'b'", 2),
    ("tags.topic IS NULL", 1), ("tags.topic LIKE '%'", 3), ("tags.topic RLIKE '^[ab]$'", 2), ("metadata.`mlflow.trace.session` = 's-a'", 1),
    ("name = 'answer'", 4), ("trace.name LIKE 'ans%'", 4), ("timestamp_ms > 0", 4), ("execution_time_ms < 100000", 4), ("end_time_ms > 0", 4),
    ("span.name = 'look_up'", 4), ("span.type = 'LLM' AND span.name = 'inner'", 4), ("span.type = 'LLM' AND span.name = 'look_up'", 0),
    ("span.status = 'ERROR'", 1), ("span.attributes.n = '3'", 4), ("span.attributes.text LIKE 'Gr%'", 4), ("span.attributes.text = 'x'", 0),
    ("trace.text LIKE '%\"question\": \"c\"%'", 0), ("trace.text LIKE '%WHY%'", 0), ("trace.text ILIKE '%no ANSWER%'", 1),
    ("feedback.good = 'true'", 1), ("feedback.good != 'true'", 1), ("feedback.good IS NULL", 2), ("feedback.score > 0.5", 1),
    ("expectation.word = 'A'", 1), ("expectation.word IS NOT NULL", 1), ("request_id = 'nothing'", 0), ("client_request_id IS NULL", None),
    ("foo = 'x'", None), ("timestamp > 'x'", None),
]


@pytest.fixture(scope="module")
def four(server):
    experiment = mlflow.set_experiment("four").experiment_id
    for question in "abc":
        answer(question)
        flush()
    with pytest.raises(ValueError):
        answer("d", fails=True)
    flush()
    ids = [trace.info.trace_id for trace in search(experiment, order_by=["timestamp_ms ASC"])]
    assert len(ids) == 4
    mlflow.log_feedback(trace_id=ids[0], name="good", value=True, source=AssessmentSource("HUMAN", "ann"), rationale="fine")
    mlflow.log_feedback(trace_id=ids[1], name="good", value=False)
    mlflow.log_feedback(trace_id=ids[1], name="score", value=0.75)
    mlflow.log_expectation(trace_id=ids[2], name="word", value="A")
    return experiment, ids


@pytest.mark.parametrize(("text", "count"), FILTERS)
def test_filters(four, text, count):
    experiment, _ = four
    if count is None:
        with pytest.raises(MlflowException) as error:
            search(experiment, text)
        assert error.value.error_code == "INVALID_PARAMETER_VALUE"
    else:
        assert len(search(experiment, text)) == count


def test_orders_and_pages(four):
    experiment, ids = four
    assert [t.info.trace_id for t in search(experiment)] == ids[::-1]
    assert [t.info.trace_id for t in search(experiment, order_by=["timestamp ASC"])] == ids
    assert [t.info.trace_id for t in search(experiment, order_by=["tags.topic DESC"])] == [ids[2], ids[1], ids[0], ids[3]]
    client = MlflowClient()
    page = client.search_traces(locations=[experiment], max_results=3)
    rest = client.search_traces(locations=[experiment], max_results=3, page_token=page.token)
    assert [t.info.trace_id for t in [*page, *rest]] == ids[::-1]


def test_the_table_of_search_traces(four):
    experiment, ids = four
    table = mlflow.search_traces(locations=[experiment], filter_string="status = 'OK'")
    assert set(table["trace_id"]) == set(ids[:3])
    assert len(table["spans"][0]) == 3


def test_assessments_are_kept_changed_and_replaced(experiment):
    answer("x")
    flush()
    [trace] = search(experiment)
    trace_id = trace.info.trace_id
    first = mlflow.log_feedback(trace_id=trace_id, name="quality", value={"a": [1, 2]}, metadata={"m": "1"})
    assert first.assessment_id.startswith("a-")
    got = mlflow.get_assessment(trace_id, first.assessment_id)
    assert isinstance(got, Feedback)
    assert got.value == {"a": [1, 2]}
    assert got.metadata == {"m": "1"}
    changed = mlflow.update_assessment(trace_id, first.assessment_id, Feedback(name="quality", value="better", rationale="why not", metadata={"n": "2"}))
    assert changed.value == "better"
    assert changed.rationale == "why not"
    assert changed.metadata == {"m": "1", "n": "2"}
    second = mlflow.override_feedback(trace_id=trace_id, assessment_id=first.assessment_id, value="best")
    by_id = {a.assessment_id: a for a in mlflow.get_trace(trace_id).info.assessments}
    assert by_id[first.assessment_id].valid is False
    assert by_id[second.assessment_id].valid is True
    mlflow.delete_assessment(trace_id, second.assessment_id)
    assert mlflow.get_assessment(trace_id, first.assessment_id).valid is True
    wanted = mlflow.log_expectation(trace_id=trace_id, name="steps", value=["a", {"b": 1}])
    got = mlflow.get_assessment(trace_id, wanted.assessment_id)
    assert isinstance(got, Expectation)
    assert got.value == ["a", {"b": 1}]
    failed = mlflow.log_feedback(trace_id=trace_id, name="broken", error=RuntimeError("judge died"))
    assert mlflow.get_assessment(trace_id, failed.assessment_id).error.error_message == "judge died"
    with pytest.raises(MlflowException) as error:
        mlflow.get_assessment(trace_id, "a-nothing")
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_tags_are_set_and_deleted(experiment):
    answer("x")
    flush()
    trace_id = search(experiment)[0].info.trace_id
    client = MlflowClient()
    client.set_trace_tag(trace_id, "colour", "blue")
    assert search(experiment, "tags.colour = 'blue'")[0].info.tags["colour"] == "blue"
    client.delete_trace_tag(trace_id, "colour")
    assert search(experiment, "tags.colour = 'blue'") == []
    with pytest.raises(MlflowException) as error:
        client.delete_trace_tag(trace_id, "colour")
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(MlflowException) as error:
        client.set_trace_tag("tr-nothing", "a", "b")
    assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"


def test_traces_belong_to_the_run_that_made_them(experiment):
    with mlflow.start_run() as run:
        answer("in a run")
    answer("outside")
    flush()
    [inside] = search(experiment, f"run_id = '{run.info.run_id}'")
    assert inside.info.tags["topic"] == "in a run"
    [outside] = search(experiment, "tags.topic = 'outside'")
    MlflowClient().link_traces_to_run([outside.info.trace_id], run.info.run_id)
    assert len(search(experiment, f"attributes.run_id = '{run.info.run_id}'")) == 2


def test_traces_are_deleted(experiment):
    for word in "abc":
        answer(word)
    flush()
    ids = [trace.info.trace_id for trace in search(experiment, order_by=["timestamp_ms ASC"])]
    client = MlflowClient()
    assert client.delete_traces(experiment, trace_ids=[ids[0], "tr-nothing"]) == 1
    assert client.delete_traces(experiment, max_timestamp_millis=2**52, max_traces=1) == 1
    assert len(search(experiment)) == 1
    with pytest.raises(MlflowException):
        client.get_trace(ids[0])


def test_a_trace_without_spans_is_not_found_as_a_whole(server, experiment):
    status, text, _ = server.post("/api/3.0/mlflow/traces", {"trace": {"trace_info": {
        "trace_id": "tr-bare", "trace_location": {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}},
        "request_time": "2026-01-31T12:00:00.5+01:00", "execution_duration": "1.5s", "state": "OK"}}})
    assert status == 200, text
    info = json.loads(text)["trace"]["trace_info"]
    assert info["request_time"] == "2026-01-31T11:00:00.500Z"
    assert info["execution_duration"] == "1.500s"
    assert info["tags"]["mlflow.artifactLocation"].endswith("/traces/tr-bare/artifacts")
    assert server.get("/api/3.0/mlflow/traces/get?trace_id=tr-bare")[0] == 404
    assert server.get("/api/3.0/mlflow/traces/tr-bare")[0] == 200
    for body in ({}, {"trace": 5}, {"trace": {}}, {"trace": {"trace_info": {"trace_location": 3}}}, {"trace": {"trace_info": {"state": "X"}}}):
        assert server.post("/api/3.0/mlflow/traces", body)[0] == 400, body


def test_the_protocol_before_three(server, experiment):
    started = json.loads(server.post("/api/2.0/mlflow/traces", {
        "experiment_id": experiment, "timestamp_ms": 1000, "request_metadata": [{"key": "m", "value": "1"}], "tags": [{"key": "t", "value": "2"}]})[1])
    info = started["trace_info"]
    assert info["status"] == "IN_PROGRESS"
    request_id = info["request_id"]
    ended = json.loads(server.request("PATCH", f"/api/2.0/mlflow/traces/{request_id}", {"timestamp_ms": 1500, "status": "OK", "tags": [{"key": "u", "value": "3"}]})[1])
    assert ended["trace_info"]["execution_time_ms"] == 500
    got = json.loads(server.get(f"/api/2.0/mlflow/traces/{request_id}/info")[1])["trace_info"]
    assert got["status"] == "OK"
    assert {tag["key"]: tag["value"] for tag in got["tags"]}["u"] == "3"
    found = json.loads(server.get(f"/api/2.0/mlflow/traces?experiment_ids={experiment}&filter=tags.t%20%3D%20'2'")[1])
    assert [trace["request_id"] for trace in found["traces"]] == [request_id]


OTLP = {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}, "scopeSpans": [{"spans": [
    {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "checkout", "startTimeUnixNano": "1544712660000000000",
     "endTimeUnixNano": "1544712661000000000", "attributes": [{"key": "n", "value": {"intValue": "5"}}, {"key": "session.id", "value": {"stringValue": "s1"}}],
     "status": {"code": 2, "message": "full"}},
    {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b173", "parentSpanId": "eee19b7ec3c1b174", "name": "pay",
     "startTimeUnixNano": 1544712660100000000, "endTimeUnixNano": 1544712660200000000}]}]}]}


def test_plain_open_telemetry_as_json(server, experiment):
    def send(body, content_type="application/json", **headers):
        request = urllib.request.Request(server.url + "/v1/traces", data=body, method="POST",
                                         headers={"Content-Type": content_type, **headers})
        try:
            with urllib.request.urlopen(request, timeout=30) as answered:
                return answered.status
        except urllib.error.HTTPError as error:
            return error.code

    scope = {"x-mlflow-experiment-id": experiment}
    assert send(json.dumps(OTLP).encode(), **scope) == 200
    [trace] = search(experiment, "metadata.`mlflow.trace.session` = 's1'")
    assert trace.info.trace_id == "tr-5b8efff798038103d269b633813fc60c"
    assert trace.info.state == "ERROR"
    assert trace.info.execution_duration == 1000
    assert trace.info.tags["service.name"] == "shop"
    assert [span.name for span in trace.data.spans] == ["checkout", "pay"]
    assert trace.data.spans[0].get_attribute("n") == 5
    assert send(b"{", **scope) == 400
    assert send(b"{}", **scope) == 400
    assert send(b"\xff\xff", "application/x-protobuf", **scope) == 400
    assert send(json.dumps(OTLP).encode(), "text/plain", **scope) == 400
    assert send(json.dumps(OTLP).encode()) == 422
    assert send(json.dumps(OTLP).encode(), **{"x-mlflow-experiment-id": "999999"}) == 404


def test_autologging_makes_traces(experiment):
    """A flavour whose autologging traces: DSPy, LangChain and the like are not among the packages, so a tracer of MLflow's own is used."""
    client = MlflowClient()
    root = client.start_trace("manual", inputs={"a": 1}, tags={"kind": "manual"})
    child = client.start_span("step", root.trace_id, root.span_id, inputs=[1, 2])
    client.end_span(root.trace_id, child.span_id, outputs="done")
    client.end_trace(root.trace_id, outputs={"b": 2})
    flush()
    [trace] = search(experiment, "tags.kind = 'manual'")
    assert json.loads(trace.info.response_preview) == {"b": 2}
    assert {span.name for span in trace.data.spans} == {"manual", "step"}
