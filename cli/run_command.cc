#include "cli/run_command.h"

#include <errno.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "cli/terminal.h"

namespace outpost::cli {
namespace {

// A polling command's table has its header again after so many lines fewer than
// the terminal has rows.
constexpr int kRowsBesideTable = 3;

bool EndsWithWords(const std::vector<std::string>& words, const std::vector<std::string>& end) {
  return words.size() >= end.size() && std::equal(end.rbegin(), end.rend(), words.rbegin());
}

// Its output: text, or bytes.
std::optional<Failure> WriteOutput(const v1::CommandResult& result, Output* output) {
  return result.stdout_bytes().empty() ? output->Write(result.stdout())
                                       : output->WriteBytes(result.stdout_bytes());
}

// What came of a command, failed or not: the output is shown in either case.
std::optional<Failure> Show(const v1::CommandsRunResponse& response, Output* output) {
  std::optional<Failure> failure = FailureOf(response);
  if (!failure.has_value()) return ShowResult(response.result(), output);
  const v1::CommandResult& result = response.result();
  WriteOutput(result, output);
  return failure;
}

// What a polling command is told beside its name, where it declares such arguments
// and the user typed none: how wide its table may be, and whether this line begins
// one.
class PollWords {
 public:
  PollWords(const std::vector<std::string>& typed, const v1::CommandInfo& command)
      : typed_(typed),
        bare_(absl::StrJoin(typed, " ") == command.prefix()),
        width_(Wants(command, "name=width,")),
        header_(Wants(command, "name=print_header,")) {}

  bool AddAnything() const { return width_ || header_; }

  // The words of the next run.
  std::vector<std::string> Next() {
    const TerminalSize terminal = GetTerminalSize();
    std::vector<std::string> words = typed_;
    if (width_) words.push_back(absl::StrCat("--width=", terminal.columns));
    if (header_ && lines_to_header_ <= 0) {
      words.push_back("--print_header");
      lines_to_header_ = terminal.rows - kRowsBesideTable;
    }
    --lines_to_header_;
    return words;
  }

 private:
  bool Wants(const v1::CommandInfo& command, absl::string_view declaration) const {
    return bare_ && absl::StrContains(command.declaration().signature(), declaration);
  }

  const std::vector<std::string>& typed_;
  const bool bare_;
  const bool width_;
  const bool header_;
  int lines_to_header_ = 0;
};

// One run of the command, with what --verbose tells of it.
std::optional<Failure> RunOnce(const v1::CommandsRunRequest& request, bool verbose, Client* client,
                               v1::CommandsRunResponse* response) {
  const absl::Time start = absl::Now();
  std::optional<Failure> failure = client->Run(request, response);
  if (verbose && !failure.has_value()) {
    absl::FPrintF(stderr, "ran \"%s\" by %s: %d in %s\n", response->prefix(),
                  response->provider().empty() ? "nobody" : response->provider(),
                  response->result().retval(), absl::FormatDuration(absl::Now() - start));
  }
  return failure;
}

std::optional<Failure> Poll(const Arguments& arguments, v1::CommandsRunRequest request,
                            v1::CommandsRunResponse response, Client* client,
                            const Interrupt& interrupt, Output* output) {
  v1::CommandsListResponse list;
  if (std::optional<Failure> failure = client->List(response.prefix(), &list)) return failure;
  v1::CommandInfo command;
  for (const v1::CommandInfo& candidate : list.commands()) {
    if (candidate.prefix() == response.prefix()) command = candidate;
  }
  PollWords words(arguments.words, command);
  // A first answer that knows nothing of the terminal is not shown but asked for
  // again: polling commands are made to be repeated.
  bool answered = !words.AddAnything();
  while (interrupt.signal() == 0) {
    if (!answered) {
      const std::vector<std::string> next = words.Next();
      request.mutable_words()->Assign(next.begin(), next.end());
      if (std::optional<Failure> failure = RunOnce(request, arguments.verbose, client, &response)) {
        if (interrupt.signal() != 0) break;
        return failure;
      }
    }
    answered = false;
    if (std::optional<Failure> failure = Show(response, output)) return failure;
    if (arguments.period == absl::ZeroDuration()) break;
    interrupt.WaitFor(arguments.period);
  }
  return std::nullopt;
}

}  // namespace

std::optional<Failure> FailureOf(const v1::CommandsRunResponse& response) {
  const v1::CommandResult& result = response.result();
  if (result.retval() >= 0) return std::nullopt;
  const int error = -std::max(result.retval(), -std::numeric_limits<int32_t>::max());
  if (error != EINVAL || !response.prefix().empty()) return ErrnoFailure(error, result.stderr());
  // As ceph's command line has it, where there is no command that the words fit.
  Failure invalid = ErrnoFailure(EINVAL, "invalid command");
  invalid.text =
      absl::StrCat(absl::StripTrailingAsciiWhitespace(result.stderr()), "\n", invalid.text);
  return invalid;
}

std::optional<Failure> ShowResult(const v1::CommandResult& result, Output* output) {
  std::optional<Failure> failure = WriteOutput(result, output);
  if (const std::string& text = result.stderr(); !text.empty()) {
    absl::FPrintF(stderr, "%s%s", text, absl::EndsWith(text, "\n") ? "" : "\n");
  }
  return failure;
}

std::optional<Failure> RunCommand(const Arguments& arguments,
                                  const std::optional<std::string>& inbuf, Client* client,
                                  const Interrupt& interrupt, Output* output) {
  v1::CommandsRunRequest request;
  request.mutable_words()->Add(arguments.words.begin(), arguments.words.end());
  // It has more to tell, too.
  if (arguments.verbose && EndsWithWords(arguments.words, {"module", "ls"})) {
    request.add_words("--verbose");
  }
  request.set_format(arguments.format);
  request.set_has_inbuf(inbuf.has_value());
  if (inbuf.has_value()) request.set_inbuf(*inbuf);
  if (arguments.verbose) {
    absl::FPrintF(stderr, "asking the manager at %s to run: %s\n", arguments.address,
                  absl::StrJoin(arguments.words, " "));
  }
  v1::CommandsRunResponse response;
  if (std::optional<Failure> failure = RunOnce(request, arguments.verbose, client, &response)) {
    return failure;
  }
  if (response.poll() && response.result().retval() >= 0) {
    return Poll(arguments, std::move(request), std::move(response), client, interrupt, output);
  }
  return Show(response, output);
}

}  // namespace outpost::cli
