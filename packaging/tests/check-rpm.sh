#!/bin/bash
# What is in the RPM packages of a directory, and what they need.
#
#   packaging/tests/check-rpm.sh DIR
set -eu

dir=$1
failed=0

fail() {
  echo "check-rpm: $*" >&2
  failed=1
}

# contents PACKAGE: reads what must be in it.
contents() {
  local has rpm pattern
  rpm=$(echo "$dir/$1"-[0-9]*.rpm)
  has=$(rpm -qlp "$rpm")
  while read -r pattern; do
    grep -qE "^$pattern\$" <<<"$has" || fail "$1 has no $pattern"
  done
}

# needs PACKAGE REGEX
needs() {
  local all
  all=$(rpm -qRp "$(echo "$dir/$1"-[0-9]*.rpm)")
  grep -qE "$2" <<<"$all" || fail "$1 does not need $2 but: $all"
}

contents msys-runinpool <<'END'
/etc/msys/runinpool\.conf
/usr/lib(64)?/lua/5\.4/msys\.so
/usr/lib(64)?/msys/plugins/runinpool\.so
/usr/share/man/man3/msys-runInPool\.3lua(\.gz)?
/usr/share/msys/lua/(msys|host-sim)\.d\.lua
END
contents msys-runinpool-devel <<'END'
/usr/include/msys/plugin\.h
/usr/lib(64)?/cmake/msys-plugin/msys-plugin-config\.cmake
/usr/lib(64)?/pkgconfig/msys-plugin\.pc
/usr/share/doc/msys-runinpool-dev/examples/host/host\.c
/usr/share/man/man3/msys-plugin\.3(\.gz)?
END
contents msys-host-sim <<'END'
/etc/msys/host-sim\.conf
/etc/msys/listener\.conf
/usr/bin/host-sim
/usr/lib/systemd/system/host-sim\.service
/usr/share/man/man1/host-sim\.1(\.gz)?
/usr/share/msys/mail/plain\.eml
/usr/share/msys/policies/mixed\.lua
END

needs msys-runinpool '^libtbb\.so\.12'
needs msys-runinpool '^\(liblua.* or liblua.*\)$'
needs msys-host-sim '^liblua'
needs msys-host-sim '^libprometheus-cpp-pull\.so'
needs msys-host-sim '^msys-runinpool\('
needs msys-runinpool-devel '^msys-runinpool\('

[ $failed -ne 0 ] || echo "packages: contents and dependencies as expected"
exit $failed
