// Of what a few bytes of a mail cost GMime, and whoever waits for it, much.  A mail
// that has more of it is refused as a whole: what policies did not see of it would be
// what a sender wants to hide.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hostsim {

// Of one field of addresses, also of a mail inside of a mail: GMime's parser goes one
// level deeper, on its stack, for each group in "a:b:c:".  The smallest stack that a
// pool may have takes more than five times as many.
inline constexpr std::size_t kMostColons = 1000;
// Of the mail's header: to remove one is to move those behind it.
inline constexpr std::size_t kMostFields = 10'000;
// Each is more than a kilobyte of objects, and to free them takes time, too.
inline constexpr std::size_t kMostParts = 10'000;

// "": the mail is within the limits; else what it has too much of, for its sender.
std::string MailExcess(std::string_view mail);

}  // namespace hostsim
