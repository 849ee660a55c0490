#include "policy.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <lua.hpp>
#include <memory>

namespace hostsim {
namespace fs = std::filesystem;
namespace {

struct LuaClose {
  void operator()(lua_State* L) const { lua_close(L); }
};

bool Compiles(lua_State* L, const PolicyScript& script, std::string* error) {
  const int status = luaL_loadbufferx(L, script.text.data(), script.text.size(),
                                      script.chunk.c_str(), "t");
  if (status != LUA_OK) {
    const char* text = lua_tostring(L, -1);
    *error = "script \"" + script.name + "\": " + (text ? text : "?");
  }
  lua_settop(L, 0);
  return status == LUA_OK;
}

// As short as it can be, since it is in every error message.
std::string ChunkName(const fs::path& source) {
  std::error_code error;
  const fs::path near = fs::proximate(source, error);
  if (error || near.empty() || near.native().starts_with(".."))
    return "@" + source.lexically_normal().string();
  return "@" + near.string();
}

bool ReadScript(const ScriptConfig& source, std::string* text, std::string* error) {
  std::error_code failure;
  errno = fs::is_directory(source.source, failure) ? EISDIR : 0;
  std::ifstream in;
  if (errno == 0) in.open(source.source, std::ios::binary);
  if (!in.is_open()) {
    *error = "script \"" + source.name + "\": cannot read \"" +
             source.source.string() + "\": " + strerror(errno);
    return false;
  }
  text->assign(std::istreambuf_iterator<char>(in), {});
  if (text->starts_with("\xEF\xBB\xBF")) text->erase(0, 3);  // as Lua does
  if (text->starts_with(LUA_SIGNATURE)) {
    *error = "script \"" + source.name + "\": \"" + source.source.string() +
             "\" is compiled Lua; its source is wanted";
    return false;
  }
  if (text->starts_with('#'))  // an interpreter line; keep line numbers
    text->insert(0, "--");
  return true;
}

}  // namespace

std::optional<Policy> LoadPolicy(const Config& config, std::string* error) {
  Policy policy;
  const std::unique_ptr<lua_State, LuaClose> L(luaL_newstate());
  if (!L) {
    *error = "no memory for a Lua state";
    return std::nullopt;
  }
  for (const ScriptConfig& source : config.scripts) {
    PolicyScript script{source.name, ChunkName(source.source), {}};
    if (!ReadScript(source, &script.text, error)) return std::nullopt;
    if (!Compiles(L.get(), script, error)) return std::nullopt;
    if (policy.package_dir.empty())
      policy.package_dir =
          source.source.lexically_normal().parent_path().string();
    policy.scripts.push_back(std::move(script));
  }
  return policy;
}

std::vector<std::string> ChangedScripts(const Config& config, const Policy& policy) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < policy.scripts.size(); ++i) {
    const ScriptConfig& source = config.scripts[i];
    std::string text, error;
    const bool there = ReadScript(source, &text, &error);
    if (there && text == policy.scripts[i].text) continue;
    out.push_back("Script \"" + source.name + "\": " + source.source.string() +
                  (there ? " has changed" : " cannot be read any more"));
  }
  return out;
}

}  // namespace hostsim
