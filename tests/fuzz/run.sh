#!/bin/bash
# Builds the fuzz targets with clang and runs each for some seconds, with what is
# in corpus/<target>/ to begin with, on a Lua that checks itself and what calls it
# (tests/lua-checked).  Ends with one line for each target.
#
#   tests/fuzz/run.sh [SECONDS [BUILD_FOLDER [TARGET...]]]   default: 60 build-fuzz all
#
# What is found new stays in BUILD_FOLDER/corpus/<target>/; an input that fails is
# left in BUILD_FOLDER/failed/.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-60}
build=${2:-$root/build-fuzz}
shift $(($# < 2 ? $# : 2))

options=(-DMSYS_FUZZ=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
  -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++)
if command -v ccache >/dev/null; then
  options+=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
fi
read -ra more <<<"${MSYS_FUZZ_CMAKE:-}"
lua=$build/lua
if [ ! -e "$lua/lib/liblua5.4-checked.so" ]; then
  CC=clang "$root/tests/lua-checked/build.sh" address "$lua" || exit 1
fi
export PKG_CONFIG_PATH=$lua/lib/pkgconfig
cmake -S "$root" -B "$build" -G Ninja "${options[@]}" -DMSYS_LUA=lua5.4-checked \
  "${more[@]}" || exit 1
cmake --build "$build" --target fuzz_targets || exit 1

if [ $# -eq 0 ]; then
  for program in "$build"/tests/fuzz/*_fuzz; do
    set -- "$@" "$(basename "$program" _fuzz)"
  done
fi
mkdir -p "$build/failed"
failed=0 tests=0 summary=()
for name in "$@"; do
  found=$build/corpus/$name
  seeds=$root/tests/fuzz/corpus/$name
  mkdir -p "$found" "$seeds"
  log=$build/$name.log
  ASAN_OPTIONS=detect_leaks=1:intercept_tls_get_addr=0 \
    LSAN_OPTIONS=print_suppressions=0:suppressions=$root/tests/support/lsan.supp \
    UBSAN_OPTIONS=print_stacktrace=1 \
    "$build/tests/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=30 \
    -rss_limit_mb=4096 -max_len=1024 -print_final_stats=1 \
    -artifact_prefix="$build/failed/$name-" "$found" "$seeds" >"$log" 2>&1
  status=$?
  tests=$((tests + 1))
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  if [ $status -eq 0 ]; then
    summary+=("$name: ${runs:-0} inputs, nothing found")
  else
    failed=$((failed + 1))
    summary+=("$name: FAILED with status $status, see $log")
    tail -n 60 "$log"
  fi
done
printf '%s\n' "${summary[@]}"
# In ctest's words, for who counts them.
printf '%d%% tests passed, %d tests failed out of %d\n' \
  $(((tests - failed) * 100 / tests)) "$failed" "$tests"
[ "$failed" -eq 0 ]
