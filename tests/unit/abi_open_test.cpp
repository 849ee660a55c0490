// The table of functions, and open(): what is wrong is refused with a status and words,
// and nothing has changed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "error.h"
#include "gates.h"

namespace msys::test {
namespace {

const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);

TEST(AbiTest, TheTableSaysWhatItIs) {
  EXPECT_EQ(api.struct_size, sizeof(msys_api));
  EXPECT_EQ(api.abi_major, MSYS_ABI_MAJOR);
  EXPECT_EQ(api.abi_minor, MSYS_ABI_MINOR);
  EXPECT_STREQ(api.version, MSYS_PLUGIN_VERSION);
  for (const std::uint32_t major : {0u, 2u, 100u, UINT32_MAX}) {
    EXPECT_EQ(msys_plugin_entry(major), nullptr);
  }
}

class OpenTest : public testing::Test {
 protected:
  void Refused(msys_status wanted, const char* words,
               const msys_config* config = nullptr) {
    msys_plugin* plugin = reinterpret_cast<msys_plugin*>(1);
    Error error;
    EXPECT_EQ(api.open(&host, config, &plugin, &error), wanted) << error.text;
    EXPECT_EQ(plugin, nullptr);
    EXPECT_TRUE(Has(error, words)) << error.text;
    EXPECT_EQ(api.open(&host, config, &plugin, nullptr), wanted);
  }

  FakeHost fake;
  msys_host host = fake.Abi();
};

TEST_F(OpenTest, HostsThatAreTooSmall) {
  for (const std::uint32_t size :
       {0u, 4u, 8u, static_cast<std::uint32_t>(offsetof(msys_host, post)),
        static_cast<std::uint32_t>(offsetof(msys_host, log)),
        static_cast<std::uint32_t>(offsetof(msys_host, trace) - 1)}) {
    host.struct_size = size;
    Refused(MSYS_E_ABI, "struct_size is too small");
  }
}

TEST_F(OpenTest, OldAndYoungHosts) {
  struct Young {
    msys_host host;
    void* more[8];
  } young{host, {}};
  // 1.0's least: what follows log is not there, whatever it holds.
  young.host.trace = reinterpret_cast<decltype(host.trace)>(1);
  for (const std::size_t size : {offsetof(msys_host, trace), sizeof(Young)}) {
    if (size == sizeof(Young)) young.host.trace = nullptr;
    young.host.struct_size = static_cast<std::uint32_t>(size);
    msys_plugin* plugin = nullptr;
    ASSERT_EQ(api.open(&young.host, nullptr, &plugin, nullptr), MSYS_OK);
    EXPECT_EQ(api.stop(plugin, 0, nullptr), MSYS_OK);
    EXPECT_EQ(api.close(plugin), MSYS_OK);
  }
}

TEST_F(OpenTest, ASizeThatNoStructHas) {
  host.struct_size = UINT32_MAX;
  msys_plugin* plugin = nullptr;
  ASSERT_EQ(api.open(&host, nullptr, &plugin, nullptr), MSYS_OK);
  EXPECT_EQ(api.stop(plugin, 0, nullptr), MSYS_OK);
  EXPECT_EQ(api.close(plugin), MSYS_OK);
}

TEST_F(OpenTest, NullsAndNonsense) {
  Error error;
  EXPECT_EQ(api.open(&host, nullptr, nullptr, &error), MSYS_E_ARG);
  EXPECT_TRUE(Has(error, "out is NULL"));
  msys_plugin* plugin = nullptr;
  EXPECT_EQ(api.open(nullptr, nullptr, &plugin, &error), MSYS_E_ARG);
  EXPECT_TRUE(Has(error, "host is NULL"));
  const msys_host good = host;
  host.abi_major = 2;
  Refused(MSYS_E_ABI, "abi_major");
  host = good;
  host.post = nullptr;
  Refused(MSYS_E_ARG, "post, on_loop and log");
  host = good;
  host.on_loop = nullptr;
  Refused(MSYS_E_ARG, "post, on_loop and log");
  host = good;
  host.log = nullptr;
  Refused(MSYS_E_ARG, "post, on_loop and log");
  host = good;
  host.loop_count = 0;
  Refused(MSYS_E_ARG, "loop_count must be 1 to 1024");
  host.loop_count = UINT32_MAX;
  Refused(MSYS_E_ARG, "loop_count must be 1 to 1024");
}

TEST_F(OpenTest, Configurations) {
  msys_config config{sizeof(msys_config), 0, nullptr, 0};
  constexpr std::size_t kLeast = offsetof(msys_config, completion_returns);
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, kLeast - 1}) {
    config.struct_size = static_cast<std::uint32_t>(size);
    Refused(MSYS_E_ABI, "msys_config.struct_size", &config);
  }
  config.struct_size = sizeof config;
  for (const std::int32_t returns : {-1, 2, INT32_MAX}) {
    config.completion_returns = returns;
    Refused(MSYS_E_ARG, "completion_returns", &config);
  }
  // An older host's configuration has no such field.
  config.struct_size = kLeast;
  msys_plugin* plugin = nullptr;
  ASSERT_EQ(api.open(&host, &config, &plugin, nullptr), MSYS_OK);
  EXPECT_EQ(api.stop(plugin, 0, nullptr), MSYS_OK);
  EXPECT_EQ(api.close(plugin), MSYS_OK);
}

TEST_F(OpenTest, ErrorsOfAnySize) {
  host.loop_count = 0;
  msys_plugin* plugin = nullptr;
  struct {
    msys_error error;
    char after[8];
  } small{};
  for (const std::uint32_t size : {0u, 1u, 4u, 5u, 10u, 512u, 600u, UINT32_MAX}) {
    std::memset(&small, '#', sizeof small);
    small.error.struct_size = size;
    EXPECT_EQ(api.open(&host, nullptr, &plugin, &small.error), MSYS_E_ARG);
    EXPECT_EQ(small.after[0], '#');
    if (size <= 4) {
      EXPECT_EQ(small.error.text[0], '#');
    } else {
      const std::size_t room = std::min<std::size_t>(size - 4, 508);
      EXPECT_LT(strnlen(small.error.text, room), room);
      if (room < 508) {
        EXPECT_EQ(small.error.text[room], '#');
      }
    }
  }
}

}  // namespace
}  // namespace msys::test
