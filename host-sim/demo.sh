#!/bin/bash
# Builds the project in Release into build/ and replays the shipped mail through
# the example policies.  Ends with host-sim's report.
#
#   host-sim/demo.sh [host-sim options, such as --sessions 1000] [PATH...]
#
# What is missing is installed first (Debian 12, root or sudo).
set -eu

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
log=$build/demo-build.log

# What it says is of interest only when it fails.
quietly() {
  "$@" >"$log" 2>&1 && return
  cat "$log" >&2
  printf 'demo: this failed: %s\n' "$*" >&2
  exit 1
}

"$top/packaging/install-deps.sh" build
mkdir -p "$build"

options=(-G Ninja -DCMAKE_BUILD_TYPE=Release)
if [ ! -e "$build/CMakeCache.txt" ]; then
  # The tests need more packages; tests/run.sh installs those and switches the
  # tests on.  Where they are on, they stay on.
  options+=(-DMSYS_BUILD_TESTS=OFF)
fi
[ -x "$build/host-sim/host-sim" ] || echo "Building into $build (a minute or two)"
quietly cmake -S "$top" -B "$build" "${options[@]}"
quietly cmake --build "$build" -j "$(nproc)"

export TEXT_LOGGER_FILE=${TEXT_LOGGER_FILE:-$build/host-sim/text_logger.log}
echo "The policies print to $build/host-sim/demo.log;" \
  "text_logger.lua writes to $TEXT_LOGGER_FILE"
exec "$build/host-sim/host-sim" --config "$top/host-sim/demo.conf" "$@" \
  "$top/host-sim/corpus" "$build/host-sim/corpus"
