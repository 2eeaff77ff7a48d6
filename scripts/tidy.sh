#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the pinned clang-tidy over our sources.
set -euo pipefail

case ${1:-} in
  --help | -h)
    echo "usage: scripts/tidy.sh [FILE...]     default: every .cc under src/ that build/release compiles"
    exit 0 ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/setup.sh --lint
database=build/release/compile_commands.json
if [ ! -f "$database" ]; then
  echo "tidy: $database is missing; run make build first" >&2
  exit 2
fi
# clang-tidy does not know GCC's flags; a copy of the database without them keeps the build's own file untouched.
mkdir -p build/tidy
sed -e 's/-Wno-restrict//g; s/-Wno-stringop-overflow//g; s/-Wno-stringop-overread//g; s/-fuse-ld=mold//g' \
  "$database" >build/tidy/compile_commands.json
if [ $# -gt 0 ]; then files=("$@"); else mapfile -t files < <(git ls-files 'src/*.cc' | grep -v '_bench\.cc$'); fi
printf '%s\0' "${files[@]}" |
  xargs -0 -P "${JOBS:-$(nproc)}" -n 1 third_party/lint/bin/clang-tidy -p build/tidy --quiet --warnings-as-errors='*' \
    --extra-arg=-Wno-unknown-warning-option --extra-arg=--gcc-toolchain=/usr
