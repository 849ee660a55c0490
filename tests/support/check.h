// What must hold in the machinery of the tests itself, in release builds too.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace msys::test {

// Needs no memory, which may be missing.
inline void Check(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "test support: %s\n", what);
  std::abort();
}
inline void Check(bool condition, const std::string& what) {
  Check(condition, what.c_str());
}

}  // namespace msys::test
