#!/bin/bash
# Builds the Debian source and binary packages and checks them with lintian.
#
#   packaging/build-deb.sh [--revision REV] [OUTPUT_DIR]
#
# Packs the working files, or what git has as REV; OUTPUT_DIR is build/packages
# unless it is given.  dpkg-buildpackage wants ./debian, so it works on a copy.
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
need dpkg-buildpackage dh cmake

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log
source=$work/msys-runinpool-$version
copy_source "$source" "$revision"
cp -r "$source/packaging/debian" "$source/debian"
cd "$source"

sed "s/@VERSION@/$version/" debian/changelog.in >debian/changelog
# What the build needs is written once, in install-deps.sh; a compiler is there
# wherever packages are built.
build_depends=$(packaging/install-deps.sh --print build | grep -v '^g++$' |
  sed 's/$/,/' | tr '\n' ' ')
sed "s/@BUILD_DEPENDS@/${build_depends%, }/" debian/control.in >debian/control
rm debian/changelog.in debian/control.in

quietly dpkg-buildpackage --no-sign
mkdir -p "$output"
if command -v lintian >/dev/null; then
  # Root in a container is as good as anybody.
  lintian --allow-root --fail-on error,warning --info "$work"/*.changes >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
  }
  echo "lintian: no errors, no warnings"
else
  echo "lintian: not installed, not checked"
fi
packaging/tests/check-deb.sh "$work"
for file in "$work"/*.deb "$work"/*.dsc "$work"/*.tar.xz "$work"/*.changes \
  "$work"/*.buildinfo; do
  install -m 644 "$file" "$output"
done
echo "packages: $output"
