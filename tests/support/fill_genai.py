# SPDX-License-Identifier: Apache-2.0
"""Fills an MLflow 3 database through its own client with what judges applications: traces with spans and assessments, evaluation
datasets, scorers, issues, a prompt and webhooks (MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS=true).
Prints the webhooks as its client reads them.

    python fill_genai.py TRACKING_URI
"""

import json
import sys

import mlflow
from mlflow import MlflowClient
from mlflow.entities import AssessmentError, AssessmentSource, IssueReference, SpanType
from mlflow.entities.issue import IssueSeverity, IssueStatus
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from mlflow.genai.datasets import create_dataset
from mlflow.tracking import _get_store

JUDGE = '{"name": "%s", "mlflow_version": "3.17.2", "is_session_level_scorer": false, "aggregations": [], "call_source": "return %d"}'


def fill_traces(experiment_id, issue_id, run_id):
    human = AssessmentSource("HUMAN", "ada")
    ids = []
    for i in range(3):
        with mlflow.start_span(name=f"answer {i}", span_type=SpanType.CHAIN) as root:
            root.set_inputs({"question": "wie groß?", "n": i})
            with mlflow.start_span(name="model", span_type=SpanType.LLM) as model:
                model.set_attribute("temperature", 0.25)
                model.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
                model.add_event(mlflow.entities.SpanEvent("first token", attributes={"at": 1.5}))
                if i == 2:
                    model.record_exception(ValueError("no answer"))
            root.set_outputs(["so", {"big": 9007199254740993}])
        ids.append(root.trace_id)
        mlflow.flush_trace_async_logging()
    client = MlflowClient()
    client.set_trace_tag(ids[0], "kind", "gold")
    first = mlflow.log_feedback(trace_id=ids[0], name="good", value=0.75, source=human, rationale="nearly", metadata={"page": "3"})
    mlflow.override_feedback(trace_id=ids[0], assessment_id=first.assessment_id, value=True, source=human, rationale="on second thought")
    mlflow.log_feedback(trace_id=ids[1], name="broken", error=AssessmentError("E7", "did not answer", "a stack"))
    mlflow.log_expectation(trace_id=ids[1], name="wanted", value={"answer": [1, 2.5, None]}, source=human)
    mlflow.log_expectation(trace_id=ids[1], name="short", value="7", source=human)
    _get_store().create_assessment(IssueReference(issue_id, "slow", trace_id=ids[2], source=human, run_id=run_id))
    _get_store().link_traces_to_run(ids[:2], run_id)


def fill_datasets(first, second):
    data = create_dataset("questions", experiment_id=[first, second], tags={"team": "growth", "mlflow.user": "ada"})
    data.merge_records([
        {"inputs": {"q": "a", "n": 1.0}, "expectations": {"answer": "x"}, "tags": {"level": "1"}},
        {"inputs": {"q": "b", "deep": {"z": [1, 2], "a": None}}, "outputs": ["kept", 2.0],
         "source": {"source_type": "HUMAN", "source_data": {"user": "ada"}}},
        {"inputs": {"q": "ü"}, "outputs": None},
    ])
    data.merge_records([{"inputs": {"q": "a", "n": 1.0}, "expectations": {"more": 2}, "tags": {"mlflow.user": "bob"}}])
    create_dataset("nobody's", experiment_id=[])


def fill_scorers(first, second):
    store = _get_store()
    for i in range(3):
        store.register_scorer(first, "polite", JUDGE % ("polite", i))
    store.delete_scorer(first, "polite", 2)
    store.register_scorer(second, "polite", JUDGE % ("polite", 9))
    store.register_scorer(first, "short", JUDGE % ("short", 1))


def fill_webhooks(client):
    on_create = WebhookEvent(WebhookEntity.MODEL_VERSION, WebhookAction.CREATED)
    on_alias = WebhookEvent(WebhookEntity.MODEL_VERSION_ALIAS, WebhookAction.CREATED)
    client.create_webhook("deploy", "https://127.0.0.1:1/deploy", [on_create, on_alias], description="ships it", secret="s3cret")
    client.create_webhook("plain", "https://127.0.0.1:1/plain", [on_create])
    # Their secrets can be read by this process only, which has the key.
    print(json.dumps({w.webhook_id: [w.name, w.url, sorted(map(str, w.events)), w.description] for w in client.list_webhooks()}))


def fill(uri):
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri, uri)
    first = client.create_experiment("assistant")
    second = client.create_experiment("assistant, next")
    gone = client.create_experiment("assistant, old")
    mlflow.set_experiment("assistant")
    run_id = client.create_run(first, run_name="judged").info.run_id
    store = _get_store()
    issue = store.create_issue(
        first, "slow", "takes a minute", severity=IssueSeverity.HIGH, root_causes=["network", "large prompt"], categories=["latency"],
        source_run_id=run_id, created_by="ada")
    store.create_issue(first, "rude", "says no")
    store.update_issue(issue.issue_id, status=IssueStatus.RESOLVED)
    fill_traces(first, issue.issue_id, run_id)
    fill_datasets(first, second)
    fill_scorers(first, second)
    store.register_scorer(gone, "gone", JUDGE % ("gone", 1))
    client.delete_experiment(gone)
    client.register_prompt("greeting", "Hello {{name}}", commit_message="first", tags={"tone": "warm"})
    client.register_prompt("greeting", [{"role": "user", "content": "Hi {{name}}"}], response_format={"type": "object"})
    client.set_prompt_alias("greeting", "production", 2)
    fill_webhooks(client)


if __name__ == "__main__":
    fill(sys.argv[1])
