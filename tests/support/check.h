// What must hold in the machinery of the tests itself, in release builds too.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace msys::test {

inline void Check(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "test support: %s\n", what.c_str());
  std::abort();
}

}  // namespace msys::test
