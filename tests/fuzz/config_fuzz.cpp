// open(), configure() and attach() with structs of any size, count and content,
// each in memory of exactly that size: what is read beyond it is a finding.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "check.h"
#include "fake_host.h"
#include "test_plugin.h"

namespace msys::test {
namespace {

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  std::uint8_t Byte() { return at_ < end_ ? *at_++ : std::uint8_t{0}; }
  std::uint32_t Number() {
    constexpr std::uint32_t kOdd[] = {0, 1, 2, 8, 1023, 1024, 1025, 0x7fffffff,
                                      0x80000000, UINT32_MAX - 1, UINT32_MAX};
    const std::uint8_t kind = Byte();
    if (kind < 128) return kOdd[kind % std::size(kOdd)];
    if (kind < 192) return Byte();
    return static_cast<std::uint32_t>(Byte() << 24 | Byte() << 16 | Byte() << 8 | Byte());
  }
  // Mostly the size that is right, else one near it.
  std::uint32_t Size(std::size_t right) {
    const std::uint8_t kind = Byte();
    if (kind < 128) return static_cast<std::uint32_t>(right);
    return kind < 255 ? kind - 128u : 500u;
  }
  bool over() const { return at_ == end_; }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

// `size` bytes that begin with the struct, and what follows of it as noise.
template <typename Struct>
std::unique_ptr<char[]> Exactly(const Struct& from, std::size_t size, char noise) {
  if (size < sizeof from.struct_size) size = sizeof from.struct_size;
  auto memory = std::make_unique<char[]>(size);
  std::memset(memory.get(), noise, size);
  std::memcpy(memory.get(), &from, size < sizeof from ? size : sizeof from);
  return memory;
}

struct Config {
  explicit Config(Bytes& bytes) {
    const std::uint32_t stride = bytes.Size(sizeof(msys_pool_config));
    const std::uint32_t count = bytes.Byte() % 40;
    const bool strange = bytes.Byte() == 255;  // elements of several sizes
    for (std::uint32_t i = 0; i < count; ++i) {
      names.push_back(Name(bytes));
    }
    const std::size_t step = stride < sizeof stride ? sizeof stride : stride;
    const char noise = static_cast<char>(bytes.Byte());
    array = std::make_unique<char[]>(step * count);
    std::memset(array.get(), noise, step * count);
    for (std::uint32_t i = 0; i < count; ++i) {
      msys_pool_config pool{strange && i > 0 ? bytes.Size(stride) : stride,
                            bytes.Number(), names[i] ? names[i]->c_str() : nullptr,
                            bytes.Number(), bytes.Number()};
      std::memcpy(array.get() + i * step, &pool,
                  step < sizeof pool ? step : sizeof pool);
    }
    msys_config config{bytes.Size(sizeof(msys_config)), count,
                       reinterpret_cast<const msys_pool_config*>(array.get()),
                       static_cast<std::int32_t>(bytes.Number())};
    if (bytes.Byte() == 255) config.pools = nullptr;
    memory = Exactly(config, config.struct_size, static_cast<char>(bytes.Byte()));
  }

  static std::unique_ptr<std::string> Name(Bytes& bytes) {
    constexpr const char* kNames[] = {"CPU", "cpu", "IO", "dns", "a.b-c_d", "", " ",
                                      "x\n", "\xff", "none\"%s%n"};
    const std::uint8_t kind = bytes.Byte();
    if (kind == 255) return nullptr;
    if (kind < 200) return std::make_unique<std::string>(kNames[kind % std::size(kNames)]);
    std::string name(bytes.Byte(), 'x');
    for (char& c : name) {
      if (bytes.over()) break;
      c = static_cast<char>(bytes.Byte());
    }
    return std::make_unique<std::string>(name);
  }

  const msys_config* abi() const {
    return reinterpret_cast<const msys_config*>(memory.get());
  }

  std::vector<std::unique_ptr<std::string>> names;
  std::unique_ptr<char[]> array;
  std::unique_ptr<char[]> memory;
};

// MSYS_OK without a text, or a failure with one that ends inside its struct.
void CheckError(msys_status status, const msys_error& error) {
  const std::size_t length = strnlen(error.text, sizeof error.text);
  Check(length < sizeof error.text, "the error text has no end");
  Check((status == MSYS_OK) == (length == 0), "status and error text disagree");
  Check(status <= MSYS_OK && status >= MSYS_E_SYSTEM, "no such status");
}

void Run(Bytes bytes) {
  static FakeHost host(1);
  const msys_api& api = *msys_plugin_entry(MSYS_ABI_MAJOR);
  msys_host abi = host.Abi();
  abi.struct_size = bytes.Size(sizeof abi);
  switch (bytes.Byte()) {
    case 255: abi.post = nullptr; break;
    case 254: abi.on_loop = nullptr; break;
    case 253: abi.log = nullptr; break;
    case 252: abi.abi_major = bytes.Number(); break;
    case 251: abi.loop_count = 0; break;
    default: break;
  }
  const auto host_memory = Exactly(abi, abi.struct_size, 0);
  const bool predefined = bytes.Byte() == 255;
  const Config config(bytes);
  msys_error error{sizeof error, ""};
  msys_plugin* plugin = nullptr;
  const msys_status opened =
      api.open(reinterpret_cast<const msys_host*>(host_memory.get()),
               predefined ? nullptr : config.abi(), &plugin, &error);
  CheckError(opened, error);
  Check((opened == MSYS_OK) == (plugin != nullptr), "open: status and out disagree");
  if (plugin == nullptr) return;
  for (int i = 0; i < 3 && !bytes.over(); ++i) {
    const Config change(bytes);
    CheckError(api.configure(plugin, change.abi(), &error), error);
  }
  for (std::uint32_t i = 0; i <= api.pool_count(plugin); ++i) {
    msys_pool_stats stats{};
    const std::uint32_t size = bytes.Size(sizeof stats);
    stats.struct_size = size;
    const auto memory = Exactly(stats, size, 0);
    api.pool_stats(plugin, i, reinterpret_cast<msys_pool_stats*>(memory.get()));
  }
  Check(api.stop(plugin, 0, &error) == MSYS_OK, error.text);
  Check(api.close(plugin) == MSYS_OK, "close() after stop()");
}

}  // namespace
}  // namespace msys::test

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  msys::test::Run({data, size});
  return 0;
}
