# SPDX-License-Identifier: Apache-2.0
"""Autologging of PyTorch Lightning, part of `make test-all`: with what PyPI's torch brings it is 5.5 GB, too large for every test run.

scripts/setup.sh --torch installs it.
"""

import json
import pathlib
import subprocess

import pytest

PYTHON = pathlib.Path(__file__).resolve().parents[2] / "third_party/torch/bin/python"

TRAIN = """
import json, sys, mlflow, torch, pytorch_lightning as lightning
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment(experiment_id=sys.argv[2])
mlflow.models.infer_pip_requirements = lambda uri, flavor, fallback=None, **unused: fallback or []


class Line(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x):
        return self.layer(x)

    def training_step(self, batch, index):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self(x), y)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


torch.manual_seed(1)
x = torch.randn(64, 3)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True)), batch_size=16)
mlflow.pytorch.autolog()
model = Line()
with mlflow.start_run() as run:
    lightning.Trainer(max_epochs=5, logger=False, enable_checkpointing=False, enable_progress_bar=False, accelerator="cpu").fit(model, data)
found = mlflow.get_run(run.info.run_id)
[output] = found.outputs.model_outputs
loaded = mlflow.pytorch.load_model(f"models:/{output.model_id}")
print(json.dumps({"params": found.data.params, "metrics": found.data.metrics, "status": found.info.status,
                  "steps": len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "train_loss")),
                  "same": bool(torch.allclose(loaded(x), model(x)))}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason="by design: PyTorch Lightning is 5.5 GB; scripts/setup.sh --torch installs it")
def test_pytorch_lightning(server, experiment):
    done = subprocess.run([PYTHON, "-c", TRAIN, server.url, experiment], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["params"]["optimizer_name"] == "SGD" and seen["params"]["lr"] == "0.1" and seen["params"]["epochs"] == "5"
    assert seen["metrics"]["train_loss"] >= 0 and seen["steps"] == 5 and seen["status"] == "FINISHED"
    assert seen["same"]
