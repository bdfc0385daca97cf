// `outpost`, the command line of the manager. It knows its global flags and how to
// show an answer; what the commands are, and how their output is laid out, is the
// manager's to know.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/arguments.h"
#include "cli/cert.h"
#include "cli/client.h"
#include "cli/failure.h"
#include "cli/files.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/local_commands.h"
#include "cli/run_command.h"
#include "cli/watch.h"
#include "cli/watch_audit.h"
#include "cli/watch_events.h"
#include "cli/watch_progress.h"
#include "outpost/internal/channel_credentials.h"
#include "outpost/version.h"

namespace outpost::cli {
namespace {

// What one command line asks for.
std::optional<Failure> Dispatch(const Arguments& arguments, Interrupt* interrupt) {
  std::optional<std::string> inbuf;
  if (!arguments.in_file.empty()) {
    std::variant<std::string, Failure> content = ReadInFile(arguments.in_file);
    if (auto* failure = std::get_if<Failure>(&content)) return std::move(*failure);
    inbuf = std::get<std::string>(std::move(content));
  }
  std::variant<Output, Failure> opened = Output::Open(arguments.out_file);
  if (auto* failure = std::get_if<Failure>(&opened)) return std::move(*failure);
  Output& output = std::get<Output>(opened);
  if (arguments.version) return output.Write(absl::StrCat("outpost ", kVersion));

  if (const LocalCommand* command = FindLocalCommand(arguments.words);
      command != nullptr && command->run == Cert && !arguments.help) {
    // Of files alone: it works where no manager does.
    return Cert({.arguments = arguments,
                 .client = nullptr,
                 .interrupt = interrupt,
                 .output = &output,
                 .dispatch = Dispatch});
  }
  if (const std::string problem = internal::TargetOf(arguments.address).problem; !problem.empty()) {
    return ErrnoFailure(ENOENT, problem);
  }
  interrupt->Watch();
  Client client({.address = arguments.address,
                 .connect_timeout = arguments.connect_timeout,
                 .timeout = arguments.timeout,
                 .retry = arguments.retry},
                interrupt);
  if (arguments.help) return Help(arguments, &client, &output);
  if (arguments.watch && IsProgress(arguments.words)) {
    return WatchProgress(arguments, &client, *interrupt, &output);
  }
  if (arguments.watch) return Watch(arguments, &client, interrupt, &output);
  if (IsFollowingLogs(arguments.words)) {
    return FollowModuleLogs(arguments, &client, interrupt, &output);
  }
  if (IsFollowingEvents(arguments.words)) {
    return FollowEvents(arguments, &client, interrupt, &output);
  }
  if (IsFollowingAudit(arguments.words)) {
    return FollowAudit(arguments, &client, interrupt, &output);
  }
  if (const LocalCommand* command = FindLocalCommand(arguments.words)) {
    return command->run({.arguments = arguments,
                         .client = &client,
                         .interrupt = interrupt,
                         .output = &output,
                         .dispatch = Dispatch});
  }
  return RunCommand(arguments, inbuf, &client, *interrupt, &output);
}

int Main(const std::vector<std::string>& args) {
  const absl::StatusOr<Arguments> arguments = ParseArguments(args);
  std::optional<Failure> failure;
  if (!arguments.ok()) {
    failure = ErrnoFailure(EINVAL, arguments.status().message());
  } else if (arguments->words.empty() && !arguments->help && !arguments->version &&
             !arguments->watch) {
    failure = Failure{.exit_status = EINVAL,
                      .text = GeneralHelp() + "\n`outpost --help` lists the manager's commands."};
  } else {
    Interrupt interrupt;
    failure = Dispatch(*arguments, &interrupt);
  }
  if (!failure.has_value()) return 0;
  if (!failure->text.empty()) absl::FPrintF(stderr, "%s\n", failure->text);
  return failure->exit_status;
}

}  // namespace
}  // namespace outpost::cli

int main(int argc, char** argv) {
  outpost::cli::OccupyClosedStandardStreams();
  signal(SIGPIPE, SIG_IGN);  // a write says EPIPE instead
  // What gRPC logs by itself comes back as the status of a call, too.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  return outpost::cli::Main(std::vector<std::string>(argv + 1, argv + argc));
}
