#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Formats the C++ sources with the pinned clang-format, or checks that nothing would change.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/format.sh [--check] [--help] [PATH...]

Rewrites every .h and .cc file that git knows or would add (below PATH, default: the whole tree).
  --check   changes nothing; prints the files that would change and exits 1 if there are any
TEXT
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
check=0
paths=()
for argument in "$@"; do
  case $argument in
    --check) check=1 ;;
    --help | -h) usage; exit 0 ;;
    -*) echo "format: unknown argument \"$argument\"; see scripts/format.sh --help" >&2; exit 2 ;;
    *) paths+=("$argument") ;;
  esac
done

"$root/scripts/setup.sh" --lint
tool=$root/third_party/lint/bin/clang-format
list=$(mktemp)
trap 'rm -f "$list"' EXIT
# A path outside the repository is listed as it lies, so that the check itself can be tested on a bad tree.
if [ ${#paths[@]} -gt 0 ] && ! git -C "$root" ls-files -- "${paths[@]}" >/dev/null 2>&1; then
  find "${paths[@]}" \( -name '*.h' -o -name '*.cc' \) -print0 >"$list"
else
  git -C "$root" ls-files -z --cached --others --exclude-standard -- "${paths[@]:-.}" |
    grep -zE '\.(h|cc)$' | while IFS= read -r -d '' file; do
      [ ! -f "$root/$file" ] || printf '%s\0' "$root/$file"
    done >"$list" || true
fi
if [ ! -s "$list" ]; then
  echo "format: no C++ files below ${paths[*]:-the tree}" >&2
  exit 2
fi

if [ $check = 0 ]; then
  xargs -0 -P 2 -n 40 "$tool" -i --style="file:$root/.clang-format" <"$list"
  exit 0
fi
if findings=$(xargs -0 -n 200 "$tool" --dry-run --Werror --style="file:$root/.clang-format" <"$list" 2>&1); then
  exit 0
fi
echo "$findings" | sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error: .*/\1/p' | sort -u | sed 's/^/not formatted: /'
echo "$findings" | grep -vE 'clang-format-violations|^ |^[0-9 ]*\|' | head -5
echo "run scripts/format.sh"
exit 1
