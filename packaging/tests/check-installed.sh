#!/bin/bash
# Uses an installed tree as its users would: host-sim on the installed mail,
# require "msys" in a plain interpreter, and the example host, built in a copy by
# find_package() and by pkg-config.  All of it is of one version.
#
#   check-installed.sh PREFIX [lua5.4 | lua5.4-c++]
#
# With /usr, what packages installed, all must be found without a hint.  Prints a
# line for each thing that works, ends with an error at the first that does not.
set -eu

prefix=$1
lua=${2:-lua5.4}
plugin=$(find "$prefix"/lib* -path '*/msys/plugins/runinpool.so')
libdir=${plugin%/msys/plugins/runinpool.so}
if [ "$prefix" = /usr ]; then
  etc=/etc/msys
else
  etc=$prefix/etc/msys
  export LUA_CPATH_5_4="$libdir/lua/5.4/?.so;;" CMAKE_PREFIX_PATH=$prefix
  export PKG_CONFIG_PATH=$libdir/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
fi
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
try host-sim "$prefix/bin/host-sim" --config "$etc/host-sim.conf" "$prefix/share/msys/mail"
want '^Sessions: [1-9]'
want '^CPU thread pool: concurrency'
want '^IO thread pool: concurrency'
echo "host-sim: $(sed -n '/^Sessions/p' "$work/log")"
try listener.conf "$prefix/bin/host-sim" --config "$etc/listener.conf" --check-config

# A plain interpreter, of the Lua built as C
if command -v lua5.4 >/dev/null; then
  try 'require "msys"' lua5.4 -e '
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
  sed -i "s/lua5\\.4\\b/$lua/" Makefile
  sed -i "s/ lua5\\.4)/ $lua)/" CMakeLists.txt
  if command -v ninja >/dev/null; then export CMAKE_GENERATOR=Ninja; fi
  if command -v make >/dev/null; then
    try make make CFLAGS='-std=gnu11 -Wall -Wextra -Werror -O2'
    run_it ./host pkg-config
  else
    echo "example host by pkg-config: not tried, make is missing"
  fi
  try cmake cmake -S . -B build
  try 'cmake --build' cmake --build build
  run_it build/host find_package
fi

# The version
version=$(sed -n 's/^#define MSYS_PLUGIN_VERSION "\(.*\)"/\1/p' "$prefix/include/msys/plugin.h")
is() {
  [ "$2" = "$version" ] || fail "$1 says version \"$2\", msys/plugin.h says \"$version\""
}
is host-sim "$("$prefix/bin/host-sim" --version | sed 's/^host-sim //')"
is msys-plugin.pc "$(pkg-config --modversion msys-plugin)"
is msys-plugin-config-version.cmake "$(sed -n 's/^set(PACKAGE_VERSION "\(.*\)")/\1/p' \
  "$libdir/cmake/msys-plugin/msys-plugin-config-version.cmake")"
for page in "$prefix"/share/man/man*/{host-sim.*,msys-*}; do
  [ ! -e "$page" ] || is "${page##*/}" "$(zcat -f "$page" | sed -n 's/^\.TH .*"msys-runinpool \([^"]*\)".*/\1/p')"
done
echo "version: $version everywhere"
