# SPDX-License-Identifier: Apache-2.0
"""What `millrace serve` does before and right after it answers."""

import re

import millrace

# A fresh server holds 19 MB, of which 11 MB are its own; without giving back what only starting needed, 71 MB.
MOST_RESIDENT_MB = 40
MOST_PRIVATE_MB = 30


def memory_mb(server):
    """Resident memory, and the part that no other process shares."""
    with open(f"/proc/{server.process.pid}/smaps_rollup", encoding="utf-8") as file:
        text = file.read()
    private = sum(int(value) for value in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M))
    return int(re.search(r"^Rss:\s+(\d+) kB", text, re.M)[1]) / 1024, private / 1024


def test_an_idle_server_is_small(tmp_path):
    with millrace.Server("--workspace", tmp_path / "ws") as server:
        assert server.get("/health")[0] == 200
        resident, private = memory_mb(server)
        assert resident < MOST_RESIDENT_MB and private < MOST_PRIVATE_MB


def test_the_columns_of_searches_are_loaded_without_a_search(tmp_path):
    with millrace.Server("--workspace", tmp_path / "ws", "--log-level", "debug") as server:
        assert server.stop() == 0
        assert "tracking warmed_up" in server.process.stderr.read()


def test_a_server_without_published_values_makes_no_online_store(tmp_path):
    with millrace.Server("--workspace", tmp_path / "ws"):
        assert not (tmp_path / "ws/online/CURRENT").exists()
