#!/bin/bash
# Installs a build into a fresh prefix, named by a relative path with a space, then
# uses what is there; see check-installed.sh.
#
#   packaging/tests/check-install.sh BUILD_DIR [lua5.4 | lua5.4-c++]
set -eu

build=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

(cd "$work" && cmake --install "$build" --prefix "a prefix" >log)
"$here/check-installed.sh" "$work/a prefix" "${2:-lua5.4}"
