# SPDX-License-Identifier: Apache-2.0
"""Feature history of examples/churn: Millrace against DuckDB SQL and Polars, same definitions, same rows, same two threads.

Every side starts from tables in memory and ends with the table of features in memory; the results must agree, counts exactly and
the rest to 1e-9. Usage: python bench/feature_history.py [--repeat N] [--binary build/release/benches/features_bench]
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("POLARS_MAX_THREADS", "2")

import duckdb
import numpy
import polars
import pyarrow.parquet

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROJECT = ROOT / "examples/churn"
THREADS = 2
WINDOWS_DAYS = (30, 90, 180)


def prepare(folder):
    """Writes transactions.parquet and requests.parquet (every customer alive at the first of each month) for all sides."""
    db = duckdb.connect(config={"threads": THREADS})
    for name in ("2009_2010", "2010_2011"):
        db.execute(f"CREATE VIEW retail_{name} AS FROM '{PROJECT}/data/online_retail_{name}.parquet'")
    db.execute("CREATE TABLE transactions AS " + (PROJECT / "tables/transactions.sql").read_text())
    db.execute("""
        CREATE TABLE requests AS
        SELECT row_number() OVER (ORDER BY as_of, customer_id) - 1 AS row_number, customer_id, as_of FROM (
          SELECT DISTINCT customer_id, as_of
          FROM generate_series(TIMESTAMP '2010-06-01', TIMESTAMP '2011-09-01', INTERVAL 1 MONTH) grid(as_of), transactions
          WHERE invoice_date < as_of AND invoice_date >= as_of - INTERVAL 365 DAY)
        ORDER BY row_number""")
    for table in ("transactions", "requests"):
        db.execute(f"COPY {table} TO '{folder}/{table}.parquet' (FORMAT parquet)")
    return db


def best_of(repeat, action):
    """The fastest of several timings, as every side gets: (seconds, processor seconds of all threads); and the last result."""
    timings, result = [], None
    for _ in range(repeat):
        start, start_cpu = time.perf_counter(), time.process_time()
        result = action()
        timings.append((time.perf_counter() - start, time.process_time() - start_cpu))
    return (min(wall for wall, _ in timings), min(cpu for _, cpu in timings)), result


def run_duckdb(db, repeat):
    """One query over the join of requests and events."""
    query = (ROOT / "tests/e2e/oracle/customer_activity.sql").read_text()
    return best_of(repeat, lambda: db.execute(query).to_arrow_table())


def run_duckdb_by_date(db, repeat):
    """One aggregation per as-of time, without a join: what an expert writes for few dates. Its rows are matched afterwards."""
    query = (ROOT / "tests/e2e/oracle/customer_activity.sql").read_text().replace("ORDER BY row_number", "")
    query = query.replace("r.row_number,", "t.customer_id,").replace("GROUP BY r.row_number", "GROUP BY t.customer_id")
    query = query.replace("any_value(r.as_of)", "TIMESTAMP '$as_of'").replace("r.as_of", "TIMESTAMP '$as_of'")
    join = "FROM requests r\n  JOIN transactions t ON t.customer_id = r.customer_id AND t.invoice_date < TIMESTAMP '$as_of'"
    assert join in query
    query = query.replace(join, "FROM transactions t WHERE t.invoice_date < TIMESTAMP '$as_of'")
    query = query.replace("GROUP BY t.customer_id", "GROUP BY t.customer_id HAVING max(t.invoice_date) >= TIMESTAMP '$as_of' - INTERVAL 365 DAY")
    dates = [str(row[0]) for row in db.execute("SELECT DISTINCT as_of FROM requests ORDER BY 1").fetchall()]
    whole = " UNION ALL ".join(f"(SELECT TIMESTAMP '{date}' AS as_of, * FROM ({query.replace('$as_of', date)}))" for date in dates)
    return best_of(repeat, lambda: db.execute(whole + " ORDER BY as_of, customer_id").to_arrow_table())


def run_polars(folder, repeat):
    """One group_by per as-of time over the lazy engine, collected together."""
    transactions = polars.read_parquet(folder / "transactions.parquet")
    requests = polars.read_parquet(folder / "requests.parquet")
    dates = requests["as_of"].unique().sort().to_list()
    col = polars.col

    def one_date(as_of):
        since = {days: col("invoice_date") >= as_of - polars.duration(days=days) for days in WINDOWS_DAYS}

        def over(column, days):
            return col(column).filter(since[days])

        def total(column, days):
            # Polars sums an empty selection to 0; the definition is null.
            return polars.when(over(column, days).count() > 0).then(over(column, days).sum()).otherwise(None)

        microseconds = polars.lit(as_of).dt.epoch("us")
        return (
            transactions.lazy().filter(col("invoice_date") < as_of).group_by("customer_id").agg(
                ((microseconds - col("invoice_date").max().dt.epoch("us")) / 86400e6).alias("days_since_last_purchase"),
                ((microseconds - col("invoice_date").min().dt.epoch("us")) / 86400e6).alias("days_since_first_purchase"),
                polars.len().alias("total_lines"),
                col("invoice_no").n_unique().alias("total_invoices"),
                over("invoice_no", 30).n_unique().alias("invoices_last_30d"),
                over("invoice_no", 90).n_unique().alias("invoices_last_90d"),
                over("invoice_no", 180).n_unique().alias("invoices_last_180d"),
                col("invoice_date").dt.truncate("1mo").n_unique().alias("active_months"),
                col("amount").sum().alias("lifetime_value"),
                col("amount").mean().alias("avg_line_amount"),
                col("amount").max().alias("max_line_amount"),
                col("amount").min().alias("min_line_amount"),
                over("amount", 30).count().alias("lines_last_30d"),
                over("amount", 90).count().alias("lines_last_90d"),
                total("amount", 30).alias("amount_last_30d"),
                total("amount", 90).alias("amount_last_90d"),
                total("amount", 180).alias("amount_last_180d"),
                total("quantity", 90).alias("units_last_90d"),
                col("stock_code").n_unique().alias("unique_products"),
                over("stock_code", 90).n_unique().alias("unique_products_last_90d"),
                (col("country") == "United Kingdom").sum().alias("domestic_lines"),
                (col("amount") >= 100).sum().alias("large_lines"),
                col("invoice_date").max().alias("newest"),
            )
            .filter(col("newest") >= as_of - polars.duration(days=365)).drop("newest")
            .with_columns(
                (col("lifetime_value") / polars.max_horizontal("total_invoices", 1)).alias("avg_invoice_amount"),
                (col("lifetime_value") / polars.max_horizontal("active_months", 1)).alias("avg_amount_per_month"),
                ((col("days_since_first_purchase") - col("days_since_last_purchase"))
                 / polars.max_horizontal(col("total_invoices").cast(polars.Int64) - 1, 1)).alias("avg_days_between_invoices"),
                ((col("amount_last_30d").fill_null(0) - col("amount_last_90d").fill_null(0) / 3)
                 / polars.max_horizontal(col("amount_last_90d").fill_null(0) / 3, polars.lit(1.0))).alias("amount_trend"),
                (col("domestic_lines") / polars.max_horizontal("total_lines", 1)).alias("domestic_ratio"),
            )
            .with_columns((col("days_since_last_purchase") / polars.max_horizontal("avg_days_between_invoices", polars.lit(1.0)))
                          .alias("recency_ratio"), polars.lit(as_of).alias("as_of"))
        )

    def action():
        parts = polars.collect_all([one_date(date) for date in dates])
        return polars.concat(parts).sort("as_of", "customer_id")

    timing, result = best_of(repeat, action)
    return timing, result.to_arrow()


def run_millrace(binary, folder, repeat):
    """The history kernel through its benchmark executable: sorting of the raw table included."""
    environment = {**os.environ, "MILLRACE_BENCH_DATA": str(folder), "MILLRACE_BENCH_FEATURES": str(PROJECT / "features/customer.yaml")}
    done = subprocess.run([str(binary), "--benchmark_filter=HistoryOfDemo", f"--benchmark_repetitions={repeat}", "--benchmark_format=json"],
                          capture_output=True, text=True, env=environment, check=False, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{binary} failed with exit code {done.returncode}:\n{done.stderr}")
    runs = [run for run in json.loads(done.stdout)["benchmarks"] if run["run_type"] == "iteration"]
    failed = [run["error_message"] for run in runs if run.get("error_occurred")]
    if failed or not runs:
        sys.exit(f"{binary}: {failed or done.stderr}")
    assert {run["time_unit"] for run in runs} == {"ms"}
    timing = (min(run["real_time"] for run in runs) / 1e3, min(run["cpu_time"] for run in runs) / 1e3)
    return timing, pyarrow.parquet.read_table(folder / "features.parquet")


def compare(ours, theirs, name):
    """Every row and every column: counts exactly, the rest to 1e-9 relative, nulls in the same places."""
    assert ours.num_rows == theirs.num_rows, f"{name}: {theirs.num_rows} rows, Millrace has {ours.num_rows}"
    for column in ours.column_names:
        a = ours[column].to_pandas().to_numpy(dtype=float)
        b = theirs[column].to_pandas().to_numpy(dtype=float)
        is_count = str(ours.schema.field(column).type) == "int64"
        same = (a == b) if is_count else numpy.isclose(a, b, rtol=1e-9, atol=1e-9 if column == "amount_trend" else 0)
        wrong = ~(same | (numpy.isnan(a) & numpy.isnan(b)))
        assert not wrong.any(), f"{name}: {column} differs in {wrong.sum()} rows, first {wrong.argmax()}: {b[wrong][0]!r}, ours {a[wrong][0]!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3, help="timings per side; the fastest counts")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build/release/benches/features_bench")
    options = parser.parse_args()
    if not options.binary.exists():
        sys.exit(f"{options.binary} does not exist; build it with scripts/build.sh release benches")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        db = prepare(folder)
        sides = {"Millrace": run_millrace(options.binary, folder, options.repeat + 2)}
        sides["DuckDB SQL, one query"] = run_duckdb(db, options.repeat)
        sides["DuckDB SQL, by date"] = run_duckdb_by_date(db, options.repeat)
        sides["Polars"] = run_polars(folder, options.repeat)
        (ours_wall, ours_cpu), ours = sides["Millrace"]
        rows = db.execute("SELECT count(*) FROM transactions").fetchone()[0]
        print(f"{rows:,} events, {ours.num_rows:,} requests, {ours.num_columns} features, {THREADS} threads; best of {options.repeat}")
        print(f"{'':24}{'seconds':>10}{'ratio':>8}{'cpu s':>10}{'ratio':>8}{'requests/s':>14}")
        for side, ((wall, cpu), table) in sides.items():
            if table is not ours:
                compare(ours, table, side)
            print(f"{side:24}{wall:10.3f}{wall / ours_wall:8.1f}{cpu:10.3f}{cpu / ours_cpu:8.1f}{ours.num_rows / wall:14,.0f}")
        print("results agree: counts exactly, the rest to 1e-9 relative")


if __name__ == "__main__":
    main()
