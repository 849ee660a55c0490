// The header of a mail as bytes: a policy that changes a field changes its lines, and
// nothing else of the mail.
//
// Threads: any; nothing is shared.
#pragma once

#include <string>
#include <string_view>

namespace hostsim {

// Bytes before the empty line that ends the header; all when there is none.
std::size_t HeaderSize(std::string_view mail);

// What stands before `body` must end with an empty line: it does not begin with one.
bool NeedsEmptyLine(std::string_view body);

// "Subject: text\r\n".  `name` is a field's name and `value` UTF-8 without line breaks;
// what is not printable ASCII is encoded as the field wants it.  Long ones are folded.
std::string MailField(std::string_view name, std::string_view value,
                      std::string_view line_end);

// `header` with `field`, from MailField(), in the place of the first of that name, the
// others removed; a new one comes behind those that are there.  "": none stays.
std::string EditHeader(std::string_view header, std::string_view name,
                       std::string_view field);

}  // namespace hostsim
