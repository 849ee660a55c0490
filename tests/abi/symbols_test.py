#!/usr/bin/env python3
"""symbols_test.py PLUGIN EXPORTS_MAP

The plugin exports its entries and nothing else, brings no Lua, and asks for
nothing that the libraries it names do not have.
"""

import re
import subprocess
import sys


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(path, *options):
    """(type, name without version) of each dynamic symbol."""
    for line in run("nm", "-D", *options, path).splitlines():
        parts = line.split()
        yield parts[-2], parts[-1].split("@")[0]


plugin, exports_map = sys.argv[1:]
wanted = set(re.findall(r"^\s+(\w+);", open(exports_map).read().split("local:")[0], re.M))
exported = {name for _, name in symbols(plugin, "--defined-only")}
assert exported == wanted == {"msys_plugin_entry", "luaopen_msys"}, exported

# With a sanitizer its own symbols come from the program.
sanitizer = re.compile(r"__(asan|ubsan|tsan|sanitizer|lsan)_")
undefined = {name for kind, name in symbols(plugin, "--undefined-only")
             if kind == "U" and not sanitizer.match(name)}
lua = {name for name in undefined if name.lower().startswith("lua")}
assert lua and all(re.match(r"luaL?_[a-z]", name) for name in lua), lua
assert not any(name.startswith("luaopen") for name in lua), lua

needed = []
for line in run("ldd", plugin).splitlines():
    match = re.match(r"\s*(\S+)(?: => (\S+))? \(0x", line)
    if match and (match[2] or match[1]).startswith("/"):
        needed.append(match[2] or match[1])
assert not any("liblua" in path for path in needed), needed
supplied = {name for path in needed for _, name in symbols(path, "--defined-only")}
missing = undefined - lua - supplied
assert not missing, sorted(missing)

flags = run("readelf", "-d", plugin)
assert "NODELETE" in flags, "not linked with -z nodelete"
