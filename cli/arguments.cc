#include "cli/arguments.h"

#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace outpost::cli {
namespace {

constexpr const char* kFormats[] = {"plain", "json", "json-compact", "json-pretty",
                                    "yaml",  "xml",  "xml-pretty"};
// Of the cluster's log, by rank.
constexpr const char* kSeverities[] = {"debug", "info", "sec", "warn", "error"};
constexpr char kSystemSocket[] = "/run/outpost/outpost.sock";
// Beyond this a number of seconds can't be told from "for ever".
constexpr int kLongestSeconds = 1'000'000'000;

// The left column of help.
constexpr size_t kNamesWidth = 31;

// What CLI11 fills in: numbers as they were typed, for errors that show them.
struct Flags {
  Arguments arguments;
  std::optional<std::string> timeout;
  std::optional<std::string> connect_timeout;
  std::optional<std::string> retry;
  std::optional<std::string> period;
  bool concise = false;
};

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string DefaultAddress() {
  if (std::string address = Environment("OUTPOST_ADDRESS"); !address.empty()) return address;
  if (std::string dir = Environment("XDG_RUNTIME_DIR"); !dir.empty()) {
    const std::string socket = dir + "/outpost/outpost.sock";
    if (access(socket.c_str(), F_OK) == 0) return "unix:" + socket;
  }
  return absl::StrCat("unix:", kSystemSocket);
}

std::unique_ptr<CLI::App> MakeApp(Flags* flags) {
  auto app = std::make_unique<CLI::App>();
  app->set_help_flag();  // --help needs the words, and so is an ordinary flag
  app->allow_extras();
  Arguments& a = flags->arguments;
  app->add_option("-a,--address", a.address, "the manager: unix:/path, [tls:]host:port")
      ->type_name("TARGET");
  app->add_option("-f,--format", a.format, "plain, json[-pretty], yaml or xml[-pretty]")
      ->type_name("FORMAT");
  app->add_option("-i,--in-file", a.in_file, "input for the command; - is standard input")
      ->type_name("FILE");
  app->add_option("-o,--out-file", a.out_file, "where the output goes; - is standard output")
      ->type_name("FILE");
  app->add_option("--timeout", flags->timeout, "give up after so long (default 0: never)")
      ->type_name("SECONDS");
  app->add_option("--connect-timeout", flags->connect_timeout,
                  "give up connecting after so long (default 5)")
      ->type_name("SECONDS");
  app->add_option("--retry", flags->retry, "where nobody answers, ask again so long")
      ->type_name("SECONDS");
  app->add_option("-p,--period", flags->period, "between runs of a polling command; 0: one")
      ->type_name("SECONDS");
  app->add_flag("-h,--help", a.help, "the commands that begin with the words");
  app->add_flag("-v,--version", a.version, "the version of this program");
  app->add_flag("--verbose", a.verbose, "tell on standard error what is done");
  app->add_flag("--concise", flags->concise, "the opposite of --verbose, as it is anyway");
  app->add_flag("-s,--status", a.status, "the same as the command status");
  app->add_flag("-w,--watch", a.watch, "the status and the cluster log; or progress");
  app->add_option("-W,--watch-channel", a.watch_channel, "watch another channel of it; * is any")
      ->type_name("CHANNEL");
  for (const char* severity : kSeverities) {
    const std::string what = absl::StrCat("watch what is at least of severity ", severity);
    app->add_flag(absl::StrCat("--watch-", severity), what)
        ->each([&a, severity](const std::string&) { a.watch_severity = severity; });
  }
  // The last of repeated flags counts, as with most programs.
  for (CLI::Option* option : app->get_options()) {
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  return app;
}

// gRPC says nothing of use about a path that is too long.
absl::Status CheckAddress(absl::string_view address) {
  absl::string_view path = address;
  if (!absl::ConsumePrefix(&path, "unix:")) return absl::OkStatus();
  absl::ConsumePrefix(&path, "//");
  constexpr size_t kLongestPath = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() <= kLongestPath) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--address: ", address,
                                                 ": a socket's path has at most ", kLongestPath,
                                                 " characters, this one ", path.size()));
}

absl::StatusOr<absl::Duration> ParseSeconds(absl::string_view flag, const std::string& text) {
  double value = 0;
  if (!absl::SimpleAtod(text, &value) || !(value >= 0 && value <= kLongestSeconds)) {
    return absl::InvalidArgumentError(absl::StrCat(
        flag, ": \"", text, "\" is not a number of seconds from 0 to ", kLongestSeconds));
  }
  return absl::Seconds(value);
}

absl::Status CheckFormat(const std::string& format) {
  if (format.empty() || std::count(std::begin(kFormats), std::end(kFormats), format) > 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--format: \"", format, "\" is not one of ", absl::StrJoin(kFormats, ", ")));
}

// Of a module's log and events, and of notifications, "-f" is to follow, as with `tail` and
// `journalctl`, where no format stands after it.
std::vector<std::string> WithFollow(std::vector<std::string> args) {
  const auto has = [&args](const std::vector<std::string>& words) {
    return std::search(args.begin(), args.end(), words.begin(), words.end()) != args.end();
  };
  if (!has({"module", "logs"}) && !has({"module", "events"}) && !has({"notify"})) return args;
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "-f" && (i + 1 == args.size() || !CheckFormat(args[i + 1]).ok())) {
      args[i] = "--follow";
    }
  }
  return args;
}

}  // namespace

absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& args,
                                         const Arguments& defaults) {
  const auto end_of_flags = std::find(args.begin(), args.end(), "--");
  Flags flags;
  flags.arguments = defaults;
  const std::unique_ptr<CLI::App> app = MakeApp(&flags);
  try {
    std::vector<std::string> in_order = WithFollow({args.begin(), end_of_flags});
    std::reverse(in_order.begin(), in_order.end());  // as CLI11 takes them
    app->parse(std::move(in_order));
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  Arguments arguments = std::move(flags.arguments);
  arguments.words = app->remaining();
  if (end_of_flags != args.end()) {
    arguments.words.insert(arguments.words.end(), end_of_flags + 1, args.end());
  }

  if (flags.concise) arguments.verbose = false;
  if (!arguments.watch_channel.empty() || !arguments.watch_severity.empty()) {
    arguments.watch = true;
  }
  if (arguments.status && !arguments.watch) {
    arguments.words.insert(arguments.words.begin(), "status");
  }

  if (absl::Status status = CheckFormat(arguments.format); !status.ok()) return status;
  const std::tuple<absl::string_view, const std::optional<std::string>&, absl::Duration*>
      durations[] = {{"--timeout", flags.timeout, &arguments.timeout},
                     {"--connect-timeout", flags.connect_timeout, &arguments.connect_timeout},
                     {"--retry", flags.retry, &arguments.retry},
                     {"--period", flags.period, &arguments.period}};
  for (const auto& [flag, text, duration] : durations) {
    if (!text.has_value()) continue;
    const absl::StatusOr<absl::Duration> parsed = ParseSeconds(flag, *text);
    if (!parsed.ok()) return parsed.status();
    *duration = *parsed;
  }
  if (arguments.timeout == absl::ZeroDuration()) arguments.timeout = absl::InfiniteDuration();

  if (arguments.address.empty()) arguments.address = DefaultAddress();
  if (absl::StrContains(arguments.address, '/') && !absl::StrContains(arguments.address, ':')) {
    arguments.address.insert(0, "unix:");  // a path
  }
  if (absl::Status status = CheckAddress(arguments.address); !status.ok()) return status;
  return arguments;
}

const std::vector<GlobalFlag>& GlobalFlags() {
  static const auto* const all = [] {
    Flags flags;
    auto* const result = new std::vector<GlobalFlag>;  // for the whole life of the program
    const std::unique_ptr<CLI::App> app = MakeApp(&flags);
    for (const CLI::Option* option : app->get_options()) {
      GlobalFlag& flag = result->emplace_back();
      for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
      for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
      flag.description = option->get_description();
      if (option->get_type_size() > 0) flag.value_name = option->get_type_name();
      if (flag.value_name == "FORMAT")
        flag.choices.assign(std::begin(kFormats), std::end(kFormats));
    }
    return result;
  }();
  return *all;
}

std::string GlobalFlagsHelp() {
  std::string help;
  for (const GlobalFlag& flag : GlobalFlags()) {
    std::string names = absl::StrJoin(flag.names, ", ");
    if (flag.names.size() == 1) names.insert(0, "    ");
    if (!flag.value_name.empty()) absl::StrAppend(&names, " ", flag.value_name);
    names.resize(std::max(names.size(), kNamesWidth), ' ');
    absl::StrAppend(&help, "  ", names, "  ", flag.description, "\n");
  }
  return help;
}

}  // namespace outpost::cli
