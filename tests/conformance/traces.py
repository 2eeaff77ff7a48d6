# SPDX-License-Identifier: Apache-2.0
"""Traces for cases: spans by OpenTelemetry with ids of our choice, descriptions by the client, found again by our names."""

import uuid

import requests
from mlflow.entities import AssessmentSource, TraceInfo, TraceLocation, TraceState
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

STATES = {"UNSET": 0, "OK": 1, "ERROR": 2}
SECOND = 1_000_000_000


def put(value, into):
    """A Python value into OpenTelemetry's AnyValue."""
    if isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        into.int_value = value
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, str):
        into.string_value = value
    elif isinstance(value, dict):
        into.kvlist_value.SetInParent()
        for key, item in value.items():
            put(item, into.kvlist_value.values.add(key=key).value)
    else:
        into.array_value.SetInParent()
        for item in value:
            put(item, into.array_value.values.add())


class Traces:
    """The traces of one experiment, each by a name of ours."""

    source = AssessmentSource(source_type="HUMAN", source_id="tester")

    def __init__(self, server, client, experiment):
        self.url, self.client, self.experiment = server.url, client, experiment
        self.store = client._tracing_client.store
        self.ids = {}
        self._spans = 0

    def id_of(self, name):
        return self.ids.setdefault(name, f"tr-{uuid.uuid4().hex}")

    def span(self, name, span, parent=None, type=None, status="UNSET", start=SECOND, end=2 * SECOND, inputs=None, outputs=None, **attributes):
        """A span for `send`; its number, which names it as a parent, is the first of the pair."""
        self._spans += 1
        known = {"mlflow.spanType": type, "mlflow.spanInputs": inputs, "mlflow.spanOutputs": outputs, **attributes}
        return self._spans, {"trace": self.id_of(name), "number": self._spans, "parent": parent, "name": span, "status": status,
                             "start": start, "end": end, "attributes": {k: v for k, v in known.items() if v is not None}}

    def send(self, *spans, resource=None, headers=None, status=200):
        """One export of spans."""
        request = ExportTraceServiceRequest()
        of_process = request.resource_spans.add()
        for key, value in (resource or {}).items():
            put(value, of_process.resource.attributes.add(key=key).value)
        scope = of_process.scope_spans.add()
        for span in spans:
            proto = scope.spans.add(trace_id=bytes.fromhex(span["trace"][3:]), span_id=span["number"].to_bytes(8, "big"), name=span["name"],
                                    start_time_unix_nano=span["start"], end_time_unix_nano=span["end"] or 0)
            if span["parent"]:
                proto.parent_span_id = span["parent"].to_bytes(8, "big")
            proto.status.code = STATES[span["status"]]
            for key, value in span["attributes"].items():
                put(value, proto.attributes.add(key=key).value)
        answer = requests.post(f"{self.url}/v1/traces", data=request.SerializeToString(), timeout=60,
                               headers={"Content-Type": "application/x-protobuf", "X-MLflow-Experiment-Id": self.experiment, **(headers or {})})
        assert answer.status_code == status, answer.text
        return answer

    def export(self, name, span, **options):
        """One span of the trace `name`; gives its number."""
        number, made = self.span(name, span, **options)
        self.send(made)
        return number

    def describe(self, name, time=1000, duration=10, state=TraceState.OK, **more):
        """What the client says of its trace as a whole."""
        return self.store.start_trace(TraceInfo(trace_id=self.id_of(name), trace_location=TraceLocation.from_experiment_id(self.experiment),
                                                request_time=time, execution_duration=duration, state=state, **more))

    def info(self, name):
        return self.store.get_trace_info(self.ids[name])

    def search(self, text=None, order_by=None, **options):
        """Our names in the order of the reply, and the token of the next page."""
        page, token = self.store.search_traces(locations=[self.experiment], filter_string=text, order_by=order_by, **options)
        names = {value: key for key, value in self.ids.items()}
        return [names[info.trace_id] for info in page], token

    def found(self, text=None):
        """Our names, sorted."""
        return sorted(self.search(text)[0])
