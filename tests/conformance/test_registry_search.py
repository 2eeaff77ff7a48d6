# SPDX-License-Identifier: Apache-2.0
"""Searching registered models and versions; prompts, which are models with a tag; where a version may come from."""

import time

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from helpers import COMMAND, REGISTRY, REGISTRY_STORE, REST, client_of, started, unique


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A server of its own: models RM1 RM2 RM4 RM4A RM4ab RM7 of different times, versions of RM1 and RM4."""
    with started(tmp_path_factory.mktemp("registry") / "models") as running:
        client = client_of(running.url)
        for name, tags in (("RM1", {"t1": "abc", "t2": "xyz"}), ("RM2", {"t1": "abcd", "t2": "xyz123", "t3": "XYZ"}), ("RM4", {}), ("RM4A", {}),
                           ("RM4ab", {}), ("RM7", {})):
            client.create_registered_model(name, tags)
            time.sleep(0.002)
        for name, source, run_id, tags in (("RM1", "s3://A/B", "run1", {"t1": "abc", "t2": "xyz"}), ("RM1", "s3://A/C", "run2", {"t2": "x123"}),
                                           ("RM4", "s3://A/D", "run2", {}), ("RM4", "s3://A/D", "run3", {}), ("RM2", "s3://A/E", "run4", {})):
            client.create_model_version(name, source, run_id, tags)
            time.sleep(0.002)
        client.transition_model_version_stage("RM1", 1, "Production")
        time.sleep(0.002)
        yield client


NAMES = ["RM1", "RM2", "RM4", "RM4A", "RM4ab", "RM7"]


@pytest.mark.answers(f"{REGISTRY_STORE}::test_search_registered_models", f"{REGISTRY_STORE}::test_search_registered_models_by_tag",
                     f"{REGISTRY}::test_create_and_query_registered_model_flow")
@pytest.mark.parametrize("text,expected", [
    (None, NAMES), ("", NAMES), ("name = 'RM4'", ["RM4"]), ("name='RM4'", ["RM4"]), ("name != 'RM4'", [n for n in NAMES if n != "RM4"]),
    ("name = 'rm4'", []), ("name LIKE 'RM4%'", NAMES[2:5]), ("name LIKE '%M%'", NAMES), ("name LIKE '_M7'", ["RM7"]), ("name LIKE 'cats%'", []),
    ("name lIkE 'RM4A%'", ["RM4A"]), ("name like 'RM4A%'", ["RM4A"]), ("name ILIKE 'rm4a%'", ["RM4A", "RM4ab"]), ("name iLike '%%'", NAMES),
    ("name ilike '%RM4A%'", ["RM4A", "RM4ab"]), ("tag.t3 = 'XYZ'", ["RM2"]), ("name = 'RM1' and tag.t1 = 'abc'", ["RM1"]),
    ("tags.t1 LIKE 'ab%'", ["RM1", "RM2"]), ("tag.t1 ILIKE 'aB%'", ["RM1", "RM2"]), ("tag.t1 LIKE 'ab%' AND tag.t2 LIKE 'xy%'", ["RM1", "RM2"]),
    ("tag.t3 = 'XYz'", []), ("tag.T3 = 'XYZ'", []), ("tag.t1 != 'abc'", ["RM2"]), ("tag.t1 != 'abcd' and tag.t1 LIKE 'ab%'", ["RM1"]),
    ("tag.`t3` = 'XYZ'", ["RM2"]),
])
def test_models_found_by_filter(registry, text, expected):
    assert [m.name for m in registry.search_registered_models(text)] == expected


BY_TIME = ["RM7", "RM4ab", "RM4A"]  # untouched since their creation; RM4, RM2, RM1 were touched later by their versions


@pytest.mark.answers(f"{REGISTRY_STORE}::test_search_registered_model_order_by", f"{REGISTRY_STORE}::test_parse_search_registered_models_order_by")
@pytest.mark.parametrize("order,expected", [
    ([], NAMES), (["name ASC"], NAMES), (["name DESC"], NAMES[::-1]), (["name deSc"], NAMES[::-1]),
    (["last_updated_timestamp DESC"], ["RM1", "RM2", "RM4", *BY_TIME]), (["timestamp DESC", "name DESC"], ["RM1", "RM2", "RM4", *BY_TIME]),
    (["timestamp"], [*BY_TIME[::-1], "RM4", "RM2", "RM1"]), (["timestamp\tASC"], [*BY_TIME[::-1], "RM4", "RM2", "RM1"]),
    (["timestamp \n asc"], [*BY_TIME[::-1], "RM4", "RM2", "RM1"]),
])
def test_models_in_order(registry, order, expected):
    assert [m.name for m in registry.search_registered_models(order_by=order)] == expected


@pytest.mark.answers(f"{REGISTRY_STORE}::test_search_registered_models", f"{REGISTRY_STORE}::test_search_registered_model_order_by_errors",
                     f"{REGISTRY_STORE}::test_search_registered_model_pagination", f"{REGISTRY_STORE}::test_parse_search_registered_models_order_by")
@pytest.mark.parametrize("query,message", [
    ({"filter": "name!=something"}, "Parameter value is either not quoted or unidentified quote types"),
    ({"filter": "run_id='somerunID'"}, "Invalid attribute key 'run_id' specified"),
    ({"filter": "source_path = 'A/D'"}, "Invalid attribute key 'source_path' specified"),
    ({"filter": "evilhax = true"}, "Invalid clause(s) in filter string"), ({"filter": "name > 'a'"}, ""), ({"filter": "name = 'a' OR name = 'b'"}, ""),
    ({"order_by": ["name ASC", "creation_timestamp DESC"]}, "Invalid order by key"),
    ({"order_by": ["name ASC", "last_updated_timestamp DESC blah"]}, "Invalid order_by clause"),
    ({"order_by": ["timestamp", "last_updated_timestamp"]}, "`order_by` contains duplicate fields"),  # the real server: 500
    ({"page_token": "evilhax"}, "Invalid page token, could not base64-decode"), ({"max_results": 1001}, "max_results"),
])
def test_a_search_of_models_that_means_nothing_is_refused(server, query, message):
    server.refused("registered-models/search", {"max_results": 20, **query}, message, method="GET")


def pages(search):
    """All results of a paged search, page by page."""
    token, seen = None, []
    while True:
        page = search(token)
        seen.append(list(page))
        token = page.token
        if not token:
            return seen


@pytest.mark.answers(f"{REGISTRY}::test_search_registered_model_flow_paginated", f"{REGISTRY_STORE}::test_search_registered_model_pagination")
@pytest.mark.parametrize("size,expected", [(1, [1] * 29), (8, [8, 8, 8, 5]), (100, [29])])
def test_pages_of_models_have_no_gap(client, size, expected):
    stem = unique("paged")
    names = [client.create_registered_model(f"{stem}{i:03}").name for i in range(29)]
    seen = pages(lambda token: client.search_registered_models(f"name LIKE '{stem}%'", max_results=size, page_token=token))
    assert [len(page) for page in seen] == expected
    assert [m.name for page in seen for m in page] == names


def label(versions):
    return [f"{v.name}/{v.version}" for v in versions]


VERSIONS = ["RM1/1", "RM2/1", "RM4/2", "RM4/1", "RM1/2"]  # by the last update, newest first


@pytest.mark.answers(f"{REGISTRY_STORE}::test_search_model_versions", f"{REGISTRY_STORE}::test_search_model_versions_by_tag",
                     f"{REGISTRY}::test_search_model_versions_filter_string", f"{REGISTRY}::test_create_and_query_model_version_flow")
@pytest.mark.parametrize("text,expected", [
    (None, VERSIONS), ("", VERSIONS), ("name = 'RM4'", ["RM4/2", "RM4/1"]), ("name='RM4'", ["RM4/2", "RM4/1"]), ("name LIKE 'RM%'", VERSIONS),
    ("name ILIKE 'rm1'", ["RM1/1", "RM1/2"]), ("version_number = 2", ["RM4/2", "RM1/2"]), ("version_number <= 1", ["RM1/1", "RM2/1", "RM4/1"]),
    ("version_number > 1 AND name != 'RM1'", ["RM4/2"]), ("run_id = 'run2'", ["RM4/1", "RM1/2"]), ("run_id IN ('run1','run4')", ["RM1/1", "RM2/1"]),
    ("run_id IN ('RUN1', 'run3')", ["RM4/2"]), ("version_number = 2 AND run_id IN ('run2')", ["RM1/2"]), ("run_id LIKE 'run%'", VERSIONS),
    ("run_id ILIKE 'RUN1'", ["RM1/1"]), ("source_path = 's3://A/D'", ["RM4/2", "RM4/1"]), ("source_path LIKE 's3://A/_'", VERSIONS),
    ("source_path = 's3://A'", []), ("tags.t2 = 'xyz'", ["RM1/1"]), ("tag.`t2` LIKE 'x%'", ["RM1/1", "RM1/2"]), ("tag.t2 ILIKE 'XY%'", ["RM1/1"]),
    ("tag.T2 = 'xyz'", []), ("tag.t2 != 'xyz'", ["RM1/2"]), ("tag.t1 = 'abc' and tag.t2 = 'xyz'", ["RM1/1"]), ("tag.t1 = 'abc' and tag.t2 LIKE 'y%'", []),
    ("tag.t2 LIKE 'x%' and tag.t2 != 'xyz'", ["RM1/2"]),
])
def test_versions_found_by_filter(registry, text, expected):
    assert label(registry.search_model_versions(text)) == expected


@pytest.mark.answers(f"{REGISTRY_STORE}::test_search_model_versions_order_by_simple", f"{REGISTRY}::test_search_model_versions_order_by")
@pytest.mark.parametrize("order,expected", [
    (None, VERSIONS), (["name ASC"], ["RM1/2", "RM1/1", "RM2/1", "RM4/2", "RM4/1"]),
    (["version_number DESC", "name ASC"], ["RM1/2", "RM4/2", "RM1/1", "RM2/1", "RM4/1"]),
    (["creation_timestamp ASC"], ["RM1/1", "RM1/2", "RM4/1", "RM4/2", "RM2/1"]), (["last_updated_timestamp ASC"], VERSIONS[::-1]),
])
def test_versions_in_order(registry, order, expected):
    assert label(registry.search_model_versions(order_by=order)) == expected


@pytest.mark.answers(f"{REGISTRY_STORE}::test_search_model_versions", f"{REGISTRY_STORE}::test_search_model_versions_order_by_errors",
                     f"{REGISTRY_STORE}::test_search_model_versions_pagination")
@pytest.mark.parametrize("query,message", [
    ({"filter": "run_id IN (1,2,3)"}, "expected string value, punctuation, or whitespace, but got different type in list"),
    ({"filter": "run_id IN ()"}, "expected a non-empty list of string values, but got empty list"),
    ({"filter": "run_id IN ("}, "Invalid clause(s) in filter string"), ({"filter": "run_id IN"}, "Invalid clause(s) in filter string"),
    ({"filter": "name LIKE"}, "Invalid clause(s) in filter string"),
    ({"filter": "run_id IN (,)"}, "expected a non-empty list of string values, but got ill-formed list"),
    ({"filter": "run_id IN ('runid1',,'runid2')"}, "expected a non-empty list of string values, but got ill-formed list"),
    ({"filter": "creation_timestamp LIKE 'x'"}, ""), ({"order_by": ["name ASC", "run_id DESC"]}, "Invalid attribute key"),
    ({"order_by": ["name ASC", "last_updated_timestamp DESC blah"]}, "Invalid order_by clause"),
    ({"page_token": "evilhax"}, "Invalid page token, could not base64-decode"), ({"max_results": 200_001}, "max_results"),
])
def test_a_search_of_versions_that_means_nothing_is_refused(server, query, message):
    server.refused("model-versions/search", {"max_results": 20, **query}, message, method="GET")


@pytest.mark.answers(f"{REGISTRY}::test_search_model_versions_max_results", f"{REGISTRY_STORE}::test_search_model_versions_pagination")
@pytest.mark.parametrize("size,expected", [(1, [1] * 12), (5, [5, 5, 2]), (100, [12])])
def test_pages_of_versions_have_no_gap(client, model, size, expected):
    for _ in range(12):
        client.create_model_version(model, "runs:/run_id/model", "run_id")
    seen = pages(lambda token: client.search_model_versions(f"name = '{model}'", max_results=size, page_token=token))
    assert [len(page) for page in seen] == expected
    assert [int(v.version) for page in seen for v in page] == list(range(12, 0, -1))


@pytest.mark.answers(f"{REGISTRY_STORE}::test_search_prompts", f"{REGISTRY_STORE}::test_search_prompts_versions",
                     f"{REGISTRY_STORE}::test_create_registered_model_handle_prompt_properly")
def test_prompts_are_models_that_only_a_search_for_prompts_finds(server, client, model):
    prompt = unique("prompt")
    mlflow.genai.register_prompt(prompt, "Hello {{name}}", tags={"lang": "en"})
    mlflow.genai.register_prompt(prompt, "Good day {{name}}")
    mlflow.genai.set_prompt_alias(prompt, "live", 1)
    assert mlflow.genai.load_prompt(f"prompts:/{prompt}@live").format(name="Ada") == "Hello Ada"
    assert mlflow.genai.load_prompt(prompt, version=2).template == "Good day {{name}}"
    assert client.search_registered_models(f"name = '{prompt}'") == client.search_model_versions(f"name = '{prompt}'") == []
    asked = f"name = '{prompt}' AND tags.`mlflow.prompt.is_prompt` = 'true'"
    assert [m.name for m in client.search_registered_models(asked)] == [prompt]
    assert [v.version for v in client.search_model_versions(asked)] == ["2", "1"]
    assert prompt in [p.name for p in client.search_prompts(f"name = '{prompt}'")]
    assert prompt not in [m.name for m in client.search_registered_models(max_results=1000)]
    assert [m.name for m in client.search_registered_models(f"name = '{model}' AND tags.`mlflow.prompt.is_prompt` != 'true'")] == [model]
    with pytest.raises(MlflowException, match="already exists|prompt"):
        client.create_registered_model(prompt)
    with pytest.raises(MlflowException):
        mlflow.genai.register_prompt(model, "a model is no prompt")


def version(server, model, source, **more):
    return server.post("model-versions/create", {"name": model, "source": source, **more})


@pytest.fixture
def local_run(client, tmp_path):
    """A run whose artifacts lie in a local folder, not behind the server."""
    experiment = client.create_experiment(unique("local"), artifact_location=(tmp_path / "artifacts").as_uri())
    return client.create_run(experiment).info


@pytest.mark.answers(f"{REST}::test_create_model_version_with_path_source", f"{REST}::test_create_model_version_with_file_uri")
def test_a_local_source_lies_inside_the_artifacts_of_the_named_run(server, model, local_run):
    uri, run_id = local_run.artifact_uri, local_run.run_id
    for source in (uri, uri[len("file://"):], f"{uri}/model", f"{uri}/.", f"{uri}/model/.."):
        assert version(server, model, source, run_id=run_id).status_code == 200, source
    for source, more in ((uri, {}), (uri[len("file://"):], {}), ("/tmp", {"run_id": run_id}), ("file:///tmp", {}), ("file:///tmp", {"run_id": run_id}),
                         (f"{uri}/../../etc", {"run_id": run_id})):
        answer = version(server, model, source, **more)
        assert answer.status_code == 400, f"{source} {more}: {answer.text}"
        assert "To use a local path as a model version" in answer.json()["message"]


@pytest.mark.answers(f"{REST}::test_create_model_version_with_file_uri")
def test_a_file_uri_of_another_machine_is_refused(server, model, local_run):
    assert version(server, model, "file://123.456.789.123/path/to/source", run_id=local_run.run_id).status_code in (400, 500)


@pytest.mark.answers(f"{REST}::test_create_model_version_with_non_local_source")
@pytest.mark.parametrize("source", ["s3://bucket/path", "s3://bucket/path/..../model", "dbfs:/models/a", "wasbs://container@account/path"])
def test_remote_sources_are_taken(server, model, source):
    answer = version(server, model, source)
    assert answer.status_code == 200, answer.text


@pytest.mark.answers(f"{REST}::test_create_model_version_with_non_local_source")
def test_files_of_the_named_run_are_a_source(server, client, model, run):
    uri = client.get_run(run).info.artifact_uri
    for source in (uri, f"{uri}/", f"{uri}/model", f"{uri}/foo///bar", f"runs:/{run}/model"):
        assert version(server, model, source, run_id=run).status_code == 200, source


def test_files_of_others_are_no_source(server, client, model, run, experiment):
    uri = client.get_run(run).info.artifact_uri
    other = client.create_run(experiment).info.run_id
    for source, named in ((f"{uri}/model", None), (f"{uri}/model", other), (f"runs:/{run}/model", None), (f"runs:/{run}/model", other),
                          ("mlflow-artifacts:/models", run)):
        answer = version(server, model, source, **({"run_id": named} if named else {}))
        assert answer.status_code == 400, f"{source} of {named}: {answer.text}"
        assert "The run_id request parameter must identify the resource that contains the source." in answer.json()["message"]


@pytest.mark.skipif(bool(COMMAND), reason="by design: MLflow's server has no such setting")
@pytest.mark.answers(f"{REST}::test_create_model_version_with_non_local_source")
def test_files_of_others_can_be_allowed(start):
    client = client_of(start(options=["--version-sources", "any"]).url)
    client.create_registered_model("m")
    for source in ("runs:/run_id/model", "mlflow-artifacts:/models/foo///bar", "mlflow-artifacts://host:9000/models/artifact/..../"):
        assert client.create_model_version("m", source, "run_id_1").source == source


@pytest.mark.answers(f"{REST}::test_create_model_version_with_non_local_source")
@pytest.mark.parametrize("source", [
    "mlflow-artifacts://host:9000/models/../../../", "http://host:9000/models/../../../",
    "https://host/api/2.0/mlflow-artifacts/artifacts/../../../", "s3a://my_bucket/api/2.0/mlflow-artifacts/artifacts/../../../",
    "ftp://host:8888/api/2.0/mlflow-artifacts/artifacts/../../../", "mlflow-artifacts://host:9000/models/..%2f..%2fartifacts",
    "mlflow-artifacts://host:9000/models/..%252f..%252fartifacts", "mlflow-artifacts://host:9000/models/artifact%00"])
def test_remote_sources_that_climb_are_refused(server, model, run, source):
    answer = version(server, model, source, run_id=run)
    assert answer.status_code == 400 and answer.json()["error_code"] == "INVALID_PARAMETER_VALUE"


@pytest.mark.answers(f"{REST}::test_create_model_version_with_non_local_source")
def test_a_source_that_climbs_out_of_dbfs_is_refused(server, model, run):
    answer = version(server, model, f"dbfs:/{run}/artifacts/a%3f/../../../../../../../../../../", run_id=run)
    assert answer.status_code == 400 and "Invalid model version source" in answer.json()["message"]


@pytest.mark.answers(f"{REST}::test_create_model_version_with_non_local_source")
def test_a_logged_model_is_a_source(server, client, experiment, model):
    logged = client.create_logged_model(experiment)
    for source in (logged.artifact_location, logged.model_uri):
        assert version(server, model, source, model_id=logged.model_id).status_code == 200
    assert version(server, model, "file:///path/to/model", model_id=logged.model_id).status_code == 400


@pytest.mark.answers(f"{REST}::test_create_model_version_with_validation_regex")
def test_sources_can_be_limited_by_an_expression(start):
    strict = start({"MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": r"^mlflow-artifacts:/.*$"})
    client = client_of(strict.url)
    client.create_registered_model("m")
    run = client.create_run(client.create_experiment("e"))
    strict.refused("model-versions/create", {"name": "m", "source": "s3://path/to/model"}, "Invalid model version source")
    assert client.create_model_version("m", f"{run.info.artifact_uri}/model", run.info.run_id).version == "1"
