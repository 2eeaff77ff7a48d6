# SPDX-License-Identifier: Apache-2.0
"""Judgements of traces through the 3.x client: made, read, changed, replaced, deleted, and traces found by them."""

import pytest
from mlflow.entities import Expectation, Feedback
from mlflow.entities.assessment import ExpectationValue, FeedbackValue
from mlflow.exceptions import MlflowException

from helpers import STORE
from traces import Traces


@pytest.fixture
def traces(server, client, experiment):
    return Traces(server, client, experiment)


@pytest.fixture
def judge(traces):
    """`judge("t", Feedback, "name", value)` stores it for the trace "t", which is made if need be."""
    def judge(trace, kind, name, value, **more):
        if trace not in traces.ids:
            traces.describe(trace)
        return traces.store.create_assessment(kind(trace_id=traces.ids[trace], name=name, value=value, source=traces.source, **more))

    return judge


def upstream(*names):
    return pytest.mark.answers(*(f"{STORE}::test_{name}" for name in names))


@upstream("create_and_get_assessment")
def test_a_judgement_keeps_everything(traces, judge):
    feedback = judge("t", Feedback, "correct", True, rationale="well said", metadata={"project": "p"}, span_id="span-1")
    expectation = judge("t", Expectation, "answer", "Paris", metadata={"topic": "geography"}, span_id="span-2")
    assert feedback.assessment_id.startswith("a-") and feedback.assessment_id != expectation.assessment_id
    read = traces.store.get_assessment(traces.ids["t"], feedback.assessment_id)
    assert (read.name, read.value, read.rationale, read.metadata, read.span_id) == ("correct", True, "well said", {"project": "p"}, "span-1")
    assert read.valid and read.trace_id == traces.ids["t"] and read.create_time_ms > 0 and read.source == traces.source
    read = traces.store.get_assessment(traces.ids["t"], expectation.assessment_id)
    assert (read.name, read.value, read.metadata, read.span_id) == ("answer", "Paris", {"topic": "geography"}, "span-2")
    assert {a.name for a in traces.info("t").assessments} == {"correct", "answer"}


@upstream("get_assessment_errors", "update_assessment_errors")
def test_judgements_that_are_not_there(traces):
    traces.describe("t")
    for call in (traces.store.get_assessment, lambda trace, id: traces.store.update_assessment(trace, id, rationale="x")):
        with pytest.raises(MlflowException, match="not found") as error:
            call("tr-absent", "a-absent")
        assert error.value.error_code == "RESOURCE_DOES_NOT_EXIST"
        with pytest.raises(MlflowException, match="Assessment with ID 'a-absent' not found for trace"):
            call(traces.ids["t"], "a-absent")


@upstream("update_assessment_feedback", "update_assessment_expectation", "update_assessment_partial_fields", "update_assessment_metadata_merging",
          "update_assessment_timestamps")
def test_an_update_changes_what_it_names_alone(traces, judge):
    made = judge("t", Feedback, "correct", True, rationale="first", metadata={"a": "1", "b": "1"}, span_id="s")

    def update(**changes):
        return traces.store.update_assessment(traces.ids["t"], made.assessment_id, **changes)

    changed = update(name="renamed", feedback=FeedbackValue(value=False), rationale="second", metadata={"b": "2", "c": "3"})
    for seen in (changed, traces.store.get_assessment(traces.ids["t"], made.assessment_id)):
        assert (seen.assessment_id, seen.name, seen.value, seen.rationale) == (made.assessment_id, "renamed", False, "second")
        assert seen.metadata == {"a": "1", "b": "2", "c": "3"} and seen.span_id == "s" and seen.source == traces.source and seen.valid
    assert changed.create_time_ms == made.create_time_ms and changed.last_update_time_ms >= made.last_update_time_ms
    changed = update(rationale="third")
    assert (changed.name, changed.value, changed.rationale, changed.metadata["c"]) == ("renamed", False, "third", "3")
    made = judge("t", Expectation, "answer", "Paris", metadata={"a": "1"})
    changed = update(expectation=ExpectationValue(value={"city": "Rome"}))
    assert (changed.name, changed.value, changed.metadata) == ("answer", {"city": "Rome"}, {"a": "1"})


@upstream("update_assessment_type_validation")
def test_a_judgement_stays_what_it_is(traces, judge):
    feedback, expectation = judge("t", Feedback, "f", 1), judge("t", Expectation, "e", 1)
    with pytest.raises(MlflowException, match="Cannot update expectation value on a Feedback assessment"):
        traces.store.update_assessment(traces.ids["t"], feedback.assessment_id, expectation=ExpectationValue(value=2))
    with pytest.raises(MlflowException, match="Cannot update feedback value on an Expectation assessment"):
        traces.store.update_assessment(traces.ids["t"], expectation.assessment_id, feedback=FeedbackValue(value=2))


@upstream("create_assessment_with_overrides", "create_assessment_override_nonexistent", "delete_assessment_override_behavior")
def test_what_is_replaced_is_no_longer_valid_until_the_other_goes(traces, judge):
    first = judge("t", Feedback, "quality", "poor")
    second = judge("t", Feedback, "quality", "excellent", overrides=first.assessment_id)
    assert second.overrides == first.assessment_id and second.valid

    def is_valid(assessment):
        return traces.store.get_assessment(traces.ids["t"], assessment.assessment_id).valid

    assert not is_valid(first) and is_valid(second)
    assert traces.found("feedback.quality = 'poor'") == [] and traces.found("feedback.quality = 'excellent'") == ["t"]
    traces.store.delete_assessment(traces.ids["t"], second.assessment_id)
    assert is_valid(first) and traces.found("feedback.quality = 'poor'") == ["t"]
    with pytest.raises(MlflowException, match="Assessment with ID 'a-absent' not found"):
        judge("t", Feedback, "quality", "x", overrides="a-absent")


@upstream("delete_assessment_idempotent")
def test_deleting_twice_is_fine(traces, judge):
    made = judge("t", Feedback, "f", "x")
    for _ in range(2):
        traces.store.delete_assessment(traces.ids["t"], made.assessment_id)
    traces.store.delete_assessment(traces.ids["t"], "a-absent")
    with pytest.raises(MlflowException, match="not found for trace"):
        traces.store.get_assessment(traces.ids["t"], made.assessment_id)


@upstream("assessment_with_error")
def test_a_judge_that_failed_says_why(traces, judge):
    try:
        raise ValueError("Test error message")
    except ValueError as error:
        made = judge("t", Feedback, "f", None, error=error)
    read = traces.store.get_assessment(traces.ids["t"], made.assessment_id)
    for seen in (made, read):
        assert (seen.error.error_code, seen.error.error_message) == ("ValueError", "Test error message")
        assert "test_a_judge_that_failed_says_why" in seen.error.stack_trace


@upstream("assessment_with_run_id")
def test_the_run_of_a_judgement_travels_in_its_metadata(traces, judge, run):
    """`run_id` itself is no part of MLflow's protocol; its evaluations write this."""
    made = judge("t", Feedback, "f", 1, metadata={"mlflow.assessment.sourceRunId": run})
    assert traces.store.get_assessment(traces.ids["t"], made.assessment_id).run_id == run


@upstream("search_traces_with_feedback_and_expectation_filters")
def test_traces_are_found_by_their_judgements(traces, judge):
    """Numbers are fractions in MLflow's protocol."""
    judge("a", Feedback, "correct", True)
    judge("b", Feedback, "correct", False)
    judge("b", Feedback, "helpful", 5)
    judge("c", Expectation, "length", 150)
    judge("d", Expectation, "length", 200)
    judge("d", Expectation, "latency", 0.5)
    assert traces.found("feedback.correct = 'true'") == ["a"] and traces.found("feedback.correct = 'false'") == ["b"]
    assert traces.found("feedback.correct != 'true'") == ["b"] and traces.found("feedback.helpful = '5.0'") == ["b"]
    assert traces.found("expectation.length = '150.0'") == ["c"] and traces.found("expectation.latency = '0.5'") == ["d"]
    assert traces.found("expectation.length = '200.0' AND expectation.latency = '0.5'") == ["d"]
    assert traces.found("expectation.length >= 150") == ["c", "d"] and traces.found("expectation.length < 151.5") == ["c"]
    assert traces.found("feedback.helpful > 4 AND feedback.correct = 'false'") == ["b"] and traces.found("feedback.correct > 0") == []
    assert traces.found("feedback.correct IS NULL") == ["c", "d"] and traces.found("expectation.length IS NOT NULL") == ["c", "d"]
    assert traces.found("feedback.none = 'x'") == [] and traces.found("feedback.length = '150.0'") == []
    for text in ("feedback.correct = 1", "feedback.helpful > '4'", "feedback.correct IN ('true')", "feedback. = 'x'"):
        with pytest.raises(MlflowException) as error:
            traces.found(text)
        assert error.value.error_code == "INVALID_PARAMETER_VALUE", text


@upstream("search_traces_with_feedback_like_filters", "search_traces_with_feedback_rlike_filters",
          "search_traces_with_expectation_like_filters")
@pytest.mark.parametrize("kind, word", [(Feedback, "feedback"), (Expectation, "expectation")])
def test_texts_of_judgements(traces, judge, kind, word):
    for trace, text in {"a": "Great response! Very helpful.", "b": "Response was okay but could be better.", "c": "Not helpful at all."}.items():
        judge(trace, kind, "comment", text)
    assert traces.found(f"{word}.comment LIKE '%helpful%'") == ["a", "c"] and traces.found(f"{word}.comment LIKE '%response%'") == ["a"]
    assert traces.found(f"{word}.comment ILIKE '%RESPONSE%'") == ["a", "b"] and traces.found(f"{word}.comment LIKE '\"Great%'") == ["a"]
    assert traces.found(f"{word}.comment RLIKE 'Great.*helpful'") == ["a"] and traces.found(f"{word}.comment RLIKE '(okay|better)'") == ["b"]
    assert traces.found(f"{word}.comment RLIKE '^\"Not'") == ["c"] and traces.found(f"{word}.comment = 'Not helpful at all.'") == ["c"]


def test_lists_and_objects_are_compared_as_json(traces, judge):
    judge("a", Feedback, "f", [0.5, "x"])
    judge("b", Feedback, "f", {"k": [True, None]})
    assert traces.found("feedback.f = '[0.5, \"x\"]'") == ["a"] and traces.found("feedback.f = '{\"k\": [true, null]}'") == ["b"]
    assert traces.found("feedback.f LIKE '%0.5, %'") == ["a"]


def test_a_judgement_of_a_session_holds_for_its_traces(traces, judge):
    for trace, session in {"a": "s1", "b": "s1", "c": "s2"}.items():
        traces.describe(trace, trace_metadata={"mlflow.trace.session": session})
    judge("a", Feedback, "polite", "yes", metadata={"mlflow.trace.session": "s1"})
    judge("c", Feedback, "polite", "yes")
    assert traces.found("feedback.polite = 'yes'") == ["a", "b", "c"] and traces.found("feedback.polite = 'no'") == []
    judge("a", Feedback, "short", 3, metadata={"mlflow.trace.session": "s1"})
    assert traces.found("feedback.short > 2") == ["a", "b"] and traces.found("feedback.short IS NOT NULL") == ["a", "b"]
    assert traces.found("feedback.short IS NULL") == ["c"]
