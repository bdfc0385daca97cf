#include "outpost/command.h"

#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
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

// Refuses a run without input before the handler sees it; the words are
// ceph-mgr's.
RawCommandHandler WithInput(RawCommandHandler handler, const std::string& what) {
  return [handler = std::move(handler), what](const CommandContext& context, const Json& args) {
    if (!context.inbuf()) {
      return CommandResult::Error(
          EINVAL, absl::StrCat("Input file not specified: Please specify the file containing ",
                               what, " with \"-i\" option"));
    }
    if (absl::StripAsciiWhitespace(*context.inbuf()).empty()) {
      return CommandResult::Error(
          EINVAL, absl::StrCat("Empty input file: Please add ", what, " to the file"));
    }
    return handler(context, args);
  };
}

}  // namespace

void Command::NoteArg(internal::ArgOutline arg, absl::Status status) {
  status.Update(internal::CheckArgPlace(arg, args));
  if (!status.ok() && fault.ok()) {
    fault = absl::InvalidArgumentError(
        absl::StrCat("command \"", prefix, "\": argument \"", arg.name, "\": ", status.message()));
  }
  args.push_back(std::move(arg));
}

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
  if (!command.fault.ok()) {
    status_.Update(command.fault);
  } else if (command.prefix.empty()) {
    refuse(absl::StrCat("command \"", command.signature, "\" has no literal words"));
  } else if (command.prefix != PrefixOf(command.prefix)) {
    refuse(absl::StrCat("command \"", command.prefix,
                        "\": its words are to have one space between them, and no '='"));
  } else if (Find(command.prefix) != nullptr) {
    refuse(absl::StrCat("command \"", command.prefix, "\" is declared twice"));
  } else if (command.permissions.empty() ||
             command.permissions.find_first_not_of("rwx") != std::string::npos) {
    refuse(absl::StrCat("command \"", command.prefix, "\": \"", command.permissions,
                        "\" are no permissions (some of r, w, x)"));
  } else if (!command.handler) {
    refuse(absl::StrCat("command \"", command.prefix, "\" has no handler"));
  } else {
    if (!command.needs_input.empty()) {
      command.handler = WithInput(std::move(command.handler), command.needs_input);
    }
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
