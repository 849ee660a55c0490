#include "pool_set.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "fake_host.h"

namespace msys {
namespace {

using test::FakeHost;

class PoolSetTest : public testing::Test {
 protected:
  bool Configure(std::vector<msys_pool_config> pools) {
    const msys_config config{sizeof(msys_config),
                             static_cast<std::uint32_t>(pools.size()),
                             pools.data(), 0};
    return set.Configure(&config, error);
  }
  static msys_pool_config Config(const char* name,
                                 std::uint32_t concurrency = MSYS_UNSET,
                                 std::uint32_t backlog = MSYS_UNSET) {
    return {sizeof(msys_pool_config), concurrency, name, backlog, MSYS_UNSET};
  }
  // Refused with a text that has these words, and nothing has changed.
  void Refused(std::vector<msys_pool_config> pools, const std::string& words) {
    const std::size_t before = set.size();
    error.clear();
    EXPECT_FALSE(Configure(std::move(pools)));
    EXPECT_NE(error.find(words), std::string::npos) << error;
    EXPECT_EQ(set.size(), before);
  }

  FakeHost fake;
  Host host{fake.Abi()};
  PoolSet set{host};
  std::string error;
};

TEST_F(PoolSetTest, PredefinedPools) {
  ASSERT_TRUE(set.Configure(nullptr, error));
  const struct {
    const char* name;
    std::uint32_t concurrency, backlog;
  } wanted[] = {{"CPU", 4, 0},     {"IO", 50, 0},    {"SwapOut", 5, 0},
                {"SwapIn", 5, 0},  {"Close", 0, 0},  {"Unlink", 6, 100},
                {"Batch_Unlink", 4, 0}, {"SpoolIn", 1, 0}};
  ASSERT_EQ(set.size(), std::size(wanted));
  for (std::int64_t id = 0; id < 8; ++id) {
    Pool* pool = set.Find(id);
    ASSERT_NE(pool, nullptr);
    EXPECT_EQ(pool->name(), wanted[id].name);
    EXPECT_EQ(pool->concurrency(), wanted[id].concurrency);
    EXPECT_EQ(pool->limits().backlog, wanted[id].backlog);
  }
}

TEST_F(PoolSetTest, NamesWithoutRegardToCase) {
  ASSERT_TRUE(Configure({Config("My-Pool.1", 3)}));
  for (const char* name : {"My-Pool.1", "my-pool.1", "MY-POOL.1"}) {
    EXPECT_EQ(set.Find(std::string_view(name)), &set.at(8));
  }
  EXPECT_EQ(set.Find(std::string_view("my-pool")), nullptr);
  EXPECT_EQ(set.Find(std::string_view("")), nullptr);
  EXPECT_EQ(set.Find(std::string_view("io\0", 3)), nullptr);
}

TEST_F(PoolSetTest, OwnPoolsGetIdsFromTen) {
  ASSERT_TRUE(Configure({Config("a"), Config("b"), Config("cpu", 9)}));
  EXPECT_EQ(set.Find(std::int64_t{10})->name(), "a");
  EXPECT_EQ(set.Find(std::int64_t{11})->name(), "b");
  EXPECT_EQ(set.Find(std::int64_t{0})->concurrency(), 9u);
  EXPECT_EQ(set.Find(std::int64_t{8}), nullptr);
  EXPECT_EQ(set.Find(std::int64_t{-1}), nullptr);
  EXPECT_EQ(set.Find(INT64_MAX), nullptr);
  ASSERT_TRUE(Configure({Config("c")}));
  EXPECT_EQ(set.Find(std::int64_t{12})->name(), "c");
}

TEST_F(PoolSetTest, UnsetFieldsKeepTheirValue) {
  ASSERT_TRUE(Configure({Config("mine", 7, 9), Config("Unlink", MSYS_UNSET)}));
  EXPECT_EQ(set.Find("Unlink")->concurrency(), 6u);
  EXPECT_EQ(set.Find("Unlink")->limits().backlog, 100u);
  ASSERT_TRUE(Configure({Config("MINE")}));
  EXPECT_EQ(set.Find("mine")->concurrency(), 7u);
  ASSERT_TRUE(Configure({Config("mine", 1)}));
  EXPECT_EQ(set.Find("mine")->concurrency(), 1u);
  EXPECT_EQ(set.Find("mine")->limits().backlog, 9u);
  EXPECT_EQ(set.size(), 9u);
}

TEST_F(PoolSetTest, OldAndYoungStructs) {
  ASSERT_TRUE(set.Configure(nullptr, error));
  // 1.0's smallest: up to the name.
  struct {
    msys_pool_config a, b;
  } old = {Config("old", 2, 77), Config("unused")};
  old.a.struct_size = offsetof(msys_pool_config, backlog);
  ASSERT_TRUE(Configure({old.a}));
  EXPECT_EQ(set.Find("old")->limits().backlog, 0u) << "read beyond the struct";
  // A younger host's: larger, and the stride of the array.
  struct Young {
    msys_pool_config base;
    std::uint64_t more[4];
  } young[2] = {{Config("y1", 2), {}}, {Config("y2", 3), {}}};
  young[0].base.struct_size = young[1].base.struct_size = sizeof(Young);
  const msys_config config{sizeof(msys_config), 2, &young[0].base, 0};
  ASSERT_TRUE(set.Configure(&config, error)) << error;
  EXPECT_EQ(set.Find("y2")->concurrency(), 3u);
}

TEST_F(PoolSetTest, TheLongestName) {
  const std::string name(64, 'x');
  const msys_pool_config pool = Config(name.c_str());
  const msys_config config{sizeof(msys_config), 1, &pool, 0};
  ASSERT_TRUE(set.Configure(&config, error)) << error;
  EXPECT_EQ(set.Find(name)->name(), name);
}

TEST_F(PoolSetTest, HostileConfigurationsChangeNothing) {
  ASSERT_TRUE(set.Configure(nullptr, error));
  Refused({Config("fine"), Config(nullptr)}, "name is NULL");
  Refused({Config("fine"), Config("")}, "pool 1: name \"\"");
  Refused({Config("two words")}, "1 to 64 letters");
  Refused({Config("per%cent")}, "1 to 64 letters");
  Refused({Config("\xc3\xbcmlaut")}, "1 to 64 letters");
  Refused({Config(std::string(65, 'x').c_str())}, "1 to 64 letters");
  const std::string endless(100'000, 'x');
  Refused({Config(endless.c_str())}, "1 to 64 letters");
  EXPECT_LT(error.size(), 300u);
  Refused({Config("big", 1025)}, "concurrency 1025; at most 1024");
  Refused({Config("big", UINT32_MAX - 1)}, "at most 1024");
  Refused({Config("twice"), Config("TWICE")}, "configured twice");
  auto stack = Config("stack");
  stack.stack_size_kib = UINT32_MAX - 1;
  Refused({stack}, "stack size");
  for (const std::uint32_t kib : {1u, 1023u}) {
    stack.stack_size_kib = kib;
    Refused({stack}, "pool \"stack\": stack size " + std::to_string(kib) +
                         " KiB; Lua needs 1024 KiB, and 0 is the system's");
  }
  auto small = Config("small");
  small.struct_size = 4;
  Refused({small}, "struct_size is 4");
  small.struct_size = 0;
  Refused({small}, "struct_size is 0");
  auto mixed = Config("mixed");
  mixed.struct_size = 200;
  Refused({Config("fine"), mixed}, "struct_size is 200");
  auto huge = Config("huge");  // the second element would be far away
  for (const std::uint32_t size : {4104u, 1u << 30, UINT32_MAX - 7}) {
    huge.struct_size = size;
    Refused({huge, Config("fine")}, "struct_size is " + std::to_string(size));
  }
  const msys_config null_pools{sizeof(msys_config), 3, nullptr, 0};
  EXPECT_FALSE(set.Configure(&null_pools, error));
  EXPECT_NE(error.find("pools is NULL"), std::string::npos);
  const msys_pool_config one = Config("one");
  const msys_config many{sizeof(msys_config), UINT32_MAX, &one, 0};
  EXPECT_FALSE(set.Configure(&many, error));
  EXPECT_NE(error.find("at most 256"), std::string::npos);
  EXPECT_EQ(set.Find("fine"), nullptr);
}

TEST_F(PoolSetTest, AtMost256Pools) {
  std::vector<std::string> names;
  std::vector<msys_pool_config> pools;
  for (int i = 0; i < 248; ++i) names.push_back("p" + std::to_string(i));
  for (const auto& name : names) pools.push_back(Config(name.c_str()));
  ASSERT_TRUE(Configure(pools)) << error;
  EXPECT_EQ(set.size(), 256u);
  Refused({Config("more")}, "at most 256");
}

TEST_F(PoolSetTest, ABacklogIsFixedOnceThreadsAreClaimed) {
  ASSERT_TRUE(Configure({Config("mine", 1, 5)}));
  set.ClaimThreads();
  ASSERT_TRUE(Configure({Config("mine", 1, 6)}));
  EXPECT_EQ(set.Find("mine")->limits().backlog, 5u);
  EXPECT_EQ(fake.Logged({"mine: its backlog stays 5", "restart for 6"}), 1u);
}

TEST_F(PoolSetTest, ARefusedConfigurationIsNotEvenLogged) {
  std::vector<std::string> names;
  std::vector<msys_pool_config> pools;
  for (int i = 0; i < 249; ++i) names.push_back("p" + std::to_string(i));
  for (const auto& name : names) pools.push_back(Config(name.c_str()));
  ASSERT_TRUE(Configure({Config("p0", 7, 5)}));
  set.ClaimThreads();
  pools[0].backlog = 6;
  pools[0].stack_size_kib = 1 << 20;
  Refused(pools, "257 pools in all; at most 256");
  EXPECT_EQ(set.Find("p0")->concurrency(), 7u);
  EXPECT_EQ(set.Find("p0")->limits().stack_size_kib, 0u);
  EXPECT_EQ(fake.log().size(), 0u);
}

// Read under ThreadSanitizer, too.
TEST_F(PoolSetTest, FiguresMayBeAskedForWhileABacklogChanges) {
  ASSERT_TRUE(Configure({Config("mine", 1, 5)}));
  std::atomic<bool> over{false};
  std::atomic<int> asked{0};
  std::thread asking([&] {
    msys_pool_stats stats;
    while (!over) {
      set.Find("mine")->Snapshot(stats);
      EXPECT_TRUE(stats.backlog == 5 || stats.backlog == 6) << stats.backlog;
      ++asked;
    }
  });
  while (asked < 1) std::this_thread::yield();
  for (std::uint32_t i = 0; i < 100; ++i) {
    EXPECT_TRUE(Configure({Config("mine", 1, 5 + i % 2)}));
  }
  over = true;
  asking.join();
}

TEST_F(PoolSetTest, ListsAreCutToFit) {
  ASSERT_TRUE(set.Configure(nullptr, error));
  char list[200];
  set.ListNames(list, sizeof list, true);
  EXPECT_STREQ(list,
               "CPU (0), IO (1), SwapOut (2), SwapIn (3), Close (4), Unlink (5), "
               "Batch_Unlink (6), SpoolIn (7)");
  set.ListNames(list, 64, false);
  EXPECT_STREQ(list, "CPU, IO, SwapOut, SwapIn, Close, and 3 more");
  for (std::size_t size = 1; size < 60; ++size) {
    std::vector<char> small(size + 1, '#');
    set.ListNames(small.data(), size, false);
    EXPECT_LT(strnlen(small.data(), size), size);
    EXPECT_EQ(small[size], '#');
  }
}

TEST_F(PoolSetTest, AProcessThatAllowsFewerThreadsIsWarned) {
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, 3);
  ASSERT_TRUE(set.Configure(nullptr, error));
  set.ClaimThreads();
  EXPECT_EQ(fake.Logged({"limits TBB to 2", "raise max_allowed_parallelism"}), 1u);
}

}  // namespace
}  // namespace msys
