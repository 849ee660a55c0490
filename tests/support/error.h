// The text that a function of the plugin may leave.
#pragma once

#include <msys/plugin.h>

#include <cstring>

namespace msys::test {

struct Error : msys_error {
  Error() : msys_error{} { struct_size = sizeof(msys_error); }
};

inline bool Has(const msys_error& error, const char* words) {
  return std::strstr(error.text, words) != nullptr;
}

}  // namespace msys::test
