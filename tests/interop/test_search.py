# SPDX-License-Identifier: Apache-2.0
"""Searches of the server against those of MLflow's own SQL store: the same runs, filters and orders through the real client."""

import random

import millrace
import mlflow
import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient


N_RUNS = 60
FIELDS = ["common", "half", "rare", "none"]
WORDS = ["", "a", "A", "ab", "abcdefgh1", "abcdefgh2", "ü", "100%", "a_b"]


def fill(client, seed=5):
    """The same runs in any store, told apart by their names."""
    choose = random.Random(seed)
    experiments = [client.create_experiment(name) for name in ("first", "second")]
    for i in range(N_RUNS):
        # Start times differ: ties go by run id, and each store makes its own.
        run = client.create_run(experiments[i % 2], start_time=1_700_000_000_000 + i, run_name=f"run-{i:02d}",
                                tags={"mlflow.user": choose.choice(["ann", "bob"])})
        run_id = run.info.run_id
        metrics, params, tags = [], [], []
        for key, every in (("common", 1), ("half", 2), ("rare", 8)):
            if choose.randrange(every) == 0:
                metrics += [Metric(key, choose.choice([-1.5, 0.0, 0.5, 2.0, 1e300, float("nan")]), 1, step) for step in (0, 1)]
            if choose.randrange(every) == 0:
                params.append(Param(key, choose.choice([word for word in WORDS if word])))
            if choose.randrange(every) == 0:
                tags.append(RunTag(key, choose.choice(WORDS)))
        client.log_batch(run_id, metrics, params, tags)
        if choose.randrange(4) == 0:
            name = choose.choice(["train", "test"])
            dataset = Dataset(name=name, digest=name[:2], source_type="local", source="{}")
            client.log_inputs(run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "ctx-" + name)])])
        if choose.randrange(3) != 0:
            client.set_terminated(run_id, choose.choice(["FINISHED", "FAILED", "KILLED"]), end_time=1_700_000_100_000 + choose.randrange(50))
        if choose.randrange(7) == 0:
            client.delete_run(run_id)
    return experiments


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    real = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    with millrace.Server("--workspace", folder / "workspace") as server:
        ours = MlflowClient(server.url)
        yield [(client, fill(client)) for client in (real, ours)]


def names(client, experiments, text, order, view=ViewType.ACTIVE_ONLY):
    try:
        return [run.info.run_name for run in client.search_runs(experiments, text, view, 1000, order)]
    except MlflowException as error:
        return f"{error.error_code}"


FILTERS = [
    "", "metrics.common > 0", "metrics.common != 0.5", "metrics.half <= 0.5", "metrics.rare = 2", "metrics.none > 0", "metrics.common >= 1e300",
    "params.common = 'a'", "params.common != 'a'", "params.half LIKE 'a%'", "params.half ILIKE 'a%'", "params.rare IS NULL",
    "params.half IS NOT NULL", "params.common LIKE '%100\\%'", "params.common LIKE '100%'", "params.common LIKE 'a_b'", "params.common LIKE '_'",
    "tags.common = ''", "tags.half != ''", "tags.rare IS NULL AND tags.half IS NOT NULL", "tags.common = 'ü'", "tags.none = 'x'", "tags.none != 'x'",
    "status = 'FINISHED'", "status != 'RUNNING'", "attributes.status LIKE 'F%'", "run_name = 'run-07'", "run_name LIKE 'run-1%'",
    "run_name ILIKE 'RUN-2_'", "user_id = 'ann'", "attributes.user_id != 'ann'", "start_time > 1700000000030", "created <= 1700000000010",
    "end_time > 1700000100025", "end_time != 1700000100010", "artifact_uri LIKE '%artifacts'", "dataset.name = 'train'",
    "dataset.name != 'train'", "dataset.digest IN ('tr', 'x')", "datasets.context = 'ctx-test'", "dataset.name NOT IN ('train')",
    "dataset.name = 'train' AND metrics.common > 0", "metrics.common > 0 AND metrics.half < 2 AND params.common != 'a' AND status = 'FINISHED'",
    "metrics.a > 'x'", "foo = 'x'", "run_id = 'nothing'", "run_id IN ('nothing')",
]
ORDERS = [
    [], ["metrics.common"], ["metrics.common DESC"], ["metrics.half"], ["metrics.rare DESC"], ["metrics.none"], ["params.common"],
    ["params.half DESC"], ["tags.common"], ["tags.rare DESC"], ["start_time"], ["attributes.start_time DESC"], ["end_time"], ["end_time DESC"],
    ["status"], ["status DESC", "metrics.common"], ["run_name DESC"], ["user_id", "params.half", "metrics.half DESC"], ["foo"],
]


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_finds_what_mlflow_finds(stores, text):
    for order in ([], ["metrics.half DESC"]):
        for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
            (real, real_ids), (ours, our_ids) = stores
            assert names(ours, our_ids, text, order, view) == names(real, real_ids, text, order, view)


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_an_order_is_that_of_mlflow(stores, order):
    (real, real_ids), (ours, our_ids) = stores
    want = names(real, real_ids, "", order)
    assert names(ours, our_ids, "", order) == want
    assert isinstance(want, str) or len(want) > 40


def test_random_filters_and_orders_agree(stores):
    choose = random.Random(11)
    (real, real_ids), (ours, our_ids) = stores
    n_found = 0
    for _ in range(150):
        text = " AND ".join(choose.sample(FILTERS[1:-4], choose.randrange(1, 4)))
        order = [f"{field}{choose.choice(['', ' DESC'])}" for field in
                 choose.sample(["metrics.common", "metrics.half", "params.common", "tags.half", "status", "end_time"], choose.randrange(3))]
        experiments = choose.randrange(1, 3)
        want = names(real, real_ids[:experiments], text, order)
        assert names(ours, our_ids[:experiments], text, order) == want, (text, order)
        n_found += len(want) > 0
    assert n_found > 30


def test_pages_are_those_of_mlflow(stores):
    pages = []
    for client, experiments in stores:
        token, found = None, []
        while True:
            page = client.search_runs(experiments, "metrics.common != 0.5", ViewType.ALL, 7, ["params.common"], token)
            found.append([run.info.run_name for run in page])
            token = page.token
            if not token:
                break
        pages.append(found)
    assert pages[0] == pages[1]
    assert len(pages[0]) > 3


def test_a_search_sees_what_was_just_written(stores):
    ours, experiments = stores[1]
    run = ours.create_run(experiments[0], run_name="fresh")
    assert names(ours, experiments, "run_name = 'fresh'", []) == ["fresh"]
    for value in range(5):
        ours.log_metric(run.info.run_id, "fresh", value, step=value)
        assert names(ours, experiments, f"metrics.fresh = {value}", []) == ["fresh"]
    ours.set_tag(run.info.run_id, "fresh", "1")
    assert names(ours, experiments, "tags.fresh = '1'", []) == ["fresh"]
    ours.delete_tag(run.info.run_id, "fresh")
    assert names(ours, experiments, "tags.fresh = '1'", []) == []
    ours.delete_run(run.info.run_id)
    assert names(ours, experiments, "run_name = 'fresh'", []) == []


def test_the_table_of_mlflow_search_runs(stores):
    ours, experiments = stores[1]
    mlflow.set_tracking_uri(ours.tracking_uri)
    table = mlflow.search_runs(experiments, "metrics.common > 0", order_by=["metrics.common DESC"])
    assert list(table["metrics.common"]) == sorted(table["metrics.common"], reverse=True)
    assert len(table) > 5
