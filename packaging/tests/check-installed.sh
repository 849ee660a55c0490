#!/bin/bash
# Uses an installed tree as its users would: host-sim on the installed mail,
# require "msys" in a plain interpreter, and the example host, built in a copy by
# find_package() and by pkg-config.
#
#   check-installed.sh [PREFIX [PLUGIN [lua5.4 | lua5.4-c++]]]
#
# PREFIX is / for what packages installed.  Prints a line for each thing that
# works, ends with an error at the first that does not.
set -eu

root=${1:-/}
prefix=${root%/}
plugin=${2:-}
lua=${3:-lua5.4}
if [ "$root" = / ]; then
  prefix=/usr
  conf=/etc/msys/host-sim.conf
else
  conf=$prefix/etc/msys/host-sim.conf
fi
[ -n "$plugin" ] || plugin=$(echo "$prefix"/lib/*/msys/plugins/runinpool.so)
libdir=${plugin%/msys/plugins/runinpool.so}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  printf 'check-installed: %s\n' "$1" >&2
  [ ! -s "$work/log" ] || cat "$work/log" >&2
  exit 1
}
try() {
  local what=$1
  shift
  "$@" >"$work/log" 2>&1 || fail "$what: this failed: $*"
}

# host-sim
want() {
  grep -q "$1" "$work/log" || fail "host-sim's report has no line \"$1\""
}
try host-sim "$prefix/bin/host-sim" --config "$conf" "$prefix/share/msys/mail"
want '^Sessions: [1-9]'
want '^CPU thread pool: concurrency'
want '^IO thread pool: concurrency'
echo "host-sim: $(sed -n '/^Sessions/p' "$work/log")"

# A plain interpreter, of the Lua built as C
if command -v lua5.4 >/dev/null; then
  # shellcheck disable=SC2016
  try 'require "msys"' env "LUA_CPATH_5_4=$libdir/lua/5.4/?.so;;" lua5.4 -e '
    local msys = require "msys"
    local ok, answer = msys.runInPool("IO", function() return 42 end)
    assert(ok == true and answer == 42)'
  echo 'require "msys": runs a closure'
fi

# The example host
example=$prefix/share/doc/msys-runinpool-dev/examples/host
if [ -d "$example" ]; then
  cp -r "$example" "$work/host"
  cd "$work/host"
  run_it() {
    local answer
    answer=$("$1" policy.lua 2>&1) || fail "the example host, $2: $answer"
    [ "$answer" = "the policy says: accept" ] ||
      fail "the example host, $2, said: $answer"
    echo "example host by $2: $answer"
  }
  export PKG_CONFIG_PATH=$libdir/pkgconfig
  sed -i "s/lua5\\.4\\b/$lua/" Makefile
  sed -i "s/ lua5\\.4)/ $lua)/" CMakeLists.txt
  if command -v ninja >/dev/null; then export CMAKE_GENERATOR=Ninja; fi
  if command -v make >/dev/null; then
    try make make CFLAGS='-std=gnu11 -Wall -Wextra -Werror -O2'
    run_it ./host pkg-config
  else
    echo "example host by pkg-config: not tried, make is missing"
  fi
  try cmake cmake -S . -B build -Dmsys-plugin_DIR="$libdir/cmake/msys-plugin"
  try 'cmake --build' cmake --build build
  run_it build/host find_package
fi
