#include "cli/shell.h"

#include <errno.h>
#include <signal.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/completion.h"
#include "cli/help.h"
#include "cli/lines.h"
#include "cli/words.h"

namespace outpost::cli {
namespace {

constexpr char kPrompt[] = "outpost> ";
constexpr char kGreeting[] =
    "Commands as after `outpost`; Tab completes, `--help` lists them, `quit` or ^D leaves.\n";

bool IsQuit(const std::vector<std::string>& words) {
  return words.size() == 1 &&
         (words[0] == "quit" || words[0] == "exit" || words[0] == "q" || words[0] == "Q");
}

Completing CompleteLine(absl::string_view before, const Arguments& defaults, Interrupt* interrupt) {
  const UnfinishedLine line = SplitUnfinished(before);
  Completing completing = {.begin = line.last_at};
  for (const v1::Completion& word : Complete(line.words, defaults, interrupt).words) {
    completing.candidates.push_back({QuoteWord(word.text()), word.description()});
  }
  return completing;
}

// What one line asks for.
std::optional<Failure> RunLine(const std::vector<std::string>& words, const Arguments& defaults,
                               const LocalCall& call) {
  const absl::StatusOr<Arguments> arguments = ParseArguments(words, defaults);
  if (!arguments.ok()) return ErrnoFailure(EINVAL, arguments.status().message());
  if (arguments->in_file == "-") {
    return ErrnoFailure(EINVAL, "-i -: standard input has the commands; name a file");
  }
  if (!arguments->words.empty() && arguments->words[0] == "shell") {
    return ErrnoFailure(EINVAL, "this is the shell");
  }
  return call.dispatch(*arguments, call.interrupt);
}

}  // namespace

std::optional<Failure> Shell(const LocalCall& call) {
  if (call.arguments.words.size() > 1) {
    return ErrnoFailure(EINVAL, absl::StrCat("shell: takes no arguments, but got \"",
                                             call.arguments.words[1], "\""));
  }
  Arguments defaults = call.arguments;
  defaults.words.clear();
  const std::unique_ptr<Lines> lines = OpenLines(
      HistoryFile("shell_history"),
      [&](absl::string_view before) { return CompleteLine(before, defaults, call.interrupt); },
      call.interrupt);
  if (lines->is_terminal()) absl::FPrintF(stdout, "%s", kGreeting);

  std::optional<Failure> last;
  for (;;) {
    std::string line;
    const Lines::Read read = lines->Next(kPrompt, &line);
    if (read == Lines::Read::kEnd) break;
    if (read == Lines::Read::kInterrupted) {
      const int signal = call.interrupt->signal();
      if (signal != SIGINT || !lines->is_terminal()) return SignalFailure(signal);
      call.interrupt->Forget();
      continue;
    }
    const absl::StatusOr<std::vector<std::string>> words = SplitWords(line);
    if (!words.ok()) {
      last = ErrnoFailure(EINVAL, words.status().message());
    } else if (words->empty()) {
      continue;
    } else if (IsQuit(*words)) {
      break;
    } else {
      last = RunLine(*words, defaults, call);
    }
    const int signal = call.interrupt->signal();
    if (signal != 0 && (signal != SIGINT || !lines->is_terminal())) return SignalFailure(signal);
    if (signal != 0) absl::FPrintF(stdout, "\n");  // after the terminal's "^C"
    call.interrupt->Forget();
    if (last.has_value() && !last->text.empty()) absl::FPrintF(stderr, "%s\n", last->text);
  }
  if (lines->is_terminal() || !last.has_value()) return std::nullopt;
  return Failure{.exit_status = last->exit_status, .text = ""};
}

}  // namespace outpost::cli
