# SPDX-License-Identifier: Apache-2.0
"""Prints the reference figures that src/learners/learners_test.cc compares with.

Made with Python 3.11, scikit-learn 1.9.1, lightgbm 4.7.0, xgboost-cpu 3.2.0. Usage: python make_reference.py
Row i is a test row if i % 5 == 0, a validation row if i % 5 == 1, otherwise a train row.
"""

import pathlib
import sys

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if "--help" in sys.argv:
    print(__doc__)
    sys.exit(0)

table = pd.read_csv(pathlib.Path(__file__).with_name("telco_churn_numeric.csv"))
x = table.drop(columns="Churn").astype(float)
y = table["Churn"].to_numpy()
part = np.arange(len(table)) % 5
train, validation, test = part > 1, part == 1, part == 0


def report(name, scores_validation, scores_test, extra=""):
    auc_validation = roc_auc_score(y[validation], scores_validation)
    auc_test = roc_auc_score(y[test], scores_test)
    print(f"{name}: validation AUC {auc_validation:.6f}, test AUC {auc_test:.6f} {extra}")


booster = lightgbm.train(
    {"objective": "binary", "metric": "auc", "learning_rate": 0.05, "verbosity": -1, "seed": 42, "num_threads": 1,
     "deterministic": True, "force_row_wise": True},
    lightgbm.Dataset(x[train], y[train]), 1000,
    valid_sets=[lightgbm.Dataset(x[validation], y[validation])],
    callbacks=[lightgbm.early_stopping(50, verbose=False)])
report("lightgbm", booster.predict(x[validation]), booster.predict(x[test]), f"best iteration {booster.best_iteration}")

matrix = {name: xgboost.DMatrix(x[rows], y[rows]) for name, rows in
          (("train", train), ("validation", validation), ("test", test))}
booster = xgboost.train(
    {"objective": "binary:logistic", "eval_metric": "auc", "learning_rate": 0.05, "tree_method": "hist", "nthread": 1,
     "seed": 42}, matrix["train"], 1000, evals=[(matrix["validation"], "validation")], early_stopping_rounds=50,
    verbose_eval=False)
best = (0, booster.best_iteration + 1)
report("xgboost", booster.predict(matrix["validation"], iteration_range=best),
       booster.predict(matrix["test"], iteration_range=best), f"best iteration {booster.best_iteration + 1}")

for seed in range(3):
    forest = RandomForestClassifier(300, min_samples_leaf=5, max_features="sqrt", random_state=seed).fit(x[train], y[train])
    report(f"random forest, seed {seed}", forest.predict_proba(x[validation])[:, 1], forest.predict_proba(x[test])[:, 1])

for c in (1.0, 0.01):
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(),
                          LogisticRegression(C=c, solver="newton-cholesky", tol=1e-12, max_iter=1000))
    model.fit(x[train], y[train])
    report(f"logistic regression, C {c}", model.predict_proba(x[validation])[:, 1], model.predict_proba(x[test])[:, 1])
    print("intercept", repr(float(model[-1].intercept_[0])))
    print("weights", ", ".join(repr(float(w)) for w in model[-1].coef_[0]))
    print("first test probabilities", ", ".join(repr(float(p)) for p in model.predict_proba(x[test])[:3, 1]))
