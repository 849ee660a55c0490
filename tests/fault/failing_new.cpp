#include "failing_new.h"

#include <link.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "exempt.h"

namespace msys::test {
namespace {

std::atomic<FailingNew::Mode> mode{FailingNew::Mode::kOnce};
std::atomic<long> left{-1};  // requests that succeed; negative: all
std::atomic<bool> failed{false};
std::atomic<long> live{0};

// Where oneTBB's code is.  A thread of its own that gets no memory as it begins ends
// the process: what it asks for is not the plugin's, unless a test says so.
struct Range {
  std::uintptr_t begin = 0, end = 0;
};

int FindTbb(dl_phdr_info* info, std::size_t, void* found) {
  if (std::strstr(info->dlpi_name, "libtbb.so") == nullptr) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    const std::uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    *static_cast<Range*>(found) = {begin, begin + header.p_memsz};
  }
  return 1;
}

const Range tbb = [] {
  Range range;
  dl_iterate_phdr(&FindTbb, &range);
  return range;
}();

bool Counts(const void* caller) {
  if (exempt > 0 || left < 0) return false;
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  return mode == FailingNew::Mode::kOnceAnywhere || address < tbb.begin ||
         address >= tbb.end;
}

bool MayAllocate(const void* caller) {
  if (!Counts(caller)) return true;
  if (left > 0 && left-- > 0) return true;
  if (mode != FailingNew::Mode::kFromThenOn) left = -1;
  failed = true;
  return false;
}

// In front of each block: whether it is the plugin's.
union Header {
  bool counted;
  std::max_align_t align;
};

void* Allocate(std::size_t size, const void* caller) noexcept {
  if (!MayAllocate(caller)) return nullptr;
  auto* header = static_cast<Header*>(std::malloc(sizeof(Header) + size));
  if (header == nullptr) return nullptr;
  header->counted = exempt == 0;
  live += header->counted;
  return header + 1;
}

void Free(void* block) noexcept {
  if (block == nullptr) return;
  Header* header = static_cast<Header*>(block) - 1;
  live -= header->counted;
  std::free(header);
}

}  // namespace

void FailingNew::Arm(long n, Mode m) {
  mode = m;
  failed = false;
  left = n;
}
bool FailingNew::Disarm() {
  left = -1;
  return failed;
}
long FailingNew::blocks() { return live; }

}  // namespace msys::test

void* operator new(std::size_t size) {
  if (void* p = msys::test::Allocate(size, __builtin_return_address(0))) return p;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return msys::test::Allocate(size, __builtin_return_address(0));
}
// libstdc++'s own would be the caller; all of them, since a sanitizer has its own.
void* operator new[](std::size_t size) {
  if (void* p = msys::test::Allocate(size, __builtin_return_address(0))) return p;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return msys::test::Allocate(size, __builtin_return_address(0));
}
void operator delete[](void* p) noexcept { msys::test::Free(p); }
void operator delete[](void* p, std::size_t) noexcept { msys::test::Free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept {
  msys::test::Free(p);
}
void operator delete(void* p) noexcept { msys::test::Free(p); }
void operator delete(void* p, std::size_t) noexcept { msys::test::Free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept {
  msys::test::Free(p);
}
