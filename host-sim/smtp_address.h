// The syntax of SMTP's paths and mailboxes.  Pure, for hostile input.
#pragma once

#include <cstddef>
#include <string_view>

namespace hostsim {

inline constexpr std::size_t kSmtpPath = 254;  // RFC 5321's 256, without <>

// `text` starts with a path: the bytes of "<...>", brackets included; a quoted
// string may hold brackets.  0: there is no whole path.
std::size_t EndOfPath(std::string_view text) noexcept;

// "@one,@two:ann@three" is "ann@three", as RFC 5321 wants it.
std::string_view WithoutRoute(std::string_view path) noexcept;

// local-part@domain or local-part@[literal]; UTF-8 may stand for letters.
bool IsMailbox(std::string_view address) noexcept;

bool IsAscii(std::string_view text) noexcept;

}  // namespace hostsim
