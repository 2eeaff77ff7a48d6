# SPDX-License-Identifier: Apache-2.0
"""Bad input: the error names the thing, the value seen, the value wanted and the next step; nothing is half-written."""

import os
import pathlib
import socket
import subprocess

import millrace
import pandas
import pytest


def refuse(project, *texts, code=2, command="run", arguments=()):
    """The command fails with that exit code, and every text stands in its error."""
    done = millrace.run(command, project, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    for text in texts:
        assert text in done.stderr, done.stderr
    assert "terminate" not in done.stderr and "Traceback" not in done.stderr
    return done


def first_file(project):
    return project / "data/online_retail_2009_2010.parquet"


def rewrite(project, change):
    """Both data files, changed by a function from table to table."""
    for path in sorted((project / "data").glob("*.parquet")):
        change(pandas.read_parquet(path)).to_parquet(path, index=False)


def nothing_registered(project):
    if (project / ".millrace").exists():
        assert millrace.run_json("models", "list", project) == []


def test_missing_file(small):
    first_file(small).unlink()
    refuse(small, "online_retail_2009_2010.parquet", "sources.yaml", code=3)
    nothing_registered(small)


def test_truncated_parquet(small):
    data = first_file(small).read_bytes()
    first_file(small).write_bytes(data[: len(data) // 2])
    done = millrace.run("run", small)
    assert done.returncode in (1, 2)
    assert "online_retail_2009_2010.parquet" in done.stderr
    nothing_registered(small)


def test_file_that_is_no_parquet(small):
    first_file(small).write_text("hello")
    done = millrace.run("run", small)
    assert done.returncode in (1, 2)
    assert "online_retail_2009_2010.parquet" in done.stderr


def test_unknown_column_in_a_feature(small, edit):
    edit(small / "features/customer.yaml", "max(amount)", "max(amonut)")
    refuse(small, "features/customer.yaml", "amonut", "amount")
    refuse(small, "features/customer.yaml", "amonut", command="validate")


def test_unknown_column_in_sql(small, edit):
    edit(small / "tables/transactions.sql", "AND quantity > 0", "AND quantty > 0")
    refuse(small, "transactions", "quantty")


def test_wrong_type_in_a_feature(small, edit):
    edit(small / "features/customer.yaml", "max(amount)", "max(country)")
    refuse(small, "features/customer.yaml", "country")


def test_unknown_key_in_yaml_names_line_and_nearest(small, edit):
    edit(small / "training/churn.yaml", "baselines:", "baslines:")
    refuse(small, "training/churn.yaml:", "baslines", "baselines", command="validate")


def test_all_mistakes_of_all_files_at_once(small, edit):
    edit(small / "training/churn.yaml", "num_leaves: 15", "num_leafs: 15")
    edit(small / "monitors/churn.yaml", "endpoint: churn", "endpoint: chrun")
    edit(small / "pipelines/train.yaml", "training: churn", "training: chrn")
    refuse(small, "num_leafs", "num_leaves", "chrun", "chrn", "monitors", "pipelines/train.yaml:", command="validate")


def test_broken_yaml_names_the_place(small):
    (small / "features/product.yaml").write_text("entity: [product\n")
    refuse(small, "features/product.yaml:", command="validate")


def key_of(table):
    return "Customer ID" if "Customer ID" in table else "CustomerID"


def test_nan_keys_are_refused_with_the_cast_to_make(small):
    def change(table):
        table[key_of(table)] = table[key_of(table)].astype("float64")
        table.loc[table.index[:10], key_of(table)] = float("nan")
        return table

    rewrite(small, change)
    refuse(small, "customer_id", "double", "int64", "cast")


def test_null_keys_match_nothing_and_are_left_out(small, edit):
    def change(table):
        table[key_of(table)] = table[key_of(table)].astype("Int64")
        table.loc[table.index[:10], key_of(table)] = pandas.NA
        return table

    rewrite(small, change)
    edit(small / "tables/transactions.sql", "WHERE customer_id IS NOT NULL\n  AND", "WHERE")
    edit(small / "quality/transactions.yaml", "  - {expect: column_values_to_not_be_null, column: customer_id}\n", "")
    report = millrace.run_json("run", small)
    rows = pandas.read_parquet(millrace.output(report, "labels.parquet"))
    assert rows["customer_id"].notna().all()


def test_empty_table(small):
    rewrite(small, lambda table: table.head(0))
    refuse(small, "transactions", "no rows", code=5)
    nothing_registered(small)


def test_one_class_only(small, edit):
    edit(small / "training/churn.yaml", "positive: none in 90d ", "positive: none in 1us ")
    refuse(small, "churned", "class")
    nothing_registered(small)


def test_constant_feature_is_kept_and_named(small, edit):
    edit(small / "features/customer.yaml", "domestic_ratio:            domestic_lines / greatest(total_lines, 1)",
         "domestic_ratio:            total_lines / total_lines")
    done = millrace.run("run", small)
    assert done.returncode == 0, done.stderr
    assert "domestic_ratio" in done.stdout and "constant" in done.stdout


def test_port_taken(small):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refuse(small, f"127.0.0.1:{port}", code=5, command="serve", arguments=("--port", port))


def test_project_that_is_none(tmp_path):
    done = millrace.run("run", tmp_path / "nothing")
    assert done.returncode == 3 and "millrace.yaml" in done.stderr and "millrace init" in done.stderr


def test_init_refuses_a_folder_with_files(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    done = millrace.run("init", tmp_path)
    assert done.returncode == 4 and "not empty" in done.stderr
    assert (tmp_path / "kept.txt").read_text() == "mine"


def test_settings_out_of_range(small):
    refuse(small, "--port", "70000", "65535", command="serve", arguments=("--port", 70000))
    done = millrace.run("config", "show", small, env={"MILLRACE_THREADS": "many"})
    assert done.returncode == 2 and "MILLRACE_THREADS" in done.stderr


def test_predict_with_an_unknown_key(finished):
    done = millrace.run("predict", finished, "--key", "999")
    assert done.returncode == 3 and "999" in done.stderr


def test_predict_with_a_missing_column(finished, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("lifetime_value\n12.5\n")
    done = millrace.run("predict", finished, "--input", rows)
    assert done.returncode == 2 and "days_since_last_purchase" in done.stderr


@pytest.fixture
def mount(tmp_path):
    """Mounts a small file system at a folder; such mounts are a root's privilege."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def make(options):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip("by design: this user may not mount a file system, and nothing else has a full disk")
        return folder

    yield make
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


def test_disk_full(small, mount):
    folder = mount("size=2m")
    done = millrace.run("run", small, "--workspace", folder / "workspace")
    assert done.returncode == 7, done.stderr
    assert "space" in done.stderr.lower() and str(folder) in done.stderr
    subprocess.run(["mount", "-o", "remount,size=500m", str(folder)], check=True)
    report = millrace.run_json("run", small, "--workspace", folder / "workspace")
    assert report["model"]["version"] == 1


def test_read_only_workspace(small, mount):
    folder = mount("size=200m")
    millrace.run_json("run", small, "--workspace", folder / "workspace")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    done = millrace.run("run", small, "--workspace", folder / "workspace")
    assert done.returncode == 6, done.stderr
    assert str(folder) in done.stderr


def test_a_damaged_model_file_is_refused_and_named(small):
    millrace.run_json("run", small)
    location = millrace.run_json("models", "show", "churn", small)["versions"][0]["storage_location"]
    model = small / ".millrace/artifacts" / location.removeprefix("mlflow-artifacts:/")
    native = next(path for path in model.iterdir() if path.name in ("model.lgb", "model.ubj", "model.forest", "model.logistic"))
    data = bytearray(native.read_bytes())
    os.truncate(native, len(data) // 2)
    done = millrace.run("predict", small, "--key", str(any_key(small)))
    assert done.returncode == 1 and native.name in done.stderr


def any_key(project):
    return millrace.run_json("features", "show", project, "--view", "customer_activity")["rows"][0]["key"]
