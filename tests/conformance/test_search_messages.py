# SPDX-License-Identifier: Apache-2.0
"""What a search that means nothing is told: MLflow's own words, which people look up."""

import base64

import pytest

from helpers import SEARCH_UTILS

CLAUSE = "Invalid clause(s) in filter string"
NUMBER, TEXT = "Expected numeric value type for metric", "Expected a quoted string value for "
QUOTES = "value is either not quoted or unidentified quote types"

WRONG = [
    # what is no entity, no attribute, more than one expression
    ("metric.a >= 0.94; metrics.b < 1", "Search filter contained multiple expression"), ("m.a >= 0.94", "Invalid entity type"),
    ("p.model >= 'LR'", "Invalid entity type"), ("attri.x != 1", "Invalid entity type"), ("a.x != 1", "Invalid entity type"),
    ("acc >= 0.94", "Invalid attribute key"), ("model >= 'LR'", "Invalid attribute key"), ("acc != 1.0", "Invalid attribute key"),
    ("attribute.start != 1", "Invalid attribute key"), ("attribute.experiment_id != 1", "Invalid attribute key"),
    ("attribute.lifecycle_stage = 'ACTIVE'", "Invalid attribute key"), ("attribute.name != 1", "Invalid attribute key"),
    ("attribute.time != 1", "Invalid attribute key"), ("attribute._status != 'RUNNING'", "Invalid attribute key"),
    ("dataset.status = 'true'", "Invalid dataset key"), ("dataset.profile = 'rows: 10'", "Invalid dataset key"),
    # what is no clause
    ("metrics.A > 0.1 OR params.B = 'LR'", CLAUSE), ("metrics.A > 0.1 NAND params.B = 'LR'", CLAUSE), ("metrics.A > 0.1 AND (params.B = 'LR')", CLAUSE),
    ("`metrics.A > 0.1", CLAUSE), ("param`.A > 0.1", CLAUSE), ("`dummy.A > 0.1", CLAUSE), ("dummy`.A > 0.1", CLAUSE), ("attribute.status = true", CLAUSE),
    ("params.a LR !=", CLAUSE), ("params.a LR", CLAUSE), ("metric.a !=", CLAUSE), ("tags.a = = 'LR'", CLAUSE),
    ("attribute.status IS 'RUNNING'", CLAUSE), ("1=1", "Expected 'Identifier' found"), ("1==2", "Expected 'Identifier' found"),
    ("1.0 > metrics.a", "Expected 'Identifier' found"),
    # values of another kind, and their quotes
    ("metric.model = 'LR'", NUMBER), ("metric.model = '5'", NUMBER), ("metrics.a != metrics.a", NUMBER), ("params.a = 5", TEXT + "param"),
    ("tags.a = 5", TEXT + "tag"), ("attribute.status = 1", TEXT + "attributes"), ("params.a = LR", QUOTES), ("tags.a = LR", QUOTES),
    ("params.a = `LR`", QUOTES), ("params.'a = LR", CLAUSE), ("params.a = 'LR", CLAUSE), ("params.a = LR'", CLAUSE), ("params.a = \"LR'", CLAUSE),
    ("tags.a = \"LR'", CLAUSE),
]
# Comparators that the kind of a field does not have.
WRONG += [(f"{field} {comparator} {value}", "Invalid comparator") for field, value, comparators in (
    ("metrics.a", "1.0", ["~", "~="]), ("params.a", "'v'", [">", "<", ">=", "<=", "~"]), ("tags.a", "'v'", [">", "<", ">=", "<=", "~"]),
    ("attributes.status", "'v'", [">", "<", ">=", "<=", "~"]), ("attributes.start_time", "1234", ["LIKE", "ILIKE"]),
    ("datasets.name", "'v'", [">", "<", ">=", "<=", "~"])) for comparator in comparators]


@pytest.mark.answers(f"{SEARCH_UTILS}::test_error_filter", f"{SEARCH_UTILS}::test_error_comparison_clauses", f"{SEARCH_UTILS}::test_bad_quotes",
                     f"{SEARCH_UTILS}::test_invalid_clauses", f"{SEARCH_UTILS}::test_bad_comparators")
@pytest.mark.parametrize("text,message", WRONG)
def test_a_filter_of_runs_that_means_nothing_says_why(server, experiment, text, message):
    server.refused("runs/search", {"experiment_ids": [experiment], "filter": text}, message)


@pytest.mark.answers(f"{SEARCH_UTILS}::test_invalid_order_by_search_runs")
@pytest.mark.parametrize("order,message", [
    ("m.acc", "Invalid entity type"), ("acc", "Invalid attribute key"), ("attri.x", "Invalid entity type"), ("`metrics.A", "Invalid order_by clause"),
    ("`metrics.A`", "Invalid entity type"), ("attribute.start", "Invalid attribute key"), ("attribute.experiment_id", "Invalid attribute key"),
    ("metrics.A != 1", "Invalid order_by clause"), ("params.my_param ", "Invalid order_by clause"), ("attribute.run_id ACS", "Invalid ordering key"),
    ("attribute.run_id decs", "Invalid ordering key")])
def test_an_order_of_runs_that_means_nothing_says_why(server, experiment, order, message):
    server.refused("runs/search", {"experiment_ids": [experiment], "order_by": [order]}, message)


@pytest.mark.answers(f"{SEARCH_UTILS}::test_space_order_by_search_runs")
def test_an_order_may_name_keys_with_spaces(client, experiment):
    for value in (1, 2):
        client.log_metric(client.create_run(experiment).info.run_id, "Mean Square Error", value)
    for direction, wanted in (("", [1, 2]), (" ASC", [1, 2]), (" DESC", [2, 1])):
        found = client.search_runs([experiment], order_by=[f"metrics.`Mean Square Error`{direction}"])
        assert [run.data.metrics["Mean Square Error"] for run in found] == wanted


@pytest.mark.answers(f"{SEARCH_UTILS}::test_invalid_order_by_search_registered_models")
@pytest.mark.parametrize("order,message", [
    ("creation_timestamp DESC", "Invalid order by key"), ("last_updated_timestamp DESC blah", "Invalid order_by clause"), ("", "Invalid order_by clause"),
    ("timestamp something ASC", "Invalid order_by clause"), ("timestamp something", "Invalid order_by clause"), ("timestamp decs", "Invalid order_by clause"),
    ("timestamp ACS", "Invalid order_by clause"), ("name aCs", "Invalid ordering key")])
def test_an_order_of_models_that_means_nothing_says_why(server, order, message):
    server.refused("registered-models/search", {"order_by": [order], "max_results": 5}, message, method="GET")


@pytest.mark.answers(f"{SEARCH_UTILS}::test_invalid_page_tokens")
@pytest.mark.parametrize("token", [b"{}", b'{"offset": "a"}', b'{"offsoot": 7}', b"not json", None])
def test_a_token_that_no_search_gave_is_refused(server, experiment, token):
    text = "not base64" if token is None else base64.b64encode(token).decode()
    server.refused("runs/search", {"experiment_ids": [experiment], "page_token": text}, "Invalid page token")
