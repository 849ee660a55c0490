#!/bin/sh
# Seeds one bug after the other into copies of the model, and fails if the model
# does not find it.  Each is a bug that the plugin could have; the wakers it had.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
survivors=0

mutant() {  # name, configuration, sed script [, live]
  sed "$3" "$here/turn.pml" > "$dir/turn.pml"
  if cmp -s "$here/turn.pml" "$dir/turn.pml"; then
    echo "mutant '$1' changes nothing: turn.pml has changed, adapt $0"
    survivors=$((survivors + 1))
    return
  fi
  if found=$(MODEL="$dir/turn.pml" "$here/check.sh" "${4:-safety}" "$2" 2>&1); then
    echo "mutant '$1' SURVIVES: $found"
    survivors=$((survivors + 1))
  elif echo "$found" | grep -q 'FAILED: pan:1'; then
    echo "mutant '$1' found: ${found#*FAILED: }"
  else
    echo "mutant '$1': the checker did not run: $found"
    survivors=$((survivors + 1))
  fi
}

mutant "Release does not look at kWaiters" 6 \
  's/len(ready) == 0 \&\& word == HELD -> word = 0/len(ready) == 0 \&\& (word \& HELD) != 0 -> word = 0/'
mutant "a lane is parked without announcing it" 1 \
  's/word = word | WAITERS; Park(l);$/Park(l);/'
mutant "a lane that came too late is forgotten" 1 \
  's/word = word | WAITERS; Park(l);$/at[l] = idle;/'
mutant "due_ is not cleared" 2 \
  's/due == l -> due = NONE; assert/due == l -> assert/; s/word = HELD; due = NONE; TAKEN/word = HELD; TAKEN/'
mutant "a due turn is taken by anybody" 2 \
  's/#define AVAILABLE .*/#define AVAILABLE ((word \& HELD) == 0)/'
mutant "the result of Wake is ignored" 6 \
  's/:: else -> atomic { COMES_BACK(+) } TakePoolLane()/:: else -> chosen = NONE/'
mutant "taken under our hands, not put back" 6 \
  's/if :: chosen != NONE -> Park(chosen); chosen = NONE :: else fi/chosen = NONE/'
mutant "a thread that does not wait is given the turn" 2 \
  's/word = word | URGENT; waiting\[me\] = 1/word = word | URGENT/'
mutant "detach does not ask for wakers" 9 \
  's/len(work\[HOME\]) > 0 || wakers > 0 ->/len(work[HOME]) > 0 ->/'
mutant "detach does not look at the lanes" 3 \
  's/fast = fast \&\& !busy\[n\]; n++/n++/'
mutant "a due turn has no owner" 1 \
  's/word = word | DUE; due = HOME$/word = word | DUE/'
mutant "the turn is freed for a pool's lane while others count on it" 2 \
  's/^    :: len(urgents) > 0 ->$/    :: len(urgents) > 0 \&\& passed < MAX_PASSED ->/'
mutant "a lane that is passed for ever goes on parking" 8 \
  's/\&\& misses\[l\] >= MAX_MISSES/\&\& 0/' live
exit $((survivors > 0))
