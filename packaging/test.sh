#!/bin/bash
# Builds the Debian and RPM packages and tests them: contents, lint, the same
# bytes in two builds, installation from zero.  Goes on after a failure, and ends
# with a summary in ctest's words.
#
#   packaging/test.sh [--revision REV] [OUTPUT_DIR]
#
# packaging/install-deps.sh build full installs what it needs.
set -u

# shellcheck source-path=SCRIPTDIR source=source.sh
. "$(dirname "$(realpath "$0")")/source.sh"
options=()
if [ "${1:-}" = --revision ]; then
  options=(--revision "$2")
  shift 2
fi
output=$(realpath -m "${1:-$top/build/packages}")
tests=0
failed=0

run() {
  echo "== ${1##*/}"
  "$@"
  local status=$?
  tests=$((tests + 1))
  # 77: it said why it cannot run on this machine.
  [ $status -eq 0 ] || [ $status -eq 77 ] || {
    echo "${1##*/} failed"
    failed=$((failed + 1))
  }
}

run "$top/packaging/build-deb.sh" "${options[@]}" "$output"
run "$top/packaging/test-install.sh" "$output"
run "$top/packaging/build-rpm.sh" "${options[@]}" "$output"
run "$top/packaging/test-reproducible.sh" "${options[@]}"

echo "$(((tests - failed) * 100 / tests))% tests passed, $failed tests failed out of $tests"
[ $failed -eq 0 ]
