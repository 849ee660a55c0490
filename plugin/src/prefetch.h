// With many jobs in flight a call costs what its cache lines cost on their way from
// core to core, so those that will be written soon are sent for in time.
#pragma once

namespace msys {

// Has `lines` cache lines brought here, beginning `before` lines before p's; p may be
// null, or point to nothing any more.
inline void Prefetch(const void* p, int before, int lines) {
  const char* first = static_cast<const char*>(p) - 64 * before;
  for (int i = 0; i < lines; ++i) __builtin_prefetch(first + 64 * i, 1);
}

}  // namespace msys
