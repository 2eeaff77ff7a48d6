#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the micro-benchmarks of the modules, then the comparisons with other systems under bench/.
set -euo pipefail

case ${1:-} in
  --help | -h)
    echo "usage: scripts/bench.sh [WORD]     only benchmarks whose name holds WORD; needs make build and scripts/build.sh release benches"
    exit 0 ;;
esac
word=${1:-}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ran=0
while read -r name; do
  if [ -n "$name" ] && [[ $name == *"$word"* ]]; then
    echo "== $name"
    "build/release/benches/$name" --benchmark_counters_tabular=true
    ran=$((ran + 1))
  fi
done <build/release/benches/list.txt
for script in bench/*.py; do
  if [ -f "$script" ] && [[ $script == *"$word"* ]] && grep -q '__main__' "$script"; then
    echo "== $script"
    third_party/pytest/bin/python "$script"
    ran=$((ran + 1))
  fi
done
if [ $ran = 0 ]; then
  echo "bench: nothing matches \"$word\"" >&2
  exit 2
fi
