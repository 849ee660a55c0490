// With many jobs in flight a call costs what its cache lines cost on their way from
// core to core, so those that will be written soon are sent for in time.
#pragma once

#include <cstdint>

namespace msys {

// Has `lines` cache lines brought here, beginning `before` lines before p's, which may
// lie outside of what it points to.  Null: nothing.
inline void Prefetch(const void* p, unsigned before, unsigned lines) {
  if (p == nullptr) return;
  constexpr std::uintptr_t kLine = 64;
  // As numbers: pointers there must not even be formed.
  const std::uintptr_t first = reinterpret_cast<std::uintptr_t>(p) - kLine * before;
  for (unsigned i = 0; i < lines; ++i) {
    __builtin_prefetch(reinterpret_cast<const void*>(first + kLine * i), 1);
  }
}

}  // namespace msys
