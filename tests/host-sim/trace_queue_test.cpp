// Names and queues of trace events.
#include "trace_queue.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace hostsim {
namespace {

TraceRecord Record(std::uint64_t id) {
  TraceRecord record;
  record.id = id;
  return record;
}

std::vector<TraceRecord> DrainAll(TraceQueue& queue) {
  std::vector<TraceRecord> all;
  queue.Drain([&](const TraceRecord& record) { all.push_back(record); });
  return all;
}

TEST(ClosureNameTest, FileAndLine) {
  EXPECT_EQ(ClosureName("@dir/policy.lua", 12), "dir/policy.lua:12");
  EXPECT_EQ(ClosureName("=chunk", 3), "chunk:3");
  EXPECT_EQ(ClosureName("=[C]", -1), "[C]");
  EXPECT_EQ(ClosureName("return function() end", 1), "[string]:1");
}

TEST(TraceNamesTest, TheSameTextIsTheSameName) {
  TraceNames names;
  EXPECT_EQ(names.Intern(""), kNoName);
  const NameId cpu = names.Intern("CPU");
  EXPECT_NE(cpu, names.Intern("IO"));
  EXPECT_EQ(cpu, names.Intern(std::string("C") + "PU"));
  EXPECT_EQ(names.Text(cpu), "CPU");
}

TEST(TraceNamesTest, NumberAndLengthAreBounded) {
  TraceNames names;
  const std::string tail(TraceNames::kMaxLength, 'x');
  EXPECT_EQ(names.Text(names.Intern("cut" + tail)), tail);
  std::vector<NameId> ids;
  for (std::size_t i = 0; i < 2 * TraceNames::kMaxNames; ++i)
    ids.push_back(names.Intern(std::to_string(i)));
  EXPECT_EQ(ids.back(), kOtherName);
  EXPECT_EQ(names.Text(kOtherName), "(others)");
  EXPECT_EQ(names.Text(ids.front()), "0");
  EXPECT_EQ(names.Intern("0"), ids.front());
}

TEST(NameCacheTest, AnAddressMayHoldAnotherTextLater) {
  TraceNames names;
  NameCache cache(names);
  char text[] = "@first.lua";
  const NameId first = cache.OfClosure(text, 1);
  EXPECT_EQ(cache.OfClosure(text, 1), first);
  EXPECT_NE(cache.OfClosure(text, 2), first);
  text[1] = 'w';
  EXPECT_EQ(names.Text(cache.OfClosure(text, 1)), "wirst.lua:1");
  EXPECT_EQ(cache.Of(nullptr), kNoName);
  EXPECT_EQ(names.Text(cache.Of("=CPU")), "=CPU");
}

// The text of a chunk without a name, or a name that is very long.
TEST(NameCacheTest, OfALongTextOnlyTheBeginningIsRead) {
  TraceNames names;
  NameCache cache(names);
  const std::string program(1 << 20, ' ');
  EXPECT_EQ(names.Text(cache.OfClosure(program.c_str(), 7)), "[string]:7");
  const std::string path = "@" + std::string(1 << 20, 'p');
  EXPECT_EQ(names.Text(cache.OfClosure(path.c_str(), 7)).size(),
            TraceNames::kMaxLength);
}

TEST(TraceQueueTest, KeepsTheOrderOverPieces) {
  TraceBudget budget(10);
  TraceQueue queue(budget);
  EXPECT_TRUE(DrainAll(queue).empty());
  constexpr std::uint64_t kCount = 3 * TraceQueue::kPieceRecords + 5;
  int full = 0;
  for (std::uint64_t i = 0; i < kCount; ++i) full += queue.Push(Record(i));
  EXPECT_EQ(full, 3);
  const auto all = DrainAll(queue);
  ASSERT_EQ(all.size(), kCount);
  for (std::size_t i = 0; i < kCount; ++i) EXPECT_EQ(all[i].id, i);
  EXPECT_TRUE(DrainAll(queue).empty());
  queue.Push(Record(99));
  ASSERT_EQ(DrainAll(queue).size(), 1u);
}

TEST(TraceQueueTest, PiecesComeBackWhenTheyAreRead) {
  TraceBudget budget(2);
  TraceQueue queue(budget);
  for (int round = 0; round < 20; ++round) {
    for (std::size_t i = 0; i < TraceQueue::kPieceRecords; ++i)
      queue.Push(Record(i));
    EXPECT_EQ(DrainAll(queue).size(), TraceQueue::kPieceRecords);
  }
  EXPECT_EQ(queue.lost(), 0u);
}

TEST(TraceQueueTest, WhatHasNoRoomIsCountedWhereItIsMissing) {
  TraceBudget budget(2);
  TraceQueue queue(budget);
  constexpr std::size_t kRoom = 2 * TraceQueue::kPieceRecords;
  for (std::size_t i = 0; i < kRoom + 7; ++i) queue.Push(Record(i));
  EXPECT_EQ(queue.lost(), 7u);
  EXPECT_EQ(DrainAll(queue).size(), kRoom);
  queue.Push(Record(1000));
  queue.Push(Record(1001));
  const auto later = DrainAll(queue);
  ASSERT_EQ(later.size(), 2u);
  EXPECT_EQ(later[0].lost, 7u);
  EXPECT_EQ(later[1].lost, 0u);
}

TEST(TraceQueueTest, QueuesShareABudget) {
  TraceBudget budget(1);
  TraceQueue one(budget), two(budget);
  one.Push(Record(1));
  two.Push(Record(2));
  EXPECT_EQ(two.lost(), 1u);
  {
    TraceBudget own(1);
    TraceQueue gone(own);
    gone.Push(Record(3));
  }
  EXPECT_EQ(DrainAll(one).size(), 1u);
}

TEST(TraceQueueTest, OneWritesWhileAnotherReads) {
  TraceBudget budget(1 << 20);
  TraceQueue queue(budget);
  constexpr std::uint64_t kCount = 200'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kCount; ++i) queue.Push(Record(i));
  });
  std::uint64_t next = 0;
  while (next < kCount)
    queue.Drain([&](const TraceRecord& record) {
      ASSERT_EQ(record.id, next);
      ++next;
    });
  writer.join();
}

}  // namespace
}  // namespace hostsim
