// run_lua_test PLUGIN PRELUDE SCRIPT
//
// Runs a script's cases as callouts in a host with two loops, the plugin loaded
// as a mail server would.  Comment lines of the script set things up:
//   -- config: completion_returns=results
//   -- pool: NAME concurrency=N backlog=N
//   -- before: Lua code, run in the state before it is attached
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "check.h"
#include "script_runner.h"
extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace msys::test {
namespace {

struct Setup {
  std::string source;
  std::string before;
  std::vector<PoolSpec> pools{{"test-wait", 8, MSYS_UNSET}};
  int returns = MSYS_COMPLETION_RETURNS_JOB;
};

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  Check(file.good(), "cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// "NAME concurrency=N backlog=N"
PoolSpec ReadPool(std::istringstream words) {
  PoolSpec pool;
  words >> pool.name;
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    Check(equals != word.npos, "pool: wanted NAME=NUMBER, found " + word);
    const auto number =
        static_cast<std::uint32_t>(std::stoul(word.substr(equals + 1)));
    (word.starts_with("backlog") ? pool.backlog : pool.concurrency) = number;
  }
  return pool;
}

Setup ReadSetup(const std::string& path) {
  Setup setup;
  setup.source = ReadFile(path);
  std::istringstream lines(setup.source);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("-- before: ")) {
      setup.before += line.substr(11) + "\n";
    } else if (line == "-- config: completion_returns=results") {
      setup.returns = MSYS_COMPLETION_RETURNS_RESULTS;
    } else if (line.starts_with("-- pool: ")) {
      setup.pools.push_back(ReadPool(std::istringstream(line.substr(9))));
    }
  }
  return setup;
}

// Leaves `test` as a global; before the state is attached.
void LoadPrelude(lua_State* L, Runner& runner, const char* path,
                 const std::string& before) {
  const auto check = [L](int status) {
    if (status != LUA_OK) Check(false, lua_tostring(L, -1));
  };
  check(luaL_loadfile(L, path));
  lua_newtable(L);
  runner.SetFunctions(L);
  check(lua_pcall(L, 1, 1, 0));
  lua_setglobal(L, "test");
  check(luaL_dostring(L, before.c_str()));
}

// Each job has ended once and is counted once.
bool Balanced(const TestPlugin& plugin) {
  bool balanced = true;
  for (std::uint32_t i = 0; i < plugin.api.pool_count(plugin.handle); ++i) {
    msys_pool_stats s{};
    s.struct_size = sizeof s;
    plugin.api.pool_stats(plugin.handle, i, &s);
    const auto over = s.done + s.failed + s.cancelled + s.refused;
    if (s.submitted == over && s.queued + s.running + s.suspended == 0) continue;
    std::printf("not ok - pool %s does not balance:\n%s", s.name,
                plugin.Console(std::string("threads ") + s.name + " stats").c_str());
    balanced = false;
  }
  return balanced;
}

void PrintLog(const FakeHost& host) {
  std::printf("the host's log:\n");
  for (const LogLine& line : host.log()) {
    std::printf("    %d %s: %s\n", line.level, line.component.c_str(),
                line.text.c_str());
  }
}

// One line for each case.  The first that fails ends the process: what it has left
// locked or blocked would keep the others, and the end, waiting.
void RunCases(TestState& state, const char* path) {
  const auto run = [&](const std::string& name, const std::string& source) {
    const Result result = state.Run(source);
    const bool ok = result.status == MSYS_OK;
    std::printf("%s - %s\n", ok ? "ok" : "not ok", name.c_str());
    if (!ok) {
      const auto& values = result.values;
      std::printf("    %s\n", values.size() > 1 ? values[1].c_str()
                                                : result.text().c_str());
      PrintLog(state.plugin.host);
    }
    std::fflush(stdout);
    if (!ok) std::_Exit(1);
    return result;
  };
  const Result loaded =
      run(std::string("load ") + path,
          "local f = assert(load(test.script_source, '@' .. test.script_name))\n"
          "f() return #test.cases");
  for (int i = 1; i <= std::stoi(loaded.values.at(0)); ++i) {
    const std::string index = std::to_string(i);
    const Result name = state.Run("return test.cases[" + index + "].name");
    run(name.values.at(0), "test.cases[" + index + "].f()");
  }
}

int Main(const char* plugin_path, const char* prelude, const char* script) {
  const Setup setup = ReadSetup(script);
  FakeHost host(2);
  bool balanced = false;
  {
    TestPlugin plugin(LoadApi(plugin_path), host, setup.pools, setup.returns);
    Runner runner(host, plugin);
    {
      TestState home(plugin, 0, "home", [&](lua_State* L) {
        LoadPrelude(L, runner, prelude, setup.before);
        lua_getglobal(L, "test");
        lua_pushlstring(L, setup.source.data(), setup.source.size());
        lua_setfield(L, -2, "script_source");
        lua_pushstring(L, std::string(script)
                              .substr(std::string(script).rfind('/') + 1)
                              .c_str());
        lua_setfield(L, -2, "script_name");
        lua_pop(L, 1);
      });
      TestState other(plugin, 1, "other", [&](lua_State* L) {
        LoadPrelude(L, runner, prelude, setup.before);
      });
      runner.home = &home;
      runner.other = &other;
      RunCases(home, script);
    }
    balanced = Balanced(plugin);
  }
  if (!balanced) PrintLog(host);
  return balanced ? 0 : 1;
}

}  // namespace
}  // namespace msys::test

int main(int argc, char** argv) {
  msys::test::Check(argc == 4, "usage: run_lua_test PLUGIN PRELUDE SCRIPT");
  return msys::test::Main(argv[1], argv[2], argv[3]);
}
