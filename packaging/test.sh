#!/bin/bash
# Builds the Debian and RPM packages and tests them: contents, lint, installation
# from zero, the same bytes in a second build.  Goes on after a failure, and ends
# with a summary in ctest's words.
#
#   packaging/test.sh [--one-build] [--revision REV] [OUTPUT_DIR]
#
# With --one-build there is no second build to compare with, which takes long.
# packaging/install-deps.sh build full installs what it needs.
set -u

# shellcheck source-path=SCRIPTDIR source=source.sh
. "$(dirname "$(realpath "$0")")/source.sh"
options=()
one_build=
if [ "${1:-}" = --one-build ]; then
  one_build=1
  shift
fi
if [ "${1:-}" = --revision ]; then
  options=(--revision "$2")
  shift 2
fi
output=$(realpath -m "${1:-$top/build/packages}")
said=$(mktemp)
trap 'rm -f "$said"' EXIT
tests=0
failed=0
skipped=0

# ended NAME STATUS
ended() {
  local how=passed
  tests=$((tests + 1))
  if [ "$2" -eq 77 ]; then
    how="skipped: it says above why it cannot run on this machine"
    skipped=$((skipped + 1))
  elif [ "$2" -ne 0 ]; then
    how=failed
    failed=$((failed + 1))
  fi
  echo "== $1 $how ($SECONDS s)"
}

run() {
  echo "== ${1##*/}"
  "$@"
  ended "${1##*/}" $?
}

run "$top/packaging/build-deb.sh" "${options[@]}" "$output"
# It mostly waits for the network; the compiler may go on meanwhile.
"$top/packaging/test-install.sh" "$output" >"$said" 2>&1 &
installs=$!
run "$top/packaging/build-rpm.sh" "${options[@]}" "$output"
wait $installs
status=$?
cat "$said"
ended test-install.sh $status
[ -n "$one_build" ] ||
  run "$top/packaging/test-reproducible.sh" "${options[@]}" --against "$output"

[ $skipped -eq 0 ] || echo "$skipped skipped"
echo "$(((tests - failed) * 100 / tests))% tests passed, $failed tests failed out of $tests"
[ $failed -eq 0 ]
