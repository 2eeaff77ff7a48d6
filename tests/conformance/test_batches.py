# SPDX-License-Identifier: Apache-2.0
"""log-batch: all or nothing, its limits, and what may be repeated."""

import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from helpers import HANDLERS, REST, STORE, TRACKING


@pytest.mark.answers(f"{REST}::test_log_batch", f"{STORE}::test_log_batch",
                     f"{TRACKING}::test_log_batch")
def test_a_batch_holds_metrics_parameters_and_tags(client, run):
    client.log_batch(run, metrics=[Metric("m1", 123.456, 789, 3), Metric("m2", 2.0, 789, 3)], params=[Param("p1", "v1"), Param("p2", "v2")],
                     tags=[RunTag("t1", "w1"), RunTag("t2", "w2")])
    data = client.get_run(run).data
    assert data.metrics == {"m1": 123.456, "m2": 2.0} and data.params == {"p1": "v1", "p2": "v2"}
    assert (data.tags["t1"], data.tags["t2"]) == ("w1", "w2")
    assert [(m.key, m.value, m.timestamp, m.step) for m in client.get_metric_history(run, "m1")] == [("m1", 123.456, 789, 3)]


@pytest.mark.answers(f"{REST}::test_log_batch_containing_params_and_tags_with_empty_string_values")
def test_empty_values_are_kept(client, run):
    client.log_batch(run, params=[Param("p", "")], tags=[RunTag("t", "")])
    assert client.get_run(run).data.params == {"p": ""}
    assert client.get_run(run).data.tags["t"] == ""


@pytest.mark.answers(f"{STORE}::test_log_batch_accepts_empty_payload")
def test_an_empty_batch_is_fine(server, client, run):
    before = client.get_run(run).to_dictionary()
    assert server.post("runs/log-batch", {"run_id": run}).json() == {}
    assert server.post("runs/log-batch", {"run_id": run, "metrics": [], "params": [], "tags": []}).status_code == 200
    assert client.get_run(run).to_dictionary() == before


@pytest.mark.answers(f"{REST}::test_log_batch_validation", f"{STORE}::test_log_batch_null_metrics", f"{STORE}::test_log_null_metric")
@pytest.mark.parametrize("body,message", [
    ({"metrics": "foo"}, "Invalid value \"foo\" for parameter 'metrics' supplied"),
    ({"params": "foo"}, "Invalid value \"foo\" for parameter 'params' supplied"),
    ({"tags": "foo"}, "Invalid value \"foo\" for parameter 'tags' supplied"),
    ({"metrics": [{"key": "mae", "value": 2.5}]}, "Missing value for required parameter 'metrics[0].timestamp'"),
    ({"metrics": [{"key": "a", "value": 1, "timestamp": 1}, {"value": 2.5, "timestamp": 1}]},
     "Missing value for required parameter 'metrics[1].key'"),
    ({"metrics": [{"key": "mae", "timestamp": 1}]}, "Missing value for required parameter 'metrics[0].value'"),
    ({"metrics": [{"key": "../x", "value": 1, "timestamp": 1}]}, "Invalid value \"../x\" for parameter 'metrics[0].name'"),
    ({"params": [{"value": "v"}]}, "Missing value for required parameter 'params[0].key'"),
    ({"tags": [{"value": "v"}]}, "Missing value for required parameter 'tags[0].key'"),
    ({"run_id": "../etc"}, "Invalid value \"../etc\" for parameter 'run_id'"),
    ({"run_id": None}, "Missing value for required parameter 'run_id'"),
])
def test_the_place_of_a_wrong_entry_is_named(server, run, body, message):
    answer = server.post("runs/log-batch", {"run_id": run, **body})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"
    assert message in answer.json()["message"]


@pytest.mark.answers(f"{REST}::test_log_batch_validation")
def test_a_step_may_be_left_out(server, client, run):
    assert server.post("runs/log-batch", {"run_id": run, "metrics": [{"key": "m", "value": 2.5, "timestamp": 5}]}).status_code == 200
    assert client.get_metric_history(run, "m")[0].step == 0


@pytest.mark.answers(f"{STORE}::test_log_batch_limits")
@pytest.mark.parametrize("metrics,params,tags,message", [
    (1001, 0, 0, "A batch logging request can contain at most 1000 metrics. Got 1001 metrics."),
    (0, 101, 0, "A batch logging request can contain at most 100 params. Got 101 params."),
    (0, 0, 101, "A batch logging request can contain at most 100 tags. Got 101 tags."),
    (900, 51, 50, "can contain at most 1000"),
])
def test_limits_of_a_batch(server, client, run, metrics, params, tags, message):
    server.refused("runs/log-batch", {
        "run_id": run, "metrics": [{"key": f"m{i}", "value": i, "timestamp": 1, "step": 0} for i in range(metrics)],
        "params": [{"key": f"p{i}", "value": "v"} for i in range(params)],
        "tags": [{"key": f"t{i}", "value": "v"} for i in range(tags)]}, message)
    data = client.get_run(run).data
    assert data.metrics == {} and data.params == {} and set(data.tags) == {"mlflow.runName"}


@pytest.mark.answers(f"{STORE}::test_log_batch_limits", f"{STORE}::test_log_batch_metrics")
def test_a_full_batch_is_taken(client, run):
    client.log_batch(run, metrics=[Metric(f"m{i}", float(i), 1, 0) for i in range(800)], params=[Param(f"p{i}", str(i)) for i in range(100)],
                     tags=[RunTag(f"t{i}", str(i)) for i in range(100)])
    data = client.get_run(run).data
    assert data.metrics == {f"m{i}": float(i) for i in range(800)} and len(data.params) == 100 and len(data.tags) == 101


@pytest.mark.answers(f"{STORE}::test_log_batch_param_overwrite_disallowed", f"{STORE}::test_log_batch_internal_error")
def test_a_changed_parameter_leaves_the_whole_batch_undone(server, client, run):
    client.log_param(run, "p", "old")
    client.set_tag(run, "t", "old")
    with pytest.raises(MlflowException, match="Changing param values is not allowed") as error:
        client.log_batch(run, metrics=[Metric("m", 1, 1, 0)], params=[Param("p", "new"), Param("q", "1")], tags=[RunTag("t", "new")])
    assert error.value.error_code == "INVALID_PARAMETER_VALUE"
    data = client.get_run(run).data
    assert data.params == {"p": "old"} and data.metrics == {} and data.tags["t"] == "old"


@pytest.mark.answers(f"{STORE}::test_log_batch_with_unchanged_and_new_params", f"{STORE}::test_log_batch_params_idempotency")
def test_unchanged_parameters_may_be_sent_again_with_new_ones(client, run):
    client.log_batch(run, params=[Param("a", "1"), Param("b", "2")])
    client.log_batch(run, params=[Param("a", "1"), Param("c", "3"), Param("b", "2")])
    assert client.get_run(run).data.params == {"a": "1", "b": "2", "c": "3"}


@pytest.mark.answers(f"{STORE}::test_log_batch_param_overwrite_disallowed_single_req",
                     f"{TRACKING}::test_log_batch_duplicate_entries_raises")
@pytest.mark.parametrize("second", ["v0", "v1"])
def test_one_batch_names_a_parameter_once(server, client, run, second):
    server.refused("runs/log-batch", {"run_id": run, "params": [{"key": "p", "value": "v0"}, {"key": "p", "value": second}]},
                   "Duplicate parameter keys have been submitted")
    assert client.get_run(run).data.params == {}


@pytest.mark.answers(f"{STORE}::test_log_batch_tags_idempotency", f"{STORE}::test_log_batch_allows_tag_overwrite",
                     f"{STORE}::test_log_batch_allows_tag_overwrite_single_req")
def test_the_last_of_several_tags_wins(client, run):
    client.log_batch(run, tags=[RunTag("t", "a")])
    client.log_batch(run, tags=[RunTag("t", "a")])
    client.log_batch(run, tags=[RunTag("t", "b"), RunTag("t", "c")])
    assert client.get_run(run).data.tags["t"] == "c"


@pytest.mark.answers(f"{STORE}::test_log_batch_same_metric_repeated_single_req",
                     f"{STORE}::test_log_batch_same_metric_repeated_multiple_reqs",
                     f"{STORE}::test_log_batch_same_metrics_repeated_multiple_reqs")
def test_points_sent_again_are_there_once(client, run):
    points = [Metric("k", 1.0, 1, 0), Metric("k", 2.0, 1, 0), Metric("k", 1.0, 1, 0)]
    client.log_batch(run, metrics=points)
    client.log_batch(run, metrics=points)
    client.log_metric(run, "k", 2.0, 1, 0)
    assert [(m.value, m.timestamp, m.step) for m in client.get_metric_history(run, "k")] == [(1.0, 1, 0), (2.0, 1, 0)]
    assert client.get_run(run).data.metrics == {"k": 2.0}


@pytest.mark.answers(f"{STORE}::test_log_batch_metrics")
def test_infinities_are_kept_as_the_largest_numbers_and_nan_as_nan(client, run):
    client.log_batch(run, metrics=[Metric("nan", float("nan"), 1, 0), Metric("inf", float("inf"), 1, 0), Metric("-inf", -float("inf"), 1, 0)])
    metrics = client.get_run(run).data.metrics
    assert metrics["nan"] != metrics["nan"]
    assert (metrics["inf"], metrics["-inf"]) == (1.7976931348623157e308, -1.7976931348623157e308)


@pytest.mark.answers(f"{STORE}::test_log_batch_params_max_length_value")
def test_long_values_in_a_batch_are_cut(server, client, run):
    body = {"run_id": run, "params": [{"key": "p", "value": "x" * 6001}], "tags": [{"key": "t", "value": "y" * 8001}]}
    assert server.post("runs/log-batch", body).status_code == 200
    data = client.get_run(run).data
    assert data.params["p"] == "x" * 6000 and data.tags["t"] == "y" * 8000


@pytest.mark.answers(f"{STORE}::test_log_batch_logged_model")
def test_metrics_with_a_model_id_reach_the_model_too(client, experiment, run):
    model = client.create_logged_model(experiment)
    client.log_batch(run, metrics=[Metric("with", 1.0, 1, 2, model_id=model.model_id, dataset_name="d", dataset_digest="1"),
                                   Metric("without", 2.0, 1, 2)])
    assert client.get_run(run).data.metrics == {"with": 1.0, "without": 2.0}
    found = client.get_logged_model(model.model_id).metrics
    assert [(m.key, m.value, m.timestamp, m.step, m.run_id, m.dataset_name, m.dataset_digest) for m in found] == [
        ("with", 1.0, 1, 2, run, "d", "1")]


@pytest.mark.answers(f"{HANDLERS}::test_can_parse_post_json_with_unknown_fields")
def test_unknown_fields_are_passed_over(server, run):
    assert server.post("runs/log-batch", {"run_id": run, "surprise": [1], "tags": [{"key": "t", "value": "v", "more": {}}]}).status_code == 200
