// Finds the plugin in a shared library and checks that it speaks our ABI.
#pragma once

#include <boost/dll/shared_library.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "msys/plugin.h"

namespace hostsim {

struct LoadedPlugin {
  boost::dll::shared_library library;  // unloads when destroyed
  const msys_api* api = nullptr;
};

// nullopt: *error is one line that names the file and says what is wrong.
std::optional<LoadedPlugin> LoadPlugin(const std::filesystem::path& path,
                                       std::string* error);

// Where the plugin is when the configuration does not say: beside this
// program's directory in the build tree, else where packages put it.
std::filesystem::path DefaultPluginPath();

const char* StatusText(msys_status status);  // "MSYS_E_BUSY"

}  // namespace hostsim
