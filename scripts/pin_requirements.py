#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Resolves tests/interop/requirements*.in for Debian 12's Python and writes the .txt beside each, with one version and one sha256 each.

Run it to move to newer versions, then run the tests and commit both files. It must run with Debian 12's Python 3.11 on x86_64, since the
wheels of that platform are the ones pinned: scripts/setup.sh --tests, then third_party/pytest/bin/python scripts/pin_requirements.py
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
IGNORE = "# ignore-requires-python"


def resolve(wanted, extra):
    """What pip would install for these requirement lines: list of (name, version, sha256)."""
    with tempfile.NamedTemporaryFile("w+", suffix=".txt") as list_file, tempfile.NamedTemporaryFile(suffix=".json") as report:
        list_file.write("\n".join(wanted))
        list_file.flush()
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--only-binary=:all:",
                        *extra, "--report", report.name, "-r", list_file.name], check=True)
        found = json.load(open(report.name, encoding="utf-8"))
    return [(item["metadata"]["name"], item["metadata"]["version"], item["download_info"]["archive_info"]["hashes"]["sha256"])
            for item in found["install"]]


def pin(source):
    """Writes the .txt beside one .in file."""
    lines = [line for line in source.read_text().splitlines() if line and not line.startswith("#")]
    plain = [line for line in lines if not line.endswith(IGNORE)]
    marked = [line.split("#")[0].strip() for line in lines if line.endswith(IGNORE)]
    packages = resolve(plain, []) + (resolve(marked, ["--ignore-requires-python", "--no-deps"]) if marked else [])
    text = f"# Written by scripts/pin_requirements.py from {source.name}; do not edit.\n"
    for name, version, sha256 in sorted(packages, key=lambda package: package[0].lower()):
        text += f"{name}=={version} \\\n    --hash=sha256:{sha256}\n"
    source.with_suffix(".txt").write_text(text)
    print(f"pinned {len(packages)} packages of {source.name}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="names of .in files (default: all)")
    options = parser.parse_args()
    if sys.version_info[:2] != (3, 11):
        print(f"pin_requirements: Python is {sys.version.split()[0]}, 3.11 wanted (Debian 12's)", file=sys.stderr)
        return 2
    folder = ROOT / "tests/interop"
    for source in [folder / name for name in options.files] or sorted(folder.glob("requirements*.in")):
        pin(source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
