# SPDX-License-Identifier: Apache-2.0
"""docs/guide/first_project.md holds: its files, taken from the page, make a project that validates, runs and predicts."""

import json
import pathlib
import random
import re

import millrace
import pytest

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "docs/guide/first_project.md"


@pytest.fixture(name="shop", scope="module")
def _shop(tmp_path_factory):
    """The guide's project with purchases of 300 customers, half of whom stop at a day of their own."""
    root = tmp_path_factory.mktemp("guide") / "shop"
    files = re.findall(r"^### `([^`]+)`\n.*?^```\w+\n(.*?)^```", GUIDE.read_text(), re.S | re.M)
    assert len(files) == 9
    for name, text in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    chance = random.Random(7)
    rows = ["customer_id,bought,amount"]
    for customer in range(300):
        last = 400 if customer % 2 == 0 else chance.randrange(60, 360)
        day = chance.randrange(12)
        while day < min(last, 360):
            rows.append(f"{customer},2020-{1 + day // 30:02}-{1 + day % 30 if day // 30 != 1 else 1 + day % 28:02} 10:00:00,"
                        f"{chance.randrange(1, 200)}")
            day += 4 + chance.randrange(18)
    (root / "data").mkdir()
    (root / "data/purchases.csv").write_text("\n".join(rows) + "\n")
    return root


def test_the_guides_project_validates(shop):
    done = millrace.run("validate", shop)
    assert done.returncode == 0, done.stderr
    assert "no mistakes" in done.stdout


def test_the_guides_project_runs_and_predicts(shop):
    done = millrace.run("run", shop, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["model"] == {"name": "lapse", "version": 1, "aliases": ["champion"]}
    assert [stage["status"] for stage in report["stages"]] == ["ran"] * 10
    # The commands of the page, but for the server, which does not end by itself.
    commands = re.findall(r"^millrace (?!serve)(.*)$", GUIDE.read_text().split("## Running it")[1], re.M)
    assert len(commands) >= 6
    for command in commands:
        done = millrace.run(*command.split(), cwd=shop.parent)
        assert done.returncode == 0, command + done.stderr
    done = millrace.run("predict", shop, "--key", "16", "--json")
    assert done.returncode == 0, done.stderr
    assert 0 < json.loads(done.stdout)["predictions"][0]["score"] < 1
