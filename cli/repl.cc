#include "cli/repl.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "cli/lines.h"
#include "cli/run_command.h"
#include "cli/words.h"

namespace outpost::cli {
namespace {

constexpr char kDefaultPrefix[] = "mgr self-test eval";
constexpr int kRaised = 1;
constexpr int kGoesOn = 2;
// Nobody waits longer after pressing Tab.
constexpr absl::Duration kLongestCompletion = absl::Seconds(2);

constexpr char kBanner[] =
    R"(print("Python", __import__("sys").version, "on", __import__("sys").platform))";
// What python3 has in it anyway is left out.
constexpr char kPythonPath[] =
    R"(print(":".join(p for p in __import__("sys").path if p and not p.startswith(("/usr/lib", "/usr/local/lib")))))";

// `text` as a literal of Python's, whose strings have all of JSON's escapes.
std::string PythonString(absl::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

struct ReplFlags {
  std::string prefix = kDefaultPrefix;
  std::optional<std::string> code;
  std::optional<std::string> script;
  bool show_env = false;
};

std::variant<ReplFlags, Failure> ParseFlags(const std::vector<std::string>& words) {
  ReplFlags flags;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--show-env") {
      flags.show_env = true;
    } else if (absl::StartsWith(word, "--prefix=")) {
      flags.prefix = word.substr(word.find('=') + 1);
    } else if (word == "--prefix" || word == "-c") {
      if (++i == words.size()) {
        return ErrnoFailure(EINVAL, absl::StrCat("repl: ", word, " needs a value after it"));
      }
      (word == "-c" ? flags.code.emplace() : flags.prefix) = words[i];
    } else if (absl::StartsWith(word, "-") && word != "-") {
      return ErrnoFailure(EINVAL, absl::StrCat("repl: there is no flag ", word));
    } else if (flags.script.has_value()) {
      return ErrnoFailure(EINVAL, absl::StrCat("repl: one script is enough: \"", *flags.script,
                                               "\" and \"", word, "\""));
    } else {
      flags.script = word;
    }
  }
  if (flags.code.has_value() && flags.script.has_value()) {
    return ErrnoFailure(EINVAL, "repl: either -c CODE or a script, not both");
  }
  return flags;
}

// Runs source text within the module.
class Evaluator {
 public:
  Evaluator(const LocalCall& call, std::string prefix) : call_(call), prefix_(std::move(prefix)) {}

  // Fails when the module can't be asked; what the code itself does wrong is in the result.
  std::variant<v1::CommandResult, Failure> Run(const std::string& source,
                                               absl::Duration timeout) const {
    v1::CommandsRunRequest request;
    for (absl::string_view word : absl::StrSplit(prefix_, ' ', absl::SkipEmpty())) {
      request.add_words(std::string(word));
    }
    request.set_inbuf(source);
    request.set_has_inbuf(true);
    // A manager that was away is found again at once only by a new connection.
    Client client({.address = call_.arguments.address,
                   .connect_timeout = std::min(call_.arguments.connect_timeout, timeout),
                   .timeout = timeout},
                  call_.interrupt);
    v1::CommandsRunResponse response;
    if (std::optional<Failure> failure = client.Run(request, &response)) return *failure;
    std::optional<Failure> failure = FailureOf(response);
    if (!failure.has_value()) return std::move(*response.mutable_result());
    if (response.prefix().empty()) {
      absl::StrAppend(&failure->text, "\nrepl needs the command \"", prefix_, "\"",
                      prefix_ == kDefaultPrefix ? ": outpost module enable selftest" : "");
    }
    return *std::move(failure);
  }

  std::variant<v1::CommandResult, Failure> Run(const std::string& source) const {
    return Run(source, call_.arguments.timeout);
  }

  const std::string& prefix() const { return prefix_; }

 private:
  const LocalCall& call_;
  const std::string prefix_;
};

// Runs a whole program, as one statement.
std::optional<Failure> RunProgram(const std::string& program, const std::string& name,
                                  const Evaluator& evaluator, Output* output) {
  const auto answer = evaluator.Run(absl::StrCat("exec(compile(", PythonString(program), ", ",
                                                 PythonString(name), ", \"exec\"))"));
  if (const auto* failure = std::get_if<Failure>(&answer)) return *failure;
  const auto& result = std::get<v1::CommandResult>(answer);
  if (std::optional<Failure> failure = ShowResult(result, output)) return failure;
  if (result.retval() == kRaised) return Failure{.exit_status = 1, .text = ""};
  return std::nullopt;
}

std::optional<Failure> ShowEnvironment(const Evaluator& evaluator, const LocalCall& call) {
  const auto answer = evaluator.Run(kPythonPath);
  if (const auto* failure = std::get_if<Failure>(&answer)) return *failure;
  std::string path = std::get<v1::CommandResult>(answer).stdout();
  absl::StripAsciiWhitespace(&path);
  return call.output->Write(
      absl::StrCat("export OUTPOST_ADDRESS=", QuoteWord(call.arguments.address),
                   "\nexport PYTHONPATH=", QuoteWord(path), ":$PYTHONPATH\n"));
}

// Names in the module's Python that begin as what stands before the cursor.
Completing CompleteName(absl::string_view before, const Evaluator& evaluator) {
  size_t begin = before.size();
  while (begin > 0 && (absl::ascii_isalnum(static_cast<unsigned char>(before[begin - 1])) ||
                       absl::StrContains("_.", before[begin - 1]))) {
    --begin;
  }
  Completing completing = {.begin = begin, .candidates = {}, .after = ""};
  if (begin == before.size()) {
    completing.candidates.push_back({"    ", ""});
    return completing;
  }
  const auto answer = evaluator.Run(
      absl::StrCat("print(*(lambda c, t: [m for m in map(c.complete, [t] * 200, range(200)) if m])"
                   "(__import__(\"rlcompleter\").Completer(globals()), ",
                   PythonString(before.substr(begin)), "), sep=\"\\n\")"),
      kLongestCompletion);
  if (std::holds_alternative<Failure>(answer)) return completing;
  for (absl::string_view name :
       absl::StrSplit(std::get<v1::CommandResult>(answer).stdout(), '\n', absl::SkipEmpty())) {
    completing.candidates.push_back({std::string(name), ""});
  }
  return completing;
}

bool IsExit(const std::string& line) {
  const absl::string_view word = absl::StripAsciiWhitespace(line);
  return word == "exit()" || word == "quit()" || word == "exit" || word == "quit";
}

// What a person types, a line at a time, until they leave.
class Conversation {
 public:
  Conversation(Lines* lines, const Evaluator& evaluator, const LocalCall& call)
      : lines_(lines), evaluator_(evaluator), call_(call) {}

  std::optional<Failure> Hold() {
    for (;;) {
      const char* const sign = statement_.empty() ? ">>> " : "... ";
      std::string line;
      switch (lines_->Next(absl::StrCat("[", evaluator_.prefix(), "] ", sign), &line)) {
        case Lines::Read::kEnd:
          return std::nullopt;
        case Lines::Read::kInterrupted:
          if (std::optional<Failure> failure = Interrupted("")) return failure;
          continue;
        case Lines::Read::kLine:
          break;
      }
      if (statement_.empty() && IsExit(line)) return std::nullopt;
      if (statement_.empty() && absl::StripAsciiWhitespace(line).empty()) continue;
      statement_.push_back(std::move(line));
      if (std::optional<Failure> failure = RunStatement()) return failure;
    }
  }

 private:
  std::optional<Failure> RunStatement() {
    const auto answer = evaluator_.Run(absl::StrJoin(statement_, "\n"));
    if (call_.interrupt->signal() != 0) {
      return Interrupted(" (the module may still be running it)");
    }
    if (const auto* failure = std::get_if<Failure>(&answer)) {
      // Told, and talked on: the module may come back.
      absl::FPrintF(stderr, "%s\n", failure->text);
    } else if (std::get<v1::CommandResult>(answer).retval() == kGoesOn) {
      return std::nullopt;
    } else if (std::optional<Failure> unwritten =
                   ShowResult(std::get<v1::CommandResult>(answer), call_.output)) {
      return unwritten;
    }
    statement_.clear();
    return std::nullopt;
  }

  std::optional<Failure> Interrupted(absl::string_view remark) {
    const int signal = call_.interrupt->signal();
    if (signal != SIGINT) return SignalFailure(signal);
    call_.interrupt->Forget();
    absl::FPrintF(stderr, "KeyboardInterrupt%s\n", remark);
    statement_.clear();
    return std::nullopt;
  }

  Lines* const lines_;
  const Evaluator& evaluator_;
  const LocalCall& call_;
  std::vector<std::string> statement_;
};

std::optional<Failure> Talk(const Evaluator& evaluator, const LocalCall& call) {
  const auto answer = evaluator.Run(kBanner);
  if (const auto* failure = std::get_if<Failure>(&answer)) return *failure;
  absl::FPrintF(stdout,
                "%sType \"help\", \"copyright\", \"credits\" or \"license\" for more "
                "information.\n(MgrModuleInteractiveConsole)\n",
                std::get<v1::CommandResult>(answer).stdout());
  const std::unique_ptr<Lines> lines = OpenLines(
      HistoryFile("repl_history"),
      [&](absl::string_view before) { return CompleteName(before, evaluator); }, call.interrupt);
  return Conversation(lines.get(), evaluator, call).Hold();
}

}  // namespace

std::optional<Failure> Repl(const LocalCall& call) {
  std::variant<ReplFlags, Failure> parsed = ParseFlags(call.arguments.words);
  if (auto* failure = std::get_if<Failure>(&parsed)) return std::move(*failure);
  const ReplFlags& flags = std::get<ReplFlags>(parsed);
  const Evaluator evaluator(call, flags.prefix);
  if (flags.show_env) return ShowEnvironment(evaluator, call);
  if (flags.code.has_value()) return RunProgram(*flags.code, "<string>", evaluator, call.output);
  const bool conversation =
      isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1 && !flags.script.has_value();
  if (conversation) return Talk(evaluator, call);
  const std::string file = flags.script.value_or("-");
  std::variant<std::string, Failure> program = ReadInFile(file);
  if (auto* failure = std::get_if<Failure>(&program)) return std::move(*failure);
  return RunProgram(std::get<std::string>(program), file == "-" ? "<stdin>" : file, evaluator,
                    call.output);
}

}  // namespace outpost::cli
