// Mail from files: .eml, a directory, an mbox or a Maildir.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hostsim {

// One message to replay.  The bytes are read once and shared, never written.
struct Mail {
  std::string origin;  // "corpus/plain.eml", "archive.mbox:3"
  std::shared_ptr<const std::string> bytes;
  std::string ehlo;
  std::string mailfrom;                 // "": the null sender
  std::vector<std::string> recipients;  // at least one
};

struct MailSet {
  std::vector<Mail> mails;
  std::size_t unreadable = 0;  // each has been logged with its path
  std::size_t unreadable_paths = 0;  // of those given, that nothing came of
};

// Reads all, in order: PATHs as given, directories by name.  A directory gives
// its *.eml and *.mbox, and those of the directories below; one with cur/ and
// new/ is a Maildir.  What cannot be read is logged, counted and left out.
MailSet LoadMail(const std::vector<std::string>& paths);

// The messages of an mbox, in order; ">From " at the start of a line becomes
// "From ", ">>From " becomes ">From ".  Empty: it does not start with "From ".
std::vector<std::string> SplitMbox(std::string_view mbox);

// The envelope is made from the headers: Return-Path or From; Delivered-To or
// To, Cc and Bcc.
Mail MakeMail(std::string origin, std::string bytes);

}  // namespace hostsim
