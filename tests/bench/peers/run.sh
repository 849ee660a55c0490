#!/bin/bash
# The same measures for runInPool, luv, cqueues and nginx, one table, one run.
#   run.sh <directory of the programs> [rounds [calls in flight measures]]
# Every figure is the median of the rounds, each in a fresh process; the systems
# alternate.  For many in flight each system has its best of 1, 2 and 4 threads.
# SYSTEM+poll is the same with a loop that looks for work instead of sleeping: ours
# for 50 us, luv's without end.  nginx has no such loop; one of cqueues, by step(0),
# is no faster with many in flight, and has hung.
# Every result of every call is checked; a wrong one ends the run.
set -euo pipefail
ours=$(realpath "${1:?the directory of the programs is missing}")/peer_ours
rounds=${2:-5}
calls=${3:-200000}
one_calls=$((calls / 20))
cd "$(dirname "$0")"

have() {  # have SYSTEM PACKAGE COMMAND...
  local system=$1 package=$2
  shift 2
  if "$@" >/dev/null 2>&1; then return 0; fi
  echo "skipped: $system, since the package $package is missing"
  return 1
}
systems=(ours ours+poll)
have luv lua-luv lua5.4 -e 'require "luv"' && systems+=(luv luv+poll)
have cqueues lua-cqueues lua5.4 -e 'require "cqueues"' && systems+=(cqueues)
if have nginx nginx command -v nginx &&
   have nginx libnginx-mod-http-lua test -e /usr/lib/nginx/modules/ngx_http_lua_module.so &&
   have nginx curl command -v curl; then
  systems+=(nginx)
fi

one() {  # one SYSTEM: p50_us, p99_us
  case $1 in
    ours) "$ours" one "$one_calls" ;;
    luv) UV_THREADPOOL_SIZE=1 lua5.4 luv_bench.lua one "$one_calls" ;;
    cqueues) lua5.4 cqueues_bench.lua one "$one_calls" ;;
    nginx) ./nginx.sh one "$one_calls" ;;
  esac
}
many() {  # many SYSTEM IN_FLIGHT STATES THREADS: per_s
  case $1 in
    ours) "$ours" many "$2" "$calls" "$3" "$4" ;;
    luv) UV_THREADPOOL_SIZE=$4 lua5.4 luv_bench.lua many "$2" "$calls" ;;
    cqueues) lua5.4 cqueues_bench.lua many "$2" "$calls" "$4" ;;
    nginx) ./nginx.sh many "$2" "$calls" "$4" ;;
  esac
}

unset MSYS_BENCH_IDLE_POLL IDLE_POLL
results=$(mktemp)
trap 'rm -f "$results"' EXIT
note() { sed "s/^/$1 $2 /" >>"$results"; }  # note SYSTEM MEASURE <figures
for ((round = 0; round < rounds; ++round)); do
  for row in "${systems[@]}"; do
    system=${row%+poll}
    if [ "$row" != "$system" ]; then export MSYS_BENCH_IDLE_POLL=50 IDLE_POLL=1; fi
    if [ "$row" != luv+poll ]; then  # it never gives the one CPU away
      (taskset -cp 0 "$BASHPID" >/dev/null; one "$system") | note "$row" pinned
    fi
    one "$system" | note "$row" free
    for threads in 1 2 4; do
      many "$system" 64 1 "$threads" | note "$row" "64:$threads"
      many "$system" 1024 16 "$threads" | note "$row" "1024:$threads"
    done
    unset MSYS_BENCH_IDLE_POLL IDLE_POLL
  done
  for form in completion completion_sched; do
    for threads in 1 2 4; do
      "$ours" "$form" 64 "$calls" 1 "$threads" | note "$form" "64:$threads"
      "$ours" "$form" 1024 "$calls" 16 "$threads" | note "$form" "1024:$threads"
    done
  done
done

awk -v systems="ours completion completion_sched luv cqueues nginx ours+poll luv+poll" '
  { split($2, m, ":"); key = $1 " " m[1] " " $3
    at = key SUBSEP (m[2] + 0); v[at, ++n[at]] = $4; threads[key, m[2] + 0] }
  function median(at,   i, j, t) {
    for (i = 1; i <= n[at]; ++i) for (j = i + 1; j <= n[at]; ++j)
      if (v[at, j] < v[at, i]) { t = v[at, i]; v[at, i] = v[at, j]; v[at, j] = t }
    i = int((n[at] + 1) / 2)
    return n[at] % 2 ? v[at, i] : (v[at, i] + v[at, i + 1]) / 2
  }
  function best(key,   t, m, b) {
    b = ""
    for (t = 0; t <= 4; ++t) if ((key SUBSEP t) in n) {
      m = median(key SUBSEP t)
      if (b == "" || m > b) b = m
    }
    return b
  }
  function show(what, key, format,   b) {
    b = best(key)
    if (b == "") printf " %11s", "-"; else printf " " format, b
  }
  function best_of(rows, measure,   count, i, r, b, most) {
    count = split(rows, r, " ")
    for (i = 1; i <= count; ++i) {
      b = best(r[i] " " measure)
      if (b > most) most = b
    }
    return most
  }
  function compare(what, s, others,   most64) {
    most64 = best_of(others, "64 per_s")
    if (most64 == "") return
    printf "%s: 64 in flight in 1 state %.2f (wanted 1.2), 1024 in 16 states %.2f (wanted 1.5)\n",
           what, best(s " 64 per_s") / most64,
           best(s " 1024 per_s") / best_of(others, "1024 per_s")
  }
  END {
    printf "%-34s %11s %11s %11s %11s %11s %11s\n", "", "pinned p50", "pinned p99",
           "free p50", "free p99", "64/1", "1024/16"
    printf "%-34s %11s %11s %11s %11s %11s %11s\n", "", "us", "us", "us", "us",
           "calls/s", "calls/s"
    name["ours"] = "runInPool"
    name["completion"] = "runInPool, completion function"
    name["completion_sched"] = "runInPool, completion on the loop"
    name["luv"] = "luv new_work"; name["cqueues"] = "cqueues thread"
    name["ours+poll"] = "runInPool, the loop polls"
    name["luv+poll"] = "luv new_work, the loop polls"
    name["nginx"] = "nginx run_worker_thread"
    count = split(systems, order, " ")
    for (i = 1; i <= count; ++i) {
      s = order[i]
      if (best(s " 64 per_s") == "") continue
      printf "%-34s", name[s]
      show("", s " pinned p50_us", "%11.1f"); show("", s " pinned p99_us", "%11.1f")
      show("", s " free p50_us", "%11.1f"); show("", s " free p99_us", "%11.1f")
      show("", s " 64 per_s", "%11d"); show("", s " 1024 per_s", "%11d")
      print ""
    }
    compare("runInPool / best other", "ours", "luv cqueues nginx")
    compare("the same, loops that poll", "ours+poll",
            "luv cqueues nginx luv+poll")
  }' "$results"
cat <<'LIMITS'
Limits of the others: luv and cqueues run a copy of a function without its
upvalues in another interpreter.  luv refuses tables, functions and coroutines
as arguments, cqueues tables, coroutines and userdata.  nginx runs a function of
a module, in LuaJIT, copies tables, refuses functions and coroutines, and needs
one interpreter for each call in flight.  luv and cqueues have no script that
waits: a callback, or a reader of a socket, gets the results.
LIMITS
