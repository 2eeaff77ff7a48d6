# SPDX-License-Identifier: Apache-2.0
"""Searching runs: the filter grammar, orders, pages. One set of runs serves all filters."""

import math

import mlflow
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunStatus, RunTag, ViewType
from mlflow.exceptions import MlflowException

from helpers import REST, SEARCH_UTILS, STORE, client_of, unique


class Runs:
    """Three runs, a b c, that differ in everything a filter can ask for; newest first is c b a."""

    def __init__(self, url):
        self.client = client_of(url)
        self.experiment = self.client.create_experiment(unique("search"))
        self.ids = {}
        for number, name in enumerate("abc"):
            run = self.client.create_run(self.experiment, start_time=1000 + number, run_name=f"run_{name}", tags={"mlflow.user": f"user_{name}"})
            self.ids[name] = run.info.run_id
        self.client.log_batch(self.ids["a"], metrics=[Metric("common", 1.0, 1, 0), Metric("m", 2.0, 2, 0), Metric("only a", -0.5, 1, 0)],
                              params=[Param("same", "p_val"), Param("p", "some value"), Param("mlp.layers", "3")],
                              tags=[RunTag("same", "t_val"), RunTag("t", "some value")])
        self.client.log_batch(self.ids["b"], metrics=[Metric("common", 1.0, 1, 0), Metric("m", 8.0, 3, 0), Metric("m", 4.0, 8, 0)],
                              params=[Param("same", "p_val"), Param("p", "another value")],
                              tags=[RunTag("same", "t_val"), RunTag("t", "another value")])
        self.client.log_batch(self.ids["c"], metrics=[Metric("m", math.nan, 3, 0), Metric("inf", math.inf, 1, 0)],
                              params=[Param("p", "ABC")], tags=[RunTag("t", "it's")])
        self.client._tracking_client.store.update_run_info(self.ids["b"], RunStatus.FAILED, 5000, None)
        train, test = [InputTag("mlflow.data.context", "train")], [InputTag("mlflow.data.context", "test")]
        one = Dataset("name1", "digest1", "st", "source1", "schema", "profile")
        two = Dataset("name2", "digest2", "st", "source2", "schema", "profile")
        self.client.log_inputs(self.ids["a"], [DatasetInput(one, train), DatasetInput(two, [])])
        self.client.log_inputs(self.ids["b"], [DatasetInput(one, train)])
        self.client.log_inputs(self.ids["c"], [DatasetInput(two, test)])
        self.names = {run: name for name, run in self.ids.items()}

    def found(self, text, **options):
        """Names of the runs in the order of the answer; `{a}` in the filter is the id of run a."""
        result = self.client.search_runs([self.experiment], filter_string=text.format(**self.ids, e=self.experiment), **options)
        return "".join(self.names[run.info.run_id] for run in result)


@pytest.fixture(scope="module")
def runs(server):
    return Runs(server.url)


FILTERS = [
    # metrics: the latest value counts
    ("", "cba"), ("metrics.common = 1.0", "ba"), ("metrics.common > 0", "ba"), ("metrics.common >= 1", "ba"), ("metrics.common < 4", "ba"),
    ("metrics.common <= 0.75", ""), ("metrics.common != 1.0", ""), ("metric.m > 5", ""), ("metrics.m = 4", "b"), ("metrics.m < 3", "a"),
    ("metrics.m >= 2.0", "ba"), ("metrics.m != 2", "cb"), ("metrics.`only a` = -0.5", "a"), ('metrics."only a" < 0', "a"),
    ("metrics.`only a` > -1e3", "a"), ("metrics.absent > 0", ""), ("metrics.absent != 0", ""), ("metrics.inf > 1e308", "c"),
    # parameters
    ("params.same = 'p_val'", "ba"), ("params.same != 'p_val'", ""), ("params.same != 'wrong'", "ba"), ("params.p = 'some value'", "a"),
    ("parameters.p = 'another value'", "b"), ("param.p != 'ABC'", "ba"), ("params.p LIKE '%other%'", "b"), ("params.p LIKE 'other%'", ""),
    ("params.p LIKE '%Other%'", ""), ("params.p ILIKE '%OTHER%'", "b"), ("params.p LIKE '%_value'", "ba"), ("params.p LIKE 'A_C'", "c"),
    ("params.`mlp.layers` = '3'", "a"), ('params."mlp.layers" = "3"', "a"), ("params.mlp.layers = '3'", "a"), ("params.absent != 'x'", ""),
    ("params.same IS NULL", "c"), ("params.same IS NOT NULL", "ba"),
    # tags
    ("tags.same = 't_val'", "ba"), ("tags.same = 'T_VAL'", ""), ("tag.same != 'T_VAL'", "ba"), ("tags.t = 'some value'", "a"),
    ("tags.t LIKE '%other%'", "b"), ("tags.t ILIKE '%OTHER%'", "b"), ('tags.t = "it\'s"', "c"), ("tags.`mlflow.runName` = 'run_b'", "b"),
    ("tags.same IS NULL", "c"), ("tags.same is not null", "ba"),
    # attributes
    ("attributes.run_name = 'run_a'", "a"), ("run_name = 'run_a'", "a"), ("run.run_name != 'run_a'", "cb"), ("attr.`Run name` = 'run_b'", "b"),
    ("attributes.`run name` = 'run_b'", "b"), ("attributes.`Run Name` = 'run_b'", "b"), ("run_name LIKE 'run%'", "cba"),
    ("run_name ILIKE 'RUN_C'", "c"), ("status = 'FAILED'", "b"), ("attribute.status != 'RUNNING'", "b"), ("attributes.status = 'RUNNING'", "ca"),
    ("status != 'blah'", "cba"), ("status = 'KILLED'", ""), ("user_id = 'user_c'", "c"), ("user_id LIKE 'user%'", "cba"),
    ("run_id = '{a}'", "a"), ("attributes.run_id != '{a}'", "cb"), ("run_id IN ('{a}')", "a"), ("run_id IN ('{a}','{b}')", "ba"),
    ("attributes.run_id IN ('{a}',  '{c}')", "ca"), ("run_id NOT IN ('{a}', '{b}')", "c"), ("run_name = 'run_a' AND run_id IN ('{a}', '{b}')", "a"),
    ("artifact_uri LIKE '%{a}%'", "a"), ("artifact_uri = 'mlflow-artifacts:/{e}/{b}/artifacts'", "b"), ("artifact_uri != 'x'", "cba"),
    ("start_time > 1000", "cb"), ("attributes.start_time <= 1001", "ba"), ("created = 1002", "c"), ("attributes.Created != 1002", "ba"),
    ("end_time = 5000", "b"), ("end_time < 6000", "b"), ("end_time != 1", "b"),
    # datasets
    ("dataset.name = 'name1'", "ba"), ("dataset.name = 'name3'", ""), ("datasets.digest = 'digest2'", "ca"), ("dataset.context = 'train'", "ba"),
    ("dataset.context = 'test' AND dataset.name = 'name2'", "c"), ("dataset.name = 'name2' AND dataset.context = 'test'", "c"),
    ("datasets.name IN ('name1', 'name2')", "cba"), ("datasets.digest NOT IN ('digest1', 'digest3')", "ca"), ("datasets.name LIKE 'Name%'", ""),
    ("datasets.name ILIKE 'Name%'", "cba"), ("datasets.context ILIKE 'TES%'", "c"),
    # together, keywords in any case, spaces anywhere
    ("params.same = 'p_val' and metrics.common = 1.0 and metrics.m > 3", "b"), ("params.same='p_val'AND metrics.common=1", "ba"),
    ("  metrics.m   >  3   AND   tags.t   LIKE   'an%'  ", "b"), ("params.p LIKE 'a%' aNd run_name = 'run_b'", "b"),
    ("params.p != 'x' AND params.same != 'x' AND tags.t = 'some value' AND metrics.m < 100 AND status = 'RUNNING'", "a"),
    ("metrics.common = 1 AND metrics.common = 2", ""),
]


@pytest.mark.answers(f"{STORE}::test_search_metrics", f"{STORE}::test_search_params", f"{STORE}::test_search_tags",
                     f"{STORE}::test_search_attrs", f"{STORE}::test_search_full", f"{STORE}::test_search_runs_run_name",
                     f"{STORE}::test_search_runs_run_id", f"{STORE}::test_search_runs_start_time_alias",
                     f"{STORE}::test_search_runs_datasets", f"{STORE}::test_search_runs_correctly_filters_large_data",
                     f"{STORE}::test_get_attribute_name",
                     f"{SEARCH_UTILS}::test_filter", f"{SEARCH_UTILS}::test_correct_quote_trimming", f"{SEARCH_UTILS}::test_correct_filtering", f"{SEARCH_UTILS}::test_filter_runs_by_start_time", f"{SEARCH_UTILS}::test_filter_runs_by_user_id", f"{SEARCH_UTILS}::test_filter_runs_by_end_time")
@pytest.mark.parametrize("text,expected", FILTERS)
def test_runs_found_by_filter(runs, text, expected):
    assert runs.found(text) == expected


BAD = ["metrics.m", "= 1", "metrics.m =", "metrics.m == 1", "metrics.m <> 1", "metrics.m > 'a'", "metrics.m = abc", "metrics.m LIKE '1%'", "metrics.m IN (1)",
       "params.p > 'a'", "params.p = 5", "params.p = some", "tags.t >= 'x'", "attribute.experiment_id = '1'", "lifecycle_stage = 'active'",
       "name = 'x'", "status > 'A'", "status IN ('RUNNING')", "start_time LIKE '1%'", "start_time = 'x'", "run_id IN ()", "run_id IN (1, 2)",
       "metrics.m > 1 OR metrics.m < 0", "NOT metrics.m > 1", "(metrics.m > 1)", "metrics.m BETWEEN 1 AND 2", "metrics.m > 1, metrics.m < 2",
       "metrics.m > 1; DROP TABLE runs", "dataset.source = 'x'", "dataset.name > 'x'", "nonsense.m = 'x'", "'m' = 'm'",
       "params.'unclosed = 'x'", "metrics.m > 1 AND OR tags.t = 'x'"]


@pytest.mark.answers(f"{STORE}::test_search_attrs", f"{REST}::test_search_validation")
@pytest.mark.parametrize("text", BAD)
def test_a_filter_that_means_nothing_is_refused(server, runs, text):
    answer = server.post("runs/search", {"experiment_ids": [runs.experiment], "filter": text})
    assert answer.status_code == 400, f"{answer.status_code} {answer.text}"
    assert answer.json()["error_code"] == "INVALID_PARAMETER_VALUE" and answer.json()["message"]


@pytest.mark.answers(f"{STORE}::test_search_vanilla")
def test_deleted_runs_are_seen_by_view_type(client, experiment):
    first, second = (client.create_run(experiment).info.run_id for _ in range(2))

    def found(view_type):
        return {run.info.run_id for run in client.search_runs([experiment], run_view_type=view_type)}

    assert (found(ViewType.ALL), found(ViewType.DELETED_ONLY)) == ({first, second}, set())
    client.delete_run(first)
    assert (found(ViewType.ALL), found(ViewType.ACTIVE_ONLY), found(ViewType.DELETED_ONLY)) == ({first, second}, {second}, {first})
    client.restore_run(first)
    assert (found(ViewType.ACTIVE_ONLY), found(ViewType.DELETED_ONLY)) == ({first, second}, set())


def test_several_experiments_are_searched_at_once(client):
    experiments = [client.create_experiment(unique("many")) for _ in range(3)]
    ids = [client.create_run(e, start_time=5 - i).info.run_id for i, e in enumerate(experiments)]
    assert [r.info.run_id for r in client.search_runs(experiments)] == ids
    assert [r.info.run_id for r in client.search_runs(experiments[1:])] == ids[1:]
    assert list(client.search_runs(["987654321"])) == []


def test_no_experiment_means_no_runs(server):
    answer = server.post("runs/search", {"experiment_ids": []})
    assert answer.status_code == 200 and answer.json() == {}


@pytest.mark.answers(f"{REST}::test_search_pagination", f"{STORE}::test_search_runs_pagination",
                     f"{STORE}::test_search_with_deterministic_max_results", f"{STORE}::test_search_with_max_results",
                     f"{SEARCH_UTILS}::test_pagination")
def test_pages_of_runs_of_the_same_time_are_sorted_by_id(client, experiment):
    ids = sorted(client.create_run(experiment, start_time=1).info.run_id for _ in range(10))
    for size in (1, 2, 4, 10, 20):
        assert [r.info.run_id for r in client.search_runs([experiment], max_results=size)] == ids[:size]
    seen, token = [], None
    for _ in range(3):
        page = client.search_runs([experiment], max_results=4, page_token=token)
        seen += [run.info.run_id for run in page]
        token = page.token
    assert seen == ids and token is None


@pytest.mark.answers(f"{REST}::test_search_validation", f"{STORE}::test_search_with_max_results")
@pytest.mark.parametrize("value", [123456789, 50001])
def test_a_page_of_runs_has_a_largest_size(client, experiment, value):
    with pytest.raises(MlflowException, match=rf"Invalid value {value} for parameter 'max_results' supplied"):
        client.search_runs([experiment], max_results=value)


@pytest.mark.parametrize("body", [{"page_token": "no token"}, {"page_token": "bm8="}, {"order_by": ["metrics.m SIDEWAYS"]}, {"order_by": ["nonsense"]},
                                  {"order_by": ["dataset.name"]}, {"order_by": [""]}, {"max_results": "many"}])
def test_wrong_order_or_token_is_refused(server, experiment, body):
    answer = server.post("runs/search", {"experiment_ids": [experiment], **body})
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE", f"{answer.status_code} {answer.text}"


@pytest.fixture(scope="module")
def ordered(server):
    """Runs named by (x, y); x may be missing or not finite. Parameter and tag `k` hold y as text."""
    client = client_of(server.url)
    experiment = client.create_experiment(unique("order"))
    for x, y in zip([None, "nan", "inf", "-inf", "-1000", "0", "0", "1000"], "12345678"):
        run = client.create_run(experiment, start_time=123, run_name=f"{x}/{y}").info.run_id
        metrics = [] if x is None else [Metric("x", float(x), 1, 0), Metric("y", float(y), 1, 0)]
        client.log_batch(run, metrics=metrics, params=[Param("k", y)], tags=[RunTag("k", y)])
    return lambda order: [run.info.run_name for run in client.search_runs([experiment], order_by=order)]


RISING = ["-inf/4", "-1000/5", "0/6", "0/7", "1000/8", "inf/3", "nan/2", "None/1"]
FALLING = ["inf/3", "1000/8", "0/6", "0/7", "-1000/5", "-inf/4", "nan/2", "None/1"]


def swapped(names):
    return [{"0/6": "0/7", "0/7": "0/6"}.get(name, name) for name in names]


@pytest.mark.answers(f"{STORE}::test_order_by_metric_tag_param", f"{STORE}::test_get_orderby_clauses",
                     f"{SEARCH_UTILS}::test_correct_sorting", f"{SEARCH_UTILS}::test_order_by_metric_with_nans_infs_nones")
@pytest.mark.parametrize("order,expected", [
    (["metrics.x asc", "metrics.y asc"], RISING), (["metrics.x ASC", "metrics.y DESC"], swapped(RISING)),
    (["metrics.x asc", "tag.k asc"], RISING), (["metrics.x", "tags.k desc"], swapped(RISING)),
    (["metrics.x desc", "metrics.y asc"], FALLING), (["metrics.x DESC", "param.k DESC"], swapped(FALLING)),
    (["metrics.`x` desc", "params.`k` asc"], FALLING),
    (["params.k desc"], ["1000/8", "0/7", "0/6", "-1000/5", "-inf/4", "inf/3", "nan/2", "None/1"]),
    (["tags.k"], ["None/1", "nan/2", "inf/3", "-inf/4", "-1000/5", "0/6", "0/7", "1000/8"]),
])
def test_orders_put_nan_behind_numbers_and_the_missing_last(ordered, order, expected):
    assert ordered(order) == expected


@pytest.mark.answers(f"{STORE}::test_order_by_attributes")
def test_orders_by_attributes(client, experiment):
    for number, end in enumerate([234, None, 456, -123, 789, 123]):
        run = client.create_run(experiment, start_time=1 + number, run_name=str(end)).info.run_id
        client._tracking_client.store.update_run_info(run, RunStatus.FINISHED, end, None)

    def found(*order):
        return [run.info.run_name for run in client.search_runs([experiment], order_by=list(order))]

    assert found("attribute.end_time asc") == ["-123", "123", "234", "456", "789", "None"]
    assert found("end_time desc") == ["789", "456", "234", "123", "-123", "None"]
    assert found("attribute.start_time asc", "attribute.end_time desc") == ["234", "None", "456", "-123", "789", "123"]
    assert found("created ASC") == ["234", "None", "456", "-123", "789", "123"]
    assert found("attributes.Created DESC") == ["123", "789", "-123", "456", "None", "234"]
    assert found("run_name ASC") == ["-123", "123", "234", "456", "789", "None"]
    assert found() == found("start_time DESC")


@pytest.mark.answers(f"{STORE}::test_search_runs_keep_all_runs_when_sorting")
def test_an_order_by_a_missing_key_keeps_all_runs(client, experiment):
    with_key, without = (client.create_run(experiment).info.run_id for _ in range(2))
    client.log_metric(with_key, "x", 1)
    client.log_param(with_key, "p", "v")
    for order in ("metrics.x ASC", "metrics.x DESC", "params.p ASC", "params.p DESC", "tags.`no such` ASC"):
        assert {r.info.run_id for r in client.search_runs([experiment], order_by=[order])} == {with_key, without}
        if "no such" not in order:
            assert client.search_runs([experiment], order_by=[order])[0].info.run_id == with_key


@pytest.mark.answers(f"{STORE}::test_search_runs_returns_expected_results_with_large_experiment")
def test_found_runs_hold_all_their_data(client, experiment):
    ids = []
    for number in range(12):
        ids.append(client.create_run(experiment, start_time=1 + number).info.run_id)
        client.log_batch(ids[-1], metrics=[Metric(f"m{i}", i + number, 1, 0) for i in range(20)],
                         params=[Param(f"p{i}", str(i)) for i in range(20)], tags=[RunTag(f"t{i}", str(i)) for i in range(20)])
    found = client.search_runs([experiment])
    assert [run.info.run_id for run in found] == ids[::-1]
    for run in found:
        assert run.to_dictionary() == client.get_run(run.info.run_id).to_dictionary()
    assert len(found[0].data.metrics) == len(found[0].data.params) == 20


def test_search_sees_what_was_just_written(client, experiment):
    """A filter asked right after each acknowledged write finds it: no write is ever missing from the index."""
    run = client.create_run(experiment).info.run_id
    for number in range(5):
        client.log_metric(run, "m", number, number, number)
        assert [r.info.run_id for r in client.search_runs([experiment], filter_string=f"metrics.m = {number}")] == [run]
        client.set_tag(run, "t", str(number))
        assert len(client.search_runs([experiment], filter_string=f"tags.t = '{number}'")) == 1
    client.delete_tag(run, "t")
    assert client.search_runs([experiment], filter_string="tags.t LIKE '%'") == []
    client.delete_run(run)
    assert client.search_runs([experiment], filter_string="metrics.m = 4") == []


def test_the_table_of_runs_as_pandas(server, experiment):
    for value in (1, 2):
        with mlflow.start_run(experiment_id=experiment):
            mlflow.log_metric("x", value)
            mlflow.log_param("p", value)
    table = mlflow.search_runs([experiment], order_by=["metrics.x ASC"])
    assert list(table["metrics.x"]) == [1.0, 2.0] and list(table["params.p"]) == ["1", "2"]
    assert set(table["status"]) == {"FINISHED"} and "tags.mlflow.runName" in table
