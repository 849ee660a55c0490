#!/bin/bash
# Builds the packages twice, in different places, with another user mask, time
# zone and language, and compares every byte.
#
#   packaging/test-reproducible.sh [--revision REV] [--against DIR] [deb | rpm]...
#
# With --against the first build is the packages in DIR, which build-deb.sh and
# build-rpm.sh made of the same files.
set -eu

# shellcheck source-path=SCRIPTDIR source=source.sh
. "$(dirname "$(realpath "$0")")/source.sh"
options=()
against=
while :; do
  case ${1:-} in
    --revision) options=(--revision "$2") ;;
    --against) against=$(realpath "$2") ;;
    *) break ;;
  esac
  shift 2
done
[ $# -gt 0 ] || set -- deb rpm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/elsewhere"
log=$work/log
# A compiler cache would answer the second time with what the first one made.
export CCACHE_DISABLE=1

for kind in "$@"; do
  build=$top/packaging/build-$kind.sh
  first=${against:-$work/$kind-1}
  second=$work/$kind-2
  [ -n "$against" ] || quietly "$build" "${options[@]}" "$first"
  (
    umask 027
    export TMPDIR=$work/elsewhere TZ=Pacific/Kiritimati LC_ALL=C.UTF-8
    quietly "$build" "${options[@]}" "$second"
  )
  # These name the machine and the time of the build.
  rm -f "$second"/*.buildinfo "$second"/*.changes
  for file in "$second"/*; do
    cmp "$first/${file##*/}" "$file" || {
      echo "test-reproducible: ${file##*/} is not the same in two builds" >&2
      exit 1
    }
  done
  echo "$kind: $(find "$second" -type f | wc -l) files, the same bytes in two builds"
done
