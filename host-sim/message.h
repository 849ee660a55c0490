// One mail as policies see it: its envelope, its contexts and its content.
//
// The bytes are shared and never written: a changed header is put before the same
// body.  They are parsed by GMime when a policy first asks; the GMime objects belong
// to this message alone.
//
// Threads: with the turn of the Lua state held, every function.  Out of memory
// ends the process, as it does in GLib; so nothing here throws, and a Lua C
// function may call all of it.
#pragma once

#include <gmime/gmime.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ref.h"
#include "thread_check.h"

namespace hostsim {

// Prepares GMime.  Once per process, before threads; more often is harmless.
void InitGMime();

struct GObjectUnref {
  void operator()(void* object) const { g_object_unref(object); }
};
template <typename T>
using GRef = std::unique_ptr<T, GObjectUnref>;

// Parses without copying: `bytes` must outlive the result, and `view` too.  What does
// not begin with a header is a message without one.
GRef<GMimeMessage> ParseMessage(std::string_view bytes, GByteArray* view);

// Strings by name, for policies: VCTX_CONN, VCTX_MESS or VCTX_TRANS.
class Dictionary : public RefCounted {
 public:
  const std::string* Find(const std::string& key) const noexcept;
  void Set(std::string_view key, std::string_view value) noexcept;
  bool Delete(const std::string& key) noexcept;  // false: was not there

 private:
  std::map<std::string, std::string> values_;
};

// A leaf of the MIME tree, in the order of the mail.
struct MimePart {
  GMimePart* part;           // borrowed from the message
  std::string content_type;  // "text/plain", lower case
  std::optional<std::string> filename;  // decoded
  std::optional<std::string> disposition;
  bool decoded = false;
  std::string body;  // once decoded
};

class Message : public RefCounted {
 public:
  // `turn` may be null where nobody checks; otherwise it outlives all Lua.
  Message(TurnMark* turn, std::string id, Ref<Dictionary> connection_context);

  const std::string& id() const { return id_; }

  // The content arrives with the data phase; there is none before.
  void SetContent(std::shared_ptr<const std::string> bytes) noexcept;
  std::shared_ptr<const std::string> Content() noexcept;  // nullptr: none
  bool has_content() const { return bytes_ != nullptr; }
  std::string_view Raw() noexcept;  // the same, valid until the next change
  // Without what a policy has just put into the header.
  std::size_t size() const { return bytes_ ? bytes_->size() : 0; }

  // The decoded value of the next header `name` at or after *position, which
  // starts at 0 and is moved behind it; nullptr: no more.  Valid until a header changes.
  const char* NextHeader(const char* name, int* position) noexcept;
  void SetHeader(const char* name, const char* value) noexcept;
  void RemoveHeader(const char* name) noexcept;

  // The text parts that are not attachments, as UTF-8, one after the other.
  // `type` "text/plain" takes these alone; nullptr takes all.
  std::string_view Text(const char* type) noexcept;  // until the next change

  // nullptr: fewer parts.  Valid until a header changes.
  const MimePart* Part(std::size_t index) noexcept;
  std::string_view PartBody(std::size_t index) noexcept;

  // Envelope.
  const std::string& mailfrom() const { return mailfrom_; }
  void SetMailfrom(std::string_view address) noexcept;
  const std::string& Rcptto() const noexcept;  // the current one, or the first
  void SetCurrentRcptto(std::string_view address) noexcept;  // "": none
  // What a policy does: replaces the current recipient, in the list as well.
  void ReplaceRcptto(std::string_view address) noexcept;
  const std::vector<std::string>& recipients() const { return recipients_; }
  bool HasRecipient(std::string_view address) noexcept;
  bool AddRecipient(std::string_view address) noexcept;     // false: is there
  bool RemoveRecipient(std::string_view address) noexcept;  // false: is not

  void Discard() noexcept { discarded_ = true; }
  bool discarded() const { return discarded_; }
  // A policy has changed a header: Raw() is no longer what SetContent() was given.
  bool changed() const { return changed_; }

  enum class Context { kConnection, kMessage, kTransaction };
  Dictionary& context(Context which) noexcept;

  TurnMark* turn() const { return turn_; }

 private:
  ~Message() override = default;
  std::string_view Header() const noexcept;
  void ParseHeader() noexcept;
  void ChangeHeader(const char* name, const char* value) noexcept;
  GMimeHeaderList* HeadersFor(const char* name) const noexcept;
  std::vector<std::string>::iterator FindRecipient(std::string_view address) noexcept;
  void FindParts() noexcept;
  void ForgetParts() noexcept;
  void AddPart(GMimePart* part) noexcept;

  TurnMark* const turn_;
  const std::string id_;

  // The bytes are the mail; what is parsed of them is made when it is asked for.
  std::shared_ptr<const std::string> bytes_;
  std::size_t header_size_ = 0;            // once parsed_header_ was there
  std::optional<std::string> new_header_;  // in the place of these bytes
  bool changed_ = false;
  GRef<GMimeMessage> parsed_header_;

  // Destroyed in reverse: the GMime objects look into the view of these bytes.
  std::shared_ptr<const std::string> parsed_bytes_;
  GByteArray view_{};
  GRef<GMimeMessage> parsed_;
  std::vector<MimePart> parts_;
  std::string text_;

  std::string mailfrom_;
  std::string current_rcptto_;
  std::vector<std::string> recipients_;
  bool discarded_ = false;
  Ref<Dictionary> connection_context_, message_context_, transaction_context_;
};

}  // namespace hostsim
