#!/bin/bash
# Builds the RPM packages with rpmbuild, Debian's too, and checks them with
# rpmlint.
#
#   packaging/build-rpm.sh [--revision REV] [OUTPUT_DIR]
#
# Packs the working files, or what git has as REV; OUTPUT_DIR is build/packages
# unless it is given.
set -eu
umask 022

# shellcheck source-path=SCRIPTDIR source=source.sh
. "$(dirname "$(realpath "$0")")/source.sh"
revision=
if [ "${1:-}" = --revision ]; then
  revision=$2
  shift 2
fi
output=$(realpath -m "${1:-$top/build/packages}")
need rpmbuild cmake

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log
mkdir -p "$work"/{SOURCES,SPECS,BUILD,RPMS,SRPMS,TMP}
name=msys-runinpool-$version
copy_source "$work/$name" "$revision"
rpm=$work/$name/packaging/rpm
changelog=$work/$name/packaging/debian/changelog.in

# One changelog for all packages, in the form of dpkg's.
rpm_changelog() {
  perl -ne '
    if (/^ -- (.*?)  (\w+), (\d+) (\w+) (\d+)/) {
      print "* $2 $4 $3 $5 $1 - $version-1\n", @text, "\n";
      @text = ();
    } elsif (/^\S+ \((.*?)\)/) { $version = $1; }
    elsif (/^ +\* (.*)/) { push @text, "- $1\n"; }
    elsif (/^ +(\S.*)/) { push @text, "  $1\n"; }
  ' "$changelog"
}
{
  cat "$rpm/msys-runinpool.spec.in"
  rpm_changelog
} | sed "s/@VERSION@/$version/" >"$work/SPECS/msys-runinpool.spec"
cp "$rpm/lua-requires" "$rpm/../usable-lua" "$work/SOURCES"

# Two builds give the same bytes: the clock is the changelog's.
date=$(sed -n 's/^ -- .*>  //p' "$changelog" | sed q)
SOURCE_DATE_EPOCH=$(date -d "$date" +%s)
export SOURCE_DATE_EPOCH
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner \
  --mtime="@$SOURCE_DATE_EPOCH" -c "$name" |
  gzip -9n >"$work/SOURCES/$name.tar.gz"

# Debian has no database of RPM packages to look dependencies up in.  Its rpmbuild
# compresses man pages by a script that needs bash but is run by dash, and leaves
# the symbol tables in.
flags=()
if [ -e /etc/debian_version ]; then
  finish='bash /usr/lib/rpm/brp-compress /usr;'
  finish+='strip --strip-unneeded %{buildroot}%{_bindir}/* %{buildroot}%{_libdir}/msys/plugins/*'
  flags=(--nodeps --define "__os_install_post $finish")
fi
quietly rpmbuild -ba "${flags[@]}" --define "_topdir $work" \
  --define "_tmppath $work/TMP" --define '_buildhost reproducible' \
  --define 'use_source_date_epoch_as_buildtime 1' \
  --define 'clamp_mtime_to_source_date_epoch 1' \
  "$work/SPECS/msys-runinpool.spec"

if command -v rpmlint >/dev/null; then
  quietly rpmlint --strict --config "$rpm/rpmlint.toml" "$work"/RPMS/*/*.rpm "$work"/SRPMS/*.rpm
  echo "rpmlint: $(tail -1 "$log")"
else
  echo "rpmlint: not installed, not checked"
fi
"$work/$name/packaging/tests/check-rpm.sh" "$work"/RPMS/*
mkdir -p "$output"
install -m 644 "$work"/RPMS/*/*.rpm "$work"/SRPMS/*.rpm "$output"
echo "packages: $output"
