#include "config_key.h"

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <set>

namespace hostsim {
namespace {

std::set<const cfg_opt_t*> seen;  // each stanza has keys of its own

}  // namespace

const char* LastString(cfg_opt_t* opt) {
  return cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
}

int ParseNumber(cfg_t* cfg, cfg_opt_t* opt, const char* text, long low, long high,
                void* result) {
  if (*text == '\0') {
    cfg_error(cfg,
              "%s is empty, and a variable that is not set is: a number from %ld to "
              "%ld is wanted",
              cfg_opt_name(opt), low, high);
    return -1;
  }
  errno = 0;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 0);
  const bool number = *end == '\0' && (std::isdigit(static_cast<unsigned char>(*text)) ||
                                       *text == '-');
  // Who writes 080 may not know.
  const char* octal = *text == '0' && std::isdigit(static_cast<unsigned char>(text[1]))
                          ? "; it begins with 0 and so is octal"
                          : "";
  if (!number) {
    cfg_error(cfg, "%s = %s is no whole number: one from %ld to %ld is wanted%s",
              cfg_opt_name(opt), text, low, high, octal);
    return -1;
  }
  if (errno != 0 || value < low || value > high) {
    cfg_error(cfg, "%s = %s is out of range: %ld to %ld are allowed%s",
              cfg_opt_name(opt), text, low, high, octal);
    return -1;
  }
  *static_cast<long*>(result) = value;
  return 0;
}

int CheckNotEmpty(cfg_t* cfg, cfg_opt_t* opt) {
  if (*LastString(opt) != '\0') return 0;
  cfg_error(cfg, "%s is empty", cfg_opt_name(opt));
  return -1;
}

int CheckOnce(cfg_t* cfg, cfg_opt_t* opt) {
  if (seen.insert(opt).second) return 0;
  cfg_error(cfg, "%s is there a second time; say it once", cfg_opt_name(opt));
  return -1;
}

void ForgetKeys() { seen.clear(); }

}  // namespace hostsim
