# SPDX-License-Identifier: Apache-2.0
"""`millrace run`: what it promises of its results, its cache and its gates."""

import json
import pathlib
import re

import millrace
import pandas

STAGES = ["ingest", "validate", "features", "label", "train", "evaluate", "register", "deploy", "score", "monitor"]
SECOND_YEAR = 2011


def test_every_stage_stands_in_the_report_in_its_order(report):
    assert [stage["name"] for stage in report["stages"]] == STAGES


def test_a_second_run_takes_everything_from_the_cache(report):
    assert report["status"] == "cached"
    assert set(millrace.statuses(report).values()) == {"cached"}


def test_the_report_fits_its_published_schema(report):
    schema = json.loads((pathlib.Path(__file__).parents[2] / "docs/schemas/run_report.schema.json").read_text())
    import jsonschema

    jsonschema.Draft202012Validator(schema).validate(report)


def test_transactions_are_the_known_customers_purchases_of_both_files(report):
    rows = pandas.read_parquet(millrace.output(report, "transactions.parquet"))
    assert len(rows) == millrace.stage(report, "ingest")["rows"] > 700_000
    assert rows["customer_id"].notna().all() and (rows["quantity"] > 0).all() and (rows["unit_price"] > 0).all()
    assert not rows["invoice_no"].str.startswith("C").any()
    assert rows["invoice_date"].is_monotonic_increasing
    assert rows["invoice_date"].max().year == SECOND_YEAR


def test_at_least_twelve_kinds_of_expectations_are_checked(report):
    validation = json.loads(millrace.output(report, "validation_transactions.json").read_text())
    assert len({item["expectation"] for item in validation["expectations"]}) >= 12
    assert all(item["passed"] for item in validation["expectations"] if item["severity"] == "error")


def test_the_label_stage_states_rows_and_balance_of_each_set(report):
    metrics = millrace.stage(report, "label")["metrics"]
    rows = pandas.read_parquet(millrace.output(report, "training_set.parquet"))
    for name in ("train", "validation", "test"):
        of_set = rows[rows["split"] == name]
        assert metrics[f"{name}_rows"] == len(of_set) > 1000
        assert metrics[f"{name}_positives"] == of_set["churned"].sum()
        assert 0.3 < metrics[f"{name}_positive_share"] < 0.8


def test_no_label_window_reaches_into_a_later_set(report):
    rows = pandas.read_parquet(millrace.output(report, "training_set.parquet"))
    window = pandas.Timedelta(days=90)
    last = {name: rows.loc[rows["split"] == name, "as_of"].max() for name in ("train", "validation")}
    first = {name: rows.loc[rows["split"] == name, "as_of"].min() for name in ("validation", "test")}
    assert last["train"] + window <= first["validation"]
    assert last["validation"] + window <= first["test"]


def test_the_model_beats_recency_alone_with_the_intervals_apart(finished, report):
    metrics = millrace.stage(report, "evaluate")["metrics"]
    assert metrics["roc_auc"] >= 0.76
    assert metrics["roc_auc_lower"] > metrics["baseline_recency_roc_auc"]
    assert metrics["baseline_majority_roc_auc"] == 0.5
    text = millrace.run("run", finished).stdout
    assert re.search(r"recency .*yes, intervals apart", text)


def test_scikit_learn_measures_the_same_test_scores(report):
    import sklearn.metrics

    scores = pandas.read_parquet(millrace.output(report, "test_scores.parquet"))
    metrics = json.loads(millrace.output(report, "metrics.json").read_text())
    chosen = json.loads(millrace.output(report, "choice.json").read_text())["learner"]
    values = {"roc_auc": sklearn.metrics.roc_auc_score(scores["churned"], scores[chosen]),
              "pr_auc": sklearn.metrics.average_precision_score(scores["churned"], scores[chosen]),
              "log_loss": sklearn.metrics.log_loss(scores["churned"], scores[chosen]),
              "brier": sklearn.metrics.brier_score_loss(scores["churned"], scores[chosen])}
    for name, value in values.items():
        assert abs(metrics[name] - value) < 1e-9, name


def test_pandas_finds_the_same_groups_and_differences(finished, report):
    scores = pandas.read_parquet(millrace.output(report, "test_scores.parquet"))
    choice = json.loads(millrace.output(report, "choice.json").read_text())
    events = pandas.read_parquet(finished / ".millrace/offline/transactions/transactions.parquet", columns=["customer_id", "invoice_date", "country"])
    known = pandas.merge_asof(scores.sort_values("as_of", kind="stable"), events.sort_values("invoice_date", kind="stable"), left_on="as_of",
                              right_on="invoice_date", by="customer_id", allow_exact_matches=False)
    known["selected"] = known[choice["learner"]] >= choice["threshold"]
    [fairness] = json.loads(millrace.output(report, "fairness.json").read_text())
    assert fairness["column"] == "country" and fairness["minimum_rows"] == 100
    judged = {group["group"]: group for group in fairness["groups"] if group["is_judged"]}
    sizes = known["country"].value_counts()
    assert set(judged) == set(sizes.index[sizes >= 100])
    rates = {}
    for name, group in judged.items():
        own = known[known["country"] == name]
        assert (group["rows"], group["positives"]) == (len(own), own["churned"].sum())
        assert abs(group["selection_rate"]["value"] - own["selected"].mean()) < 1e-12
        rates[name] = own[own["churned"] == 1]["selected"].mean()
        assert abs(group["true_positive_rate"]["value"] - rates[name]) < 1e-12
    metrics = millrace.stage(report, "evaluate")["metrics"]
    assert abs(metrics["fairness/country/equal_opportunity_difference"] - (max(rates.values()) - min(rates.values()))) < 1e-12
    segments = {table["column"]: table for table in json.loads(millrace.output(report, "segments.json").read_text())}
    assert list(segments) == ["as_of", "country", "lifetime_value"]
    for table in segments.values():
        assert sum(group["rows"] for group in table["groups"]) == len(scores)


def test_the_report_is_one_self_contained_page(report):
    page = millrace.output(report, "report.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert not re.search(r"(src|href)=[\"']https?:", page)
    assert page.count("<svg") >= 7
    for word in ("ROC", "calibration", "lift", "confusion", "importance", "Drift", "days_since_last_purchase",
                 "ROC AUC by country", "Decisions by country", "demographic_parity_ratio"):
        assert word.lower() in page.lower(), word


def test_scores_are_those_of_the_scoring_as_of(report):
    scores = pandas.read_parquet(millrace.output(report, "scores.parquet"))
    assert set(scores["as_of"]) == {pandas.Timestamp("2011-12-01", tz=scores["as_of"].dt.tz)}
    assert scores["customer_id"].is_unique and scores["score"].between(0, 1).all()
    assert len(scores) == millrace.stage(report, "score")["rows"]
    assert millrace.stage(report, "score")["metrics"]["requests"] == 1000


def test_drift_is_measured_for_every_feature_and_the_score(report):
    drift = {row["column"]: row for row in json.loads(millrace.output(report, "drift.json").read_text())}
    assert len(drift) == 29 and "score" in drift
    assert {row["verdict"] for row in drift.values()} <= {"ok", "warn", "drift"}


def test_changing_one_product_feature_leaves_training_alone(small, edit):
    millrace.run_json("run", small)
    edit(small / "features/product.yaml", "price_spread:        (max_price - min_price) / avg_price",
         "price_spread:        (max_price - min_price) / max_price")
    statuses = millrace.statuses(millrace.run_json("run", small))
    assert [name for name, status in statuses.items() if status == "ran"] == ["features", "deploy", "score", "monitor"] or \
        [name for name, status in statuses.items() if status == "ran"] == ["features", "deploy", "score"]


def test_changing_a_customer_feature_trains_again_and_keeps_the_champions_values(small, edit):
    first = millrace.run_json("run", small)
    edit(small / "features/customer.yaml", "count(*) where amount >= 100", "count(*) where amount >= 150")
    second = millrace.run_json("run", small)
    ran = [name for name, status in millrace.statuses(second).items() if status == "ran"]
    assert ran[:5] == ["features", "label", "train", "evaluate", "register"]
    assert millrace.statuses(second)["ingest"] == millrace.statuses(second)["validate"] == "cached"
    assert second["model"]["version"] == first["model"]["version"] + 1
    versions = millrace.run_json("models", "show", "churn", small)["versions"]
    assert [version["version"] for version in versions if "champion" in version["aliases"]] in ([1], [2])
    answers = millrace.run_json("predict", small, "--input", write_keys(small))
    assert len(answers["predictions"]) == 3


def write_keys(project):
    """A CSV file with three keys that the online store has."""
    rows = millrace.run_json("features", "show", project, "--view", "customer_activity")["rows"][:3]
    path = project / "keys.csv"
    path.write_text("customer_id\n" + "".join(f"{row['key']}\n" for row in rows))
    return path


def test_a_failed_gate_keeps_the_old_champion_and_exits_zero(small, edit):
    millrace.run_json("run", small)
    edit(small / "training/churn.yaml", "minimum_auc: 0.70", "minimum_auc: 0.99")
    done = millrace.run("run", small)
    assert done.returncode == 0
    assert re.search(r"gate FAILED: .*0\.99", done.stdout)
    report = millrace.run_json("run", small)
    assert report["model"]["version"] == 2 and report["model"]["aliases"] == []
    versions = {version["version"]: version["aliases"] for version in millrace.run_json("models", "show", "churn", small)["versions"]}
    assert versions == {1: ["champion"], 2: []}
    assert millrace.run("run", small, "--fail-on-gate").returncode == 5


def test_a_failed_expectation_stops_the_run_and_shows_the_table(small, edit):
    edit(small / "quality/transactions.yaml", "column: quantity, min: 1, max: 100000}", "column: quantity, min: 2, max: 100000}")
    done = millrace.run("run", small)
    assert done.returncode == 5
    assert "FAILED" in done.stdout and "quality/transactions.yaml" in done.stderr
    report = json.loads(millrace.run("run", small, "--json").stdout)
    assert report["status"] == "failed"
    assert millrace.statuses(report) == {"ingest": "cached", "validate": "failed"}


def test_one_and_two_threads_give_the_same_bytes(small, tmp_path):
    files = {}
    for threads in (1, 2):
        workspace = tmp_path / f"workspace{threads}"
        report = millrace.run_json("run", small, "--threads", threads, "--workspace", workspace)
        files[threads] = millrace.content(report)
    assert files[1] == files[2]
