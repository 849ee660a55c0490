#include "blocking_io.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <new>
#include <system_error>
#include <utility>

extern char** environ;

namespace hostsim {
namespace {

ssize_t ReadSome(int fd, char* to, std::size_t size) {
  ssize_t n = 0;
  do n = ::read(fd, to, size);
  while (n < 0 && errno == EINTR);
  return n;
}

// Out of memory is a failure like any other.
template <typename Call>
void Guarded(IoResult* out, const char* what, Call call) noexcept {
  try {
    call();
  } catch (const std::exception&) {
    out->Fail(what, ENOMEM);
  }
}

}  // namespace

void IoResult::Fail(const std::string& what, int number) noexcept {
  error = number;
  try {
    text = what + ": " + std::system_category().message(number);
  } catch (const std::exception&) {
    text.clear();
  }
}

IoFile::~IoFile() {
  if (fd_ >= 0) ::close(fd_);
}

void IoFile::Fail(IoResult* out) {
  out->Fail(path_, fd_ < 0 ? EBADF : errno);
}

void IoFile::Open(const char* path, int flags, unsigned mode,
                  IoResult* out) noexcept {
  Guarded(out, "open", [&] {
    MutexLock lock(mutex_);
    path_ = path;
    do fd_ = ::open(path, flags | O_CLOEXEC, mode);
    while (fd_ < 0 && errno == EINTR);
    if (fd_ < 0) out->Fail(path_, errno);
  });
}

bool IoFile::Fill() {
  char chunk[16384];
  const ssize_t n = ReadSome(fd_, chunk, sizeof chunk);
  if (n > 0) {
    ahead_.append(chunk, static_cast<std::size_t>(n));
    return true;
  }
  if (n == 0) errno = 0;
  return false;
}

void IoFile::Read(Want want, std::size_t bytes, IoResult* out) noexcept {
  Guarded(out, "read", [&] {
    MutexLock lock(mutex_);
    if (fd_ < 0) return Fail(out);
    const bool lines = want == Want::kLine || want == Want::kLineWithEnd;
    std::size_t take = std::string::npos, searched = 0;
    for (;;) {
      if (want == Want::kBytes && ahead_.size() >= std::max<std::size_t>(bytes, 1))
        take = bytes;
      if (lines) {
        take = ahead_.find('\n', searched);
        searched = ahead_.size();
        if (take != std::string::npos) ++take;
      }
      if (take != std::string::npos) break;
      if (Fill()) continue;
      if (errno != 0) return Fail(out);
      take = ahead_.size();
      out->end = ahead_.empty() && want != Want::kAll;
      break;
    }
    out->text.assign(ahead_, 0, take);
    ahead_.erase(0, take);
    if (want == Want::kLine && out->text.ends_with('\n')) out->text.pop_back();
  });
}

void IoFile::Write(const char* data, std::size_t size, IoResult* out) noexcept {
  Guarded(out, "write", [&] {
    MutexLock lock(mutex_);
    if (fd_ < 0) return Fail(out);
    // The place in the file is behind what was read ahead; a pipe has none.
    if (!ahead_.empty() &&
        ::lseek(fd_, -static_cast<off_t>(ahead_.size()), SEEK_CUR) >= 0)
      ahead_.clear();
    while (size > 0) {
      const ssize_t n = ::write(fd_, data, size);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return Fail(out);
      data += n;
      size -= static_cast<std::size_t>(n);
    }
  });
}

void IoFile::Close(IoResult* out) noexcept {
  Guarded(out, "close", [&] {
    MutexLock lock(mutex_);
    if (fd_ < 0) return Fail(out);
    const int result = ::close(std::exchange(fd_, -1));
    ahead_.clear();
    if (result != 0 && errno != EINTR) out->Fail(path_, errno);
  });
}

void ReadWholeFile(const char* path, IoResult* out) noexcept {
  IoFile file;
  file.Open(path, O_RDONLY, 0, out);
  if (out->error == 0) file.Read(IoFile::Want::kAll, 0, out);
}

void RunCommand(const char* command, IoResult* out) noexcept {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return out->Fail("execute", errno);
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], 1);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  // Workers block signals; the command is to be ended by them as usual.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, standard;
  sigemptyset(&none);
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const char* argv[] = {"sh", "-c", command, nullptr};
  pid_t child = 0;
  const int failure = ::posix_spawn(&child, "/bin/sh", &files, &attributes,
                                    const_cast<char**>(argv), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  ::close(ends[1]);
  if (failure != 0) {
    ::close(ends[0]);
    return out->Fail("execute", failure);
  }
  Guarded(out, "execute", [&] {
    char chunk[16384];
    ssize_t n = 0;
    while ((n = ReadSome(ends[0], chunk, sizeof chunk)) > 0)
      out->text.append(chunk, static_cast<std::size_t>(n));
    if (n < 0) out->Fail("execute", errno);
  });
  ::close(ends[0]);
  int status = 0;
  pid_t over = 0;
  while ((over = ::waitpid(child, &status, 0)) < 0 && errno == EINTR) continue;
  if (over < 0) return out->Fail("execute", errno);  // others have waited for it
  out->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                    : WEXITSTATUS(status);
}

}  // namespace hostsim
