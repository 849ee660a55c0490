#!/bin/bash
# Installs what is missing, builds everything, runs every test; ends with the
# summary of ctest, and with its status.
#
#   tests/run.sh [BUILD_FOLDER [option of cmake...]]     default: build
#
# CTEST_ARGUMENTS, when set, go to ctest: CTEST_ARGUMENTS="-L unit -j4".
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build}
[ $# -eq 0 ] || shift

"$root/packaging/install-deps.sh" build test

options=(-DCMAKE_BUILD_TYPE=Release -DMSYS_BUILD_HOST=ON -DMSYS_BUILD_TESTS=ON)
if command -v ccache >/dev/null; then
  options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
cmake -S "$root" -B "$build" -G Ninja "${options[@]}" "$@"
cmake --build "$build"

read -ra ctest_arguments <<<"${CTEST_ARGUMENTS:-}"
ctest --test-dir "$build" --output-on-failure --no-tests=error \
  -j "$(nproc)" "${ctest_arguments[@]}"
