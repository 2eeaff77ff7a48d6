# SPDX-License-Identifier: Apache-2.0
"""Where we differ, each with its reason: cases that fail, and upstream tests that no case answers."""

# Node id below tests/conformance (wildcards allowed) -> why the case fails. A case that stands here and passes fails the run.
DIFFERENCES = {
}

# Name of an upstream test (wildcards allowed) -> why no case answers it.
INTERNALS = "is about MLflow's own Python, its SQL or its migrations; no client sees that"
LOCATIONS = "calls the Python store with locations of its own; what a client sees of them is in test_experiments and test_artifacts"
WORKSPACES = "is about MLflow's multi-tenant workspaces, which the server says it does not have"
GENAI = "calls the Python store with assessments; what a client sees of them is in test_traces and test_trace_metrics"
SPANS = "searches inside spans of language model traces; traces are stored and searched by name, tag, metadata, state and time"
UNANSWERED = {
    "*workspace*": WORKSPACES,
    "*assessment*": GENAI,
    "*filter_correlation*": "repeats the correlation of filters with other numbers",
    "*feedback*": GENAI,
    "*expectation*": GENAI,
    "*search_traces*": SPANS,
    "*log_spans*": SPANS,
    "*batch_get_traces*": SPANS,
    "*get_trace*": SPANS,
    "*logs_spans_via_otel_endpoint": SPANS,
    "*link_traces_to_run_*": "repeats the linking of traces to runs with other numbers",
    "*delete_traces_raises_error": INTERNALS,
    "*truncate_too_long_tag": "cuts a tag of a trace at a length that has changed since",
    "*test_mlflow_artifacts_example": "starts containers of MLflow's own example",
    "*_webhook_*secre*": "is about the receiver of MLflow's own example refusing a signature",
    "*prompt_webhook_test_endpoint": "repeats the test delivery for a prompt",
    "*notebook_trace_renderer*": "is about a page of MLflow's own user interface",
    "*_appends_to_artifact_*": LOCATIONS,
    "*db_type*": INTERNALS,
    "*multiple_drivers": INTERNALS,
    "*zero_value_insertion*": INTERNALS,
    "*upgrade*": INTERNALS,
    "*inmemory_sqlite*": INTERNALS,
    "*run_needs_uuid": INTERNALS,
    "*hard_delete_run": "is about deleting for good, which `millrace gc` does",
    "*log_null_param": "sends what no client can send",
}
