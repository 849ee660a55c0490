#!/bin/bash
# Installs a build into a fresh prefix, then uses what is there: host-sim on the
# installed mail, require "msys" in a plain interpreter, and the example host,
# built by find_package() and by pkg-config.
#
#   packaging/tests/check-install.sh BUILD_DIR [lua5.4 | lua5.4-c++]
set -eu

build=$(realpath "$1")
lua=${2:-lua5.4}
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/log"

plugin=$(find "$prefix" -path '*/msys/plugins/runinpool.so')
"$here/check-installed.sh" "$prefix" "$plugin" "$lua"
