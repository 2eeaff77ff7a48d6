# SPDX-License-Identifier: Apache-2.0
"""The set-up: what happens with a wrong hash, no network, a full disk, an interrupted run, another distribution."""

import errno
import hashlib
import importlib.util
import os
import pathlib
import subprocess
import time
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = "milltest-1.0-py3-none-any.whl"


@pytest.fixture
def native(tmp_path, monkeypatch):
    """fetch_native with one rule, a folder that pip takes for the registry, and a lock file of one package."""
    spec = importlib.util.spec_from_file_location("fetch_native", ROOT / "scripts/fetch_native.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    registry = tmp_path / "registry"
    registry.mkdir()
    with zipfile.ZipFile(registry / FILE, "w") as wheel:
        wheel.writestr("milltest/libm.so", b"code")
        wheel.writestr("milltest-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: milltest\nVersion: 1.0\n")
        wheel.writestr("milltest-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("milltest-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(registry))
    module.WANTED = {("wheel", "milltest"): [("milltest/libm.so", "lib/")]}
    module.registry, module.into, module.lock = registry, tmp_path / "third_party", tmp_path / "lock"
    module.sha256 = hashlib.sha256((registry / FILE).read_bytes()).hexdigest()
    write_lock(module, module.sha256)
    return module


def write_lock(native, sha256):
    native.lock.write_text(f"# comment\nwheel milltest milltest 1.0 {FILE} {sha256}\n")


def fetch(native, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["fetch_native.py", "--lock", str(native.lock), "--into", str(native.into)])
    code = native.main()
    return code, capsys.readouterr()


def library(native):
    return native.into / "milltest/lib/libm.so"


def test_unpacks_once_and_is_silent_the_second_time(native, monkeypatch, capsys):
    assert fetch(native, monkeypatch, capsys)[0] == 0
    assert library(native).read_bytes() == b"code"
    assert library(native).stat().st_mode & 0o100
    code, output = fetch(native, monkeypatch, capsys)
    assert (code, output.out + output.err) == (0, "")


def test_a_wrong_hash_unpacks_nothing_and_the_next_run_repairs_it(native, monkeypatch, capsys):
    write_lock(native, "0" * 64)
    code, output = fetch(native, monkeypatch, capsys)
    assert code == 1
    assert native.sha256 in output.err and "0" * 64 in output.err
    assert not (native.into / "milltest").exists()
    write_lock(native, native.sha256)
    assert fetch(native, monkeypatch, capsys)[0] == 0
    assert library(native).exists()


def test_no_network_says_so_and_the_next_run_repairs_it(native, monkeypatch, capsys):
    (native.registry / FILE).rename(native.registry / "hidden")
    code, output = fetch(native, monkeypatch, capsys)
    assert code == 1
    assert "cannot download milltest 1.0; check the network" in output.err
    (native.registry / "hidden").rename(native.registry / FILE)
    assert fetch(native, monkeypatch, capsys)[0] == 0


def test_a_full_disk_says_so_and_the_next_run_repairs_it(native, monkeypatch, capsys):
    copy = native.shutil.copyfileobj

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(native.shutil, "copyfileobj", full)
    code, output = fetch(native, monkeypatch, capsys)
    assert code == 1
    assert "No space left on device" in output.err and "free about" in output.err
    assert not (native.into / "milltest").exists()
    monkeypatch.setattr(native.shutil, "copyfileobj", copy)
    assert fetch(native, monkeypatch, capsys)[0] == 0


def test_what_an_interrupted_run_left_is_replaced(native, monkeypatch, capsys):
    half = native.into / ".new-milltest/lib"
    half.mkdir(parents=True)
    (half / "libm.so").write_bytes(b"ha")
    (native.into / ".downloads").mkdir()
    (native.into / ".downloads" / FILE).write_bytes(b"half a download")
    assert fetch(native, monkeypatch, capsys)[0] == 0
    assert library(native).read_bytes() == b"code"
    assert not (native.into / ".new-milltest").exists()


def test_a_package_without_the_wanted_member_is_refused(native, monkeypatch, capsys):
    native.WANTED[("wheel", "milltest")].append(("milltest/other.so", "lib/"))
    code, output = fetch(native, monkeypatch, capsys)
    assert code == 1
    assert "lacks milltest/other.so" in output.err


def test_a_line_of_the_lock_with_too_few_fields_is_named(native, monkeypatch, capsys):
    native.lock.write_text("wheel milltest\n")
    code, output = fetch(native, monkeypatch, capsys)
    assert code == 1
    assert "line 1: 2 fields, 6 wanted" in output.err


def test_another_distribution_gets_the_list_of_what_is_needed(tmp_path):
    script = (ROOT / "scripts/setup.sh").read_text().replace("/etc/os-release", str(tmp_path / "os-release"))
    (tmp_path / "os-release").write_text("ID=plan9\nVERSION_ID=4\n")
    (tmp_path / "scripts").mkdir()
    for name in ("packages.txt", "native.lock", "fetch_native.py"):
        (tmp_path / "scripts" / name).write_text((ROOT / "scripts" / name).read_text())
    (tmp_path / "scripts/setup.sh").write_text(script)
    done = subprocess.run(["bash", tmp_path / "scripts/setup.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "plan9 4" in done.stderr
    for package in ("g++", "cmake", "librocksdb-dev"):
        assert f"  {package}\n" in done.stderr


def test_with_nothing_to_do_the_set_up_is_silent_and_takes_under_two_seconds():
    started = time.monotonic()
    done = subprocess.run([ROOT / "scripts/setup.sh", "--lint", "--tests"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert time.monotonic() - started < 2


def test_an_unknown_argument_is_refused():
    done = subprocess.run([ROOT / "scripts/setup.sh", "--everything"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--everything" in done.stderr
