// SMTP replies as bytes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hostsim {

// "250-first\r\n250 second\r\n".  The text may come from a policy and hold
// anything: a newline starts a line of the reply, other control characters and
// what is not ASCII become "?", and long lines are cut.
std::string SmtpReply(int code, std::string_view text);
std::string SmtpReply(int code, const std::vector<std::string>& lines);

}  // namespace hostsim
