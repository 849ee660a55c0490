// A Maildir that mail is delivered to: tmp/, then new/.
//
// A mail that Store() reports as stored is in new/ and on the disk: file and
// directory have been synced, as have those that Open() made, so that neither
// kill -9 nor a power cut loses it.
//
// Threads: Open and the destructor by the owner; Store from any.  The disk is
// waited for on threads of its own, never on the caller's.
#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace hostsim {

class Maildir {
 public:
  struct Stored {
    std::string name;   // the file's in new/
    std::string error;  // not empty: why it is not stored
  };

  Maildir(std::filesystem::path path, std::uint32_t threads);
  ~Maildir();  // waits for what is being stored
  Maildir(const Maildir&) = delete;
  Maildir& operator=(const Maildir&) = delete;

  // Makes the directories that are missing and starts the threads.
  bool Open(std::string* error);

  // After Open().  `done` is called once, on a thread of the Maildir.
  void Store(std::shared_ptr<const std::string> bytes,
             std::function<void(Stored)> done);

 private:
  Stored StoreNow(const std::string& bytes) noexcept;
  std::string NewName();

  const std::filesystem::path path_;
  const std::uint32_t threads_;
  int tmp_ = -1, new_ = -1;               // the directories
  std::atomic<std::uint64_t> number_{0};  // relaxed: a ticket
  std::string hostname_;
  std::optional<boost::asio::thread_pool> pool_;
};

}  // namespace hostsim
