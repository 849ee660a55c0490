#!/bin/bash
# Builds Lua from Debian's source package with all its own checks switched on, as
# a shared library with a sanitizer, and a pkg-config file to build against it:
#
#   tests/lua-checked/build.sh thread|address PREFIX
#   PKG_CONFIG_PATH=PREFIX/lib/pkgconfig cmake -S . -B build \
#     -DMSYS_LUA=lua5.4-checked -DMSYS_SANITIZE=thread|address,undefined
#
# Needs root the first time: to add a deb-src entry where there is none, and to
# install what unpacks source packages.
set -eu

sanitizer=${1:-} prefix=${2:-}
case $sanitizer in
  thread | address) ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
[ -n "$prefix" ] || { echo "$0: no PREFIX to install in" >&2; exit 2; }
mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
prefix=$(cd "$prefix" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! command -v dpkg-source >/dev/null; then
  apt-get install -y -q --no-install-recommends dpkg-dev >&2
fi
cd "$work"
if ! apt-get -q source --print-uris lua5.4 >/dev/null 2>&1; then
  sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources \
    > /etc/apt/sources.list.d/msys-lua-source.sources
  apt-get -q update >&2
fi
apt-get -q source lua5.4 >&2
cd lua5.4-*/

objects=()
for source in src/*.c; do
  case $source in src/lua.c | src/luac.c | src/onelua.c) continue ;; esac
  ${CC:-gcc} -std=gnu99 -O1 -g -fPIC -fno-omit-frame-pointer -fsanitize="$sanitizer" \
    -DLUA_USE_LINUX -DLUA_COMPAT_5_3 -DLUA_USE_APICHECK -DLUAI_ASSERT -Isrc \
    -c "$source" -o "${source%.c}.o"
  objects+=("${source%.c}.o")
done
${CC:-gcc} -shared -fsanitize="$sanitizer" -Wl,-soname,liblua5.4-checked.so.0 \
  -o "$prefix/lib/liblua5.4-checked.so.0" "${objects[@]}" -lm -ldl
ln -sf liblua5.4-checked.so.0 "$prefix/lib/liblua5.4-checked.so"
cp src/lua.h src/luaconf.h src/lualib.h src/lauxlib.h "$prefix/include"
version=$(sed -n 's/^#define LUA_VERSION_RELEASE.*"\([0-9]*\)"$/\1/p' src/lua.h)
cat > "$prefix/lib/pkgconfig/lua5.4-checked.pc" <<PC
Name: Lua
Description: Lua 5.4 with its checks and $sanitizer sanitizer
Version: 5.4.${version:-0}
Libs: -L$prefix/lib -Wl,-rpath,$prefix/lib -llua5.4-checked
Cflags: -I$prefix/include
PC
echo "$prefix: Lua 5.4.${version:-0} with checks and $sanitizer sanitizer"
