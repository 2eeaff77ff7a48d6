#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Prepares a Debian 12 machine for building Millrace: Debian packages, then the prebuilt native libraries.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/setup.sh [--lint] [--tests] [--java] [--torch] [--fuzz] [--bench] [--force] [--help]

Installs the Debian packages of scripts/packages.txt (as root, or through sudo) and unpacks the native
libraries of scripts/native.lock into third_party/, each checked by sha256. Safe to interrupt and to
repeat; prints nothing when there is nothing to do.

  --lint    also the pinned clang-format and clang-tidy, in third_party/lint
  --tests   also the Debian packages of scripts/packages-tests.txt, the pinned Python packages of
            tests/interop/requirements*.txt in third_party/pytest*, and Azurite in third_party/azurite
  --java    also the Debian packages of scripts/packages-java.txt and MLflow's Java client in third_party/java
  --torch   also PyTorch Lightning in third_party/torch: 5.5 GB, for the one test of its autologging
  --fuzz    also the Debian packages of scripts/packages-fuzz.txt
  --bench   also the Debian packages of scripts/packages-bench.txt
  --force   forget what was unpacked and do everything again
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
third_party=$root/third_party
want_lint=0 want_tests=0 want_java=0 want_torch=0
lists=("$root/scripts/packages.txt")
for argument in "$@"; do
  case $argument in
    --lint) want_lint=1 ;;
    --tests) want_tests=1; lists+=("$root/scripts/packages-tests.txt") ;;
    --java) want_java=1; lists+=("$root/scripts/packages-java.txt") ;;
    --torch) want_torch=1 ;;
    --fuzz | --bench) lists+=("$root/scripts/packages-${argument#--}.txt") ;;
    --force) rm -rf "$third_party" ;;
    --help | -h) usage; exit 0 ;;
    *) echo "setup: unknown argument \"$argument\"; see scripts/setup.sh --help" >&2; exit 2 ;;
  esac
done

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "${lists[@]}" | tr -d ' \t'; }

require_debian() {
  local id='' version=''
  if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && echo "${ID:-}")
    version=$(. /etc/os-release && echo "${VERSION_ID:-}")
  fi
  if [ "$id" = debian ] && [ "$version" = 12 ] && [ "$(uname -m)" = x86_64 ]; then return; fi
  {
    echo "setup: this machine is \"${id:-unknown} ${version}\" on $(uname -m); the build is made for Debian 12 on x86_64."
    echo "setup: run it in a Debian 12 container, or install what these Debian packages hold, then \`make build SETUP=no\`:"
    packages | sed 's/^/  /'
    echo "setup: and unpack the native libraries: python3 scripts/fetch_native.py"
  } >&2
  exit 1
}

install_packages() {
  local missing installed
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null | sed -n 's/^ii  *//p' | sort -u)
  missing=$(comm -23 <(packages | sort -u) <(echo "$installed"))
  [ -n "$missing" ] || return 0
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "installing Debian packages needs root; become root or install sudo. Missing: $(echo $missing)"
    as_root=(sudo)
  fi
  say "installing $(echo "$missing" | wc -l) Debian packages"
  local log=$third_party/apt.log
  # A lock held by another apt is waited for; a half-configured dpkg from an interrupted run is repaired first.
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive dpkg --configure -a >"$log" 2>&1 || true
  # shellcheck disable=SC2086  # one word per package
  if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends $missing; } >>"$log" 2>&1; then
    tail -5 "$log" >&2
    if grep -q 'No space left on device' "$log"; then
      fail "the disk is full; free about 2 GB on / and run it again"
    fi
    fail "apt-get failed (full log: $log); check the network and /etc/apt/sources.list, then run it again"
  fi
}

make_venv() { # folder: a virtual environment of Debian's own Python, made anew when it is broken
  local folder=$1
  if [ -x "$folder/bin/python" ] && "$folder/bin/python" -m pip --version >/dev/null 2>&1; then return 0; fi
  rm -rf "$folder"
  /usr/bin/python3 -m venv "$folder" || { rm -rf "$folder"; fail "cannot create $folder with /usr/bin/python3 -m venv; is the disk full?"; }
}

install_pinned() { # folder requirements what
  local folder=$1 requirements=$2 what=$3 stamp=$1/.stamp wanted
  wanted=$(sha256sum "$requirements" | cut -d' ' -f1)
  [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted" ] || return 0
  say "installing $what"
  rm -f "$stamp"
  make_venv "$folder"
  local log=$third_party/pip.log
  # The list is complete (--no-deps), so a package that asks for a newer Python cannot change what the others are.
  if ! "$folder/bin/python" -m pip install -q --disable-pip-version-check --require-hashes --only-binary=:all: \
    --no-deps --ignore-requires-python --no-compile -r "$requirements" >"$log" 2>&1; then
    tail -5 "$log" >&2
    if grep -q 'No space left on device' "$log"; then fail "the disk is full; free about 2 GB and run it again"; fi
    if grep -q 'THESE PACKAGES DO NOT MATCH THE HASHES' "$log"; then
      fail "a package differs from the hash in ${requirements#"$root"/}; do not use it: find out why before changing the list"
    fi
    fail "pip failed (full log: $log); check the network and run it again"
  fi
  echo "$wanted" >"$stamp"
}

install_azurite() { # npm checks each package against the hash in the lock file
  local lock=$root/tests/interop/azurite/package-lock.json folder=$third_party/azurite wanted
  wanted=$(sha256sum "$lock" | cut -d' ' -f1)
  [ "$(cat "$folder/.stamp" 2>/dev/null || true)" != "$wanted" ] || return 0
  say "installing Azurite"
  rm -rf "$folder"
  mkdir -p "$folder"
  cp "$lock" "$root/tests/interop/azurite/package.json" "$folder"
  local log=$third_party/npm.log node=$third_party/node
  if ! "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$folder" --ignore-scripts --no-audit --no-fund \
    --omit=dev >"$log" 2>&1; then
    tail -5 "$log" >&2
    fail "npm failed (full log: $log); check the network and run it again"
  fi
  echo "$wanted" >"$folder/.stamp"
}

install_java_client() { # Maven fetches, the list of hashes decides
  local source=$root/tests/interop/java folder=$third_party/java wanted
  wanted=$(cat "$source/pom.xml" "$source/jars.sha256" | sha256sum | cut -d' ' -f1)
  [ "$(cat "$folder/.stamp" 2>/dev/null || true)" != "$wanted" ] || return 0
  say "installing MLflow's Java client"
  rm -rf "$folder"
  mkdir -p "$folder"
  local log=$third_party/maven.log
  if ! mvn -q -B -f "$source/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$folder" >"$log" 2>&1; then
    tail -5 "$log" >&2
    fail "Maven failed (full log: $log); check the network and run it again"
  fi
  if ! (cd "$folder" && sha256sum --quiet -c "$source/jars.sha256") >"$log" 2>&1; then
    rm -rf "$folder"
    fail "a jar differs from the hash in tests/interop/java/jars.sha256; do not use it: find out why before changing the list"
  fi
  echo "$wanted" >"$folder/.stamp"
}

mkdir -p "$third_party"
# One set-up at a time: the second one waits and then finds everything done.
exec 9>"$third_party/.lock"
flock 9

# What was asked for, in one number: unchanged lists mean that the slow checks can be left out.
wanted=$(cat "$root/scripts/setup.sh" "${lists[@]}" "$root/scripts/native.lock" "$root/scripts/fetch_native.py" |
  sha256sum | cut -d' ' -f1)
stamp=$third_party/.stamp-${#lists[@]}-$(basename "${lists[-1]}" .txt)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$wanted $(hostname)" ] || ! command -v ninja >/dev/null; then
  rm -f "$stamp"
  require_debian
  install_packages
  make_venv "$third_party/pip"
  "$third_party/pip/bin/python" "$root/scripts/fetch_native.py" --into "$third_party" || exit 1
  echo "$wanted $(hostname)" >"$stamp"
fi
if [ $want_lint = 1 ]; then
  install_pinned "$third_party/lint" "$root/scripts/lint-requirements.txt" "clang-format and clang-tidy"
fi
if [ $want_tests = 1 ]; then
  install_pinned "$third_party/pytest" "$root/tests/interop/requirements.txt" "the Python packages of the tests"
  install_pinned "$third_party/pytest-2.22" "$root/tests/interop/requirements-2.22.txt" "MLflow's 2.22 client"
  install_azurite
fi
if [ $want_torch = 1 ]; then
  install_pinned "$third_party/torch" "$root/tests/interop/requirements-torch.txt" "PyTorch Lightning"
fi
if [ $want_java = 1 ]; then
  install_java_client
fi
