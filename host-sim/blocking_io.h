// Files and processes for policies, without Lua: what may run while others have
// the turn.  All of it may block; nothing throws.
#pragma once

#include <string>

#include "ref.h"
#include "sync.h"

namespace hostsim {

// What a call found; error is an errno, and `text` then says it in words.
struct IoResult {
  std::string text;
  int error = 0;
  int status = 0;    // RunCommand: the exit status, or 128 + signal
  bool end = false;  // nothing was left to read

  void Fail(const std::string& what, int number) noexcept;
};

// An open file.  Any threads at once: calls on one handle take turns.
class IoFile final : public RefCounted {
 public:
  enum class Want { kBytes, kLine, kLineWithEnd, kAll };

  ~IoFile() override;
  void Open(const char* path, int flags, unsigned mode, IoResult* out) noexcept;
  // Fewer than `bytes` only at the end of the file.
  void Read(Want want, std::size_t bytes, IoResult* out) noexcept;
  void Write(const char* data, std::size_t size, IoResult* out) noexcept;
  void Close(IoResult* out) noexcept;

 private:
  bool Fill() REQUIRES(mutex_);  // false: end of the file; errno is 0 or why
  void Fail(IoResult* out) REQUIRES(mutex_);

  Mutex mutex_;
  std::string path_ GUARDED_BY(mutex_);
  int fd_ GUARDED_BY(mutex_) = -1;
  std::string ahead_ GUARDED_BY(mutex_);  // read, not yet asked for
};

void ReadWholeFile(const char* path, IoResult* out) noexcept;

// /bin/sh -c command, standard input empty; text is its standard output.
void RunCommand(const char* command, IoResult* out) noexcept;

}  // namespace hostsim
