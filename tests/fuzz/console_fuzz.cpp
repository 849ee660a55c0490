// Console commands, against a plugin in which jobs have run, are queued and wait.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "check.h"
#include "fake_host.h"
#include "gate.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

struct Subject {
  FakeHost host;
  TestPlugin plugin{*msys_plugin_entry(MSYS_ABI_MAJOR), host, {{"CPU", 1}}};
  TestState state{plugin};

  Subject() {
    Check(state.Run("msys.runInPool('CPU', function() end) "
                    "msys.runInPool('IO', error) "
                    "msys.runInPool('CPU', function() msys.sleep(86400) end, true) "
                    "for i = 1, 3 do"
                    "  msys.runInPool('CPU', load('return 1', '=\\1%s\"'), true) "
                    "end").text() == "OK", "the subject did not start");
  }
};

void Run(const std::string& command) {
  // Never destroyed: its closure sleeps for a day.
  static auto* const subject = new Subject;
  std::string answer;
  const msys_status status = subject->plugin.api.console(
      subject->plugin.handle, command.c_str(),
      [](void* ctx, const char* text, std::size_t length) {
        static_cast<std::string*>(ctx)->append(text, length);
      },
      &answer);
  Check(status == MSYS_OK || status == MSYS_E_NOT_FOUND || status == MSYS_E_ARG,
        "console: no such status");
  Check(!answer.empty() && answer.back() == '\n', "console: no whole line");
}

}  // namespace
}  // namespace msys::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  msys::test::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
