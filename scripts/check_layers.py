#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the sources keep to the arrows between modules; prints each breach and exits 1 if there is one.

- every #include "module/file.h" names the own module or one declared in DEPS (tests and benches also TEST_DEPS), and exists
- headers under internal/ are included by their own module only
- every declared arrow points to a lower layer (inside layer 1 to the left), no module of layers 2 to 5 reaches net, and serving does
  not reach learners, not even through others
- every .cc of a module stands in its CMakeLists.txt, so none is left out of the build
- headers that are not internal stay free of the heavy third-party headers, and <regex> and <iostream> stay out
"""

import argparse
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
HEAVY = re.compile(r"^(arrow/api\.h|arrow/compute/api\.h|arrow/dataset/api\.h|arrow/acero/.*|parquet/.*|boost/.*|nlohmann/json\.hpp|yaml-cpp/.*"
                   r"|CLI/.*|spdlog/.*|rocksdb/.*|onnx/.*|duckdb\.h|sqlite3\.h|LightGBM/.*|xgboost/.*|cairo.*\.h)$")
KEYWORDS = ("LAYER", "SRCS", "MAIN", "TESTS", "BENCHES", "DEPS", "LIBS", "TEST_DEPS", "TEST_LIBS")


def read_layers(root):
    """Layer of each module and the order inside layer 1, from cmake/MillraceModule.cmake."""
    text = (root / "cmake/MillraceModule.cmake").read_text()
    layers = {name: int(layer) for name, layer in re.findall(r"\b([a-z]+)=(\d)\b", re.search(r"set\(MILLRACE_LAYERS(.*?)\)", text, re.S)[1])}
    order = re.search(r"set\(MILLRACE_LAYER1_ORDER ([a-z ]+)\)", text)[1].split()
    return layers, order


def read_module(folder):
    """Keyword -> words of the one millrace_module call of a folder."""
    path = folder / "CMakeLists.txt"
    if not path.exists():
        return None
    text = re.sub(r"#.*", "", path.read_text())
    match = re.search(r"millrace_module\(\s*([a-z_]+)(.*?)\)", text, re.S)
    if not match:
        return None
    words, keyword = {name: [] for name in KEYWORDS}, None
    for word in match[2].split():
        if word in KEYWORDS:
            keyword = word
        elif keyword:
            words[keyword].append(word)
    return words


def reachable(module, modules, seen=None):
    """Every module that this one reaches through DEPS."""
    seen = set() if seen is None else seen
    for dep in modules.get(module, {}).get("DEPS", []):
        if dep not in seen:
            seen.add(dep)
            reachable(dep, modules, seen)
    return seen


def check_arrows(modules, layers, order):
    """Breaches of the layer table by what is declared."""
    for module, words in modules.items():
        if module not in layers:
            yield f"src/{module}: not in the layer table of cmake/MillraceModule.cmake"
            continue
        for dep in words["DEPS"] + words["TEST_DEPS"]:
            if dep not in layers:
                yield f"src/{module}/CMakeLists.txt: DEPS names {dep}, which is no module"
                continue
            left = layers[module] == layers[dep] == 1 and order.index(dep) < order.index(module)
            if layers[dep] >= layers[module] and not left:
                yield f"src/{module}/CMakeLists.txt: {module} (layer {layers[module]}) may not depend on {dep} (layer {layers[dep]})"
        below = reachable(module, modules)
        if 2 <= layers[module] <= 5 and "net" in below:
            yield f"src/{module}/CMakeLists.txt: reaches net through its DEPS, but no domain module knows HTTP"
    if "learners" in reachable("serving", modules):
        yield "src/serving/CMakeLists.txt: reaches learners through its DEPS, but an endpoint must not link training code"


def check_include(root, where, module, is_test, words, target):
    """Breach of one quoted include, or None."""
    owner, _, rest = target.partition("/")
    if not rest or not (root / "src" / owner).is_dir():
        return f"{where}: include \"{target}\" is not of the form \"module/file.h\""
    allowed = {module, *words["DEPS"], *(words["TEST_DEPS"] if is_test else [])}
    if owner not in allowed:
        return f"{where}: includes \"{target}\", but {owner} is not among the DEPS of src/{module}/CMakeLists.txt"
    if rest.startswith("internal/") and owner != module:
        return f"{where}: includes \"{target}\", which is internal to {owner}"
    if not (root / "src" / target).exists():
        return f"{where}: includes \"{target}\", which does not exist"
    return None


def check_file(root, path, module, words):
    """Breaches of one source or header."""
    is_test = path.name.endswith(("_test.cc", "_bench.cc")) or path.name.startswith("test_")
    inside = path.relative_to(root / "src" / module)
    is_public_header = path.suffix == ".h" and inside.parts[0] != "internal" and not is_test
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        where, target = f"{path.relative_to(root)}:{number}", match[2]
        if match[1] == '"':
            breach = check_include(root, where, module, is_test, words, target)
            if breach:
                yield breach
        elif is_public_header and HEAVY.match(target):
            yield f"{where}: the heavy header <{target}> belongs into a source or an internal/ header"
        elif target in ("regex", "iostream") and module not in ("cli", "app") and not is_test:
            yield f"{where}: <{target}> is not used outside cli and app"


def check_tree(root):
    """All breaches of a tree, as texts."""
    layers, order = read_layers(root)
    modules = {}
    for folder in sorted((root / "src").iterdir()):
        if not folder.is_dir():
            continue
        words = read_module(folder)
        if words is None:
            yield f"src/{folder.name}: no CMakeLists.txt with a millrace_module call"
        else:
            modules[folder.name] = words
    yield from check_arrows(modules, layers, order)
    for module, words in modules.items():
        folder = root / "src" / module
        listed = set(words["SRCS"] + words["TESTS"] + words["BENCHES"] + words["MAIN"])
        for path in sorted(folder.rglob("*.cc")):
            if str(path.relative_to(folder)) not in listed:
                yield f"{path.relative_to(root)}: not in src/{module}/CMakeLists.txt, so it is never built"
        for path in sorted([*folder.rglob("*.cc"), *folder.rglob("*.h")]):
            yield from check_file(root, path, module, words)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="tree to check (default: this repository)")
    options = parser.parse_args()
    breaches = list(check_tree(options.root.resolve()))
    for breach in breaches:
        print(breach)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
