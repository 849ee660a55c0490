#!/bin/bash
# Builds the packages twice, in different places, with another user mask, time
# zone and language, and compares every byte.
#
#   packaging/test-reproducible.sh [--revision REV] [deb | rpm]...
set -eu

# shellcheck source-path=SCRIPTDIR source=source.sh
. "$(dirname "$(realpath "$0")")/source.sh"
options=()
if [ "${1:-}" = --revision ]; then
  options=(--revision "$2")
  shift 2
fi
[ $# -gt 0 ] || set -- deb rpm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/elsewhere"
# A compiler cache would answer the second time with what the first one made.
export CCACHE_DISABLE=1

for kind in "$@"; do
  build=$top/packaging/build-$kind.sh
  "$build" "${options[@]}" "$work/$kind-1" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  (
    umask 027
    export TMPDIR=$work/elsewhere TZ=Pacific/Kiritimati LC_ALL=C.UTF-8
    "$build" "${options[@]}" "$work/$kind-2" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  )
  # These name the machine and the time of the build.
  rm -f "$work/$kind-"[12]/*.buildinfo "$work/$kind-"[12]/*.changes
  for file in "$work/$kind-1"/*; do
    cmp "$file" "$work/$kind-2/${file##*/}" || {
      echo "test-reproducible: ${file##*/} is not the same in two builds" >&2
      exit 1
    }
  done
  echo "$kind: $(find "$work/$kind-1" -type f | wc -l) files, the same bytes in two builds"
done
