#include "config_listener.h"

#include <confuse.h>
#include <strings.h>
#include <unistd.h>

#include <algorithm>

#include "config.h"
#include "config_key.h"
#include "endpoint.h"

namespace hostsim {
namespace {

int CheckAddress(cfg_t* cfg, cfg_opt_t* opt) {
  if (ParseEndpoint(LastString(opt))) return 0;
  cfg_error(cfg,
            "%s = \"%s\" is not a numeric address and a port, like "
            "127.0.0.1:2525 or [::1]:2525",
            cfg_opt_name(opt), LastString(opt));
  return -1;
}

int CheckSize(cfg_t* cfg, cfg_opt_t* opt) {
  const auto kib = ParseSizeKib(LastString(opt));
  if (kib && *kib > 0) return 0;
  cfg_error(cfg,
            "%s = \"%s\" is not a size: bytes, or a number with K or M, up to "
            "1024M",
            cfg_opt_name(opt), LastString(opt));
  return -1;
}

int CheckHostname(cfg_t* cfg, cfg_opt_t* opt) {
  const std::string name = LastString(opt);
  const bool good = !name.empty() && name.size() <= 255 &&
                    std::all_of(name.begin(), name.end(),
                                [](char c) { return c > ' ' && c < 0x7f; });
  if (good) return 0;
  cfg_error(cfg, "%s = \"%s\" is not a host name", cfg_opt_name(opt),
            name.c_str());
  return -1;
}

int CheckSection(cfg_t* cfg, cfg_opt_t* opt) {
  cfg_t* section = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
  const char* title = cfg_title(section) ? cfg_title(section) : "";
  if (strcasecmp(title, "smtp") != 0) {
    cfg_error(cfg, "Listener \"%s\": there is no such protocol; known: smtp",
              title);
    return -1;
  }
  if (cfg_opt_size(opt) > 1) {
    cfg_error(cfg, "more than one Listener; host-sim has one");
    return -1;
  }
  if (cfg_size(section, "Address") > 0) return 0;
  cfg_error(cfg, "Listener \"%s\" has no Address", title);
  return -1;
}

std::string DefaultHostname() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return *name ? name : "localhost";
}

}  // namespace

cfg_opt_t* ListenerKeys() {
  static cfg_opt_t listener[] = {
      CFG_STR("Address", nullptr, CFGF_NODEFAULT),
      CFG_STR("Maildir", nullptr, CFGF_NODEFAULT),
      CFG_INT_CB("Maildir_Threads", 4, CFGF_NONE, (Number<1, 64>)),
      CFG_STR("Hostname", nullptr, CFGF_NODEFAULT),
      CFG_INT_CB("Max_Connections", 1000, CFGF_NONE, (Number<1, 100'000>)),
      CFG_INT_CB("Max_Recipients", 100, CFGF_NONE, (Number<1, 100'000>)),
      CFG_STR("Max_Message_Size", "10M", CFGF_NONE),
      CFG_INT_CB("Max_Line", 1000, CFGF_NONE, (Number<80, 1'000'000'000>)),
      CFG_INT_CB("Max_Errors", 10, CFGF_NONE, (Number<1, 1'000'000>)),
      CFG_INT_CB("Timeout", 300, CFGF_NONE, (Number<1, 86'400>)),
      CFG_INT_CB("Policy_Timeout", 60, CFGF_NONE, (Number<1, 86'400>)),
      CFG_END()};
  return listener;
}

void CheckListenerKeys(cfg_t* root) {
  const auto check = [&](const char* key, cfg_validate_callback_t function) {
    cfg_set_validate_func(root, key, function);
  };
  check("Listener", CheckSection);
  check("Listener|Address", Once<CheckAddress>);
  check("Listener|Maildir", Once<CheckNotEmpty>);
  check("Listener|Hostname", Once<CheckHostname>);
  check("Listener|Max_Message_Size", Once<CheckSize>);
  for (const char* key :
       {"Maildir_Threads", "Max_Connections", "Max_Recipients", "Max_Line", "Max_Errors",
        "Timeout", "Policy_Timeout"})
    check((std::string("Listener|") + key).c_str(), CheckOnce);
}

std::optional<ListenerConfig> TakeListener(cfg_t* root,
                                           const std::filesystem::path& base) {
  if (cfg_size(root, "Listener") == 0) return std::nullopt;
  cfg_t* section = cfg_getnsec(root, "Listener", 0);
  const auto number = [&](const char* key) {
    return static_cast<std::uint32_t>(cfg_getint(section, key));
  };
  ListenerConfig out;
  out.address = cfg_getstr(section, "Address");
  if (cfg_size(section, "Maildir") > 0)
    out.maildir = base / cfg_getstr(section, "Maildir");
  out.maildir_threads = number("Maildir_Threads");
  out.hostname = cfg_size(section, "Hostname") > 0
                     ? cfg_getstr(section, "Hostname")
                     : DefaultHostname();
  out.max_connections = number("Max_Connections");
  out.max_recipients = number("Max_Recipients");
  const char* size = cfg_getstr(section, "Max_Message_Size");
  out.max_message_size = std::size_t{ParseSizeKib(size).value_or(1)} * 1024;
  out.max_line = number("Max_Line");
  out.max_errors = number("Max_Errors");
  out.timeout_s = number("Timeout");
  out.policy_timeout_s = number("Policy_Timeout");
  return out;
}

}  // namespace hostsim
