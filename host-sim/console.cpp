#include "console.h"

#include <strings.h>

#include <sstream>
#include <vector>

#include "plugin_loader.h"

namespace hostsim {
namespace {

constexpr char kHelp[] =
    "config reload              read the configuration again, as SIGHUP does\n";

std::vector<std::string> Words(const std::string& command) {
  std::vector<std::string> words;
  std::istringstream stream(command);
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

bool Is(const std::string& word, const char* text) {
  return strcasecmp(word.c_str(), text) == 0;
}

}  // namespace

ControlAnswer Console::Config(const std::string& command) {
  const auto words = Words(command);
  ControlAnswer answer;
  if (words.size() == 2 && Is(words[1], "reload")) {
    answer.good = reloader_.Reload(&answer.text);
    return answer;
  }
  return {false, "unknown command \"" + command + "\"; config reload is wanted"};
}

ControlAnswer Console::Run(const std::string& command) {
  const auto words = Words(command);
  if (!words.empty() && Is(words[0], "config")) return Config(command);
  msys_status status = MSYS_OK;
  ControlAnswer answer;
  answer.text = plugin_.Console(command, &status);
  answer.good = status == MSYS_OK;
  if (!answer.good && answer.text.empty()) answer.text = StatusText(status);
  if (answer.good && words.size() == 1 && Is(words[0], "help"))
    answer.text += kHelp;
  return answer;
}

}  // namespace hostsim
