# SPDX-License-Identifier: Apache-2.0
"""Metric points: logging one, the latest value, history with paging, several runs at once, sampling for plots."""

import concurrent.futures
import math

import pytest
from mlflow.entities import Metric

from helpers import REST, STORE

BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
INTERVAL = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
LARGEST = 1.7976931348623157e308


@pytest.mark.answers(f"{REST}::test_log_metrics_params_tags", f"{STORE}::test_log_metric", f"{STORE}::test_metric_model")
def test_values_of_every_kind_come_back(client, run):
    client.log_metric(run, "metric", 123.456, timestamp=789, step=2)
    client.log_metric(run, "stepless", 987.654, timestamp=321)
    client.log_metric(run, "nan", math.nan)
    client.log_metric(run, "inf", math.inf)
    client.log_metric(run, "-inf", -math.inf)
    client.log_metric(run, "tiny", 5e-324)
    client.log_metric(run, "zero", 0)
    metrics = client.get_run(run).data.metrics
    assert math.isnan(metrics.pop("nan"))
    assert metrics == {"metric": 123.456, "stepless": 987.654, "inf": LARGEST, "-inf": -LARGEST, "tiny": 5e-324, "zero": 0.0}
    assert [(m.key, m.value, m.timestamp, m.step) for m in client.get_metric_history(run, "metric")] == [("metric", 123.456, 789, 2)]
    assert [(m.value, m.timestamp, m.step) for m in client.get_metric_history(run, "stepless")] == [(987.654, 321, 0)]


@pytest.mark.answers(f"{REST}::test_log_metrics_params_tags", f"{STORE}::test_get_metric_history_on_non_existent_metric_key")
def test_an_unknown_key_has_an_empty_history(client, run):
    client.log_metric(run, "there", 1)
    assert list(client.get_metric_history(run, "absent")) == []


@pytest.mark.answers(f"{REST}::test_log_metric_validation", f"{STORE}::test_log_null_metric")
@pytest.mark.parametrize("body,message", [
    ({"run_id": 31}, "Invalid value 31 for parameter 'run_id' supplied"),
    ({"key": 31}, "Invalid value 31 for parameter 'key' supplied"),
    ({"step": "foo"}, "Invalid value \"foo\" for parameter 'step' supplied"),
    ({"timestamp": "foo"}, "Invalid value \"foo\" for parameter 'timestamp' supplied"),
    ({"value": "foo"}, "Invalid value \"foo\" for parameter 'value' supplied"),
    ({"run_id": None}, "Missing value for required parameter 'run_id'"),
    ({"key": None}, "Missing value for required parameter 'key'"),
    ({"value": None}, "Missing value for required parameter 'value'"),
    ({"timestamp": None}, "Missing value for required parameter 'timestamp'"),
    ({"key": "k" * 251}, "exceeds the maximum length of 250"),
    ({"key": "../up"}, "Invalid value \"../up\" for parameter 'name' supplied"),
    ({"key": "what?"}, "Invalid value \"what?\" for parameter 'name' supplied"),
])
def test_a_metric_of_wrong_form_is_refused(server, run, body, message):
    server.refused("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 2, "step": 3, **body}, message)


@pytest.mark.parametrize("value,stored", [("NaN", "NaN"), ("Infinity", LARGEST), ("-Infinity", -LARGEST), (3, 3.0), ("1.5", 1.5)])
def test_numbers_may_be_sent_as_text(server, run, value, stored):
    body = {"run_id": run, "key": "m", "value": value, "timestamp": "1700000000000", "step": "7"}
    assert server.post("runs/log-metric", body).status_code == 200
    metrics = server.get("runs/get", run_id=run).json()["run"]["data"]["metrics"]
    assert metrics == [{"key": "m", "value": stored, "timestamp": 1700000000000, "step": 7}]


@pytest.mark.answers(f"{STORE}::test_log_metric_allows_multiple_values_at_same_ts_and_run_data_uses_max_ts_value")
def test_the_latest_is_the_greatest_of_step_timestamp_and_value(client, run):
    points = [(0, 100, 1000), (3, 40, 100), (3, 50, 10), (3, 50, 20), (3, 50, 20), (-3, 900, 900), (-1, 800, 800)]
    for step, timestamp, value in reversed(points):
        client.log_metric(run, "m", value, timestamp, step)
    history = client.get_metric_history(run, "m")
    assert {(m.step, m.timestamp, m.value) for m in history} == set(points)
    assert [(m.timestamp, m.step, m.value) for m in history] == sorted((m.timestamp, m.step, m.value) for m in history)
    latest = client.get_run(run).data._metric_objs
    assert [(m.key, m.step, m.timestamp, m.value) for m in latest] == [("m", 3, 50, 20)]


@pytest.mark.answers(f"{REST}::test_log_metric_model")
def test_a_metric_of_a_model_says_run_and_dataset(client, experiment, run):
    model = client.create_logged_model(experiment)
    client.log_metric(run, "metric", 0.5, timestamp=123456789, step=1, dataset_name="name", dataset_digest="digest", model_id=model.model_id)
    assert client.get_logged_model(model.model_id).metrics == [Metric("metric", 0.5, 123456789, 1, model_id=model.model_id,
                                                                      dataset_name="name", dataset_digest="digest", run_id=run)]


@pytest.mark.answers(f"{STORE}::test_log_metric_concurrent_logging_succeeds")
def test_many_threads_log_to_the_same_runs(client, experiment):
    runs = [client.create_run(experiment).info.run_id for _ in range(2)]

    def log(run):
        for value in range(40):
            client.log_metric(run, "single", value, value, 0)
        for batch in range(3):
            client.log_batch(run, metrics=[Metric(f"batch{batch}", float(i), i, 0) for i in range(100)])
        return True

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(log, runs * 2))
    for run in runs:
        assert len(client.get_metric_history(run, "single")) == 40
        assert [len(client.get_metric_history(run, f"batch{i}")) for i in range(3)] == [100, 100, 100]


@pytest.fixture
def ten(client, run):
    """A run with ten points 0.0 to 9.0 at steps 0 to 9."""
    client.log_batch(run, metrics=[Metric("m", float(i), 1000 + i, i) for i in range(10)])
    return run


@pytest.mark.answers(f"{REST}::test_get_metric_history_respects_max_results", f"{REST}::test_get_metric_history_with_page_token",
                     f"{STORE}::test_get_metric_history", f"{STORE}::test_get_metric_history_with_max_results",
                     f"{STORE}::test_get_metric_history_with_page_token")
def test_history_in_pages_has_no_gap(server, client, ten):
    assert [m.value for m in client.get_metric_history(ten, "m")] == [float(i) for i in range(10)]
    seen, sizes, token = [], [], None
    for _ in range(3):
        page = server.get("metrics/get-history", run_id=ten, metric_key="m", max_results=4, **({"page_token": token} if token else {})).json()
        seen += [(m["key"], m["value"], m["step"], m["timestamp"]) for m in page["metrics"]]
        sizes.append(len(page["metrics"]))
        token = page.get("next_page_token")
    assert sizes == [4, 4, 2] and token is None
    assert seen == [("m", float(i), i, 1000 + i) for i in range(10)]


@pytest.mark.answers(f"{REST}::test_get_metric_history_with_page_token")
def test_a_page_token_of_another_kind_is_refused(server, ten):
    server.refused("metrics/get-history", {"run_id": ten, "metric_key": "m", "max_results": 2, "page_token": "invalid_token"}, "", method="GET")


@pytest.mark.parametrize("missing", ["run_id", "metric_key"])
def test_history_names_the_missing_parameter(server, run, missing):
    query = {"run_id": run, "metric_key": "m", "max_results": 5}
    del query[missing]
    server.refused("metrics/get-history", query, f"Missing value for required parameter '{missing}'", method="GET")


@pytest.mark.answers(f"{REST}::test_get_metric_history_bulk_rejects_invalid_requests")
@pytest.mark.parametrize("query,message", [
    ({"metric_key": "key"}, "GetMetricHistoryBulk request must specify at least one run_id"),
    ({"run_id": [], "metric_key": "key"}, "GetMetricHistoryBulk request must specify at least one run_id"),
    ({"run_id": [f"id_{i}" for i in range(101)], "metric_key": "key"}, "GetMetricHistoryBulk request cannot specify more than"),
    ({"run_id": ["123"]}, "GetMetricHistoryBulk request must specify a metric_key"),
])
def test_history_of_many_runs_says_what_is_wrong(server, query, message):
    server.refused(BULK, query, message, method="GET")


@pytest.mark.answers(f"{REST}::test_get_metric_history_bulk_returns_expected_metrics_in_expected_order",
                     f"{REST}::test_get_metric_history_bulk_respects_max_results",
                     f"{REST}::test_get_metric_history_bulk_calls_optimized_impl_when_expected")
def test_history_of_many_runs_is_sorted_by_run_and_point(server, client, experiment):
    runs = sorted(client.create_run(experiment).info.run_id for _ in range(3))
    points = [(1, 2, 10.0), (1, 3, 11.0), (1, 3, 12.0), (2, 3, 12.0), (8, -2, 0.0)]
    for number, run in enumerate(runs[:2]):
        client.log_batch(run, metrics=[Metric("a", value + number, timestamp, step) for timestamp, step, value in reversed(points)])
    expected = [{"key": "a", "timestamp": t, "step": s, "value": v + number, "run_id": run} for number, run in enumerate(runs[:2])
                for t, s, v in points]
    assert server.get(BULK, run_id=runs, metric_key="a").json() == {"metrics": expected}
    assert server.get(BULK, run_id=[runs[1]], metric_key="a").json() == {"metrics": expected[5:]}
    assert server.get(BULK, run_id=[runs[0]], metric_key="a", max_results=2).json() == {"metrics": expected[:2]}
    assert server.get(BULK, run_id=[runs[2]], metric_key="a").json() == {"metrics": []}


@pytest.mark.answers(f"{REST}::test_get_metric_history_bulk_interval_rejects_invalid_requests")
@pytest.mark.parametrize("query,message", [
    ({"metric_key": "key"}, "Missing value for required parameter 'run_ids'."),
    ({"run_ids": [], "metric_key": "key"}, "Missing value for required parameter 'run_ids'."),
    ({"run_ids": [f"id_{i}" for i in range(101)], "metric_key": "key"},
     "GetMetricHistoryBulkInterval request must specify at most 100 run_ids."),
    ({"run_ids": ["123"], "metric_key": "key", "max_results": 0}, "max_results must be between 1 and 2500"),
    ({"run_ids": ["123"], "metric_key": "key", "max_results": 2501}, "max_results must be between 1 and 2500"),
    ({"run_ids": ["123"], "metric_key": ""}, "Missing value for required parameter 'metric_key'"),
    ({"run_ids": ["123"], "max_results": 5}, "Missing value for required parameter 'metric_key'"),
    ({"run_ids": ["123"], "metric_key": "key", "start_step": 1, "end_step": 0, "max_results": 5},
     "end_step must be greater than start_step. "),
    ({"run_ids": ["123"], "metric_key": "key", "start_step": 1, "max_results": 5},
     "If either start step or end step are specified, both must be specified."),
])
def test_sampling_says_what_is_wrong(server, query, message):
    server.refused(INTERVAL, query, message, method="GET")


def steps(server, runs, **query):
    metrics = server.get(INTERVAL, run_ids=runs, metric_key="m", **query).json().get("metrics", [])
    return [[m["step"] for m in metrics if m["run_id"] == run] for run in runs]


@pytest.mark.answers(f"{REST}::test_get_metric_history_bulk_interval_respects_max_results")
def test_an_interval_that_fits_is_whole(server, ten):
    assert steps(server, [ten], max_results=10) == [list(range(10))]
    assert steps(server, [ten], start_step=0, end_step=4, max_results=5) == [[0, 1, 2, 3, 4]]
    assert steps(server, [ten], start_step=3, end_step=5) == [[3, 4, 5]]
    whole = server.get(INTERVAL, run_ids=[ten], metric_key="m", start_step=2, end_step=2).json()["metrics"]
    assert whole == [{"key": "m", "value": 2.0, "timestamp": 1002, "step": 2, "run_id": ten}]


@pytest.mark.answers(f"{REST}::test_get_metric_history_bulk_interval_respects_max_results")
def test_sampling_spreads_over_the_interval_and_keeps_both_ends(server, client, ten, experiment):
    # MLflow 3.6 samples steps (0 2 4 6 8 9 here), 3.17 rows (0 2 4 6 9): what holds for both is asserted.
    [sampled] = steps(server, [ten], max_results=5)
    assert sampled[0] == 0 and sampled[-1] == 9 and sampled == sorted(set(sampled)) and 5 <= len(sampled) <= 6
    longer = client.create_run(experiment).info.run_id
    client.log_batch(longer, metrics=[Metric("m", 10.0, 1, i) for i in range(400)])
    short, long = steps(server, [ten, longer], max_results=20)
    assert short[0] == 0 and short[-1] == 9
    assert long[0] == 0 and long[-1] == 399 and 20 <= len(long) <= 23
    assert max(b - a for a, b in zip(long, long[1:])) <= 40


def test_a_nan_point_is_written_as_text(server, client, run):
    client.log_metric(run, "m", math.nan, 5, 1)
    assert server.get("metrics/get-history", run_id=run, metric_key="m", max_results=5).json()["metrics"] == [
        {"key": "m", "value": "NaN", "timestamp": 5, "step": 1}]
    assert math.isnan(client.get_metric_history(run, "m")[0].value)
