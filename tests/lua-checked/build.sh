#!/bin/bash
# Builds Lua from Debian's source package with all its own checks switched on, as
# a shared library with a sanitizer, and a pkg-config file to build against it:
#
#   tests/lua-checked/build.sh thread|address PREFIX [RELEASE]
#   PKG_CONFIG_PATH=PREFIX/lib/pkgconfig cmake -S . -B build \
#     -DMSYS_LUA=lua5.4-checked -DMSYS_SANITIZE=thread|address,undefined
#
# RELEASE is the Debian whose Lua it is: trixie, say; this machine's without.
#
# The source package is fetched from where this machine's packages come from, by
# apt with a deb-src entry and package lists of its own: the machine's are not
# touched.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)

sanitizer=${1:-} prefix=${2:-} release=${3:-}
case $sanitizer in
  thread | address) ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
[ -n "$prefix" ] || { echo "$0: no PREFIX to install in" >&2; exit 2; }
mkdir -p "$prefix/lib/pkgconfig" "$prefix/include"
prefix=$(cd "$prefix" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$root/packaging/install-deps.sh" build test
mkdir -p "$work/apt/lists/partial" "$work/apt/archives/partial" "$work/apt/sources"
# shellcheck disable=SC2016 # the names are apt's
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
  'Created-By: Packages' 'Component: main' |
  sort -u | sed 's/^/deb-src /' >"$work/apt/sources/lua.list"
if [ -n "$release" ]; then
  # shellcheck source=/dev/null
  this=$(. /etc/os-release && echo "$VERSION_CODENAME")
  sed -i -n "s/ $this main\$/ $release main/p" "$work/apt/sources/lua.list"
fi
apt=(apt-get -q -o "Dir::Etc::SourceList=/dev/null"
  -o "Dir::Etc::SourceParts=$work/apt/sources" -o "Dir::State::Lists=$work/apt/lists"
  -o "Dir::Cache=$work/apt" -o "APT::Sandbox::User=$(id -un)")
cd "$work"
"${apt[@]}" update >&2
"${apt[@]}" source lua5.4 >&2
cd lua5.4-*/
# 5.4.7 still closes a coroutine with a message handler that is not there any more
# (lua.org has mended it since): with its own checks on, Lua would stop there in scripts that
# have nothing to do with msys.
marker='so it can run __close metamethods'
sed -i "s|L->status = LUA_OK;  /\* $marker|L->errfunc = 0;  &|" src/lstate.c
grep -q "L->errfunc = 0;.*$marker" src/lstate.c

# ThreadSanitizer of GCC 12 knows longjmp, but not the _longjmp that Lua prefers: its
# copy of the call stack would grow by each error and each yield until it is full.
jumps=()
if [ "$sanitizer" = thread ]; then
  jumps=('-DLUAI_THROW(L,c)=longjmp((c)->b, 1)' -Dluai_jmpbuf=jmp_buf
    '-DLUAI_TRY(L,c,a)=if (setjmp((c)->b) == 0) { a }')
fi
objects=()
for source in src/*.c; do
  case $source in src/lua.c | src/luac.c | src/onelua.c) continue ;; esac
  ${CC:-gcc} -std=gnu99 -O1 -g -fPIC -fno-omit-frame-pointer -fsanitize="$sanitizer" \
    -DLUA_USE_LINUX -DLUA_COMPAT_5_3 -DLUA_USE_APICHECK -DLUAI_ASSERT -Isrc \
    ${jumps[@]+"${jumps[@]}"} \
    -c "$source" -o "${source%.c}.o"
  objects+=("${source%.c}.o")
done
${CC:-gcc} -shared -fsanitize="$sanitizer" -Wl,-soname,liblua5.4-checked.so.0 \
  -o "$prefix/lib/liblua5.4-checked.so.0" "${objects[@]}" -lm -ldl
ln -sf liblua5.4-checked.so.0 "$prefix/lib/liblua5.4-checked.so"
cp src/lua.h src/lua.hpp src/luaconf.h src/lualib.h src/lauxlib.h "$prefix/include"
version=$(sed -n 's/^#define LUA_VERSION_RELEASE.*"\([0-9]*\)"$/\1/p' src/lua.h)
cat > "$prefix/lib/pkgconfig/lua5.4-checked.pc" <<PC
Name: Lua
Description: Lua 5.4 with its checks and $sanitizer sanitizer
Version: 5.4.${version:-0}
Libs: -L$prefix/lib -Wl,-rpath,$prefix/lib -llua5.4-checked
Cflags: -I$prefix/include
PC
echo "$prefix: Lua 5.4.${version:-0} with checks and $sanitizer sanitizer"
