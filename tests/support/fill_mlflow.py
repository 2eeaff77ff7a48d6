# SPDX-License-Identifier: Apache-2.0
"""Fills an MLflow store through its own client: every kind of thing that a transfer must carry. Run by the MLflow whose store it is:

    python fill_mlflow.py TRACKING_URI
"""

import pathlib
import sys
import tempfile

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag


def fill(uri):
    client = MlflowClient(uri, uri)
    first = client.create_experiment("churn", tags={"team": "growth", "a/b": "nested"})
    run = client.create_run(first, run_name="boosted", start_time=1_700_000_000_123, tags={"note": "ümlaut, 'quotes'\nand lines"})
    run_id = run.info.run_id
    metrics = [Metric("loss", 1 / (i + 1), 1_700_000_000_200 + i, i) for i in range(500)]
    client.log_batch(run_id, metrics=metrics)
    client.log_batch(
        run_id,
        metrics=[Metric("nan", float("nan"), 1, 0), Metric("big", 1e300, 1, 0), Metric("deep/er", -2.5, 3, 4), Metric("back", 1.0, 5, 9),
                 Metric("back", 2.0, 6, 3)],
        params=[Param("lr", "0.1"), Param("model/kind", "tree with 'quote'")],
        tags=[RunTag("empty", "")])
    client.log_inputs(run_id, [DatasetInput(Dataset("events", "d1", "local", '{"uri": "events.parquet"}', schema='{"x": 1}', profile=None),
                                            [InputTag("mlflow.data.context", "training")])])
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "notes.txt"
        file.write_text("kept\n")
        client.log_artifact(run_id, str(file), "sub/folder")
        (pathlib.Path(folder) / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: none\n")
        client.log_artifact(run_id, str(pathlib.Path(folder) / "MLmodel"), "model")
    client.set_terminated(run_id, "FINISHED", end_time=1_700_000_009_000)
    failed = client.create_run(first, start_time=1_700_000_100_000).info.run_id
    client.set_terminated(failed, "FAILED", end_time=1_700_000_100_500)
    client.delete_run(client.create_run(first, run_name="thrown away").info.run_id)
    gone = client.create_experiment("gone")
    client.log_metric(client.create_run(gone).info.run_id, "m", 1.0)
    client.delete_experiment(gone)

    client.create_registered_model("churn model", tags={"owner": "ada"}, description="who leaves")
    source = client.get_run(run_id).info.artifact_uri + "/model"
    for _ in range(3):
        client.create_model_version("churn model", source, run_id, description="a version", tags={"k": "v"})
    client.delete_model_version("churn model", "2")
    client.transition_model_version_stage("churn model", "1", "Archived")
    client.set_registered_model_alias("churn model", "champion", "3")


if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[1])
    fill(sys.argv[1])
