// The names in trace events, as numbers: an event is written by a thread that
// has no time, and its strings are gone when it is read.
//
// There may be as many names as a policy makes up, so their number and length
// are bounded: what comes later is kOtherName.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sync.h"

namespace hostsim {

using NameId = std::uint32_t;
inline constexpr NameId kNoName = 0;     // ""
inline constexpr NameId kOtherName = 1;  // "(others)"

// "policy.lua:12", of what Lua calls the source of a function.  Of a chunk
// without a name that is the text of the program: "[string]:12".
std::string ClosureName(std::string_view source, int line);

// Threads: any.
class TraceNames {
 public:
  static constexpr std::size_t kMaxNames = 4096;
  static constexpr std::size_t kMaxLength = 200;  // of longer ones the end

  TraceNames();
  NameId Intern(std::string_view text) EXCLUDES(mutex_);
  // Valid as long as *this.
  const std::string& Text(NameId name) const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::deque<std::string> texts_ GUARDED_BY(mutex_);  // these stay in place
  std::unordered_map<std::string_view, NameId> ids_ GUARDED_BY(mutex_);
};

// What one thread has interned lately, so that it rarely needs the mutex.  A
// pointer may be another string by now: so the text is compared, of long ones
// the first kMaxRead bytes.
class NameCache {
 public:
  explicit NameCache(TraceNames& names) : names_(names) {}
  NameId Of(const char* text) {  // may be null
    return text == nullptr ? kNoName : Find(text, kPlain);
  }
  NameId OfClosure(const char* source, int line);

 private:
  static constexpr std::size_t kMaxRead = 512;
  static constexpr int kPlain = -2;  // not a closure's line
  static constexpr std::size_t kEntries = 64;
  struct Entry {
    const char* pointer = nullptr;
    int line = kPlain;
    NameId id = kNoName;
    std::string text;
  };

  NameId Find(const char* pointer, int line);

  TraceNames& names_;
  Entry entries_[kEntries];
};

}  // namespace hostsim
