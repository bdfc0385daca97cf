#include "cli/help.h"

#include <errno.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/local_commands.h"
#include "cli/terminal.h"

namespace outpost::cli {
namespace {

constexpr int kNarrowestHelp = 20;

// Signatures have lists of choices, "[red|green|blue]", that fit on no line.
bool MayBreakAt(absl::string_view text, size_t at) {
  const char before = text[at - 1];
  return text[at] == ' ' || before == ' ' || before == '|' || before == ',';
}

std::string LocalCommandsHelp(const std::string& prefix, int columns) {
  std::string help;
  for (const LocalCommand& command : LocalCommands()) {
    if (absl::StartsWith(command.usage, prefix)) {
      absl::StrAppend(&help, TwoColumns(command.usage, command.description, columns));
    }
  }
  return help;
}

}  // namespace

std::vector<std::string> Wrap(absl::string_view text, size_t width) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::string indent = lines.empty() ? "" : " ";
    size_t length = width - indent.size();
    if (text.size() > length) {
      const size_t longest = length;
      while (length > 0 && !MayBreakAt(text, length)) --length;
      if (length == 0) length = longest;
    } else {
      length = text.size();
    }
    lines.push_back(
        absl::StrCat(indent, absl::StripTrailingAsciiWhitespace(text.substr(0, length))));
    text = absl::StripLeadingAsciiWhitespace(text.substr(length));
  }
  return lines;
}

std::string TwoColumns(absl::string_view signature, absl::string_view description, int columns) {
  columns = std::max(columns, kNarrowestHelp);
  const int left = (columns - 1) / 2;
  const std::vector<std::string> signatures = Wrap(signature, left);
  const std::vector<std::string> descriptions = Wrap(description, columns - 1 - left);
  std::string text;
  for (size_t i = 0; i < std::max(signatures.size(), descriptions.size()); ++i) {
    std::string line = absl::StrFormat("%-*s %s", left, i < signatures.size() ? signatures[i] : "",
                                       i < descriptions.size() ? descriptions[i] : "");
    absl::StripTrailingAsciiWhitespace(&line);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string CommandHelp(const v1::CommandInfo& command, int columns) {
  std::string description = command.declaration().description();
  if (!command.available()) {
    absl::string_view provider = command.provider();
    const bool module = absl::ConsumePrefix(&provider, "module/");
    absl::StrAppend(&description, description.empty() ? "" : " ",
                    "(not available: ", module ? "module " : "", provider, " is not running)");
  }
  return TwoColumns(command.usage(), description, columns);
}

std::string GeneralHelp() {
  return absl::StrCat(
      "usage: outpost [FLAGS] COMMAND [ARGUMENTS]\n\n"
      "Runs a command of the cluster's manager and shows what comes of it.\n\n"
      "Flags, anywhere before a \"--\":\n",
      GlobalFlagsHelp(), "\nCommands of this program:\n",
      LocalCommandsHelp("", GetTerminalSize().columns));
}

std::optional<Failure> Help(const Arguments& arguments, Client* client, Output* output) {
  const int columns = GetTerminalSize().columns;
  const std::string prefix = absl::StrJoin(arguments.words, " ");
  v1::CommandsListResponse list;
  std::optional<Failure> failure = client->List(prefix, &list);
  std::string commands;
  for (const v1::CommandInfo& command : list.commands()) {
    absl::StrAppend(&commands, CommandHelp(command, columns));
  }

  if (prefix.empty()) {
    std::string help = GeneralHelp();
    if (!failure.has_value()) {
      absl::StrAppend(&help, "\nCommands of the manager at ", arguments.address, ":\n", commands);
    }
    if (std::optional<Failure> unwritten = output->Write(help)) return unwritten;
    // Without a manager there is help all the same.
    if (failure.has_value()) {
      absl::FPrintF(stderr, "The manager's commands are not listed: %s\n", failure->text);
    }
    return std::nullopt;
  }
  commands.insert(0, LocalCommandsHelp(prefix, columns));
  if (failure.has_value() && commands.empty()) return failure;
  if (commands.empty()) {
    return ErrnoFailure(ENOENT, absl::StrCat("no command begins with \"", prefix,
                                             "\"; `outpost --help` lists them all"));
  }
  return output->Write(commands);
}

}  // namespace outpost::cli
