#include "cli/arguments.h"

#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace outpost::cli {
namespace {

constexpr char kSystemSocket[] = "/run/outpost/outpost.sock";
// Beyond this a number of seconds can't be told from "for ever".
constexpr int kLongestSeconds = 1'000'000'000;

// The left column of help.
constexpr size_t kNamesWidth = 31;

// What CLI11 fills in: numbers as they were typed, for errors that show them.
struct Flags {
  Arguments arguments;
  std::string timeout = "0";
  std::string connect_timeout = "5";
  std::string period = "1";
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
  app->add_option("-a,--address", a.address, "the manager: unix:/path or host:port")
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
  app->add_option("-p,--period", flags->period, "between runs of a polling command; 0: one")
      ->type_name("SECONDS");
  app->add_flag("-h,--help", a.help, "the commands that begin with the words");
  app->add_flag("-v,--version", a.version, "the version of this program");
  app->add_flag("--verbose", a.verbose, "tell on standard error what is done");
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
  for (const char* known :
       {"", "plain", "json", "json-compact", "json-pretty", "yaml", "xml", "xml-pretty"}) {
    if (format == known) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--format: \"", format,
                   "\" is not one of plain, json, json-compact, json-pretty, yaml, xml, "
                   "xml-pretty"));
}

}  // namespace

absl::StatusOr<Arguments> ParseArguments(const std::vector<std::string>& args) {
  const auto end_of_flags = std::find(args.begin(), args.end(), "--");
  Flags flags;
  const std::unique_ptr<CLI::App> app = MakeApp(&flags);
  try {
    app->parse(std::vector<std::string>(std::make_reverse_iterator(end_of_flags), args.rend()));
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(error.what());
  }
  Arguments arguments = std::move(flags.arguments);
  arguments.words = app->remaining();
  if (end_of_flags != args.end()) {
    arguments.words.insert(arguments.words.end(), end_of_flags + 1, args.end());
  }

  if (absl::Status status = CheckFormat(arguments.format); !status.ok()) return status;
  const std::tuple<absl::string_view, const std::string&, absl::Duration*> durations[] = {
      {"--timeout", flags.timeout, &arguments.timeout},
      {"--connect-timeout", flags.connect_timeout, &arguments.connect_timeout},
      {"--period", flags.period, &arguments.period}};
  for (const auto& [flag, text, duration] : durations) {
    const absl::StatusOr<absl::Duration> parsed = ParseSeconds(flag, text);
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

std::string GlobalFlagsHelp() {
  Flags flags;
  const std::unique_ptr<CLI::App> app = MakeApp(&flags);
  std::string help;
  for (const CLI::Option* option : app->get_options()) {
    std::string names = option->get_name(false, true);
    const size_t comma = names.find(',');
    if (comma == std::string::npos) {
      names.insert(0, "    ");
    } else {
      names.insert(comma + 1, " ");
    }
    if (option->get_type_size() > 0) absl::StrAppend(&names, " ", option->get_type_name());
    names.resize(std::max(names.size(), kNamesWidth), ' ');
    absl::StrAppend(&help, "  ", names, "  ", option->get_description(), "\n");
  }
  return help;
}

}  // namespace outpost::cli
