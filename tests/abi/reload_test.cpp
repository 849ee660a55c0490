// dlopen, open, attach, run, detach, stop, close, dlclose: twenty times over.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "test_plugin.h"

namespace msys::test {
namespace {

TEST(ReloadTest, TwentyTimesInOneProcess) {
  for (int round = 0; round < 20; ++round) {
    void* library = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(library, nullptr) << dlerror();
    const auto entry = reinterpret_cast<msys_plugin_entry_fn>(
        dlsym(library, MSYS_PLUGIN_ENTRY));
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry(MSYS_ABI_MAJOR + 1), nullptr);
    EXPECT_EQ(entry(0), nullptr);
    const msys_api* api = entry(MSYS_ABI_MAJOR);
    ASSERT_NE(api, nullptr);
    {
      FakeHost host(2);
      TestPlugin plugin(*api, host);
      TestState one(plugin, 0);
      TestState two(plugin, 1);
      const char* source =
          "local sum = 0 for i = 1, 20 do "
          "sum = sum + select(2, msys.runInPool('CPU', function() return i end)) "
          "end return sum";
      auto a = one.Start(source);
      auto b = two.Start(source);
      EXPECT_EQ(a->Wait().text(), "OK 210");
      EXPECT_EQ(b->Wait().text(), "OK 210");
      // Statistics of the round before are gone.
      EXPECT_EQ(plugin.Stats("CPU").done, 40u);
    }
    EXPECT_EQ(dlclose(library), 0);
  }
}

TEST(ReloadTest, TwoAtATime) {
  const msys_api& api = LoadApi(PLUGIN);
  FakeHost first_host(1);
  FakeHost second_host(1);
  TestPlugin first(api, first_host, {{"mine", 1}});
  TestPlugin second(api, second_host, {{"yours", 1}});
  TestState a(first);
  TestState b(second);
  EXPECT_EQ(a.Run("return msys.runInPool('mine', function() return 1 end)").text(),
            "OK true 1");
  EXPECT_EQ(b.Run("return msys.runInPool('yours', function() return 2 end)").text(),
            "OK true 2");
  EXPECT_NE(b.Run("msys.runInPool('mine', print)").text().find("no thread pool"),
            std::string::npos);
}

}  // namespace
}  // namespace msys::test
