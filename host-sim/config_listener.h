// The Listener section of the configuration:
//
//   Listener "smtp" { Address = "127.0.0.1:2525"  Maildir = "mail" }
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

struct cfg_t;
struct cfg_opt_t;

namespace hostsim {

struct ListenerConfig {
  std::string address;  // for ParseEndpoint(); port 0: any that is free
  std::filesystem::path maildir;  // empty: accepted mail is dropped
  std::uint32_t maildir_threads = 4;
  std::string hostname;
  std::uint32_t max_connections = 1000;
  std::uint32_t max_recipients = 100;
  std::size_t max_message_size = 10u << 20;
  std::uint32_t max_line = 1000;
  std::uint32_t max_errors = 10;
  std::uint32_t timeout_s = 300;
  std::uint32_t policy_timeout_s = 60;

  bool operator==(const ListenerConfig&) const = default;
};

// The section's keys, for the parser; and the checks of their values.
cfg_opt_t* ListenerKeys();
void CheckListenerKeys(cfg_t* root);

// nullopt: there is no Listener.
std::optional<ListenerConfig> TakeListener(cfg_t* root,
                                           const std::filesystem::path& base);

}  // namespace hostsim
