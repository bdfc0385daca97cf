#include "cli/completion.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "cli/local_commands.h"

namespace outpost::cli {
namespace {

// Nobody waits longer after pressing a key.
constexpr absl::Duration kLongestWait = absl::Seconds(2);

const GlobalFlag* FindFlag(absl::string_view name) {
  for (const GlobalFlag& flag : GlobalFlags()) {
    if (std::count(flag.names.begin(), flag.names.end(), std::string(name)) > 0) return &flag;
  }
  return nullptr;
}

void Add(absl::string_view typed, const std::string& text, const std::string& description,
         Completions* completions) {
  if (!absl::StartsWith(text, typed)) return;
  v1::Completion& word = completions->words.emplace_back();
  word.set_text(text);
  word.set_description(description);
}

// The value of `flag`, of which `typed` is there; each candidate begins with `before`.
Completions ValueOf(const GlobalFlag& flag, absl::string_view typed, const std::string& before) {
  Completions completions;
  for (const std::string& choice : flag.choices) {
    Add(typed, absl::StrCat(before, choice), "", &completions);
  }
  completions.file = flag.value_name == "FILE";
  return completions;
}

void AddFlags(absl::string_view typed, Completions* completions) {
  for (const GlobalFlag& flag : GlobalFlags()) {
    for (const std::string& name : flag.names) {
      // The short ones are shorter to type than to choose.
      if (absl::StartsWith(name, "--")) Add(typed, name, flag.description, completions);
    }
  }
}

void AddLocal(const std::vector<std::string>& words, Completions* completions) {
  const std::string& typed = words.back();
  if (words.size() == 1) {
    for (const LocalCommand& command : LocalCommands()) {
      Add(typed, command.name, command.description, completions);
    }
    return;
  }
  const LocalCommand* const command = FindLocalCommand(words);
  if (command == nullptr) return;
  for (const char* argument : command->arguments) Add(typed, argument, "", completions);
}

}  // namespace

Completions Complete(const std::vector<std::string>& words, const Arguments& defaults,
                     Interrupt* interrupt) {
  if (words.empty()) return {};
  const std::string& typed = words.back();
  std::vector<std::string> finished(words.begin(), words.end() - 1);
  const bool flags_ended = std::count(finished.begin(), finished.end(), "--") > 0;
  if (!flags_ended) {
    if (!finished.empty()) {
      const GlobalFlag* const flag = FindFlag(finished.back());
      if (flag != nullptr && !flag->value_name.empty()) return ValueOf(*flag, typed, "");
    }
    if (const size_t equals = typed.find('='); equals != std::string::npos) {
      const GlobalFlag* const flag = FindFlag(absl::string_view(typed).substr(0, equals));
      if (flag != nullptr && !flag->value_name.empty()) {
        return ValueOf(*flag, typed, typed.substr(0, equals + 1));
      }
    }
  }
  const absl::StatusOr<Arguments> arguments = ParseArguments(finished, defaults);
  if (!arguments.ok()) return {};

  Completions completions;
  std::vector<std::string> command = arguments->words;
  command.push_back(typed);
  AddLocal(command, &completions);
  if (FindLocalCommand(arguments->words) == nullptr) {
    Client client({.address = arguments->address,
                   .connect_timeout = std::min(arguments->connect_timeout, kLongestWait),
                   .timeout = kLongestWait},
                  interrupt);
    v1::CommandsCompleteResponse response;
    if (!client.Complete(command, &response).has_value()) {
      for (v1::Completion& word : *response.mutable_completions()) {
        completions.words.push_back(std::move(word));
      }
    }
  }
  if (!flags_ended && absl::StartsWith(typed, "-")) AddFlags(typed, &completions);
  std::stable_sort(completions.words.begin(), completions.words.end(),
                   [](const auto& a, const auto& b) {
                     // Flags are after the words.
                     return std::pair(absl::StartsWith(a.text(), "-"), a.text()) <
                            std::pair(absl::StartsWith(b.text(), "-"), b.text());
                   });
  return completions;
}

}  // namespace outpost::cli
