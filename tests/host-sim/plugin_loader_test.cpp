#include "plugin_loader.h"

#include <gtest/gtest.h>

#include "temp_dir.h"

namespace hostsim {
namespace {

std::string LoadError(const std::string& path) {
  std::string error;
  EXPECT_FALSE(LoadPlugin(path, &error)) << path;
  EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  EXPECT_EQ(error.rfind("plugin \"" + path + "\": ", 0), 0u) << error;
  return error;
}

TEST(PluginLoaderTest, LoadsAndUnloads) {
  std::string error;
  for (int i = 0; i < 3; ++i) {
    const auto loaded = LoadPlugin(FAKE_PLUGIN, &error);
    ASSERT_TRUE(loaded) << error;
    EXPECT_STREQ(loaded->api->version, "fake");
  }
}

TEST(PluginLoaderTest, EachFailureIsOneClearLine) {
  const TempDir dir;
  EXPECT_NE(LoadError("/nowhere/x.so").find("no such file"), std::string::npos);
  EXPECT_NE(LoadError(dir.Path("")).find("is not a regular file"),
            std::string::npos);
  EXPECT_NE(
      LoadError(dir.Write("text.so", "not a library")).find("cannot be loaded"),
      std::string::npos);
  EXPECT_NE(
      LoadError(FAKE_PLUGIN_NO_ENTRY).find("has no symbol msys_plugin_entry"),
      std::string::npos);
  EXPECT_NE(LoadError(FAKE_PLUGIN_WRONG_ABI).find("does not speak ABI 1"),
            std::string::npos);
}

}  // namespace
}  // namespace hostsim
