#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes golden.json beside this file: metrics by group of generated samples by Fairlearn and scikit-learn.

The samples come from a linear congruential generator that the C++ test repeats, so only numbers are kept. Usage:

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install fairlearn==0.15.0 scikit-learn==1.9.1 numpy==2.4.6 pandas==3.1.1
    /tmp/golden/bin/python tests/golden/fairness/make_golden.py
"""

import argparse
import json
import pathlib
import warnings

import fairlearn
import fairlearn.metrics
import numpy
import sklearn
import sklearn.metrics

RATES = {"selection_rate": fairlearn.metrics.selection_rate, "true_positive_rate": fairlearn.metrics.true_positive_rate,
         "false_positive_rate": fairlearn.metrics.false_positive_rate, "precision": sklearn.metrics.precision_score,
         "accuracy": sklearn.metrics.accuracy_score}
DIFFERENCES = ["demographic_parity_difference", "demographic_parity_ratio", "equalized_odds_difference",
               "equalized_odds_ratio", "equal_opportunity_difference", "equal_opportunity_ratio"]


class Uniform:
    """x = (1103515245 x + 12345) mod 2^31, u = x / 2^31."""

    def __init__(self, seed):
        self.x = seed

    def next(self):
        self.x = (1103515245 * self.x + 12345) % 2**31
        return self.x / 2**31


def sample(seed, rows, groups):
    """Scores that lean towards later groups, labels, and the number of each row's group."""
    uniform = Uniform(seed)
    scores, labels, members = [], [], []
    for _ in range(rows):
        u, v, w = uniform.next(), uniform.next(), uniform.next()
        group = int(v * v * groups)
        members.append(group)
        scores.append(0.8 * u + 0.2 * group / groups)
        labels.append(1 if w < 0.1 + 0.6 * u + 0.1 * group / groups else 0)
    return numpy.array(scores), numpy.array(labels), numpy.array(members)


def case(seed, rows, groups, threshold):
    scores, labels, members = sample(seed, rows, groups)
    decided = (scores >= threshold).astype(int)
    frame = fairlearn.metrics.MetricFrame(metrics=RATES, y_true=labels, y_pred=decided, sensitive_features=members)
    result = {"seed": seed, "rows": rows, "groups": groups, "threshold": threshold, "by_group": [], "differences": {}}
    for group in sorted(set(members.tolist())):
        own = members == group
        row = {name: float(frame.by_group.loc[group, name]) for name in RATES}
        row |= {"group": group, "rows": int(own.sum()), "positives": int(labels[own].sum()),
                "roc_auc": float(sklearn.metrics.roc_auc_score(labels[own], scores[own])),
                "log_loss": float(sklearn.metrics.log_loss(labels[own], scores[own])),
                "brier": float(sklearn.metrics.brier_score_loss(labels[own], scores[own])),
                # The scores as predictions of the row's number in [0, 1): for the metrics of a regression.
                "rmse": float(sklearn.metrics.root_mean_squared_error(numpy.arange(rows)[own] / rows, scores[own])),
                "mae": float(sklearn.metrics.mean_absolute_error(numpy.arange(rows)[own] / rows, scores[own]))}
        result["by_group"].append(row)
    for name in DIFFERENCES:
        value = getattr(fairlearn.metrics, name)(labels, decided, sensitive_features=members)
        result["differences"][name] = float(value)
    return result


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    warnings.simplefilter("error")  # a rate without its rows is Fairlearn's 0, not ours: none of these cases may have one
    golden = {"origin": {"fairlearn": fairlearn.__version__, "scikit-learn": sklearn.__version__, "numpy": numpy.__version__},
              "cases": [case(5, 600, 2, 0.5), case(11, 900, 3, 0.4), case(23, 2500, 6, 0.62), case(47, 400, 4, 0.3)]}
    path = pathlib.Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
