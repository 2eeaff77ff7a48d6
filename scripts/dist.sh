#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packs the binary with its prebuilt libraries into a tar that runs in an empty Debian 12.
set -euo pipefail

case ${1:-} in
  --help | -h)
    echo "usage: scripts/dist.sh     after scripts/build.sh release millrace; writes build/dist/millrace-VERSION-linux-x86_64.tar.gz"
    echo "On the target: apt-get install the packages of packages-runtime.txt in it, then run ./millrace."
    exit 0 ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=build/release
if [ ! -x $build/millrace ]; then
  echo "dist: $build/millrace is missing; run make build" >&2
  exit 1
fi
version=$(sed -n 's/^project(millrace VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
name=millrace-$version-linux-x86_64
dist=build/dist
rm -rf "${dist:?}/$name"
mkdir -p "$dist/$name/licenses"

cp $build/millrace "$dist/$name/"
strip "$dist/$name/millrace"
cp -rL $build/lib "$dist/$name/lib"
cp LICENSE NOTICE README.md "$dist/$name/"
grep -v '^#' scripts/packages-runtime.txt | sed '/^$/d' >"$dist/$name/packages-runtime.txt"
for library in arrow duckdb lightgbm xgboost onnxruntime; do
  cp -rL third_party/$library/licenses "$dist/$name/licenses/$library"
done

# Every library outside the tar must come from a listed package or from what such a package itself needs.
missing=$(ldd "$dist/$name/millrace" "$dist/$name"/lib/*.so* | grep 'not found' | sort -u || true)
if [ -n "$missing" ]; then
  echo "dist: libraries without a home: $missing" >&2
  exit 1
fi
closure=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
  $(cat "$dist/$name/packages-runtime.txt") | grep -oE '^[a-z0-9][a-z0-9.+-]+' | sort -u)
ldd "$dist/$name/millrace" "$dist/$name"/lib/*.so* | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | grep -v "/$name/" | sort -u |
  while read -r library; do
    # dpkg knows the path before or after the merge of /lib into /usr/lib.
    owner=$(dpkg -S "$library" "/usr$library" "${library#/usr}" 2>/dev/null | head -1 | cut -d: -f1 || true)
    if ! grep -qx "$owner" <<<"$closure"; then
      echo "dist: $library belongs to ${owner:-no package}, which scripts/packages-runtime.txt does not bring" >&2
      exit 1
    fi
  done

tar -C "$dist" --owner=0 --group=0 --sort=name --mtime="@$(git log -1 --format=%ct)" -czf "$dist/$name.tar.gz" "$name"
echo "$dist/$name.tar.gz ($(du -h "$dist/$name.tar.gz" | cut -f1))"
