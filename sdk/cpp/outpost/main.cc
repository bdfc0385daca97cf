#include "outpost/main.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "outpost/internal/session.h"
#include "outpost/internal/signal_watcher.h"

namespace outpost {
namespace {

constexpr int kExitUsage = 2;
constexpr char kDefaultAddress[] = "unix:/run/outpost/outpost.sock";
constexpr int kExitConfiguration = 78;

// How long a module may take to end after a signal.
constexpr absl::Duration kSignalGrace = absl::Seconds(10);
// How long a module that a supervisor started looks for the first manager.
constexpr absl::Duration kSupervisedFirstGrace = absl::Seconds(60);

void PrintError(absl::string_view who, absl::string_view text) {
  const std::string line =
      absl::StrCat("outpost: module ", who.empty() ? "?" : who, ": ", text, "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<std::string> ReadToken(const std::string& fd_text) {
  int fd = -1;
  if (!absl::SimpleAtoi(fd_text, &fd) || fd < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("OUTPOST_TOKEN_FD: \"", fd_text, "\" is not the number of a file descriptor"));
  }
  std::string token;
  char buffer[4096];
  while (true) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n == 0) break;
    if (n > 0) {
      token.append(buffer, static_cast<size_t>(n));
    } else if (errno != EINTR) {
      return absl::InvalidArgumentError(absl::StrCat("OUTPOST_TOKEN_FD: file descriptor ", fd,
                                                     " can't be read: ", std::strerror(errno)));
    }
  }
  close(fd);
  return token;
}

struct Flags {
  std::string address = Environment("OUTPOST_ADDRESS");
  std::string name = Environment("OUTPOST_MODULE");
  bool help = false;
};

absl::StatusOr<Flags> ParseFlags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    absl::string_view arg = argv[i];
    std::string* target = nullptr;
    if (arg == "--help" || arg == "-h") {
      flags.help = true;
      continue;
    }
    for (const auto& [name, value] :
         {std::pair{"--address", &flags.address}, std::pair{"--name", &flags.name}}) {
      if (arg == name && i + 1 < argc) {
        target = value;
        *target = argv[++i];
      } else if (absl::ConsumePrefix(&arg, absl::StrCat(name, "="))) {
        target = value;
        *target = std::string(arg);
      }
      if (target != nullptr) break;
    }
    if (target == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument \"", argv[i],
                       "\"; there are --address TARGET, --name NAME and --help"));
    }
  }
  return flags;
}

constexpr char kHelp[] =
    R"(A manager module. It attaches to the manager and runs until it is asked to end.

  --address TARGET  where the manager is, e.g. unix:/run/outpost/outpost.sock
                    (default: $OUTPOST_ADDRESS, else that one)
  --name NAME       the name to register under
                    (default: $OUTPOST_MODULE, else the module's own)
)";

}  // namespace

int Main(int argc, char** argv, const ModuleFactory& factory) {
  // Debian's Abseil looks for lock cycles at every lock, under one lock for all:
  // gRPC's many locks make that the costliest thing there is.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  absl::StatusOr<Flags> flags = ParseFlags(argc, argv);
  if (!flags.ok()) {
    PrintError(Environment("OUTPOST_MODULE"), flags.status().message());
    return kExitUsage;
  }
  if (flags->help) {
    std::fputs(kHelp, stdout);
    return 0;
  }
  internal::SignalWatcher signals;  // before any thread
  internal::SessionConfig config;
  const std::string token_fd = Environment("OUTPOST_TOKEN_FD");
  const bool supervised = !token_fd.empty();
  if (supervised) {
    absl::StatusOr<std::string> token = ReadToken(token_fd);
    if (!token.ok()) {
      PrintError(flags->name, token.status().message());
      return kExitConfiguration;
    }
    config.token = *std::move(token);
    config.first_grace = kSupervisedFirstGrace;
  }
  const absl::Status can_run = factory.can_run();
  const std::unique_ptr<Module> module = factory.make();
  config.address = flags->address;
  config.name = flags->name.empty() ? module->info().name : flags->name;
  if (config.address.empty()) config.address = kDefaultAddress;
  if (config.name.empty()) {
    PrintError("", "what is the module's name? Give --name, or set OUTPOST_MODULE");
    return kExitConfiguration;
  }
  const std::string name = config.name;
  internal::Session session(*module, factory.has_serve, can_run, std::move(config));
  session.EchoLog(/*echo=*/!supervised);
  signals.Watch([&session](int number) {
    session.RequestShutdown(kSignalGrace, number == SIGTERM ? "SIGTERM" : "SIGINT");
  });
  const internal::SessionOutcome outcome = session.Run();
  signals.Unwatch();
  session.DumpLog();
  if (!outcome.message.empty()) PrintError(name, outcome.message);
  // A thread that hangs can't be joined, and destructors would wait for it.
  if (outcome.stuck) _exit(outcome.exit_status);
  return outcome.exit_status;
}

}  // namespace outpost
