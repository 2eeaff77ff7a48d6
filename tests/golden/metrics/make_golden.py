#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes golden.json beside this file: metrics of generated samples by scikit-learn, SciPy and numpy.

The samples come from a linear congruential generator that the C++ test repeats, so only numbers are kept. Usage:

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
    /tmp/golden/bin/python tests/golden/metrics/make_golden.py
"""

import argparse
import json
import pathlib

import numpy
import scipy
import scipy.stats
import sklearn
import sklearn.calibration
import sklearn.metrics


class Uniform:
    """x = (1103515245 x + 12345) mod 2^31, u = x / 2^31."""

    def __init__(self, seed):
        self.x = seed

    def next(self):
        self.x = (1103515245 * self.x + 12345) % 2**31
        return self.x / 2**31


def binary_sample(seed, rows, levels):
    """Scores rounded down to `levels` steps (0: not rounded), a second score, labels."""
    uniform = Uniform(seed)
    first, second, labels = [], [], []
    for _ in range(rows):
        u = uniform.next()
        v = uniform.next()
        w = uniform.next()
        labels.append(1 if w < 0.1 + 0.6 * u else 0)
        first.append(numpy.floor(u * levels) / levels if levels else u)
        mixed = 0.5 * u + 0.5 * v
        second.append(numpy.floor(mixed * levels) / levels if levels else mixed)
    return numpy.array(first), numpy.array(second), numpy.array(labels)


def drift_sample(seed, rows, scale, shift, levels):
    uniform = Uniform(seed)
    values = []
    for _ in range(rows):
        value = scale * uniform.next() + shift
        values.append(float(numpy.floor(value * levels)) if levels else value)
    return numpy.array(values)


def delong_components(scores, labels):
    """Structural components straight from their definition, O(m n)."""
    positive = scores[labels == 1]
    negative = scores[labels == 0]
    kernel = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    return kernel.mean(axis=1), kernel.mean(axis=0)


def delong(first, second, labels):
    a10, a01 = delong_components(first, labels)
    b10, b01 = delong_components(second, labels)
    s10 = numpy.cov(numpy.vstack([a10, b10]))
    s01 = numpy.cov(numpy.vstack([a01, b01]))
    covariance = s10 / len(a10) + s01 / len(a01)
    auc = numpy.array([a10.mean(), b10.mean()])
    error = numpy.sqrt(numpy.diag(covariance))
    difference_error = numpy.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    z = (auc[0] - auc[1]) / difference_error
    normal = scipy.stats.norm.ppf(0.975)
    return {
        "standard_error": error[0],
        "lower": auc[0] - normal * error[0],
        "upper": auc[0] + normal * error[0],
        "difference": auc[0] - auc[1],
        "difference_error": difference_error,
        "z": z,
        "p_value": 2 * scipy.stats.norm.sf(abs(z)),
    }


def calibration_error(scores, labels, strategy, bins):
    if strategy == "width":
        index = numpy.searchsorted(numpy.linspace(0, 1, bins + 1)[1:-1], scores)
        groups = [numpy.flatnonzero(index == b) for b in range(bins)]
    else:
        groups = numpy.array_split(numpy.argsort(scores, kind="stable"), bins)
    return sum(abs(labels[g].mean() - scores[g].mean()) * len(g) for g in groups if len(g)) / len(scores)


def binary_case(seed, rows, levels):
    scores, second, labels = binary_sample(seed, rows, levels)
    decided = scores >= 0.5
    true_negative, false_positive, false_negative, true_positive = sklearn.metrics.confusion_matrix(labels, decided).ravel()
    false_rate, true_rate, _ = sklearn.metrics.roc_curve(labels, scores)
    observed, predicted = sklearn.calibration.calibration_curve(labels, scores, n_bins=15)
    thresholds = numpy.concatenate([[numpy.inf], numpy.unique(scores)[::-1]])
    costs = [5.0 * ((scores < t) & (labels == 1)).sum() + 1.0 * ((scores >= t) & (labels == 0)).sum() for t in thresholds]
    best = int(numpy.argmin(costs))
    wilson = scipy.stats.binomtest(int(labels.sum()), rows).proportion_ci(method="wilson")
    return {
        "seed": seed, "rows": rows, "levels": levels,
        "positives": int(labels.sum()),
        "roc_auc": sklearn.metrics.roc_auc_score(labels, scores),
        "average_precision": sklearn.metrics.average_precision_score(labels, scores),
        "log_loss": sklearn.metrics.log_loss(labels, scores),
        "brier": sklearn.metrics.brier_score_loss(labels, scores),
        "ece_width": calibration_error(scores, labels, "width", 15),
        "ece_mass": calibration_error(scores, labels, "mass", 15),
        "observed": list(observed), "predicted": list(predicted),
        "confusion": [int(true_positive), int(false_positive), int(false_negative), int(true_negative)],
        "precision": sklearn.metrics.precision_score(labels, decided),
        "recall": sklearn.metrics.recall_score(labels, decided),
        "f1": sklearn.metrics.f1_score(labels, decided),
        "accuracy": sklearn.metrics.accuracy_score(labels, decided),
        "separation": float((true_rate - false_rate).max()),
        "cheapest_cost": costs[best],
        "cheapest_threshold": "Infinity" if numpy.isinf(thresholds[best]) else float(thresholds[best]),
        "wilson": [wilson.low, wilson.high],
        "delong": delong(scores, second, labels),
    }


def psi_quantile(reference, current):
    """Ten quantile bins [a, b) of the reference, shares floored at 1e-4."""
    edges = numpy.unique(numpy.quantile(reference, numpy.arange(1, 10) / 10))
    if edges[-1] == reference.max():
        edges = numpy.append(edges, numpy.nextafter(reference.max(), numpy.inf))
    shares = [numpy.maximum(numpy.bincount(numpy.digitize(x, edges), minlength=len(edges) + 1) / len(x), 1e-4)
              for x in (reference, current)]
    return float(((shares[0] - shares[1]) * numpy.log(shares[0] / shares[1])).sum())


def psi_evidently(reference, current):
    """As Evidently's get_binned_data and psi."""
    if len(numpy.unique(reference)) > 20:
        edges = numpy.histogram_bin_edges(numpy.concatenate([reference, current]), bins="sturges")
        counts = [numpy.histogram(x, edges)[0] for x in (reference, current)]
    else:
        keys = numpy.unique(numpy.concatenate([reference, current]))
        counts = [numpy.array([(x == key).sum() for key in keys]) for x in (reference, current)]
    shares = []
    for x, count in zip((reference, current), counts):
        share = count / len(x)
        least = share[share != 0].min()
        share = numpy.where(share == 0, least / 1e6 if least <= 1e-4 else 1e-4, share)
        shares.append(share)
    return float(((shares[0] - shares[1]) * numpy.log(shares[0] / shares[1])).sum())


def psi_azure(reference, current):
    bins = int(numpy.ceil(numpy.log2(min(len(reference), len(current))) + 1))
    edges = numpy.linspace(min(reference.min(), current.min()), max(reference.max(), current.max()), bins + 1)
    shares = [(numpy.histogram(x, edges)[0] + 1) / (len(x) + bins) for x in (reference, current)]
    return float(((shares[0] - shares[1]) * numpy.log(shares[0] / shares[1])).sum())


def drift_case(reference_rows, current_rows, scale, shift, levels):
    reference = drift_sample(1, reference_rows, 10.0, 0.0, levels)
    current = drift_sample(7, current_rows, scale, shift, levels)
    test = scipy.stats.ks_2samp(reference, current)
    distance = scipy.stats.wasserstein_distance(reference, current)
    return {
        "reference_rows": reference_rows, "current_rows": current_rows,
        "scale": scale, "shift": shift, "levels": levels,
        "ks": test.statistic, "ks_p_value": test.pvalue,
        "wasserstein": distance,
        "wasserstein_normed": distance / max(numpy.std(reference), 0.001),
        "psi_quantile": psi_quantile(reference, current),
        "psi_evidently": psi_evidently(reference, current),
        "psi_azure": psi_azure(reference, current),
    }


def survival_table():
    table = []
    for n in (1, 2, 5, 30, 100, 140, 141, 500, 3000, 20000, 150000):
        for z in (0.3, 0.5, 0.7, 0.9, 1.2, 1.45, 1.6, 2.1, 3.0, 5.0):
            d = z / numpy.sqrt(n)
            if d < 1:
                table.append([n, d, float(scipy.stats.kstwo.sf(d, n))])
    return table


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, numpy.generic):
        return value.item()
    return value


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    golden = {
        "origin": {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": numpy.__version__},
        "binary": [binary_case(3, 400, 0), binary_case(11, 1000, 20), binary_case(29, 5000, 0), binary_case(5, 60, 4)],
        "drift": [
            drift_case(300, 300, 10.0, 0.5, 0), drift_case(97, 60, 11.0, -0.4, 0), drift_case(2000, 1500, 10.5, 0.0, 0),
            drift_case(9000, 8500, 10.0, 0.1, 0), drift_case(1200, 900, 10.0, 0.6, 1), drift_case(20000, 15000, 10.0, 0.05, 0),
            drift_case(20000, 80, 10.0, 0.8, 0), drift_case(15000, 15000, 10.0, 0.0, 0), drift_case(12000, 40000, 9.0, 0.0, 3),
        ],
        "kolmogorov_survival": survival_table(),
    }
    path = pathlib.Path(__file__).with_name("golden.json")
    path.write_text(json.dumps(plain(golden), indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
