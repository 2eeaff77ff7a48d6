# SPDX-License-Identifier: Apache-2.0
"""Issues as the 3.x client's store makes, finds and changes them."""

import pytest
from mlflow.entities.issue import IssueSeverity, IssueStatus
from mlflow.exceptions import MlflowException

ROOT = "/api/3.0/mlflow/issues"


@pytest.fixture
def store(client):
    return client._tracking_client.store


def test_an_issue_is_made_read_and_changed(store, experiment, run):
    made = store.create_issue(experiment, "slow", "It is slow.", severity=IssueSeverity.LOW, root_causes=["disk", "net"], source_run_id=run,
                              categories=["latency"], created_by="eva")
    assert made.issue_id.startswith("iss-")
    read = store.get_issue(made.issue_id)
    assert read == made
    assert (read.status, read.severity, read.root_causes, read.source_run_id) == (IssueStatus.PENDING, IssueSeverity.LOW, ["disk", "net"], run)
    changed = store.update_issue(made.issue_id, status=IssueStatus.RESOLVED, name="slower", severity=IssueSeverity.HIGH)
    assert (changed.name, changed.description, changed.status) == ("slower", "It is slow.", IssueStatus.RESOLVED)
    assert store.get_issue(made.issue_id).severity == IssueSeverity.HIGH
    with pytest.raises(MlflowException, match="Issue with ID 'iss-none' not found"):
        store.get_issue("iss-none")


def test_the_severest_are_found_first_in_pages(store, experiment, run):
    for name, severity in (("a", "low"), ("b", None), ("c", "high"), ("d", "not_an_issue"), ("e", "low")):
        store.create_issue(experiment, name, "d", severity=IssueSeverity(severity) if severity else None, source_run_id=run if name == "a" else None)
    first = store.search_issues(experiment_id=experiment, max_results=3)
    assert [issue.name for issue in first] == ["c", "e", "a"]
    assert [issue.name for issue in store.search_issues(experiment_id=experiment, max_results=3, page_token=first.token)] == ["d", "b"]
    assert [issue.name for issue in store.search_issues(experiment_id=experiment, filter_string=f"source_run_id = '{run}'")] == ["a"]
    assert len(store.search_issues(experiment_id=experiment, filter_string="status != 'pending'")) == 0
    assert [issue.trace_count for issue in store.search_issues(experiment_id=experiment, include_trace_count=True)] == [0] * 5


@pytest.mark.parametrize("path, body, message", [
    (ROOT, {"name": "n", "description": "d"}, "Missing value for required parameter 'experiment_id'"),
    (ROOT, {"experiment_id": "0", "name": "n"}, "Missing value for required parameter 'description'"),
    (ROOT, {"experiment_id": "0", "name": "n", "description": "d", "status": "open"}, "'open' is not a valid IssueStatus"),
    (ROOT, {"experiment_id": "0", "name": "n", "description": "d", "severity": "huge"}, "'huge' is not a valid IssueSeverity"),
    (f"{ROOT}/search", {"filter_string": "name = 'x'"}, "Invalid filter field 'name'"),
    (f"{ROOT}/search", {"filter_string": "status LIKE 'x'"}, "Invalid comparator 'LIKE'"),
    (f"{ROOT}/search", {"max_results": -1}, "Invalid value -1 for parameter 'max_results'"),
])
def test_wrong_issues_and_searches_are_refused(server, path, body, message):
    server.refused(path, body, message)
