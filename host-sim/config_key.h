// What the keys of the configuration's stanzas have in common.  libconfuse's types
// are those of its callbacks.
#pragma once

#include <confuse.h>

namespace hostsim {

// The value that has just been read.
const char* LastString(cfg_opt_t* opt);

// A whole number, octal after 0, hexadecimal after 0x.
int ParseNumber(cfg_t* cfg, cfg_opt_t* opt, const char* text, long low, long high,
                void* result);
template <long kLow, long kHigh>
int Number(cfg_t* cfg, cfg_opt_t* opt, const char* text, void* result) {
  return ParseNumber(cfg, opt, text, kLow, kHigh, result);
}

int CheckNotEmpty(cfg_t* cfg, cfg_opt_t* opt);

// A key stands once in its stanza, whatever files that is in: of two the first would
// be lost without a word.  Of a key that has a check, this is a part of it.
int CheckOnce(cfg_t* cfg, cfg_opt_t* opt);
template <cfg_validate_callback_t kCheck>
int Once(cfg_t* cfg, cfg_opt_t* opt) {
  return CheckOnce(cfg, opt) == 0 ? kCheck(cfg, opt) : -1;
}
void ForgetKeys();  // another configuration is read

}  // namespace hostsim
