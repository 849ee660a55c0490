// Addresses that a policy passes to msg and vctx.
#include "bindings.h"

namespace hostsim {

std::string_view CheckAddress(lua_State* L, int arg) {
  std::size_t size = 0;
  const char* address = luaL_checklstring(L, arg, &size);
  luaL_argcheck(L, size > 0, arg, "an address is wanted, got an empty string");
  for (std::size_t i = 0; i < size; ++i) {
    const auto byte = static_cast<unsigned char>(address[i]);
    luaL_argcheck(L, byte >= ' ' && byte != 0x7f, arg,
                  "an address must not hold line breaks, NUL or other control characters");
  }
  return {address, size};
}

}  // namespace hostsim
