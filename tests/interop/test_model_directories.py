# SPDX-License-Identifier: Apache-2.0
"""The model directories of a finished run, loaded by the real mlflow, LightGBM, XGBoost and ONNX Runtime.

The native engine's scores of the test rows stand in test_scores.parquet, one column per learner; what the foreign libraries answer for
the same rows must be equal to them: 1e-6 for the libraries that trained the model, 1e-5 for ONNX.
"""

import json
import os
import pathlib
import subprocess

import numpy
import pandas
import pytest

import churn_project

KINDS = {"lightgbm": 1e-6, "xgboost": 1e-6, "random_forest": 1e-5, "logistic_regression": 1e-5}


@pytest.fixture(scope="module")
def run():
    """Folder of the finished run and the object that `run --json` prints for it."""
    binary = pathlib.Path(os.environ["MILLRACE_BINARY"])
    folder = churn_project.finished(binary)
    done = subprocess.run([str(binary), "run", str(folder), "--json"], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder, json.loads(done.stdout)


def outputs_of(run):
    """Every path that a stage of the run names."""
    folder, answer = run
    paths = [pathlib.Path(path) for stage in answer["stages"] for path in stage["outputs"]]
    return [path if path.is_absolute() else folder / path for path in paths]


@pytest.fixture(scope="module")
def directories(run):
    """Kind of each model to its directory."""
    found = {}
    for path in outputs_of(run):
        candidates = [path] if (path / "MLmodel").is_file() else sorted(path.glob("*/")) if path.is_dir() else []
        for directory in candidates:
            if (directory / "MLmodel").is_file():
                found.setdefault(json.loads((directory / "millrace.json").read_text())["kind"], directory)
    return found


def file_of(run, name):
    """The one file of this name among the outputs, or in a folder among them."""
    for path in outputs_of(run):
        for candidate in (path, path / name):
            if candidate.name == name and candidate.is_file():
                return candidate
    raise AssertionError(f"no stage names {name} among its outputs")


@pytest.fixture(scope="module")
def scores(run):
    return pandas.read_parquet(file_of(run, "test_scores.parquet"))


@pytest.fixture(scope="module")
def test_rows(run, scores):
    """Features of the rows of test_scores.parquet, in its order."""
    table = pandas.read_parquet(file_of(run, "training_set.parquet"))
    key = ["customer_id", "as_of"]
    rows = scores[[*key, "churned"]].merge(table, on=key, how="left", validate="one_to_one", suffixes=("", "_of_set"))
    assert (rows["churned"] == rows["churned_of_set"]).all()
    return rows


def features_of(directory, rows):
    """The columns of the model's signature."""
    import mlflow.models

    names = mlflow.models.Model.load(str(directory)).get_input_schema().input_names()
    return rows[names].astype("float64")


def probabilities(answer):
    return answer["probability"].to_numpy() if isinstance(answer, pandas.DataFrame) else numpy.asarray(answer, dtype="float64")


def test_all_four_kinds_are_there(directories):
    assert sorted(directories) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_pyfunc_scores_the_test_rows_as_the_native_engine(kind, directories, scores, test_rows):
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(str(directories[kind]))
    theirs = probabilities(model.predict(features_of(directories[kind], test_rows)))
    assert len(theirs) == len(scores) > 1000
    assert numpy.isfinite(theirs).all()
    assert len(numpy.unique(theirs)) > 100
    numpy.testing.assert_allclose(theirs, scores[kind].to_numpy(), rtol=0, atol=KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_with_every_value_missing_are_scored(kind, directories, test_rows):
    import mlflow.pyfunc

    features = features_of(directories[kind], test_rows.head(3))
    features.loc[:, :] = numpy.nan
    theirs = probabilities(mlflow.pyfunc.load_model(str(directories[kind])).predict(features))
    assert ((theirs > 0) & (theirs < 1)).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_input_example_is_accepted(kind, directories):
    import mlflow.models
    import mlflow.pyfunc

    description = mlflow.models.Model.load(str(directories[kind]))
    example = description.load_input_example(str(directories[kind]))
    assert 1 <= len(example) <= 5
    answer = probabilities(mlflow.pyfunc.load_model(str(directories[kind])).predict(example))
    assert len(answer) == len(example)


def test_native_files_load_with_their_own_packages(directories, scores, test_rows):
    import lightgbm
    import xgboost

    features = features_of(directories["lightgbm"], test_rows)
    booster = lightgbm.Booster(model_file=str(directories["lightgbm"] / "model.lgb"))
    assert booster.feature_name() == list(features.columns)
    numpy.testing.assert_allclose(booster.predict(features), scores["lightgbm"], rtol=0, atol=1e-6)

    features = features_of(directories["xgboost"], test_rows)
    booster = xgboost.Booster(model_file=str(directories["xgboost"] / "model.ubj"))
    numpy.testing.assert_allclose(booster.predict(xgboost.DMatrix(features)), scores["xgboost"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_model_onnx_passes_the_checker_and_answers_the_same(kind, directories, scores, test_rows):
    import onnx
    import onnxruntime

    path = str(directories[kind] / "model.onnx")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    features = features_of(directories[kind], test_rows)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    answer = session.run(["probability"], {name: features[name].to_numpy() for name in features.columns})[0]
    numpy.testing.assert_allclose(answer.reshape(-1), scores[kind].to_numpy(), rtol=0, atol=1e-5)
