# SPDX-License-Identifier: Apache-2.0
"""Features and labels of examples/churn against an independent formulation in DuckDB SQL, written by hand under oracle/: every row,
every feature; counts exactly, the rest to 1e-9 relative."""

import pathlib

import duckdb
import millrace
import numpy
import pytest

ORACLE = pathlib.Path(__file__).parent / "oracle"
SCORING_AS_OF = "2011-12-01"


@pytest.fixture(scope="module")
def database(report):
    """The run's transactions, not its features; UTC as everywhere."""
    db = duckdb.connect(config={"threads": 2})
    db.execute("SET TimeZone = 'UTC'")
    path = millrace.output(report, "transactions.parquet")
    db.execute(f"""CREATE TABLE transactions AS
                   SELECT * REPLACE (CAST(invoice_date AS TIMESTAMP) AS invoice_date) FROM '{path}'""")
    return db


def read(database, path):
    """A result of the run with naive UTC as-of times, so that it compares with the oracle's."""
    return database.execute(f"SELECT * REPLACE (CAST(as_of AS TIMESTAMP) AS as_of) FROM '{path}'").to_arrow_table()


def numbers(table, column):
    return table[column].to_pandas().to_numpy(dtype=float)


def compare(ours, oracle, columns):
    """Compares column by column; the message names the feature and the first row that differs."""
    assert ours.num_rows == oracle.num_rows
    for column in columns:
        seen, wanted = numbers(ours, column), numbers(oracle, column)
        is_count = str(ours.schema.field(column).type) == "int64"
        # A trend is the difference of two sums that may be equal: its error is relative to them, not to itself.
        same = seen == wanted if is_count else numpy.isclose(seen, wanted, rtol=1e-9, atol=1e-9 if column.endswith("_trend") else 0)
        wrong = numpy.flatnonzero(~(same | (numpy.isnan(seen) & numpy.isnan(wanted))))
        assert wrong.size == 0, f"{column}: {wrong.size} of {len(seen)} rows, first {wrong[0]}: {seen[wrong[0]]!r}, oracle {wanted[wrong[0]]!r}"


def check_view(database, report, view, key):
    """Rows are every key with an event in the ttl of 365 days before each as-of time; columns are the oracle's, no more, no fewer."""
    path = millrace.output(report, f"{view}.parquet")
    ours = database.execute(f"SELECT * REPLACE (CAST(as_of AS TIMESTAMP) AS as_of) FROM '{path}' ORDER BY as_of, {key}").to_arrow_table()
    database.execute(f"""
        CREATE OR REPLACE TABLE requests AS
        SELECT row_number() OVER (ORDER BY as_of, {key}) - 1 AS row_number, {key}, as_of FROM (
          SELECT DISTINCT t.{key}, grid.as_of
          FROM (SELECT unnest(generate_series(TIMESTAMP '2010-06-01', TIMESTAMP '2011-09-01', INTERVAL 1 MONTH)
                              || [TIMESTAMP '{SCORING_AS_OF}']) AS as_of) grid
          JOIN transactions t ON t.invoice_date < grid.as_of AND t.invoice_date >= grid.as_of - INTERVAL 365 DAY)""")
    requests = database.execute("FROM requests ORDER BY row_number").to_arrow_table()
    assert ours[key].to_pylist() == requests[key].to_pylist()
    assert ours["as_of"].to_pylist() == requests["as_of"].to_pylist()
    oracle = database.execute((ORACLE / f"{view}.sql").read_text()).to_arrow_table()
    features = [name for name in ours.column_names if name not in (key, "as_of")]
    assert sorted(features) == sorted(set(oracle.column_names) - {"row_number"}), "the oracle and the view define other features"
    compare(ours, oracle, features)


def test_every_customer_feature_of_every_row_equals_the_oracle(database, report):
    check_view(database, report, "customer_activity", "customer_id")


def test_every_product_feature_of_every_row_equals_the_oracle(database, report):
    check_view(database, report, "product_sales", "stock_code")


def test_every_label_and_its_set_equals_the_oracle(database, report):
    ours = read(database, millrace.output(report, "labels.parquet"))
    oracle = database.execute((ORACLE / "labels.sql").read_text()).to_arrow_table()
    assert ours.num_rows == oracle.num_rows
    for column in ("customer_id", "as_of", "churned", "split"):
        assert ours[column].to_pylist() == oracle[column].to_pylist(), column


def test_the_training_set_joins_each_label_with_the_oracles_features(database, report):
    ours = read(database, millrace.output(report, "training_set.parquet"))
    labels = read(database, millrace.output(report, "labels.parquet"))
    wanted = labels.to_pandas()
    seen = ours.to_pandas()
    for column in ("customer_id", "as_of", "churned"):
        assert seen[column].to_list() == wanted[column].to_list(), column
    database.register("rows_of_set", ours.select(["customer_id", "as_of"]))
    database.execute("""CREATE OR REPLACE TABLE requests AS
                        SELECT row_number() OVER () - 1 AS row_number, customer_id, as_of FROM rows_of_set""")
    oracle = database.execute((ORACLE / "customer_activity.sql").read_text()).to_arrow_table()
    compare(ours, oracle, [name for name in oracle.column_names if name != "row_number"])
