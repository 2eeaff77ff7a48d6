# SPDX-License-Identifier: Apache-2.0
"""Numbers over many traces, correlation of filters, compressed OpenTelemetry, and values of assessments, through the 3.x client."""

import gzip
import json
import math
import zlib

import mlflow
import pytest
import requests
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
from mlflow.exceptions import MlflowException
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from helpers import REST, STORE


@pytest.fixture
def store(client):
    return client._tracking_client.store


@pytest.fixture
def traced(client, experiment):
    """Three traces: two of "a" that are OK, tagged env=prod, and one of "b" that failed; their ids."""
    ids = []
    for name, ok, env in (("a", True, "prod"), ("a", True, "prod"), ("b", False, "dev")):
        root = client.start_trace(name=name, experiment_id=experiment, tags={"env": env})
        root.set_attributes({"mlflow.chat.tokenUsage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
                             "mlflow.llm.cost": {"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75}, "mlflow.llm.model": "m"})
        client.end_trace(root.trace_id, status="OK" if ok else "ERROR")
        ids.append(root.trace_id)
    mlflow.flush_trace_async_logging()
    return ids


def asked(store, experiment, name, aggregations, view=MetricViewType.TRACES, **more):
    points = store.query_trace_metrics(experiment_ids=[experiment], view_type=view, metric_name=name, aggregations=aggregations, **more)
    return [(point.dimensions, point.values) for point in points]


COUNT = [MetricAggregation(AggregationType.COUNT)]
SUM = [MetricAggregation(AggregationType.SUM)]


def test_traces_are_counted_by_name_and_status(store, experiment, traced):
    assert asked(store, experiment, "trace_count", COUNT) == [({}, {"COUNT": 3})]
    assert asked(store, experiment, "trace_count", COUNT, dimensions=["trace_name", "trace_status"]) == [
        ({"trace_name": "a", "trace_status": "OK"}, {"COUNT": 2}), ({"trace_name": "b", "trace_status": "ERROR"}, {"COUNT": 1})]
    assert asked(store, experiment, "trace_count", COUNT, filters=["trace.tag.env = 'prod'"]) == [({}, {"COUNT": 2})]
    assert asked(store, experiment, "trace_count", COUNT, filters=["trace.status = 'ERROR'"]) == [({}, {"COUNT": 1})]
    [(_, latency)] = asked(store, experiment, "latency", [MetricAggregation(AggregationType.MAX), MetricAggregation(AggregationType.PERCENTILE, 99)])
    assert latency["MAX"] >= latency["P99.0"] >= 0


def test_tokens_costs_and_spans_are_summed(store, experiment, traced):
    assert asked(store, experiment, "total_tokens", SUM, dimensions=["trace_name"]) == [
        ({"trace_name": "a"}, {"SUM": 30}), ({"trace_name": "b"}, {"SUM": 15})]
    assert asked(store, experiment, "total_cost", SUM, MetricViewType.SPANS, dimensions=["span_model_name"]) == [
        ({"span_model_name": "m"}, {"SUM": 2.25})]
    assert asked(store, experiment, "span_count", COUNT, MetricViewType.SPANS, filters=["span.name = 'b'"]) == [({}, {"COUNT": 1})]


def test_time_is_cut_into_buckets(store, client, experiment, traced):
    start = client.get_trace(traced[0]).info.request_time
    points = asked(store, experiment, "trace_count", COUNT, time_interval_seconds=86400, start_time_ms=start - 1, end_time_ms=start + 86_400_000)
    assert sum(values["COUNT"] for _, values in points) == 3
    assert all(dimensions["time_bucket"].endswith("T00:00:00+00:00") for dimensions, _ in points)


def test_judgements_are_averaged(store, experiment, traced):
    for trace_id, value in zip(traced, (True, "no", "maybe")):
        mlflow.log_feedback(trace_id=trace_id, name="good", value=value)
    assert asked(store, experiment, "assessment_value", [MetricAggregation(AggregationType.AVG)], MetricViewType.ASSESSMENTS,
                 dimensions=["assessment_name"]) == [({"assessment_name": "good"}, {"AVG": 0.5})]
    values = asked(store, experiment, "assessment_count", COUNT, MetricViewType.ASSESSMENTS, dimensions=["assessment_value"])
    assert [dimensions["assessment_value"] for dimensions, _ in values] == ['"maybe"', '"no"', "true"]


@pytest.mark.parametrize("name, more, message", [
    ("nothing", {}, "metric_name must be one of"),
    ("trace_count", {"aggregations": [{"aggregation_type": "SUM"}]}, "Found invalid aggregation_type(s): ['SUM']"),
    ("trace_count", {"dimensions": ["span_name"]}, "Found invalid dimension(s): ['span_name']"),
    ("trace_count", {"time_interval_seconds": 60}, "start_time_ms and end_time_ms are required"),
    ("trace_count", {"filters": ["trace.status != 'OK'"]}, "only '=' operator is supported"),
    ("trace_count", {"filters": ["span.name = 'x'"]}, "Filtering by span is only supported for"),
    ("trace_count", {"filters": ["trace.tag = 'x'"]}, "Filtering by tag requires a key"),
])
def test_wrong_questions_are_refused(server, experiment, name, more, message):
    body = {"experiment_ids": [experiment], "view_type": "TRACES", "metric_name": name, "aggregations": [{"aggregation_type": "COUNT"}], **more}
    server.refused("/api/3.0/mlflow/traces/metrics", body, message)


@pytest.mark.answers(f"{REST}::test_calculate_trace_filter_correlation", *(f"{STORE}::test_calculate_trace_filter_correlation_{case}" for case in (
    "basic", "perfect", "count_expressions", "negative_correlation", "zero_counts", "with_base_filter")))
def test_filters_go_together_or_not(client, store, experiment, traced):
    def ask(one, two, base=None, experiments=(experiment,)):
        return store.calculate_trace_filter_correlation(experiment_ids=list(experiments), filter_string1=one, filter_string2=two, base_filter=base)

    always = ask("tags.env = 'prod'", "status = 'OK'")
    assert (always.filter1_count, always.filter2_count, always.joint_count, always.total_count) == (2, 2, 2, 3)
    assert always.npmi == pytest.approx(1.0)
    assert 0 < always.npmi_smoothed < 1
    assert ask("tags.env = 'prod'", "status = 'ERROR'").npmi == -1.0
    none = ask("tags.env = 'none'", "status = 'OK'")
    assert math.isnan(none.npmi) and none.filter1_count == 0 and none.total_count == 3
    based = ask("tags.env = 'prod'", "status = 'OK'", "name = 'a'")
    assert (based.total_count, based.npmi) == (2, 1.0)
    assert ask("status = 'OK'", "status = 'OK'", experiments=("999999",)).total_count == 0
    with pytest.raises(MlflowException, match="Invalid"):
        ask("nonsense = 1", "status = 'OK'")


def exported(trace_id, n=1):
    """A request of OpenTelemetry with n spans of one trace."""
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for i in range(n):
        spans.add(trace_id=trace_id, span_id=(i + 1).to_bytes(8, "big"), name=f"s{i}", start_time_unix_nano=10**18, end_time_unix_nano=10**18 + 10**6)
    return request.SerializeToString()


@pytest.mark.parametrize("encoding, pack", [
    ("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", lambda body: zlib.compress(body)[2:-4]), ("GZIP", gzip.compress)])
def test_compressed_spans_arrive(server, client, experiment, encoding, pack):
    trace_id = bytes([len(encoding)]) + experiment.encode().rjust(15, b"\1")
    answer = requests.post(f"{server.url}/v1/traces", data=pack(exported(trace_id, 3)), timeout=60, headers={
        "Content-Type": "application/x-protobuf", "Content-Encoding": encoding, "x-mlflow-experiment-id": experiment})
    assert answer.status_code == 200, answer.text
    assert len(client.get_trace(f"tr-{trace_id.hex()}").data.spans) == 3


def test_broken_and_oversized_compression_is_refused(server, experiment):
    def status(body, encoding="gzip"):
        answer = requests.post(f"{server.url}/v1/traces", data=body, timeout=60, headers={
            "Content-Type": "application/x-protobuf", "Content-Encoding": encoding, "x-mlflow-experiment-id": experiment})
        return answer.status_code, answer.json()["detail"]

    assert status(b"no gzip") == (400, "Failed to decompress gzip payload")
    assert status(gzip.compress(exported(b"\2" * 16))[:-3]) == (400, "Failed to decompress gzip payload")
    assert status(b"no zlib", "deflate") == (400, "Failed to decompress deflate payload")
    assert status(b"x", "br") == (400, "Unsupported Content-Encoding: br")
    bomb = gzip.compress(bytes(200 * 1024 * 1024))
    assert len(bomb) < 300_000
    assert status(bomb)[0] == 413


@pytest.mark.parametrize("value", [{"a": [1, {"b": None}]}, [1, 2, "x"], {}, [], "text", 0, 1.5, True])
def test_expectations_of_any_shape_come_back(client, experiment, traced, value):
    """Lists and objects travel as `serialized_value`, a JSON text; plain values as they are."""
    made = mlflow.log_expectation(trace_id=traced[0], name="expected", value=value)
    read = mlflow.get_assessment(trace_id=traced[0], assessment_id=made.assessment_id)
    assert read.expectation.value == value and read.value == value
    changed = mlflow.update_assessment(trace_id=traced[0], assessment_id=made.assessment_id, assessment=mlflow.entities.Expectation(
        name="expected", value={"changed": [value]}))
    assert changed.value == {"changed": [value]}
    [info] = [t.info for t in client.search_traces(locations=[experiment], max_results=10) if t.info.trace_id == traced[0]]
    assert info.assessments[0].value == {"changed": [value]}


@pytest.mark.answers(f"{REST}::test_assessments_end_to_end")
def test_assessments_over_plain_http(server, traced):
    path = f"/api/3.0/mlflow/traces/{traced[0]}/assessments"
    body = {"assessment_name": "e", "source": {"source_type": "CODE", "source_id": "t"}}
    answer = server.post(path, {"assessment": {**body, "expectation": {"value": {"ms": 1000, "passed": True}}}})
    packed = answer.json()["assessment"]["expectation"]["serialized_value"]
    assert (packed["serialization_format"], json.loads(packed["value"])) == ("JSON_FORMAT", {"ms": 1000, "passed": True})
    answer = server.post(path, {"assessment": {**body, "expectation": {
        "serialized_value": {"serialization_format": "JSON_FORMAT", "value": "3"}}}})
    assert answer.json()["assessment"]["expectation"] == {"value": 3}
    server.refused(path, {"assessment": {**body, "expectation": {"serialized_value": {"serialization_format": "X", "value": "3"}}}},
                   "Unknown serialization format: X")
    # What replaces another is valid instead of it, until it goes.
    one = server.post(path, {"assessment": {**body, "feedback": {"value": 3}, "rationale": "meh"}}).json()["assessment"]
    server.request("PATCH", f"{path}/{one['assessment_id']}", json={"assessment": {"feedback": {"value": 4}}, "update_mask": "feedback"})
    read = server.get(f"{path}/{one['assessment_id']}").json()["assessment"]
    assert (read["feedback"]["value"], read["rationale"], read["valid"]) == (4, "meh", True)
    two = server.post(path, {"assessment": {**body, "feedback": {"value": 5}, "overrides": one["assessment_id"]}}).json()["assessment"]
    assert two["overrides"] == one["assessment_id"]
    assert server.get(f"{path}/{one['assessment_id']}").json()["assessment"]["valid"] is False
    assert server.request("DELETE", f"{path}/{two['assessment_id']}").status_code == 200
    assert server.get(f"{path}/{two['assessment_id']}").status_code == 404
    assert server.get(f"{path}/{one['assessment_id']}").json()["assessment"]["valid"] is True
