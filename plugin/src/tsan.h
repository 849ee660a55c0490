// oneTBB as distributions build it is not instrumented, so ThreadSanitizer does
// not see that what happens before an enqueue happens before the task.  These
// say so.  They are nothing in other builds.
#pragma once

#if defined(__SANITIZE_THREAD__)
#define MSYS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MSYS_TSAN 1
#endif
#endif

#ifdef MSYS_TSAN
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#define MSYS_TSAN_BEFORE(address) __tsan_release(address)
#define MSYS_TSAN_AFTER(address) __tsan_acquire(address)
#else
#define MSYS_TSAN_BEFORE(address) static_cast<void>(address)
#define MSYS_TSAN_AFTER(address) static_cast<void>(address)
#endif
