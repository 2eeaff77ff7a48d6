# SPDX-License-Identifier: Apache-2.0
"""Traces found by what is inside their spans, through the 3.x client; spans arrive by OpenTelemetry, as every language sends them."""

import mlflow
import pytest
from mlflow.entities import Feedback
from mlflow.exceptions import MlflowException

from helpers import STORE
from traces import Traces


@pytest.fixture
def traces(server, client, experiment):
    return Traces(server, client, experiment)


def upstream(*names):
    return pytest.mark.answers(*(f"{STORE}::test_search_traces_{name}" for name in names))


@pytest.fixture
def zoo(traces):
    """Three traces: one of a model, one of a tool that failed, one of a retriever with a child."""
    traces.export("chat", "llm_call", type="LLM", status="OK", model="gpt-4", temperature=0.7, max_tokens=1000,
                  inputs={"query": "What is the capital?"}, outputs="It is Paris")
    traces.export("tool", "tool_call", type="TOOL", status="ERROR", model="claude-3", provider="anthropic", inputs="ls -l")
    root = traces.export("search", "retriever_span", type="RETRIEVER", **{"similarity.threshold": 0.8, "database": "pinecone"})
    traces.export("search", "llm_call", parent=root, type="CHAIN", status="OK", model="GPT-4o")
    return traces


@upstream("with_span_name_filter", "with_span_name_like_filters", "with_span_name_rlike_filters")
def test_names_of_spans(zoo):
    assert zoo.found("span.name = 'llm_call'") == ["chat", "search"] and zoo.found("span.name = 'nothing'") == []
    assert zoo.found("span.name != 'llm_call'") == ["search", "tool"]
    assert zoo.found("span.name IN ('tool_call', 'retriever_span')") == ["search", "tool"]
    assert zoo.found("span.name NOT IN ('tool_call', 'llm_call')") == ["search"]
    assert zoo.found("span.name LIKE '%call'") == ["chat", "search", "tool"] and zoo.found("span.name LIKE 'LLM%'") == []
    assert zoo.found("span.name ILIKE 'LLM%'") == ["chat", "search"]
    assert zoo.found("span.name RLIKE '^(llm|tool)_'") == ["chat", "search", "tool"]
    assert zoo.found("span.name RLIKE 'span$'") == ["search"] and zoo.found("span.name RLIKE '^span'") == []


@upstream("with_span_type_filter", "with_span_type_rlike_filters")
def test_types_of_spans(zoo):
    assert zoo.found("span.type = 'LLM'") == ["chat"] and zoo.found("span.type = 'llm'") == []
    assert zoo.found("span.type != 'LLM'") == ["search", "tool"]
    assert zoo.found("span.type IN ('LLM', 'CHAIN')") == ["chat", "search"]
    assert zoo.found("span.type LIKE 'T%'") == ["tool"] and zoo.found("span.type ILIKE '%retr%'") == ["search"]
    assert zoo.found("span.type RLIKE '^(LLM|TOOL)$'") == ["chat", "tool"]


def test_a_span_without_a_type_matches_no_filter_on_types(traces):
    traces.export("plain", "x")
    assert traces.found("span.type != 'LLM'") == [] and traces.found("span.type LIKE '%'") == []
    assert traces.found("span.name = 'x'") == ["plain"]


@upstream("with_span_status_filter")
def test_states_of_spans(zoo):
    assert zoo.found("span.status = 'OK'") == ["chat", "search"] and zoo.found("span.status = 'ERROR'") == ["tool"]
    assert zoo.found("span.status = 'UNSET'") == ["search"] and zoo.found("span.status != 'OK'") == ["search", "tool"]


@upstream("with_span_content_filter", "with_full_text_filter")
@pytest.mark.parametrize("field", ["span.content", "trace.text"])
def test_the_whole_text_of_spans(zoo, field):
    assert zoo.found(f"{field} LIKE '%capital%'") == ["chat"] and zoo.found(f"{field} LIKE '%Capital%'") == []
    assert zoo.found(f"{field} ILIKE '%CAPITAL%'") == ["chat"] and zoo.found(f"{field} LIKE '%Paris%'") == ["chat"]
    assert zoo.found(f"{field} LIKE '%pinecone%'") == ["search"] and zoo.found(f"{field} LIKE '%similarity.threshold%'") == ["search"]
    assert zoo.found(f"{field} LIKE '%nothing like it%'") == [] and zoo.found(f"{field} LIKE 'capital'") == []


def test_text_of_any_script_is_found(traces):
    traces.export("a", "x", inputs={"q": "Où est le café ?"})
    traces.export("b", "x", inputs={"q": "東京はどこ"})
    assert traces.found("trace.text LIKE '%café%'") == ["a"] and traces.found("trace.text LIKE '%東京%'") == ["b"]


@upstream("with_span_attributes_filter", "with_span_attributes_rlike_filters")
def test_attributes_of_spans(zoo):
    assert zoo.found("span.attributes.model LIKE '%gpt-4%'") == ["chat"]
    assert zoo.found("span.attributes.model ILIKE '%gpt-4%'") == ["chat", "search"]
    assert zoo.found("span.attributes.temperature LIKE '%0.7%'") == ["chat"]
    assert zoo.found("span.attributes.provider LIKE '%anthropic%'") == ["tool"]
    assert zoo.found("span.attributes.`similarity.threshold` LIKE '%0.8%'") == ["search"]
    assert zoo.found("span.attributes.similarity.threshold LIKE '%0.8%'") == ["search"]
    assert zoo.found("span.attributes.nothing LIKE '%x%'") == []
    assert zoo.found("span.attributes.model RLIKE '^gpt-[0-9]'") == ["chat"]
    assert zoo.found("span.attributes.model RLIKE '^(claude|gpt)'") == ["chat", "tool"]
    assert zoo.found("span.attributes.model RLIKE '4$'") == ["chat"]


@upstream("with_combined_span_filters", "span_filters_with_no_results")
def test_conditions_hold_for_one_and_the_same_span(zoo):
    assert zoo.found("span.name = 'llm_call' AND span.type = 'LLM'") == ["chat"]
    assert zoo.found("span.name = 'retriever_span' AND span.status = 'OK'") == []
    assert zoo.found("span.type = 'LLM' AND span.type = 'RETRIEVER'") == []
    assert zoo.found("span.type = 'TOOL' AND span.content LIKE '%ls -l%'") == ["tool"]
    assert zoo.found("span.type = 'LLM' AND span.content LIKE '%ls -l%'") == []
    assert zoo.found("span.name LIKE '%call' AND span.attributes.model LIKE '%claude%' AND span.status = 'ERROR'") == ["tool"]
    assert zoo.found("span.type = 'NONEXISTENT'") == [] and zoo.found("span.content LIKE '%nonexistent_model%'") == []


@upstream("with_combined_filters", "with_combined_numeric_and_string_filters")
def test_conditions_on_spans_go_with_all_others(zoo, traces):
    traces.describe("chat", tags={"env": "prod"}, duration=500, trace_metadata={"region": "eu"})
    traces.describe("tool", tags={"env": "prod"}, duration=5000)
    traces.client._tracing_client.store.create_assessment(
        Feedback(trace_id=traces.ids["chat"], name="good", value=True, source=traces.source))
    assert traces.found("span.name LIKE '%call' AND tags.env = 'prod'") == ["chat", "tool"]
    assert traces.found("span.name LIKE '%call' AND tags.env = 'prod' AND execution_time_ms > 1000") == ["tool"]
    assert traces.found("span.name LIKE '%call' AND tags.env = 'prod' AND metadata.region = 'eu' AND status = 'OK'") == ["chat"]
    assert traces.found("span.type = 'LLM' AND feedback.good = 'true'") == ["chat"]
    assert traces.found("span.type = 'TOOL' AND feedback.good IS NULL") == ["tool"]
    assert traces.found("span.type = 'TOOL' AND feedback.good = 'true'") == []


@upstream("with_invalid_span_attribute")
@pytest.mark.parametrize("text, message", [
    ("span.duration = '1000'", "Invalid span attribute 'duration'. Supported attributes: name, status, type, attributes.<attribute_name>."),
    ("span.parent_id = 'x'", "Invalid span attribute 'parent_id'. Supported attributes: name, status, type, attributes.<attribute_name>."),
    ("span.content = 'x'", "span.content comparator '=' not one of"),
    ("span.content RLIKE 'x'", "span.content comparator 'RLIKE' not one of"),
    ("span.name > 'x'", "span.name comparator '>' not one of"),
    ("span.name = 5", "Expected a quoted string value for span (e.g. 'my-value'). Got value 5"),
    ("span.attributes. = 'x'", "attributes."),
    ("prompt LIKE 'p/%'", "Invalid comparator 'LIKE' for prompts filter"),
    ("prompt = 'p'", "Invalid prompts filter value 'p'"),
])
def test_what_is_no_condition_on_spans_is_refused(traces, text, message):
    with pytest.raises(MlflowException) as error:
        traces.found(text)
    assert error.value.error_code == "INVALID_PARAMETER_VALUE" and message in error.value.message


@pytest.mark.answers(f"{STORE}::test_log_spans_creates_trace_if_not_exists", f"{STORE}::test_log_spans")
def test_spans_are_found_whether_they_come_before_or_after_their_trace(traces):
    traces.export("before", "step", model="a")
    traces.describe("before", tags={"k": "v"})
    traces.describe("after", tags={"k": "v"})
    assert traces.found("span.name = 'step'") == ["before"]
    traces.export("after", "step", model="b")
    assert traces.found("span.name = 'step' AND tags.k = 'v'") == ["after", "before"]
    traces.export("after", "late", parent=1, model="zeta")
    assert traces.found("span.name = 'late' AND span.attributes.model LIKE '%zeta%'") == ["after"]
    assert traces.found("span.name = 'step' AND span.attributes.model LIKE '%zeta%'") == []


def test_deleted_traces_are_no_longer_found(zoo):
    assert zoo.client.delete_traces(zoo.experiment, trace_ids=[zoo.ids["chat"]]) == 1
    assert zoo.found("span.name = 'llm_call'") == ["search"] and zoo.found("trace.text LIKE '%capital%'") == []


def test_spans_of_python_are_found(client, experiment):
    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_span("outer", span_type="AGENT") as outer:
        with mlflow.start_span("inner", attributes={"shelf": "top"}):
            pass
    with mlflow.start_span("other"):
        pass
    mlflow.flush_trace_async_logging()
    for text in ("span.name = 'inner'", "span.type = 'AGENT'", "span.attributes.shelf LIKE '%top%'"):
        found = client.search_traces(locations=[experiment], filter_string=text)
        assert [trace.info.trace_id for trace in found] == [outer.trace_id], text
        assert {span.name for span in found[0].data.spans} == {"outer", "inner"}
