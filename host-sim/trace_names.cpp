#include "trace_names.h"

#include <cstring>

namespace hostsim {

std::string ClosureName(std::string_view source, int line) {
  const bool file = source.starts_with('@');
  const bool named = source.starts_with('=');  // or a C function, without lines
  std::string name(file || named ? source.substr(1) : "[string]");
  if (!named || line > 0) name += ':' + std::to_string(line);
  return name;
}

TraceNames::TraceNames() {
  Intern("");
  Intern("(others)");
}

NameId TraceNames::Intern(std::string_view text) {
  if (text.size() > kMaxLength) text.remove_prefix(text.size() - kMaxLength);
  MutexLock lock(mutex_);
  const auto found = ids_.find(text);
  if (found != ids_.end()) return found->second;
  if (texts_.size() >= kMaxNames) return kOtherName;
  const auto id = static_cast<NameId>(texts_.size());
  ids_.emplace(texts_.emplace_back(text), id);
  return id;
}

const std::string& TraceNames::Text(NameId name) const {
  MutexLock lock(mutex_);
  return texts_[name];
}

NameId NameCache::OfClosure(const char* source, int line) {
  if (source == nullptr) return kNoName;
  // Of a program's text only its first byte matters.
  return Find(source[0] == '@' || source[0] == '=' ? source : "[", line);
}

NameId NameCache::Find(const char* pointer, int line) {
  const std::string_view text(pointer, ::strnlen(pointer, kMaxRead));
  const auto mixed = (reinterpret_cast<std::uintptr_t>(pointer) >> 4) ^
                     static_cast<std::uintptr_t>(line) * 31u;
  Entry& entry = entries_[mixed % kEntries];
  if (entry.pointer == pointer && entry.line == line && entry.text == text)
    return entry.id;
  entry.pointer = pointer;
  entry.line = line;
  entry.text = text;
  entry.id = names_.Intern(line == kPlain ? entry.text
                                          : ClosureName(text, line));
  return entry.id;
}

}  // namespace hostsim
