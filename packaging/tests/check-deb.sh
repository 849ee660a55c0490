#!/bin/bash
# What is in the binary packages of a directory, and what they depend on; that they
# can be debugged, and installed for two architectures at a time.
#
#   packaging/tests/check-deb.sh DIR
set -eu

dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
  echo "check-deb: $*" >&2
  failed=1
}

# contents PACKAGE: reads what must be in it; a name with * stands for one or
# more files.  What Debian's policy puts into every package is left out.
contents() {
  local deb pattern
  deb=$(echo "$dir/$1"_*.deb)
  dpkg-deb -c "$deb" | awk '{ print $1, substr($6, 2) $7 $8 }' |
    grep -v '^d' | cut -d' ' -f2 |
    sed -E 's,/usr/lib/[^/]+-linux-gnu[^/]*/,/usr/lib/TRIPLET/,' |
    grep -vE "^/usr/share/(doc/$1/(copyright|changelog.gz)|lintian/overrides/$1)\$" |
    grep -v "^/usr/share/doc/$1->" >"$work/has"
  while read -r pattern; do
    [ -n "$pattern" ] || continue
    grep -qE "^${pattern//\*/[^/]+}\$" "$work/has" || fail "$1 has no $pattern"
    grep -vE "^${pattern//\*/[^/]+}\$" "$work/has" >"$work/rest" || true
    mv "$work/rest" "$work/has"
  done
  while read -r file; do fail "$1 has $file, which is not expected"; done <"$work/has"
}

# depends PACKAGE REGEX
depends() {
  local field
  field=$(dpkg-deb -f "$(echo "$dir/$1"_*.deb)" Depends)
  [[ $field =~ $2 ]] || fail "$1 does not depend on $2 but on $field"
}

# debuggable PACKAGE FILE: the symbols of FILE are in its -dbgsym package.
debuggable() {
  local id symbols
  rm -rf "$work/tree"
  dpkg-deb -x "$(echo "$dir/$1"_*.deb)" "$work/tree"
  dpkg-deb -x "$(echo "$dir/$1"-dbgsym_*.deb)" "$work/tree"
  # shellcheck disable=SC2086
  id=$(cd "$work/tree" && readelf -n $2 | sed -n 's/.*Build ID: //p')
  symbols=$work/tree/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug
  readelf -SW "$symbols" 2>/dev/null | grep -q '\.debug_info' ||
    fail "$1-dbgsym has no debug information for build id $id of $2"
}

# same_everywhere PACKAGE: one that is installed for two architectures at a time
# has, outside of the architecture's own directory, the same bytes for both.
same_everywhere() {
  local triplet names
  [ "$(dpkg-deb -f "$(echo "$dir/$1"_*.deb)" Multi-Arch)" = same ] || fail "$1 is not Multi-Arch: same"
  rm -rf "$work/tree"
  dpkg-deb -x "$(echo "$dir/$1"_*.deb)" "$work/tree"
  triplet=$(basename "$work"/tree/usr/lib/*-linux-gnu*)
  rm -r "$work/tree/usr/lib/$triplet"
  find "$work/tree" -name '*.gz' -exec gunzip {} +
  names=$(grep -rlF "$triplet" "$work/tree") || return 0
  fail "$1 names $triplet in ${names//$work\/tree/}"
}

lua=$(dirname "$(realpath "$0")")/../../lua
annotations=$(find "$lua" -maxdepth 1 -name '*.d.lua' -printf '/usr/share/msys/lua/%f\n')
contents msys-runinpool <<END
/etc/msys/runinpool\.conf
/usr/lib/TRIPLET/lua/5\.4/msys\.so->../../msys/plugins/runinpool\.so
/usr/lib/TRIPLET/msys/plugins/runinpool\.so
/usr/share/man/man3/msys-runInPool\.3lua\.gz
$annotations
END
contents msys-runinpool-dev <<'END'
/usr/include/msys/plugin\.h
/usr/lib/TRIPLET/cmake/msys-plugin/msys-plugin-config\.cmake
/usr/lib/TRIPLET/cmake/msys-plugin/msys-plugin-config-version\.cmake
/usr/lib/TRIPLET/cmake/msys-plugin/msys-plugin-targets\.cmake
/usr/lib/TRIPLET/pkgconfig/msys-plugin\.pc
/usr/share/doc/msys-runinpool-dev/examples/host/CMakeLists\.txt
/usr/share/doc/msys-runinpool-dev/examples/host/Makefile
/usr/share/doc/msys-runinpool-dev/examples/host/README\.md
/usr/share/doc/msys-runinpool-dev/examples/host/host\.c
/usr/share/doc/msys-runinpool-dev/examples/host/policy\.lua
/usr/share/man/man3/msys-plugin\.3\.gz
END
contents msys-host-sim <<'END'
/etc/msys/host-sim\.conf
/etc/msys/listener\.conf
(/usr)?/lib/systemd/system/host-sim\.service
/usr/bin/host-sim
/usr/share/man/man1/host-sim\.1\.gz
/usr/share/man/man5/host-sim\.conf\.5\.gz
/usr/share/msys/mail/*\.eml
/usr/share/msys/policies/*\.lua
END
contents msys-runinpool-dbgsym <<'END'
/usr/lib/debug/\.build-id/*/*\.debug
END
contents msys-host-sim-dbgsym <<'END'
/usr/lib/debug/\.build-id/*/*\.debug
END

debuggable msys-runinpool 'usr/lib/*/msys/plugins/runinpool.so'
debuggable msys-host-sim usr/bin/host-sim
same_everywhere msys-runinpool
same_everywhere msys-runinpool-dev

depends msys-runinpool 'libtbb12 \('
depends msys-runinpool 'liblua5\.4-0'
depends msys-host-sim 'liblua5\.4-0'
depends msys-host-sim 'libprometheus-cpp-pull1\.0'
depends msys-host-sim 'msys-runinpool \(= '
depends msys-runinpool-dev 'msys-runinpool \(= '

[ $failed -ne 0 ] || echo "packages: contents and dependencies as expected"
exit $failed
