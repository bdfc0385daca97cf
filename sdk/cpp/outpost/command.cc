#include "outpost/command.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace outpost {
namespace {

// The words before the first argument.
std::string PrefixOf(absl::string_view signature) {
  std::vector<absl::string_view> words;
  for (absl::string_view word : absl::StrSplit(signature, ' ', absl::SkipEmpty())) {
    if (word.find('=') != absl::string_view::npos) break;
    words.push_back(word);
  }
  return absl::StrJoin(words, " ");
}

}  // namespace

void CommandSet::AddRaw(std::string signature, std::string description, std::string permissions,
                        RawCommandHandler handler) {
  Command command;
  command.prefix = PrefixOf(signature);
  command.signature = std::move(signature);
  command.description = std::move(description);
  command.permissions = std::move(permissions);
  command.handler = std::move(handler);
  AddCommand(std::move(command));
}

void CommandSet::AddCommand(Command command) {
  const auto refuse = [this](absl::string_view why) {
    status_.Update(absl::InvalidArgumentError(why));
  };
  if (command.prefix.empty()) {
    refuse(absl::StrCat("command \"", command.signature, "\" has no literal words"));
  } else if (Find(command.prefix) != nullptr) {
    refuse(absl::StrCat("command \"", command.prefix, "\" is declared twice"));
  } else if (command.permissions.empty() ||
             command.permissions.find_first_not_of("rwx") != std::string::npos) {
    refuse(absl::StrCat("command \"", command.prefix, "\": \"", command.permissions,
                        "\" are no permissions (some of r, w, x)"));
  } else {
    commands_.push_back(std::move(command));
  }
}

const Command* CommandSet::Find(absl::string_view prefix) const {
  for (const Command& command : commands_) {
    if (command.prefix == prefix) return &command;
  }
  return nullptr;
}

}  // namespace outpost
