#include "lane.h"

#include <gtest/gtest.h>

#include <vector>

#include "turn.h"

namespace msys {
namespace {

class Nobody final : public Executor, public LaneRunner {
 public:
  Nobody() : Executor(/*is_loop=*/false) {}
  bool Wake(Lane&, Worker*) override { return true; }
  void RunLane(Lane&, Worker*) override {}
};

class LaneTest : public testing::Test {
 protected:
  std::vector<Work*> Queued() {
    std::vector<Work*> all;
    lane.ForEach([&](Work* work) {
      all.push_back(work);
      return true;
    });
    return all;
  }
  Work New(std::uint64_t order) {
    Work work;
    work.order = order;
    return work;
  }

  Turn turn;
  Nobody nobody;
  Lane lane{turn, nobody, nobody};
};

TEST_F(LaneTest, L1_TheFirstPushGivesTheLaneToThePusher) {
  Work a, b;
  EXPECT_TRUE(lane.idle());
  EXPECT_TRUE(lane.Push(&a));
  EXPECT_FALSE(lane.Push(&b)) << "two parties would have it";
  EXPECT_FALSE(lane.idle());
}

TEST_F(LaneTest, L2_SettleKeepsTheLaneWhileThereIsWork) {
  Work a;
  ASSERT_TRUE(lane.Push(&a));
  EXPECT_TRUE(lane.Settle());
  EXPECT_TRUE(lane.Remove(&a));
  EXPECT_TRUE(lane.empty());
  EXPECT_FALSE(lane.Settle());
  EXPECT_TRUE(lane.idle());
  EXPECT_TRUE(lane.Push(&a)) << "the next push must wake somebody again";
}

TEST_F(LaneTest, WhatIsKeptIsAsOldAsItsFirstWork) {
  Work a = New(3), b = New(7);
  for (Work* work : {&a, &b}) static_cast<void>(lane.Push(work));
  Work* next = nullptr;
  ASSERT_EQ(lane.PopOrSettle(next), &a);
  lane.NoteParked();
  EXPECT_TRUE(lane.Settle());
  EXPECT_EQ(lane.order, 7u);
  EXPECT_FALSE(lane.was_parked) << "it would be counted again";
}

TEST_F(LaneTest, ItIsParkedSinceTheFirstTime) {
  Work a;
  static_cast<void>(lane.Push(&a));
  lane.time_parking = true;
  lane.NoteParked();
  EXPECT_GT(lane.parked_ns, 0u);
  lane.parked_ns = 1;
  lane.NoteParked();
  EXPECT_EQ(lane.parked_ns, 1u);
  EXPECT_TRUE(lane.Settle());
  lane.NoteParked();
  EXPECT_GT(lane.parked_ns, 1u);
}

TEST_F(LaneTest, L2_PopOrSettleGivesTheLaneBackWhenThereIsNone) {
  Work a, b;
  ASSERT_TRUE(lane.Push(&a));
  ASSERT_FALSE(lane.Push(&b));
  Work* next = &a;
  EXPECT_EQ(lane.PopOrSettle(next), &a);
  EXPECT_EQ(next, &b);
  EXPECT_EQ(lane.PopOrSettle(next), &b);
  EXPECT_EQ(next, nullptr);
  EXPECT_FALSE(lane.idle());
  EXPECT_EQ(lane.PopOrSettle(next), nullptr);
  EXPECT_TRUE(lane.idle());
}

TEST_F(LaneTest, EqualOrdersAreFirstInFirstOut) {
  Work works[5];
  for (Work& work : works) static_cast<void>(lane.Push(&work));
  EXPECT_EQ(Queued(), (std::vector<Work*>{&works[0], &works[1], &works[2],
                                          &works[3], &works[4]}));
}

TEST_F(LaneTest, OlderWorkGoesAheadOfYounger) {
  Work a = New(5), b = New(7), c = New(6), d = New(1), e = New(7), f = New(5);
  for (Work* work : {&a, &b, &c, &d, &e, &f}) static_cast<void>(lane.Push(work));
  EXPECT_EQ(Queued(), (std::vector<Work*>{&d, &a, &f, &c, &b, &e}));
}

TEST_F(LaneTest, RemoveAnywhere) {
  Work a, b, c;
  for (Work* work : {&a, &b, &c}) static_cast<void>(lane.Push(work));
  EXPECT_TRUE(lane.Remove(&b));
  EXPECT_FALSE(lane.Remove(&b));
  EXPECT_TRUE(lane.Remove(&c));  // the tail
  static_cast<void>(lane.Push(&b));
  EXPECT_EQ(Queued(), (std::vector<Work*>{&a, &b}));
  EXPECT_TRUE(lane.Remove(&a));  // the head
  static_cast<void>(lane.Push(&c));
  EXPECT_EQ(Queued(), (std::vector<Work*>{&b, &c}));
}

// The first work's link to the one that was before it means nothing.
TEST_F(LaneTest, RemoveWhatHasBecomeTheFirst) {
  Work a = New(1), b = New(2), c = New(3), d = New(1), e = New(4);
  Work* next = nullptr;
  for (Work* work : {&a, &b, &c}) static_cast<void>(lane.Push(work));
  ASSERT_EQ(lane.PopOrSettle(next), &a);
  EXPECT_TRUE(lane.Remove(&b));
  EXPECT_EQ(Queued(), (std::vector<Work*>{&c}));
  static_cast<void>(lane.Push(&d));  // ahead of it
  static_cast<void>(lane.Push(&e));
  EXPECT_TRUE(lane.Remove(&c));
  EXPECT_EQ(Queued(), (std::vector<Work*>{&d, &e}));
  ASSERT_EQ(lane.PopOrSettle(next), &d);
  EXPECT_TRUE(lane.Remove(&e));  // the first and the last
  EXPECT_TRUE(lane.empty());
  static_cast<void>(lane.Push(&b));
  EXPECT_EQ(Queued(), (std::vector<Work*>{&b}));
}

TEST_F(LaneTest, RemoveIfTakesOutInOrder) {
  Work works[6];
  for (std::uint64_t i = 0; i < 6; ++i) {
    works[i].order = i;
    static_cast<void>(lane.Push(&works[i]));
  }
  Work* odd = lane.RemoveIf([](Work* work) { return work->order % 2 == 1; });
  EXPECT_EQ(Queued(), (std::vector<Work*>{&works[0], &works[2], &works[4]}));
  for (const std::uint64_t order : {1u, 3u, 5u}) {
    ASSERT_NE(odd, nullptr);
    EXPECT_EQ(odd->order, order);
    odd = odd->next;
  }
  EXPECT_EQ(odd, nullptr);
  EXPECT_NE(lane.RemoveIf([](Work*) { return true; }), nullptr);
  EXPECT_TRUE(lane.empty());
  static_cast<void>(lane.Push(&works[0]));
  EXPECT_EQ(Queued(), (std::vector<Work*>{&works[0]}));
}

TEST(LaneListTest, InsertByKeepsArrivalOrderOfEquals) {
  Turn turn;
  Nobody nobody;
  Lane a(turn, nobody, nobody), b(turn, nobody, nobody), c(turn, nobody, nobody),
      d(turn, nobody, nobody);
  a.order = 2, b.order = 1, c.order = 2, d.order = 0;
  LaneList list;
  for (Lane* lane : {&a, &b, &c, &d}) list.InsertBy(*lane, &Lane::order);
  EXPECT_TRUE(list.Remove(b));
  EXPECT_FALSE(list.Remove(b));
  for (Lane* lane : {&d, &a, &c}) EXPECT_EQ(list.PopFront(), lane);
  EXPECT_EQ(list.PopFront(), nullptr);
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace msys
