#include "message.h"

#include <strings.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "mail_header.h"

namespace hostsim {
namespace {

// As the mail's first line has it; without one, as of SMTP.
std::string_view LineEnd(std::string_view mail) {
  const std::size_t end = mail.find('\n');
  const bool crlf = end == mail.npos || (end > 0 && mail[end - 1] == '\r');
  return crlf ? "\r\n" : "\n";
}

std::string StreamToString(GMimeStream* stream) {
  GByteArray* array =
      g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
  return {reinterpret_cast<const char*>(array->data), array->len};
}

// Not g_mime_text_part_get_text(), whose C string ends at a NUL in the text:
// what follows would be hidden from a policy.
std::string TextToUtf8(GMimePart* part) {
  GMimeDataWrapper* content = g_mime_part_get_content(part);
  if (!content) return {};
  const GRef<GMimeStream> memory(g_mime_stream_mem_new());
  const GRef<GMimeStream> filtered(g_mime_stream_filter_new(memory.get()));
  const char* charset = g_mime_text_part_get_charset(GMIME_TEXT_PART(part));
  // None for a charset that iconv does not know: the bytes stay as they are.
  const GRef<GMimeFilter> filter(
      charset ? g_mime_filter_charset_new(charset, "utf-8") : nullptr);
  if (filter)
    g_mime_stream_filter_add(GMIME_STREAM_FILTER(filtered.get()), filter.get());
  g_mime_data_wrapper_write_to_stream(content, filtered.get());
  g_mime_stream_flush(filtered.get());
  return StreamToString(memory.get());
}

}  // namespace

void InitGMime() {
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
}

namespace {

GRef<GMimeMessage> Parse(GMimeStream* stream) {
  const GRef<GMimeParser> parser(g_mime_parser_new_with_stream(stream));
  return GRef<GMimeMessage>(
      g_mime_parser_construct_message(parser.get(), nullptr));
}

GRef<GMimeMessage> ParseCopy(std::string_view first, std::string_view rest) {
  const GRef<GMimeStream> stream(g_mime_stream_mem_new());
  g_mime_stream_write(stream.get(), first.data(), first.size());
  g_mime_stream_write(stream.get(), rest.data(), rest.size());
  g_mime_stream_reset(stream.get());
  return Parse(stream.get());
}

// What begins with a blank continues nothing, yet GMime takes " : x" for a field.
bool MayBeginHeader(std::string_view bytes) {
  return !bytes.starts_with(' ') && !bytes.starts_with('\t');
}

}  // namespace

GRef<GMimeMessage> ParseMessage(std::string_view bytes, GByteArray* view) {
  // GMime only reads through the array, so it may look into foreign memory.
  view->data = reinterpret_cast<guint8*>(const_cast<char*>(bytes.data()));
  view->len = static_cast<guint>(bytes.size());
  const GRef<GMimeStream> stream(g_mime_stream_mem_new());
  // In this order: the stream frees the array that it was made with.
  g_mime_stream_mem_set_byte_array(GMIME_STREAM_MEM(stream.get()), view);
  g_mime_stream_mem_set_owner(GMIME_STREAM_MEM(stream.get()), FALSE);
  if (MayBeginHeader(bytes))
    if (GRef<GMimeMessage> message = Parse(stream.get())) return message;
  // It does not begin with a header: all of it is the body, as behind an empty line.
  // A mail without a message would hide from policies, and be marked by none.
  return ParseCopy("\n", bytes);
}

const std::string* Dictionary::Find(const std::string& key) const noexcept {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

void Dictionary::Set(std::string_view key, std::string_view value) noexcept {
  values_[std::string(key)] = value;
}

bool Dictionary::Delete(const std::string& key) noexcept {
  return values_.erase(key) > 0;
}

Message::Message(TurnMark* turn, std::string id,
                 Ref<Dictionary> connection_context)
    : turn_(turn),
      id_(std::move(id)),
      connection_context_(std::move(connection_context)),
      message_context_(new Dictionary),
      transaction_context_(new Dictionary) {}

void Message::SetContent(std::shared_ptr<const std::string> bytes) noexcept {
  const TurnScope scope(turn_, "msg:content");
  ForgetParts();
  parsed_header_.reset();
  new_header_.reset();
  changed_ = false;
  bytes_ = std::move(bytes);
}

std::shared_ptr<const std::string> Message::Content() noexcept {
  const TurnScope scope(turn_, "msg:raw");
  if (!new_header_) return bytes_;
  const std::string_view body = std::string_view(*bytes_).substr(header_size_);
  std::string whole = *std::exchange(new_header_, std::nullopt);
  header_size_ = whole.size();
  whole.reserve(whole.size() + 2 + body.size());
  if (!whole.empty() && NeedsEmptyLine(body)) whole += LineEnd(*bytes_);
  whole += body;
  bytes_ = std::make_shared<const std::string>(std::move(whole));
  return bytes_;
}

std::string_view Message::Raw() noexcept {
  const auto bytes = Content();  // which this shares
  return bytes ? std::string_view(*bytes) : std::string_view();
}

std::string_view Message::Header() const noexcept {
  if (new_header_) return *new_header_;
  return std::string_view(*bytes_).substr(0, header_size_);
}

// Without the body, which may be big; where there is none, GMime wants no empty line.
void Message::ParseHeader() noexcept {
  if (parsed_header_ || !bytes_) return;
  if (!new_header_) header_size_ = HeaderSize(*bytes_);
  const bool has_body = header_size_ < bytes_->size();
  if (MayBeginHeader(Header()))
    parsed_header_ = ParseCopy(Header(), has_body ? "\n" : "");
  if (parsed_header_) return;
  Content();
  header_size_ = 0;  // all of it is the body
  parsed_header_ = ParseCopy("\n", "");
}

// GMime keeps the Content-* headers of a mail with its body part.
GMimeHeaderList* Message::HeadersFor(const char* name) const noexcept {
  GMimeObject* owner = GMIME_OBJECT(parsed_header_.get());
  if (strncasecmp(name, "content-", 8) == 0) {
    if (GMimeObject* body = g_mime_message_get_mime_part(parsed_header_.get()))
      owner = body;
  }
  return g_mime_object_get_header_list(owner);
}

const char* Message::NextHeader(const char* name, int* position) noexcept {
  const TurnScope scope(turn_, "msg:header");
  ParseHeader();
  if (!parsed_header_) return nullptr;
  GMimeHeaderList* list = HeadersFor(name);
  while (*position < g_mime_header_list_get_count(list)) {
    GMimeHeader* header = g_mime_header_list_get_header_at(list, (*position)++);
    if (strcasecmp(g_mime_header_get_name(header), name) != 0) continue;
    const char* value = g_mime_header_get_value(header);
    return value ? value : "";
  }
  return nullptr;
}

void Message::SetHeader(const char* name, const char* value) noexcept {
  ChangeHeader(name, value);
}

void Message::RemoveHeader(const char* name) noexcept { ChangeHeader(name, nullptr); }

// In the bytes and, since a header may be long, alike in what has been parsed of it.
void Message::ChangeHeader(const char* name, const char* value) noexcept {
  const TurnScope scope(turn_, "msg:header");
  ParseHeader();
  if (!parsed_header_) return;
  const std::string field = value ? MailField(name, value, LineEnd(*bytes_)) : "";
  std::string header = EditHeader(Header(), name, field);
  if (header == Header()) return;
  new_header_ = std::move(header);
  changed_ = true;
  GMimeHeaderList* list = HeadersFor(name);
  while (g_mime_header_list_remove(list, name)) {
  }
  if (value) g_mime_header_list_append(list, name, value, "UTF-8");
  for (const char* shapes : {"type", "transfer-encoding", "disposition"})
    if (strcasecmp(name, (std::string("content-") + shapes).c_str()) == 0) ForgetParts();
}

void Message::ForgetParts() noexcept {
  parts_.clear();
  parsed_.reset();
  parsed_bytes_.reset();
}

// With a stack of its own: a hostile mail may nest deeper than a pool
// thread's stack.
void Message::FindParts() noexcept {
  if (parsed_ || !bytes_) return;
  parsed_bytes_ = Content();
  parsed_ = ParseMessage(*parsed_bytes_, &view_);
  if (!parsed_) return;
  std::vector<GMimeObject*> open{g_mime_message_get_mime_part(parsed_.get())};
  while (!open.empty()) {
    GMimeObject* object = open.back();
    open.pop_back();
    if (!object) continue;
    if (GMIME_IS_MULTIPART(object)) {
      GMimeMultipart* multipart = GMIME_MULTIPART(object);
      for (int i = g_mime_multipart_get_count(multipart); i > 0; --i)
        open.push_back(g_mime_multipart_get_part(multipart, i - 1));
    } else if (GMIME_IS_MESSAGE_PART(object)) {
      GMimeMessage* inner =
          g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
      if (inner) open.push_back(g_mime_message_get_mime_part(inner));
    } else if (GMIME_IS_PART(object)) {
      AddPart(GMIME_PART(object));
    }
  }
}

void Message::AddPart(GMimePart* part) noexcept {
  GMimeObject* object = GMIME_OBJECT(part);
  MimePart out{};
  out.part = part;
  if (char* type = g_mime_content_type_get_mime_type(
          g_mime_object_get_content_type(object))) {
    out.content_type = type;
    g_free(type);
  }
  for (char& c : out.content_type) c = g_ascii_tolower(c);
  // Copies: a policy may change the header that they stand in.
  if (const char* name = g_mime_part_get_filename(part)) out.filename = name;
  if (const char* text = g_mime_object_get_disposition(object)) out.disposition = text;
  parts_.push_back(std::move(out));
}

const MimePart* Message::Part(std::size_t index) noexcept {
  const TurnScope scope(turn_, "msg:parts");
  FindParts();
  return index < parts_.size() ? &parts_[index] : nullptr;
}

std::string_view Message::PartBody(std::size_t index) noexcept {
  const TurnScope scope(turn_, "part:body");
  FindParts();
  if (index >= parts_.size()) return {};
  MimePart& part = parts_[index];
  if (!part.decoded) {
    part.decoded = true;
    if (GMimeDataWrapper* content = g_mime_part_get_content(part.part)) {
      const GRef<GMimeStream> stream(g_mime_stream_mem_new());
      g_mime_data_wrapper_write_to_stream(content, stream.get());
      part.body = StreamToString(stream.get());
    }
  }
  return part.body;
}

std::string_view Message::Text(const char* type) noexcept {
  const TurnScope scope(turn_, "msg:text");
  FindParts();
  text_.clear();
  for (const MimePart& part : parts_) {
    if (!GMIME_IS_TEXT_PART(part.part)) continue;
    if (g_mime_part_is_attachment(part.part)) continue;
    if (type && strcasecmp(part.content_type.c_str(), type) != 0) continue;
    if (!text_.empty() && text_.back() != '\n') text_ += '\n';
    text_ += TextToUtf8(part.part);
  }
  return text_;
}

void Message::SetMailfrom(std::string_view address) noexcept {
  const TurnScope scope(turn_, "msg:mailfrom");
  mailfrom_ = address;
}

const std::string& Message::Rcptto() const noexcept {
  static const std::string* const kNone = new std::string;
  if (!current_rcptto_.empty()) return current_rcptto_;
  return recipients_.empty() ? *kNone : recipients_.front();
}

void Message::SetCurrentRcptto(std::string_view address) noexcept {
  const TurnScope scope(turn_, "msg:rcptto");
  current_rcptto_ = address;
}

void Message::ReplaceRcptto(std::string_view address) noexcept {
  const TurnScope scope(turn_, "msg:rcptto");
  const auto replaced = FindRecipient(Rcptto());
  if (replaced != recipients_.end()) {
    // One address that two become is to get the mail once.
    const auto same = FindRecipient(address);
    if (same == recipients_.end() || same == replaced) *replaced = address;
    else recipients_.erase(replaced);
  }
  current_rcptto_ = address;
}

std::vector<std::string>::iterator Message::FindRecipient(
    std::string_view address) noexcept {
  return std::find_if(recipients_.begin(), recipients_.end(), [&](const auto& one) {
    return one.size() == address.size() &&
           strncasecmp(one.data(), address.data(), one.size()) == 0;
  });
}

bool Message::HasRecipient(std::string_view address) noexcept {
  const TurnScope scope(turn_, "vctx:recipient_list");
  return FindRecipient(address) != recipients_.end();
}

bool Message::AddRecipient(std::string_view address) noexcept {
  const TurnScope scope(turn_, "vctx:add_recipient");
  if (FindRecipient(address) != recipients_.end()) return false;
  recipients_.emplace_back(address);
  return true;
}

bool Message::RemoveRecipient(std::string_view address) noexcept {
  const TurnScope scope(turn_, "vctx:remove_recipient");
  const auto found = FindRecipient(address);
  if (found == recipients_.end()) return false;
  recipients_.erase(found);
  return true;
}

Dictionary& Message::context(Context which) noexcept {
  switch (which) {
    case Context::kConnection:
      return *connection_context_;
    case Context::kMessage:
      return *message_context_;
    case Context::kTransaction:
      break;
  }
  return *transaction_context_;
}

}  // namespace hostsim
