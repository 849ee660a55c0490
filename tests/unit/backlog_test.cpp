#include "backlog.h"

#include <gtest/gtest.h>

#include <vector>

namespace msys {
namespace {

struct Waiting {
  Admission admission;  // first: granted() gets its address
  std::vector<int>* order;
  int number;

  static void Granted(Admission* admission) {
    auto* self = reinterpret_cast<Waiting*>(admission);
    self->order->push_back(self->number);
  }
};

TEST(BacklogTest, AdmitsInOrderOfArrival) {
  Backlog backlog(2);
  std::vector<int> order;
  Waiting w[4];
  for (int i = 0; i < 4; ++i) w[i] = {{&Waiting::Granted, nullptr}, &order, i};
  EXPECT_TRUE(backlog.AdmitNow());
  EXPECT_TRUE(backlog.Admit(w[0].admission));
  EXPECT_FALSE(backlog.AdmitNow());
  for (int i = 1; i < 4; ++i) EXPECT_FALSE(backlog.Admit(w[i].admission));
  EXPECT_TRUE(backlog.Cancel(w[2].admission));
  EXPECT_FALSE(backlog.Cancel(w[2].admission));
  backlog.Leave();
  EXPECT_FALSE(backlog.Cancel(w[1].admission)) << "granted already";
  EXPECT_FALSE(backlog.AdmitNow()) << "jumped the queue";
  backlog.Leave();
  EXPECT_EQ(order, (std::vector<int>{1, 3}));
  backlog.Leave();
  backlog.Leave();
  EXPECT_TRUE(backlog.AdmitNow());
  backlog.Leave();
}

TEST(BacklogTest, NoneIsNoLimit) {
  Backlog backlog(0);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(backlog.AdmitNow());
}

}  // namespace
}  // namespace msys
