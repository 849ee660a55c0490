#include "plugin_loader.h"

#include <boost/dll/runtime_symbol_info.hpp>

namespace hostsim {
namespace fs = std::filesystem;

std::optional<LoadedPlugin> LoadPlugin(const fs::path& path,
                                       std::string* error) {
  const std::string named = "plugin \"" + path.string() + "\": ";
  std::error_code failure;
  if (!fs::is_regular_file(path, failure)) {
    *error = named + (fs::exists(path, failure) ? "is not a regular file"
                                                : "no such file");
    return std::nullopt;
  }
  LoadedPlugin loaded;
  try {
    // rtld_now: a missing lua_* is found here, not in the middle of a session.
    loaded.library.load(
        boost::dll::fs::path(path.string()),
        boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local);
  } catch (const std::exception& e) {
    *error = named + "cannot be loaded: " + e.what();
    return std::nullopt;
  }
  if (!loaded.library.has(MSYS_PLUGIN_ENTRY)) {
    *error = named + "has no symbol " MSYS_PLUGIN_ENTRY
                     "; it is not a plugin of this kind";
    return std::nullopt;
  }
  const auto entry =
      loaded.library.get<const msys_api*(std::uint32_t)>(MSYS_PLUGIN_ENTRY);
  loaded.api = entry(MSYS_ABI_MAJOR);
  if (!loaded.api || loaded.api->abi_major != MSYS_ABI_MAJOR) {
    *error = named + "does not speak ABI " + std::to_string(MSYS_ABI_MAJOR) +
             ", which this host needs";
    return std::nullopt;
  }
  if (loaded.api->struct_size < sizeof(msys_api)) {
    *error = named + "is older than this host: its table of functions has " +
             std::to_string(loaded.api->struct_size) + " bytes of " +
             std::to_string(sizeof(msys_api));
    return std::nullopt;
  }
  return loaded;
}

fs::path DefaultPluginPath() {
  const fs::path here(boost::dll::program_location().parent_path().string());
  const fs::path built = here / ".." / "plugin" / "runinpool.so";
  std::error_code failure;
  if (fs::exists(built, failure)) return built.lexically_normal();
#ifdef HOSTSIM_INSTALLED_PLUGIN
  // Relative, so that an installed tree may be moved.
  const fs::path installed = here / HOSTSIM_INSTALLED_PLUGIN;
  if (fs::exists(installed, failure)) return installed.lexically_normal();
#endif
  return built.lexically_normal();
}

const char* StatusText(msys_status status) {
  switch (status) {
    case MSYS_OK:
      return "MSYS_OK";
    case MSYS_E_ABI:
      return "MSYS_E_ABI";
    case MSYS_E_ARG:
      return "MSYS_E_ARG";
    case MSYS_E_NOMEM:
      return "MSYS_E_NOMEM";
    case MSYS_E_CLOSED:
      return "MSYS_E_CLOSED";
    case MSYS_E_BUSY:
      return "MSYS_E_BUSY";
    case MSYS_E_THREAD:
      return "MSYS_E_THREAD";
    case MSYS_E_FORK:
      return "MSYS_E_FORK";
    case MSYS_E_LUA:
      return "MSYS_E_LUA";
    case MSYS_E_CANCELLED:
      return "MSYS_E_CANCELLED";
    case MSYS_E_NOT_FOUND:
      return "MSYS_E_NOT_FOUND";
    case MSYS_E_SYSTEM:
      return "MSYS_E_SYSTEM";
    default:
      return "an unknown status";
  }
}

}  // namespace hostsim
