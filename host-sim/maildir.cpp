#include "maildir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "signal_mask.h"

#include "log.h"

namespace hostsim {
namespace {

bool WriteAll(int file, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t written = ::write(file, bytes.data() + at, bytes.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    at += static_cast<std::size_t>(written);
  }
  return true;
}

bool SyncDirectory(const std::filesystem::path& path) {
  const int directory =
      ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return false;
  const bool good = ::fsync(directory) == 0;
  const int why = errno;
  ::close(directory);
  errno = why;
  return good;
}

std::filesystem::path ParentOf(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

// Puts the entry of `path` on the disk.  Its parent may be one that we may write to
// and not read: no reason to take no mail.
void SyncEntry(const std::filesystem::path& path) {
  const std::filesystem::path parent = ParentOf(path);
  if (SyncDirectory(parent)) return;
  Logf(MSYS_LOG_WARNING, "maildir",
       "cannot sync %s: %s; a power cut may lose %s, if it is new", parent.c_str(),
       strerror(errno), path.c_str());
}

// With the parents that are missing.
bool MakeDirectory(const std::filesystem::path& path) {
  const std::filesystem::path parent = ParentOf(path);
  if (::mkdir(path.c_str(), 0777) != 0) {
    if (errno != ENOENT || parent == path) return errno == EEXIST;
    if (!MakeDirectory(parent)) return false;
    // It may be there now: by another process, or as the parent by another name.
    if (::mkdir(path.c_str(), 0777) != 0) return errno == EEXIST;
  }
  SyncEntry(path);
  return true;
}

}  // namespace

// Without a slash at its end, which would make it its own parent.
Maildir::Maildir(std::filesystem::path path, std::uint32_t threads)
    : path_(path.has_filename() ? std::move(path) : path.parent_path()),
      threads_(threads) {}

Maildir::~Maildir() {
  if (pool_) pool_->join();
  for (const int directory : {tmp_, new_})
    if (directory >= 0) ::close(directory);
}

bool Maildir::Open(std::string* error) {
  const auto fail = [&](const std::string& what, const std::string& why) {
    *error = "Maildir \"" + path_.string() + "\": " + what + ": " + why;
    return false;
  };
  for (const char* sub : {"tmp", "new", "cur"}) {
    if (!MakeDirectory(path_ / sub))
      return fail(std::string("cannot make ") + sub, strerror(errno));
  }
  // Also what an earlier process made and was killed before it synced it.
  if (!SyncDirectory(path_)) return fail("cannot sync it", strerror(errno));
  SyncEntry(path_);
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  tmp_ = ::open((path_ / "tmp").c_str(), kFlags);
  new_ = ::open((path_ / "new").c_str(), kFlags);
  if (tmp_ < 0 || new_ < 0) return fail("cannot open it", strerror(errno));
  if (::faccessat(tmp_, ".", W_OK | X_OK, 0) != 0 ||
      ::faccessat(new_, ".", W_OK | X_OK, 0) != 0)
    return fail("cannot write to it", strerror(errno));
  char name[65] = "";
  ::gethostname(name, sizeof name - 1);
  hostname_ = *name ? name : "localhost";
  for (char& c : hostname_)
    if (c == '/' || c == ':') c = '_';
  const SignalsBlocked blocked;
  pool_.emplace(threads_);
  return true;
}

void Maildir::Store(std::shared_ptr<const std::string> bytes,
                    std::function<void(Stored)> done) {
  boost::asio::post(*pool_,
                    [this, bytes = std::move(bytes), done = std::move(done)] {
                      done(StoreNow(*bytes));
                    });
}

// Unique among hosts, processes and mails, as Maildir wants it.
std::string Maildir::NewName() {
  using std::chrono::microseconds;
  const auto now = std::chrono::duration_cast<microseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  char text[96];
  std::snprintf(text, sizeof text, "%lld.M%lldP%ldQ%llu.",
                static_cast<long long>(now / 1'000'000),
                static_cast<long long>(now % 1'000'000),
                static_cast<long>(::getpid()),
                static_cast<unsigned long long>(
                    number_.fetch_add(1, std::memory_order_relaxed)));
  return text + hostname_;
}

Maildir::Stored Maildir::StoreNow(const std::string& bytes) noexcept {
  Stored stored{NewName(), {}};
  const char* name = stored.name.c_str();
  std::string step = "create a file in " + (path_ / "tmp").string();
  const int file =
      ::openat(tmp_, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  bool good = file >= 0;
  int why = good ? 0 : errno;
  const auto then = [&](const std::string& what, auto call) {
    if (!good) return;
    step = what;
    good = call();
    if (!good) why = errno;
  };
  then("write", [&] { return WriteAll(file, bytes); });
  then("sync the file", [&] { return ::fsync(file) == 0; });
  // close() may report what a network file system could not write.
  if (file >= 0 && ::close(file) != 0 && good) {
    step = "close the file";
    good = false;
    why = errno;
  }
  then("move it to " + (path_ / "new").string(),
       [&] { return ::renameat(tmp_, name, new_, name) == 0; });
  const bool moved = good;
  then("sync " + (path_ / "new").string(), [&] { return ::fsync(new_) == 0; });
  if (good) return stored;
  // The client keeps the mail and sends it again: no second copy of it here.
  if (file >= 0) ::unlinkat(moved ? new_ : tmp_, name, 0);
  stored.error = "cannot " + step + ": " + strerror(why);
  // The directory that is open has been removed; one that has been made since is another.
  if (why == ENOENT) stored.error += "; host-sim makes the Maildir when it starts";
  return stored;
}

}  // namespace hostsim
