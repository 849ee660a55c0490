#!/bin/bash
# Everything in this directory that takes time, one after the other: about seven
# minutes on an idle machine.  Does not stop at a figure that misses its aim.
#   measure.sh <directory of the programs>
set -u
programs=${1:?the directory of the programs is missing}
here=$(cd "$(dirname "$0")" && pwd)
run() {
  printf '\n== %s\n' "$*"
  "$@"
}
printf 'load %s, %s CPUs\n' "$(cut -d' ' -f1-3 /proc/loadavg)" "$(nproc)"
run "$here/one_at_a_time.sh" --report "$programs" 7
run env MSYS_BENCH_IDLE_POLL=50 "$here/one_at_a_time.sh" --report "$programs" 7
run "$programs/runinpool_bench" --benchmark_repetitions=5 \
  --benchmark_enable_random_interleaving=true \
  --benchmark_report_aggregates_only=true 2>/dev/null
run "$programs/loop_under_fire" 10
run "$here/peers/run.sh" "$programs"
run lua5.4 "$here/check_instructions.lua" check "$programs"
printf 'load %s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
