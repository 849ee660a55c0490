#include "mail_header.h"

#include <gmime/gmime.h>
#include <strings.h>

#include <algorithm>
#include <boost/algorithm/string/replace.hpp>
#include <memory>

namespace hostsim {
namespace {

constexpr std::size_t kLineWidth = 78;  // RFC 5322, 2.1.1

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

bool IsPlain(char c) { return (c >= ' ' && c < 0x7f) || c == '\t'; }

bool BeginsWithEmptyLine(std::string_view bytes) {
  return bytes.starts_with('\n') || bytes.starts_with("\r\n");
}

// The first field of `header` with the lines that continue it.
std::string_view FirstField(std::string_view header) {
  std::size_t end = 0;
  do {
    end = std::min(header.find('\n', end), header.size() - 1) + 1;
  } while (end < header.size() && IsBlank(header[end]));
  return header.substr(0, end);
}

// "": these lines are no field.
std::string_view NameOf(std::string_view lines) {
  std::string_view name = lines.substr(0, std::min(lines.find(':'), lines.size()));
  if (name.size() == lines.size()) return {};
  while (!name.empty() && IsBlank(name.back())) name.remove_suffix(1);
  const bool good = std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
  });
  return good ? name : std::string_view();
}

// Of an mbox; GMime passes over it.
bool IsEnvelopeLine(std::string_view line) {
  if (line.starts_with('>')) line.remove_prefix(1);
  return line.starts_with("From ");
}

// Not GMime's way, which encodes words that are longer than a line, and makes something
// else of what it cannot parse.
std::string Folded(std::string_view name, std::string_view value,
                   std::string_view line_end) {
  std::string out(name);
  out += ':';
  std::string rest = " ";
  rest += value;
  std::size_t column = out.size();
  for (std::size_t at = 0; at < rest.size();) {
    const std::size_t word = std::min(rest.find_first_not_of(" \t", at), rest.size());
    const std::size_t end = std::min(rest.find_first_of(" \t", word), rest.size());
    if (at > 0 && word < rest.size() && column + end - at > kLineWidth) {
      out += line_end;
      column = 0;
    }
    out.append(rest, at, end - at);
    column += end - at;
    at = end;
  }
  return out;
}

std::string Encoded(const std::string& name, const std::string& value,
                    std::string_view line_end) {
  const std::unique_ptr<GMimeHeaderList, void (*)(void*)> list(
      g_mime_header_list_new(nullptr), g_object_unref);
  g_mime_header_list_append(list.get(), name.c_str(), value.c_str(), "UTF-8");
  const char* raw =
      g_mime_header_get_raw_value(g_mime_header_list_get_header_at(list.get(), 0));
  std::string out = name + ':' + (raw ? raw : "");
  if (out.ends_with('\n')) out.pop_back();
  boost::replace_all(out, "\n", line_end);
  return out;
}

}  // namespace

std::size_t HeaderSize(std::string_view mail) {
  std::size_t at = 0;
  while (at < mail.size() && !BeginsWithEmptyLine(mail.substr(at)))
    at = std::min(mail.find('\n', at), mail.size() - 1) + 1;
  return at;
}

bool NeedsEmptyLine(std::string_view body) {
  return !body.empty() && !BeginsWithEmptyLine(body);
}

std::string MailField(std::string_view name, std::string_view value,
                      std::string_view line_end) {
  const bool plain = std::all_of(value.begin(), value.end(), IsPlain);
  std::string field = plain ? Folded(name, value, line_end)
                            : Encoded(std::string(name), std::string(value), line_end);
  return field += line_end;
}

std::string EditHeader(std::string_view header, std::string_view name,
                       std::string_view field) {
  const bool adds = !field.empty();
  std::string out;
  bool placed = false, has_fields = false;
  const auto place = [&] {
    if (!adds || placed) return;
    if (!out.empty() && out.back() != '\n') out += field.ends_with("\r\n") ? "\r\n" : "\n";
    out += field;
    placed = has_fields = true;
  };
  while (!header.empty()) {
    const std::string_view lines = FirstField(header);
    header.remove_prefix(lines.size());
    const std::string_view found = NameOf(lines);
    if (!found.empty() && found.size() == name.size() &&
        strncasecmp(found.data(), name.data(), name.size()) == 0) {
      place();
      continue;
    }
    if (found.empty() && !IsEnvelopeLine(lines)) {
      // Not behind it: others may take it for the end of the header.
      place();
      // What begins with it would have no header.
      if (!has_fields) continue;
    }
    has_fields |= !found.empty();
    out += lines;
  }
  place();
  return out;
}

}  // namespace hostsim
