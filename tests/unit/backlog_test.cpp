#include "backlog.h"

#include <gtest/gtest.h>

namespace msys {
namespace {

TEST(BacklogTest, AdmitsInOrderOfArrival) {
  Backlog backlog(2);
  Admission w[4];
  EXPECT_TRUE(backlog.AdmitNow());
  EXPECT_TRUE(backlog.Admit(w[0]));
  EXPECT_FALSE(backlog.AdmitNow());
  for (int i = 1; i < 4; ++i) EXPECT_FALSE(backlog.Admit(w[i]));
  EXPECT_EQ(backlog.waiting(), 3u);
  EXPECT_TRUE(backlog.Cancel(w[2]));
  EXPECT_FALSE(backlog.Cancel(w[2]));
  EXPECT_EQ(backlog.waiting(), 2u);
  EXPECT_EQ(backlog.Leave(), &w[1]);
  EXPECT_FALSE(backlog.Cancel(w[1])) << "granted already";
  EXPECT_FALSE(backlog.AdmitNow()) << "jumped the queue";
  EXPECT_EQ(backlog.Leave(), &w[3]);
  EXPECT_EQ(backlog.waiting(), 0u);
  EXPECT_EQ(backlog.Leave(), nullptr);
  EXPECT_EQ(backlog.Leave(), nullptr);
  EXPECT_TRUE(backlog.AdmitNow());
  EXPECT_EQ(backlog.Leave(), nullptr);
}

TEST(BacklogTest, NoneIsNoLimit) {
  Backlog backlog(0);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(backlog.AdmitNow());
}

}  // namespace
}  // namespace msys
