// The policy scripts of the configuration, read once and shared by all states.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config.h"

namespace hostsim {

struct PolicyScript {
  std::string name;   // "policy"
  std::string chunk;  // "@lua/policy.lua", as Lua names the file
  std::string text;
};

struct Policy {
  std::vector<PolicyScript> scripts;
  std::string package_dir;  // searched first by require
};

// Reads and compiles, runs nothing.  nullopt: *error says which file and line.
std::optional<Policy> LoadPolicy(const Config& config, std::string* error);

// The scripts whose files do not say any more what was loaded from them, as
// "Script "policy": what is wrong".  What they require() is not looked at.
std::vector<std::string> ChangedScripts(const Config& config, const Policy& policy);

}  // namespace hostsim
