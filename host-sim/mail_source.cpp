#include "mail_source.h"

#include <strings.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <system_error>

#include "log.h"
#include "mail_limits.h"
#include "message.h"

namespace hostsim {
namespace fs = std::filesystem;
namespace {

void Skip(MailSet& set, const std::string& path, const std::string& why) {
  ++set.unreadable;
  Log(MSYS_LOG_WARNING, "mail", "skipping " + path + ": " + why);
}

std::optional<std::string> ReadFile(const fs::path& path, std::string* why) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    *why = "is a directory";
    return std::nullopt;
  }
  std::unique_ptr<FILE, int (*)(FILE*)> in(std::fopen(path.c_str(), "rb"),
                                           std::fclose);
  if (!in) {
    *why = strerror(errno);
    return std::nullopt;
  }
  std::string bytes;
  char block[65536];
  while (const std::size_t n = std::fread(block, 1, sizeof block, in.get()))
    bytes.append(block, n);
  if (std::ferror(in.get())) {
    *why = strerror(errno);
    return std::nullopt;
  }
  if (bytes.empty()) {
    *why = "is empty";
    return std::nullopt;
  }
  return bytes;
}

void AddMail(MailSet& set, const std::string& origin, std::string bytes) {
  const std::string excess = MailExcess(bytes);
  if (!excess.empty()) return Skip(set, origin, "it has " + excess);
  set.mails.push_back(MakeMail(origin, std::move(bytes)));
}

void AddMbox(MailSet& set, const fs::path& path, const std::string& bytes) {
  std::vector<std::string> mails = SplitMbox(bytes);
  if (mails.empty()) Skip(set, path.string(), "is not an mbox");
  int number = 0;
  for (std::string& mail : mails) {
    const std::string origin = path.string() + ":" + std::to_string(++number);
    if (mail.empty())
      Skip(set, origin, "is empty");
    else
      AddMail(set, origin, std::move(mail));
  }
}

bool HasExtension(const fs::path& path, const char* extension) {
  return strcasecmp(path.extension().c_str(), extension) == 0;
}

void AddFile(MailSet& set, const fs::path& path) {
  std::string why;
  std::optional<std::string> bytes = ReadFile(path, &why);
  if (!bytes) return Skip(set, path.string(), why);
  if (HasExtension(path, ".mbox") || bytes->starts_with("From "))
    return AddMbox(set, path, *bytes);
  AddMail(set, path.string(), std::move(*bytes));
}

std::vector<fs::path> SortedEntries(MailSet& set, const fs::path& directory) {
  std::vector<fs::path> entries;
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error))
    entries.push_back(entry->path());
  if (error) Skip(set, directory.string(), error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool IsDirectory(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

// What was found, and not named by the user, may be a pipe, which nobody ends.
void AddFound(MailSet& set, const fs::path& path) {
  std::error_code error;
  if (fs::is_regular_file(path, error)) return AddFile(set, path);
  Skip(set, path.string(), error ? error.message() : "is not a regular file");
}

void AddMaildir(MailSet& set, const fs::path& directory) {
  for (const char* sub : {"cur", "new"})
    for (const fs::path& entry : SortedEntries(set, directory / sub))
      if (entry.filename().string()[0] != '.') AddFound(set, entry);
}

void AddDirectory(MailSet& set, const fs::path& directory) {
  if (IsDirectory(directory / "cur") && IsDirectory(directory / "new"))
    return AddMaildir(set, directory);
  for (const fs::path& entry : SortedEntries(set, directory)) {
    std::error_code error;
    if (IsDirectory(entry) && !fs::is_symlink(entry, error))
      AddDirectory(set, entry);
    else if (HasExtension(entry, ".eml") || HasExtension(entry, ".mbox"))
      AddFound(set, entry);
  }
}

// Of one mbox line: ">From " is an escaped "From ".
bool IsEscapedFrom(std::string_view line) {
  const std::size_t quotes = line.find_first_not_of('>');
  return quotes != 0 && quotes != std::string_view::npos &&
         line.substr(quotes).starts_with("From ");
}

void CollectAddresses(InternetAddressList* list,
                      std::vector<std::string>* out) {
  const int count = list ? internet_address_list_length(list) : 0;
  for (int i = 0; i < count; ++i) {
    InternetAddress* address = internet_address_list_get_address(list, i);
    if (INTERNET_ADDRESS_IS_GROUP(address)) {
      CollectAddresses(
          internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)),
          out);
    } else if (const char* text = internet_address_mailbox_get_addr(
                   INTERNET_ADDRESS_MAILBOX(address))) {
      if (std::find(out->begin(), out->end(), text) == out->end())
        out->emplace_back(text);
    }
  }
}

std::vector<std::string> HeaderAddresses(GMimeMessage* message,
                                         const char* name) {
  std::vector<std::string> out;
  const char* value = g_mime_object_get_header(GMIME_OBJECT(message), name);
  if (!value) return out;
  InternetAddressList* list = internet_address_list_parse(nullptr, value);
  CollectAddresses(list, &out);
  if (list) g_object_unref(list);
  return out;
}

void FillEnvelope(GMimeMessage* message, Mail* mail) {
  GMimeObject* object = GMIME_OBJECT(message);
  if (const char* path = g_mime_object_get_header(object, "Return-Path")) {
    const auto addresses = HeaderAddresses(message, "Return-Path");
    if (!addresses.empty() && !std::strstr(path, "<>"))
      mail->mailfrom = addresses.front();
  } else if (const auto from = HeaderAddresses(message, "From");
             !from.empty()) {
    mail->mailfrom = from.front();
  }
  mail->recipients = HeaderAddresses(message, "Delivered-To");
  if (mail->recipients.empty()) {
    InternetAddressList* all = g_mime_message_get_all_recipients(message);
    CollectAddresses(all, &mail->recipients);
    if (all) g_object_unref(all);
  }
}

}  // namespace

Mail MakeMail(std::string origin, std::string bytes) {
  InitGMime();
  Mail mail;
  mail.origin = std::move(origin);
  mail.bytes = std::make_shared<const std::string>(std::move(bytes));
  GByteArray view{};
  FillEnvelope(ParseMessage(*mail.bytes, &view).get(), &mail);
  if (mail.recipients.empty()) mail.recipients = {"postmaster@example.com"};
  const std::size_t at = mail.mailfrom.rfind('@');
  mail.ehlo =
      at == std::string::npos ? "client.example" : mail.mailfrom.substr(at + 1);
  return mail;
}

std::vector<std::string> SplitMbox(std::string_view mbox) {
  std::vector<std::string> mails;
  if (!mbox.starts_with("From ")) return mails;
  bool after_blank = true;
  while (!mbox.empty()) {
    const std::size_t end = mbox.find('\n');
    std::string_view line =
        mbox.substr(0, end == std::string_view::npos ? mbox.size() : end + 1);
    mbox.remove_prefix(line.size());
    if (after_blank && line.starts_with("From ")) {
      mails.emplace_back();
      after_blank = false;
      continue;
    }
    after_blank = line == "\n" || line == "\r\n";
    if (IsEscapedFrom(line)) line.remove_prefix(1);
    mails.back() += line;
  }
  // The blank line before a separator belongs to the mbox, not to the mail.
  for (std::string& mail : mails) {
    if (mail.ends_with("\r\n\r\n"))
      mail.resize(mail.size() - 2);
    else if (mail.ends_with("\n\n"))
      mail.pop_back();
  }
  return mails;
}

MailSet LoadMail(const std::vector<std::string>& paths) {
  MailSet set;
  for (const std::string& path : paths) {
    const std::size_t mails = set.mails.size(), unreadable = set.unreadable;
    if (IsDirectory(path))
      AddDirectory(set, path);
    else
      AddFile(set, path);
    if (set.mails.size() > mails) continue;
    if (set.unreadable > unreadable) ++set.unreadable_paths;
    else
      Log(MSYS_LOG_WARNING, "mail", "no mail in " + path + ": of a directory, files "
          "named *.eml and *.mbox are taken, and Maildirs");
  }
  return set;
}

}  // namespace hostsim
