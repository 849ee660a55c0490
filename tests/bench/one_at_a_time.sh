#!/bin/bash
# Prices one call at a time, both free and pinned to one CPU: median and range,
# over fresh processes, of the ratios to one hop in C++ (floor (a)).
#   one_at_a_time.sh <directory of the programs> [processes [blocks [calls]]]
# Ends with failure when the pinned p50 ratio is above 1.10, the pinned p99 ratio
# above 1.30 or the free p50 ratio above 1.15 (medians); with --report as the
# first argument it only reports.
set -euo pipefail
report=
if [ "${1:-}" = --report ]; then report=1; shift; fi
program=${1:?the directory of the programs is missing}/one_at_a_time
processes=${2:-5}
arguments=("${@:3}")

# Prints "median lowest highest" of the values after key $1 in the lines read.
spread() {
  awk -v key="$1" '{ for (i = 1; i < NF; ++i) if ($i == key) print $(i + 1) }' |
    sort -n | awk '{ v[NR] = $1 }
      END { m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
            print m, v[1], v[NR] }'
}

failed=0
# show KEY MODE MOST: one line of the table.
show() {
  local key=$1 mode=$2 most=$3 middle low high verdict=
  read -r middle low high < <(spread "$key" <<<"$lines")
  if [ "$most" != - ]; then
    verdict="wanted at most $most"
    if awk -v a="$middle" -v b="$most" 'BEGIN { exit !(a > b) }'; then
      verdict+=": missed"
      failed=1
    fi
  fi
  printf '%-7s %-12s %8s  (%s to %s)  %s\n' "$mode" "$key" "$middle" "$low" \
    "$high" "$verdict"
}

printf '%s processes; median (range)\n' "$processes"
for mode in pinned free; do
  prefix=()
  if [ "$mode" = pinned ]; then prefix=(taskset -c 0); fi
  lines=$(for ((i = 0; i < processes; ++i)); do
    "${prefix[@]}" "$program" "${arguments[@]}"
  done)
  for key in hop_p50_us call_p50_us hop_p99_us call_p99_us; do
    show "$key" "$mode" -
  done
  if [ "$mode" = pinned ]; then
    show ratio_p50 pinned 1.10
    show ratio_p99 pinned 1.30
  else
    show ratio_p50 free 1.15
    show ratio_p99 free -
  fi
done
[ -n "$report" ] || exit "$failed"
