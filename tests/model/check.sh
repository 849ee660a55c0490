#!/bin/sh
# Checks the model of the turn protocol exhaustively, in every configuration:
# one line for each run, and a failure if one of them finds an error.
#   check.sh            all configurations
#   check.sh safety N   one, in the current directory, with $MODEL if that is set
#   check.sh live N
# The generated checker is compiled without optimisation: gcc takes 20 s to
# optimise it, and it runs for 5.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
model=${MODEL:-$here/turn.pml}

check() {  # what configuration
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  cd "$dir"
  run='' live=''
  # Where work may go on for ever, only fair schedules count: the loops of 8
  # and 11 never stop, and detach comes again until the last waker has left.
  case $1$2 in live3 | live[7-9] | live1[01]) run=-f live=-DLIVE ;; esac
  spin -a -DCONFIG="$2" $live "$model" > spin.out 2>&1 || { cat spin.out; exit 1; }
  test -f pan.c || { cat spin.out; exit 1; }
  case $1 in
  safety) compile="-DSAFETY -DNOCLAIM -DNOFAIR" ;;
  live) compile=-DNFAIR=3 run="-a $run" ;;
  esac
  # shellcheck disable=SC2086
  ${CC:-gcc} -O0 -w -DVECTORSZ=1024 -DMEMLIM=3000 $compile -o pan pan.c
  # A depth that is reached would mean that not all was seen: -b makes it an error.
  # shellcheck disable=SC2086
  ./pan -b -n -m500000 $run > pan.out 2>&1 || true
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
  if grep -q 'errors: 0$' pan.out && ! grep -q 'out of memory\|aborted' pan.out; then
    echo "config $2, $1: ok, $states states"
    return
  fi
  echo "config $2, $1: FAILED: $(grep '^pan:1:' pan.out || tail -3 pan.out)"
  trail=$(find . -name '*.trail')
  if [ -n "${TRAIL:-}" ] && [ -n "$trail" ]; then
    spin -t -p -g -k "$trail" -DCONFIG="$2" $live "$model" > "$TRAIL" 2>&1 || true
    echo "  what led to it: $TRAIL"
  fi
  return 1
}

if [ $# -eq 2 ]; then
  check "$1" "$2"
  exit
fi
# Liveness of 3, 7 and 10 would take minutes; 9 is the smallest with a detach.
{
  for config in 2 5 6 9; do echo live $config; done
  for config in 1 2 3 4 5 6 7 8 9 10 11; do echo safety $config; done
  for config in 1 4 8 11; do echo live $config; done
} | xargs -P 2 -L 1 "$0"
