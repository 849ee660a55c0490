// Everything that policies can call, with arguments made of the bytes by
// arguments.lua, in a state with real pools; afterwards every job is counted once.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

#include "check.h"
#include "fake_host.h"
#include "test_plugin.h"

extern "C" {
#include <lauxlib.h>
#include <lua.h>
}

namespace msys::test {
namespace {

std::string Driver() {
  std::ifstream file(MSYS_FUZZ_DRIVER);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Lives for some hundred inputs, so that what one leaves behind meets the next.
class Subject {
 public:
  explicit Subject(int returns)
      : plugin_(*msys_plugin_entry(MSYS_ABI_MAJOR), host_,
                {{"CPU", 2}, {"IO", 2}, {"tiny", 1, 2}, {"loop", 0}}, returns),
        state_(std::make_unique<TestState>(plugin_, 0, "fuzz", [](lua_State* L) {
          Check(luaL_dostring(L, "plain_wrap = coroutine.wrap "
                                 "plain_yield = coroutine.yield") == LUA_OK, "driver");
        })) {
    const Result loaded = state_->Run(Driver());
    Check(loaded.text() == "OK", loaded.text());
  }

  ~Subject() {
    state_.reset();
    for (std::uint32_t i = 0; i < plugin_.api.pool_count(plugin_.handle); ++i) {
      msys_pool_stats s{};
      s.struct_size = sizeof s;
      plugin_.api.pool_stats(plugin_.handle, i, &s);
      Check(s.queued + s.running + s.suspended == 0, "jobs are left");
      Check(s.submitted == s.done + s.failed + s.cancelled + s.refused,
            "a job did not end once");
    }
  }

  void Run(const std::uint8_t* data, std::size_t size) {
    std::string source = "return fuzz('";
    char escaped[8];
    for (std::size_t i = 0; i < size; ++i) {
      std::snprintf(escaped, sizeof escaped, "\\x%02x", data[i]);
      source += escaped;
    }
    const Result result = state_->Run(source + "')");
    Check(result.status == MSYS_OK || result.status == MSYS_E_LUA, result.text());
  }

 private:
  FakeHost host_{2};
  TestPlugin plugin_;
  std::unique_ptr<TestState> state_;
};

// At exit as well: what is left at the end is compared, too.
std::unique_ptr<Subject> subject;

}  // namespace
}  // namespace msys::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::uint64_t count = 0;
  using msys::test::subject;
  if (count % 200 == 0) {
    subject.reset();
    subject = std::make_unique<msys::test::Subject>(
        static_cast<int>(count / 200 % 2));
  }
  ++count;
  subject->Run(data, size < 512 ? size : 512);
  return 0;
}
