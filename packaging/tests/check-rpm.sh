#!/bin/bash
# What is in the RPM packages of a directory, what they need, and that host-sim
# runs from them with their plugin.
#
#   packaging/tests/check-rpm.sh DIR
set -eu

dir=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
  echo "check-rpm: $*" >&2
  failed=1
}

rpm_of() { find "$dir" -name "$1-[0-9]*.rpm" ! -name '*.src.rpm'; }

# contents PACKAGE: reads what must be in it; a name with * stands for one or more
# files.  Links by build id, which rpmbuild adds, are left out.
contents() {
  local pattern
  rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "$(rpm_of "$1")" |
    sed '/^d/d; s/^[^ ]* //; /\/\.build-id\//d' >"$work/has"
  while read -r pattern; do
    pattern=${pattern//\*/[^/]+}
    grep -qE "^$pattern\$" "$work/has" || fail "$1 has no $pattern"
    grep -vE "^$pattern\$" "$work/has" >"$work/rest" || true
    mv "$work/rest" "$work/has"
  done
  while read -r file; do fail "$1 has $file, which is not expected"; done <"$work/has"
}

# needs PACKAGE REGEX
needs() {
  local all
  all=$(rpm -qRp "$(rpm_of "$1")")
  grep -qE "$2" <<<"$all" || fail "$1 does not need $2 but: $all"
}

contents msys-runinpool <<'END'
/etc/msys/runinpool\.conf
/usr/lib(64)?/lua/5\.4/msys\.so
/usr/lib(64)?/msys/plugins/runinpool\.so
/usr/share/doc/msys-runinpool(-[0-9.]+)?/README\.md
/usr/share/man/man3/msys-runInPool\.3lua(\.gz)?
/usr/share/msys/lua/(msys|host-sim)\.d\.lua
END
contents msys-runinpool-devel <<'END'
/usr/include/msys/plugin\.h
/usr/lib(64)?/cmake/msys-plugin/msys-plugin-(config|config-version|targets)\.cmake
/usr/lib(64)?/pkgconfig/msys-plugin\.pc
/usr/share/doc/msys-runinpool-dev/examples/host/(CMakeLists\.txt|Makefile|README\.md|host\.c|policy\.lua)
/usr/share/man/man3/msys-plugin\.3(\.gz)?
END
contents msys-host-sim <<'END'
/etc/msys/host-sim\.conf
/etc/msys/listener\.conf
/usr/bin/host-sim
/usr/lib/systemd/system/host-sim\.service
/usr/share/man/man1/host-sim\.1(\.gz)?
/usr/share/man/man5/host-sim\.conf\.5(\.gz)?
/usr/share/msys/mail/*\.eml
/usr/share/msys/policies/*\.lua
END

needs msys-runinpool '^libtbb\.so\.12'
needs msys-runinpool '^\(liblua.* or liblua.*\)$'
needs msys-host-sim '^liblua'
needs msys-host-sim '^msys-runinpool\('
needs msys-host-sim '^libprometheus-cpp-pull\.so'
needs msys-runinpool-devel '^msys-runinpool\('

# An upgrade keeps what the administrator has changed.
for package in msys-runinpool msys-host-sim; do
  replaced=$(rpm -qp --qf '[%{FILEFLAGS:fflags} %{FILENAMES}\n]' "$(rpm_of $package)" |
    grep ' /etc/.*\.' | grep -v '^cn ') || true
  [ -z "$replaced" ] || fail "$package: not a configuration file to be kept: $replaced"
done

# host-sim finds the plugin beside it, wherever the tree is.
for package in msys-runinpool msys-host-sim; do
  mkdir -p "$work/tree"
  rpm2archive -n - <"$(rpm_of $package)" | tar -x -C "$work/tree"
done
cat >"$work/conf" <<END
Lua { Script "mixed" { Source = "$work/tree/usr/share/msys/policies/mixed.lua" } }
Log { Level = "error" }
END
"$work/tree/usr/bin/host-sim" --config "$work/conf" "$work/tree/usr/share/msys/mail" \
  >"$work/log" 2>&1 || fail "host-sim does not run: $(cat "$work/log")"
grep -q '^Sessions: [1-9]' "$work/log" || fail "host-sim ran no session: $(cat "$work/log")"

[ $failed -ne 0 ] || echo "packages: contents and dependencies as expected; $(grep '^Sessions' "$work/log")"
exit $failed
