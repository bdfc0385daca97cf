// What --help prints.
//
// **Thread safety.** Functions of their arguments.
#ifndef OUTPOST_CLI_HELP_H_
#define OUTPOST_CLI_HELP_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"

namespace outpost::cli {

// Lines of at most `width` columns; those after the first begin with a space.
// Breaks after a space, a comma or a bar, and elsewhere only where there is none.
std::vector<std::string> Wrap(absl::string_view text, size_t width);

// A signature and what it means, side by side in `columns` columns.
std::string TwoColumns(absl::string_view signature, absl::string_view description, int columns);

// One command as help shows it; says so when its provider can't run it now.
std::string CommandHelp(const v1::CommandInfo& command, int columns);

// The usage line, the global flags and the local commands.
std::string GeneralHelp();

// Prints GeneralHelp() and all commands, or, given words, the commands that begin
// with them. ENOENT when there is none.
std::optional<Failure> Help(const Arguments& arguments, Client* client, Output* output);

}  // namespace outpost::cli

#endif  // OUTPOST_CLI_HELP_H_
