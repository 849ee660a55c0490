#include "maildir.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "temp_dir.h"

namespace {

// By the thread that opens the Maildir.
std::vector<std::filesystem::path>& Synced() {
  static std::vector<std::filesystem::path> synced;
  return synced;
}

}  // namespace

// Instead of the C library's: notes what is synced, and does it.
extern "C" int fsync(int file) {
  Synced().push_back(
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(file)));
  return static_cast<int>(::syscall(SYS_fsync, file));
}

namespace hostsim {
namespace {

class MaildirTest : public testing::Test {
 protected:
  MaildirTest() { Synced().clear(); }

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

TEST_F(MaildirTest, ADirectoryThatCannotBeMadeIsNamed) {
  Maildir maildir(dir_.Write("file", ""), 1);
  EXPECT_FALSE(maildir.Open(&error_));
  EXPECT_NE(error_.find("cannot make tmp: Not a directory"), std::string::npos)
      << error_;
}

}  // namespace
}  // namespace hostsim
