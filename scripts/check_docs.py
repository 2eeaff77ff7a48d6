#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the documents against the tree; prints each finding and exits 1 if there is one.

- every relative link and #anchor in a .md file leads somewhere
- every table after the line `<!-- module list -->` names exactly the modules under src/, with their layers where it has that column
- every module has a README.md of at most 30 lines
- `make X`, `scripts/X` and `millrace X --flag` in code of the documents exist (the last with --binary, asked of its --help)
- the published JSON Schemas are what the binary prints today (with --binary)
- sources begin with the SPDX line and hold no to-do comments
"""

import argparse
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SPDX = "SPDX-License-Identifier: Apache-2.0"
SKIPPED = {"build", "third_party", ".git", ".millrace", "node_modules", "__pycache__"}
SOURCE_SUFFIXES = {".cc", ".h", ".py", ".sh", ".cmake"}
README_LINES = 30
TO_DO = re.compile(r"(//|#)\s*(TO" r"DO|FIX" r"ME|XX" r"X)\b")


def walk(root, suffixes):
    """Files below root with one of these suffixes, without build output."""
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.suffix in suffixes and path.is_file() and not SKIPPED.intersection(relative.parts):
            yield path


def anchors_of(path):
    """The #anchors that a Markdown file offers, as GitHub makes them."""
    anchors, fenced = set(), False
    for line in path.read_text(errors="replace").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif line.startswith("#") and not fenced:
            title = re.sub(r"[`*]|\[|\]\([^)]*\)", "", line.lstrip("#").strip()).lower()
            anchors.add(re.sub(r"[^\w\- ]", "", title).replace(" ", "-"))
        anchors.update(re.findall(r'<a (?:id|name)="([^"]+)"', line))
    return anchors


def without_code(text):
    """The text with fenced blocks and inline code blanked, line numbers kept."""
    text = re.sub(r"```.*?```", lambda match: "\n" * match[0].count("\n"), text, flags=re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def check_links(root, path):
    for number, line in enumerate(without_code(path.read_text(errors="replace")).splitlines(), 1):
        for target in re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)|<img [^>]*src=\"([^\"]+)\"", line):
            target = target[0] or target[1]
            if re.match(r"[a-z]+:", target):
                continue
            file, _, anchor = target.partition("#")
            aim = (path.parent / file).resolve() if file else path
            where = f"{path.relative_to(root)}:{number}"
            if not aim.exists():
                yield f"{where}: link to {target}, which does not exist"
            elif anchor and aim.suffix == ".md" and anchor not in anchors_of(aim):
                yield f"{where}: link to {target}, but {aim.name} has no heading for #{anchor}"


def read_layers(root):
    text = (root / "cmake/MillraceModule.cmake").read_text()
    return {name: int(layer) for name, layer in re.findall(r"\b([a-z]+)=(\d)\b", re.search(r"set\(MILLRACE_LAYERS(.*?)\)", text, re.S)[1])}


def check_module_lists(root, documents):
    """Tables after the marker: a row names modules in backticks, in its first column or, with a layer there, in its second."""
    on_disk = {folder.name for folder in (root / "src").iterdir() if folder.is_dir()}
    layers, lists = read_layers(root), 0
    for path in documents:
        lines = path.read_text(errors="replace").splitlines()
        for start, line in enumerate(lines):
            if line.strip() != "<!-- module list -->":
                continue
            lists += 1
            named, where = set(), f"{path.relative_to(root)}:{start + 1}"
            rows = [row for row in lines[start + 1:start + 40]]
            while rows and not rows[0].startswith("|"):
                rows.pop(0)
            for row in rows:
                if not row.startswith("|"):
                    break
                cells = [cell.strip() for cell in row.strip("|").split("|")]
                with_layer = cells[0].isdigit()
                names = re.findall(r"`([a-z]+)`", cells[1] if with_layer else cells[0])
                named.update(names)
                for name in names:
                    if with_layer and layers.get(name) != int(cells[0]):
                        yield f"{where}: {name} stands in layer {cells[0]}, the layer table says {layers.get(name)}"
            for name in sorted(on_disk - named):
                yield f"{where}: the module list lacks {name}"
            for name in sorted(named - on_disk):
                yield f"{where}: the module list names {name}, but src/{name} does not exist"
    if lists == 0:
        yield "no document has a module list (the line <!-- module list --> before its table)"


def check_readmes(root):
    for folder in sorted(path for path in (root / "src").iterdir() if path.is_dir()):
        readme = folder / "README.md"
        if not readme.exists():
            yield f"src/{folder.name}: README.md is missing"
        elif len(readme.read_text().splitlines()) > README_LINES:
            yield f"src/{folder.name}/README.md: {len(readme.read_text().splitlines())} lines, at most {README_LINES} wanted"


def commands_of(path):
    """(line number, command) of the shell blocks and inline code of a document; answers in console blocks are left out."""
    language, continued = None, ""
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence:
            language = (fence[1] or "text") if language is None else None
            continue
        if language is None:
            for code in re.findall(r"`([^`]+)`", line):
                yield number, code
        elif language in ("sh", "bash", "shell"):
            joined = continued + line.strip()
            continued = joined[:-1] if joined.endswith("\\") else ""
            if not continued:
                yield number, joined
        elif language == "console" and line.startswith("$ "):
            yield number, line[2:]


class Help:
    """What the binary's --help says of each subcommand, asked once each."""

    def __init__(self, binary):
        self.binary, self.texts = binary, {}

    def text(self, words):
        if words not in self.texts:
            done = subprocess.run([str(self.binary), *words, "--help"], capture_output=True, text=True, timeout=20, check=False)
            self.texts[words] = done.stdout if done.returncode == 0 else None
        return self.texts[words]

    def problem(self, arguments):
        """What is wrong with `millrace ARGUMENTS`, or None."""
        words = ()
        while arguments and re.fullmatch(r"[a-z][a-z-]*", arguments[0]) and len(words) < 2:
            listed = re.search(rf"^\s+{re.escape(arguments[0])}\b", self.text(words) or "", re.M)
            if not listed:
                if not words:
                    return f"millrace has no command {arguments[0]}"
                break
            words, arguments = (*words, arguments[0]), arguments[1:]
        if self.text(words) is None:
            return f"millrace {' '.join(words)} --help fails"
        for argument in arguments:
            flag = argument.split("=")[0]
            if flag.startswith("--") and flag not in ("--help", "--version"):
                if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", (self.text(words) or "") + (self.text(()) or "")):
                    return f"millrace {' '.join(words)} has no {flag}"
        return None


def check_commands(root, path, targets, binary_help):
    for number, code in commands_of(path):
        where = f"{path.relative_to(root)}:{number}"
        for part in re.split(r"\s*(?:&&|\|\||;|\|)\s*", code.split(" # ")[0]):
            try:
                words = shlex.split(part)
            except ValueError:
                continue
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if not words:
                continue
            if words[0] == "make" and len(words) > 1 and re.fullmatch(r"[a-z][a-z-]*", words[1]) and words[1] not in targets:
                yield f"{where}: make {words[1]} is no target of the Makefile"
            elif re.fullmatch(r"(\./)?(scripts|tests|bench)/[\w/]+\.(sh|py)", words[0]) and not (root / words[0]).exists():
                yield f"{where}: {words[0]} does not exist"
            elif words[0] in ("millrace", "build/release/millrace", "./build/release/millrace") and binary_help and len(words) > 1:
                problem = binary_help.problem(words[1:])
                if problem and re.fullmatch(r"[a-z-]+", words[1]):
                    yield f"{where}: {problem}"


def check_schemas(root, binary):
    """docs/schemas/ holds what `millrace schema KIND` prints, one file per kind that `millrace schema` lists."""

    def ask(*words):
        return subprocess.run([str(binary), "schema", *words], capture_output=True, text=True, timeout=20, check=False)

    folder = root / "docs/schemas"
    kinds = ask().stdout.split()
    if not kinds:
        yield "millrace schema lists no kinds of project files"
    for path in sorted(folder.glob("*.json")):
        if path.name.removesuffix(".schema.json") not in kinds:
            yield f"{path.relative_to(root)}: millrace schema knows no such kind; it lists {', '.join(kinds)}"
    for kind in kinds:
        path = folder / f"{kind}.schema.json"
        done, accept = ask(kind), f"accept: build/release/millrace schema {kind} > {path.relative_to(root)}"
        if done.returncode != 0:
            yield f"millrace schema {kind} fails: {(done.stderr.strip().splitlines() or ['no output'])[0]}"
        elif not path.exists():
            yield f"{path.relative_to(root)} is missing; {accept}"
        elif done.stdout.strip() != path.read_text().strip():
            yield f"{path.relative_to(root)}: differs from today's; {accept}"


def check_sources(root):
    for top in ("src", "cmake", "scripts", "tests", "bench"):
        if not (root / top).is_dir():
            continue
        for path in walk(root / top, SOURCE_SUFFIXES):
            text = path.read_text(errors="replace")
            head = text.splitlines()[:2]
            first = head[1] if head and head[0].startswith("#!") and len(head) > 1 else (head[0] if head else "")
            if SPDX not in first:
                yield f"{path.relative_to(root)}: the first line is not the SPDX line"
            for number, line in enumerate(text.splitlines(), 1):
                if TO_DO.search(line):
                    yield f"{path.relative_to(root)}:{number}: a to-do comment; do it, or write it into docs/design/later.md"


def check_tree(root, binary):
    """All findings, as texts."""
    documents = list(walk(root, {".md"}))
    targets = set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(), re.M))
    binary_help = Help(binary) if binary else None
    for path in documents:
        yield from check_links(root, path)
        yield from check_commands(root, path, targets, binary_help)
    yield from check_module_lists(root, documents)
    yield from check_readmes(root)
    if binary:
        yield from check_schemas(root, binary)
    yield from check_sources(root)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path, default=ROOT, help="tree to check (default: this repository)")
    parser.add_argument("--binary", type=pathlib.Path, help="millrace binary to ask for commands, flags and schemas")
    options = parser.parse_args()
    if options.binary and not options.binary.exists():
        print(f"{options.binary} is missing; run make build")
        return 1
    findings = list(check_tree(options.root.resolve(), options.binary and options.binary.resolve()))
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
