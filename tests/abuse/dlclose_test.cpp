// dlclose() with jobs running: the code stays (the plugin is linked -z nodelete,
// since oneTBB's threads are in it), so the jobs end as if nothing had happened,
// and the next dlopen() finds the same plugin.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "gates.h"

namespace msys::test {
namespace {

struct Library {
  Library() : handle(dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL)) {
    const auto entry = reinterpret_cast<msys_plugin_entry_fn>(
        dlsym(handle, MSYS_PLUGIN_ENTRY));
    api = entry(MSYS_ABI_MAJOR);
  }
  void* handle;
  const msys_api* api;
};

TEST(DlcloseTest, WithJobsRunningQueuedAndWaiting) {
  const Library library;
  FakeHost host;
  TestPlugin plugin(*library.api, host, {{"one", 1}});
  Gates gates(*library.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  auto running = state.Start("return msys.runInPool('one', function()"
                             "  block() return 'ran' end)");
  gates["block"].AwaitArrivals();
  auto queued = state.Start("return msys.runInPool('one', function()"
                            "  return 'ran, too' end)");
  auto asleep = state.Start("msys.sleep(3600)");

  EXPECT_EQ(dlclose(library.handle), 0);
  EXPECT_EQ(dlopen(PLUGIN, RTLD_NOW | RTLD_NOLOAD), library.handle)
      << "it was unloaded";
  gates["block"].Open();
  EXPECT_EQ(running->Wait().text(), "OK true ran");
  EXPECT_EQ(queued->Wait().text(), "OK true ran, too");
  EXPECT_EQ(asleep->Cancel(), MSYS_OK);

  const Library again;
  EXPECT_EQ(again.api, library.api);
  EXPECT_EQ(state.Run("return msys.runInPool('one', function() end)").text(),
            "OK true");
}

// An impatient host: stop() says that something still runs, and it goes anyway.
TEST(DlcloseTest, AfterAStopThatWasBusy) {
  const Library library;
  FakeHost host;
  TestPlugin plugin(*library.api, host);
  Gates gates(*library.api);
  TestState state(plugin, 0, "test", std::ref(gates));
  auto running = state.Start("return msys.runInPool('CPU', function()"
                             "  block() return 'ran' end)");
  gates["block"].AwaitArrivals();
  EXPECT_EQ(plugin.Stop(0), MSYS_E_BUSY);
  EXPECT_EQ(dlclose(library.handle), 0);
  gates["block"].Open();
  EXPECT_EQ(running->Wait().text(), "OK true ran");
}

}  // namespace
}  // namespace msys::test
