# SPDX-License-Identifier: Apache-2.0
"""Autologging of the real packages: what they send arrives, and the model they logged loads and predicts the same."""

import json

import lightgbm
import mlflow
import numpy
import pandas
import pytest
import sklearn.datasets
import sklearn.linear_model
import sklearn.model_selection
import sklearn.pipeline
import sklearn.preprocessing
import xgboost

from helpers import FLUENT


@pytest.fixture(scope="module")
def data():
    """Features with names and a label in {0, 1}; 300 rows."""
    features, label = sklearn.datasets.make_classification(300, 6, random_state=1)
    return pandas.DataFrame(features, columns=[f"x{i}" for i in range(6)]), pandas.Series(label, name="y")


@pytest.fixture(autouse=True)
def known_requirements(monkeypatch):
    """Finding out a model's pip requirements starts a Python of its own for ten seconds and has nothing to do with the server."""
    monkeypatch.setattr(mlflow.models, "infer_pip_requirements", lambda uri, flavor, fallback=None, **unused: fallback or [])


@pytest.fixture
def autolog(server, experiment):
    """Turns autologging of a flavour on for this case."""
    used = []

    def on(flavour, **options):
        mlflow.set_experiment(experiment_id=experiment)
        flavour.autolog(silent=True, **options)
        used.append(flavour)

    yield on
    for flavour in used:
        flavour.autolog(disable=True, silent=True)


def the_run(client, experiment):
    """The one finished top-level run of the experiment."""
    runs = [r for r in client.search_runs([experiment]) if "mlflow.parentRunId" not in r.data.tags]
    assert len(runs) == 1 and runs[0].info.status == "FINISHED"
    return runs[0]


def the_model(run):
    """The one model that the run has put out."""
    [output] = run.outputs.model_outputs
    return mlflow.pyfunc.load_model(f"models:/{output.model_id}")


def contexts(run):
    return sorted({t.key: t.value for t in d.tags}["mlflow.data.context"] for d in run.inputs.dataset_inputs)


@pytest.mark.answers(f"{FLUENT}::test_last_logged_model_autolog", f"{FLUENT}::test_last_logged_model_log_model")
def test_sklearn(client, experiment, autolog, data):
    autolog(mlflow.sklearn, log_input_examples=True, log_model_signatures=True)
    features, label = data
    model = sklearn.linear_model.LogisticRegression(C=0.5).fit(features, label)
    score = model.score(features, label)
    run = the_run(client, experiment)
    assert mlflow.last_logged_model().source_run_id == run.info.run_id
    assert run.data.params["C"] == "0.5" and run.data.params["max_iter"] == "100"
    assert run.data.metrics["training_score"] == pytest.approx(score)
    assert {"training_accuracy_score", "training_roc_auc", "training_log_loss"} <= set(run.data.metrics)
    assert any(key.startswith("LogisticRegression_score") for key in run.data.metrics)
    assert run.data.tags["estimator_name"] == "LogisticRegression" and "train" in contexts(run)
    assert {"training_confusion_matrix.png", "estimator.html"} <= {f.path for f in client.list_artifacts(run.info.run_id)}
    loaded = the_model(run)
    assert (loaded.predict(features) == model.predict(features)).all()
    assert [c.name for c in loaded.metadata.signature.inputs] == list(features.columns)
    assert client.get_logged_model(run.outputs.model_outputs[0].model_id).metrics


def test_sklearn_grid_search_has_a_run_per_candidate(client, experiment, autolog, data):
    autolog(mlflow.sklearn, max_tuning_runs=4, log_models=False)
    pipeline = sklearn.pipeline.make_pipeline(sklearn.preprocessing.StandardScaler(), sklearn.linear_model.LogisticRegression())
    sklearn.model_selection.GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1, 10]}, cv=3).fit(*data)
    parent = the_run(client, experiment)
    children = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'", order_by=["metrics.mean_test_score DESC"])
    assert len(children) == 3
    assert parent.data.metrics["best_cv_score"] == pytest.approx(children[0].data.metrics["mean_test_score"])
    assert parent.data.params["best_logisticregression__C"] == children[0].data.params["logisticregression__C"]


def test_lightgbm(client, experiment, autolog, data):
    autolog(mlflow.lightgbm)
    features, label = data
    train = lightgbm.Dataset(features, label)
    booster = lightgbm.train({"objective": "binary", "metric": "auc", "num_leaves": 7, "verbose": -1, "num_threads": 1}, train, 12,
                             valid_sets=[train], valid_names=["train"])
    run = the_run(client, experiment)
    assert run.data.params["num_leaves"] == "7" and run.data.params["num_boost_round"] == "12"
    history = client.get_metric_history(run.info.run_id, "train-auc")
    assert [m.step for m in history] == list(range(12)) and history[-1].value == pytest.approx(booster.best_score["train"]["auc"])
    assert "feature_importance_gain.json" in {f.path for f in client.list_artifacts(run.info.run_id)}
    assert "train" in contexts(run)
    assert numpy.allclose(the_model(run).predict(features), booster.predict(features))


def test_xgboost(client, experiment, autolog, data):
    autolog(mlflow.xgboost)
    features, label = data
    matrix = xgboost.DMatrix(features, label)
    booster = xgboost.train({"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "max_depth": 3, "nthread": 1}, matrix, 10,
                            evals=[(matrix, "train")], verbose_eval=False)
    run = the_run(client, experiment)
    assert run.data.params["max_depth"] == "3" and run.data.params["num_boost_round"] == "10"
    history = client.get_metric_history(run.info.run_id, "train-logloss")
    assert [m.step for m in history] == list(range(10)) and history[-1].value < history[0].value
    importance = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/feature_importance_weight.json")
    assert set(importance) <= set(features.columns)
    assert numpy.allclose(the_model(run).predict(features), booster.predict(matrix), atol=1e-6)


def test_models_of_the_sklearn_interfaces(client, experiment, autolog, data):
    autolog(mlflow.xgboost, log_datasets=False)
    autolog(mlflow.lightgbm, log_datasets=False)
    features, label = data
    for model in (xgboost.XGBClassifier(n_estimators=5, n_jobs=1), lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1)):
        with mlflow.start_run() as active:
            model.fit(features, label, eval_set=[(features, label)])
        run = client.get_run(active.info.run_id)
        assert run.data.params and run.data.metrics
        assert (the_model(run).predict(features) == model.predict(features)).all()


def test_a_model_with_signature_example_and_registered_name(client, experiment, data, name):
    features, label = data
    model = sklearn.linear_model.LogisticRegression().fit(features, label)
    with mlflow.start_run(experiment_id=experiment) as active:
        mlflow.log_metric("auc", 0.75, dataset=mlflow.data.from_pandas(features, name="rows"))
        info = mlflow.sklearn.log_model(model, name="model", input_example=features[:3], registered_model_name=name,
                                        signature=mlflow.models.infer_signature(features, label), pip_requirements=["scikit-learn"])
    client.set_registered_model_alias(name, "champion", 1)
    client.transition_model_version_stage(name, 1, "Production")
    for uri in (f"models:/{name}@champion", f"models:/{name}/1", f"models:/{name}/Production", f"models:/{name}/latest", info.model_uri):
        assert (mlflow.pyfunc.load_model(uri).predict(features) == model.predict(features)).all()
    version = client.get_model_version(name, 1)
    assert version.run_id == active.info.run_id
    assert json.loads(client.get_logged_model(info.model_id).tags["mlflow.modelVersions"])[0]["name"] == name
    sample = mlflow.models.Model.load(info.model_uri).load_input_example(info.model_uri)
    assert numpy.allclose(sample, features[:3])


def test_evaluation_of_a_model_writes_its_metrics_and_pictures(client, experiment, data):
    features, label = data
    table = features.assign(y=label)
    model = sklearn.linear_model.LogisticRegression().fit(features, label)
    with mlflow.start_run(experiment_id=experiment) as active:
        info = mlflow.sklearn.log_model(model, name="model", pip_requirements=["scikit-learn"])
        result = mlflow.models.evaluate(info.model_uri, table, targets="y", model_type="classifier", evaluators="default",
                                        evaluator_config={"log_model_explainability": False})
    run = client.get_run(active.info.run_id)
    assert run.data.metrics["accuracy_score"] == pytest.approx(result.metrics["accuracy_score"])
    assert {"confusion_matrix.png", "roc_curve_plot.png"} <= {f.path for f in client.list_artifacts(run.info.run_id)}
