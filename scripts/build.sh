#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Configures a CMake preset when needed and builds one target of it.
set -euo pipefail

if [ "${1:-}" = --help ] || [ $# != 2 ]; then
  echo "usage: scripts/build.sh PRESET TARGET     for example: scripts/build.sh release millrace"
  echo "presets: release debug asan tsan fuzz; JOBS=n limits the number of compilers"
  if [ "${1:-}" = --help ]; then exit 0; else exit 2; fi
fi
preset=$1 target=$2
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=build/$preset
log=$folder/configure.log
# CMake configures again by itself when a CMakeLists.txt changes; here only the first time, or after an interrupted one.
if [ ! -f "$folder/build.ninja" ]; then
  mkdir -p "$folder"
  cmake --preset "$preset" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
fi
# One heavy file needs about 1.5 GB to compile: on small machines memory, not cores, is the limit.
memory_jobs=$(awk '/MemAvailable/ {n = int($2 / 1500000); print n < 1 ? 1 : n}' /proc/meminfo)
jobs=${JOBS:-$(nproc)}
if [ "$memory_jobs" -lt "$jobs" ]; then jobs=$memory_jobs; fi
cmake --build "$folder" --target "$target" -j "$jobs"
