#include "maildir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "temp_dir.h"

namespace {

// By one thread at a time: who opens the Maildir, then its own.
std::vector<std::filesystem::path>& Synced() {
  static std::vector<std::filesystem::path> synced;
  return synced;
}
std::filesystem::path broken;  // cannot be synced

}  // namespace

// Instead of the C library's: notes what is synced, and does it.
extern "C" int fsync(int file) {
  Synced().push_back(
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file)));
  if (Synced().back() == broken) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fsync, file));
}

namespace hostsim {
namespace {

class MaildirTest : public testing::Test {
 protected:
  MaildirTest() {
    Synced().clear();
    broken.clear();
  }

  static Maildir::Stored Store(Maildir& maildir, const std::string& bytes) {
    std::promise<Maildir::Stored> stored;
    maildir.Store(std::make_shared<const std::string>(bytes),
                  [&](Maildir::Stored s) { stored.set_value(std::move(s)); });
    return stored.get_future().get();
  }
  static bool Empty(const std::filesystem::path& directory) {
    return std::filesystem::is_empty(directory);
  }

  static auto Times(const std::filesystem::path& path) {
    return std::count(Synced().begin(), Synced().end(), path);
  }

  TempDir dir_;
  const std::filesystem::path root_ = std::filesystem::canonical(dir_.Path(""));
  std::string error_;
};

TEST_F(MaildirTest, TheParentsOfNewDirectoriesAreSynced) {
  Maildir maildir(root_ / "var/mail", 1);
  ASSERT_TRUE(maildir.Open(&error_)) << error_;
  for (const char* sub : {"tmp", "new", "cur"})
    EXPECT_TRUE(std::filesystem::is_directory(root_ / "var/mail" / sub)) << sub;
  EXPECT_EQ(Times(root_), 1) << "for var";
  EXPECT_GE(Times(root_ / "var"), 1) << "for mail";
  EXPECT_GE(Times(root_ / "var/mail"), 1) << "for tmp, new, cur";
}

// The host that made them may have been killed before it synced them.
TEST_F(MaildirTest, DirectoriesThatAreThereAreSyncedInTheMaildir) {
  for (const char* sub : {"tmp", "new", "cur"})
    std::filesystem::create_directories(root_ / "mail" / sub);
  Maildir maildir(root_ / "mail", 1);
  ASSERT_TRUE(maildir.Open(&error_)) << error_;
  EXPECT_GE(Times(root_ / "mail"), 1);
  EXPECT_EQ(Times(root_), 1) << "for mail";
}

TEST_F(MaildirTest, ParentsThatAreNewByMoreThanOneName) {
  for (const char* path : {"new/./mail", "newer/../mail"}) {
    Maildir maildir(root_ / path, 1);
    EXPECT_TRUE(maildir.Open(&error_)) << error_;
  }
}

TEST_F(MaildirTest, ASlashAtItsEndMeansNothing) {
  for (const char* sub : {"tmp", "new", "cur"})
    std::filesystem::create_directories(root_ / "mail" / sub);
  Maildir maildir(root_ / "mail/", 1);
  ASSERT_TRUE(maildir.Open(&error_)) << error_;
  EXPECT_EQ(Times(root_), 1) << "for mail";
}

TEST_F(MaildirTest, AMailIsOnTheDiskAndItsOwnersAlone) {
  Maildir maildir(root_ / "mail", 1);
  ASSERT_TRUE(maildir.Open(&error_)) << error_;
  Synced().clear();
  const Maildir::Stored stored = Store(maildir, "a mail");
  EXPECT_EQ(stored.error, "");
  const auto file = root_ / "mail/new" / stored.name;
  EXPECT_EQ(Synced(), (std::vector<std::filesystem::path>{
                          root_ / "mail/tmp" / stored.name, root_ / "mail/new"}));
  EXPECT_EQ(std::filesystem::file_size(file), 6u);
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_TRUE(Empty(root_ / "mail/tmp"));
}

// Else it would be there twice once the client has sent it again.
TEST_F(MaildirTest, AMailThatIsNotStoredLeavesNothing) {
  Maildir maildir(root_ / "mail", 1);
  ASSERT_TRUE(maildir.Open(&error_)) << error_;
  broken = root_ / "mail/new";
  const std::string path = (root_ / "mail/new").string();
  EXPECT_EQ(Store(maildir, "a mail").error, "cannot sync " + path + ": Input/output error");
  EXPECT_TRUE(Empty(root_ / "mail/new") && Empty(root_ / "mail/tmp"));
  broken.clear();
  std::filesystem::remove(root_ / "mail/new");
  EXPECT_EQ(Store(maildir, "a mail").error,
            "cannot move it to " + path + ": No such file or directory; host-sim makes "
            "the Maildir when it starts");
  EXPECT_TRUE(Empty(root_ / "mail/tmp"));
}

TEST_F(MaildirTest, OneThatMayNotBeWrittenToIsNoMaildir) {
  for (const char* sub : {"tmp", "new", "cur"})
    std::filesystem::create_directories(root_ / "mail" / sub);
  for (const auto& path : {root_, root_ / "mail", root_ / "mail/tmp", root_ / "mail/new"})
    ASSERT_EQ(::chmod(path.c_str(), 0555), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    Maildir maildir(root_ / "mail", 1);
    const bool opened = maildir.Open(&error_);
    ::_exit(!opened && error_.ends_with("cannot write to it: Permission denied") ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  for (const auto& path : {root_, root_ / "mail", root_ / "mail/tmp", root_ / "mail/new"})
    ::chmod(path.c_str(), 0755);
}

TEST_F(MaildirTest, ADirectoryThatCannotBeMadeIsNamed) {
  Maildir maildir(dir_.Write("file", ""), 1);
  EXPECT_FALSE(maildir.Open(&error_));
  EXPECT_NE(error_.find("cannot make tmp: Not a directory"), std::string::npos)
      << error_;
}

}  // namespace
}  // namespace hostsim
