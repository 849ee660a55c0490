#!/bin/bash
# Installs what this project needs on Debian 12 and 13: of the packages in the groups
# given (default: build), those that are missing.
#
#   packaging/install-deps.sh [--print] [build] [test] [full]
#
#   build  the plugin, host-sim and the demonstration
#   test   the tests, linters and the second compiler
#   full   the slower jobs: model checking, peers, packages, real mail servers
#
# A group does not bring in the others: name each.  --print lists the packages
# of the groups and installs nothing.  Prints nothing when all is there, one
# line when it installs; needs root, or sudo, only then.
set -eu

# group  package  command  what for
# A package also counts as there when its command is in PATH ("-": none), since
# some tools are as good from elsewhere, and then collide with Debian's.
table() {
  cat <<'END'
build g++                     -      C and C++20 compiler
build cmake                   cmake  build system
build ninja-build             ninja  what CMake drives
build pkgconf                 -      finds Lua, libconfuse and GMime
build liblua5.4-dev           -      Lua, both as built by C and by C++
build lua5.4                  lua5.4 writes the big messages of the corpus
build libtbb-dev              -      oneTBB: the threads of the pools
build libboost-dev            -      Asio (host-sim's loop), DLL (loads the plugin)
build libboost-filesystem-dev -      needed by Boost.DLL
build libconfuse-dev          -      host-sim's configuration file
build libgmime-3.0-dev        -      host-sim's MIME parser
build nlohmann-json3-dev      -      host-sim --json
build prometheus-cpp-dev      -      host-sim's metrics for Prometheus
build libsystemd-dev          -      host-sim tells systemd when it is ready
test  libgtest-dev            -      GoogleTest
test  libgmock-dev            -      GoogleMock, matchers
test  libbenchmark-dev        -      Google Benchmark
test  python3                 -      scripts of the tests
test  lua-check               -      luacheck
test  shellcheck              -      lint of the shell scripts
test  groff-base              groff  renders the man pages, and warns
test  mandoc                  mandoc lint of the man pages
test  clang                   -      second compiler, thread-safety analysis
test  libclang-rt-dev         -      its sanitizers and libFuzzer
test  llvm                    -      symbols in what sanitizers report
test  clang-tidy              -      lint of the C++ code
test  clang-format            -      format of the C++ code
test  spin                    -      model checker of the turn protocol
test  dpkg-dev                -      unpacks the source of Lua; builds the .deb
full  valgrind                -      memory and thread errors, second opinion
full  lua-luv                 -      peer that benchmarks compare with
full  lua-cqueues             -      peer that benchmarks compare with
full  libnginx-mod-http-lua   -      peer that benchmarks compare with, with nginx
full  curl                    curl   sends test mail
full  swaks                   -      sends test mail
full  postfix                 -      a real mail server to talk to
full  nodejs                  node   runs the browser checks
full  npm                     npm    their packages
full  chromium                -      the browser of these checks
full  debhelper               -      builds the .deb
full  fakeroot                -      builds the .deb without root
full  lintian                 -      lint of the .deb
full  rpm                     -      builds the .rpm
full  rpmlint                 -      lint of the .rpm
full  debootstrap             -      a clean Debian to install packages in
END
}

fail() {
  printf 'install-deps: %s\n' "$*" >&2
  exit 1
}

print=no
groups=
for argument in "$@"; do
  case $argument in
    build | test | full) groups="$groups $argument" ;;
    --print) print=yes ;;
    *) fail "no group \"$argument\"; groups: build test full; option: --print" ;;
  esac
done
groups=${groups:-build}

declare -A command_of
wanted=()
while read -r group package command _; do
  [[ " $groups " == *" $group "* ]] || continue
  wanted+=("$package")
  command_of[$package]=$command
done < <(table)

if [ $print = yes ]; then
  printf '%s\n' "${wanted[@]}"
  exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  fail "this is not Debian. Install what these Debian 12 packages hold, then" \
    "go on without this script: ${wanted[*]}"
fi

# dpkg-query fails when it does not know a package; what it knows it prints.
declare -A installed
while read -r package status; do
  [ "$status" != installed ] || installed[$package]=yes
done < <(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null)

missing=()
for package in "${wanted[@]}"; do
  [ -z "${installed[$package]:-}" ] || continue
  command=${command_of[$package]}
  [ "$command" = - ] || ! command -v "$command" >/dev/null || continue
  missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

# --no-remove: this script adds to a machine; it must not, say, exchange its
# mail server for Postfix.
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
install=("${apt[@]}" install -y --no-install-recommends --no-remove)

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null; then
    as_root=(sudo)
  else
    fail "missing: ${missing[*]}. As root, run:" \
      "apt-get update && ${install[*]} ${missing[*]}"
  fi
fi

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
policy_is_ours=no
clean_up() {
  rm -f "$log"
  [ $policy_is_ours = no ] || "${as_root[@]}" rm -f $policy
}
trap clean_up EXIT

quietly() {
  "${as_root[@]}" "$@" >"$log" 2>&1 && return
  cat "$log" >&2
  fail "this failed: $*"
}

echo "install-deps: installing ${missing[*]}"
quietly "${apt[@]}" update
if [[ " ${missing[*]} " == *" postfix "* ]]; then
  # Without a configuration of its own Debian's Postfix is not started.
  echo 'postfix postfix/main_mailer_type select No configuration' |
    quietly debconf-set-selections
fi
# Of a web or mail server only the program is wanted: none is started.
if [ ! -e $policy ]; then
  policy_is_ours=yes
  printf '#!/bin/sh\nexit 101\n' | quietly tee $policy
  quietly chmod 755 $policy
fi
quietly "${install[@]}" "${missing[@]}"
