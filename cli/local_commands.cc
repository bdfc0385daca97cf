#include "cli/local_commands.h"

#include "cli/notify.h"

namespace outpost::cli {
namespace {

constexpr LocalCommand kLocalCommands[] = {
    {"notify", "notify [<types>...]",
     "Print a line for each notification (time, type, id, version) until interrupted", Notify},
};

}  // namespace

absl::Span<const LocalCommand> LocalCommands() { return kLocalCommands; }

const LocalCommand* FindLocalCommand(const std::vector<std::string>& words) {
  if (words.empty()) return nullptr;
  for (const LocalCommand& command : kLocalCommands) {
    if (words.front() == command.name) return &command;
  }
  return nullptr;
}

}  // namespace outpost::cli
