// outpostd: what a process needs around a manager, and its command line.
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "server/manager.h"
#include "server/part_options.h"
#include "server/settings.h"
#include "server/store_commands.h"

int main(int argc, char** argv) {
  // Debian's Abseil looks for lock cycles at every lock, under one lock for all:
  // gRPC's many locks make that the costliest thing there is.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Before any thread is made, so that all of them leave these to sigwait.
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  umask(0077);
  // gRPC 1.51 speaks TLS 1.2 as well; of that it is left a kind alone which needs a key that
  // was shared before, and there is none. Whoever sets this variable decides otherwise.
  setenv("GRPC_SSL_CIPHER_SUITES", "PSK-AES256-GCM-SHA384", /*overwrite=*/0);

  if (argc > 1 && absl::string_view(argv[1]) == "store") {
    const outpost::StoreOutcome outcome = outpost::RunStoreCommand(argc - 1, argv + 1);
    std::fputs(outcome.out.c_str(), stdout);
    std::fputs(outcome.err.c_str(), stderr);
    return outcome.exit_status;
  }
  const auto invocation = outpost::ParseSettings(argc, argv, outpost::Product());
  if (!invocation.ok()) {
    std::fprintf(stderr, "outpostd: %s\n", std::string(invocation.status().message()).c_str());
    return 2;
  }
  if (!invocation->print.empty()) {
    std::fputs(invocation->print.c_str(), stdout);
    return 0;
  }
  const absl::Status status = outpost::RunManager(invocation->settings, signals);
  if (status.ok()) return 0;
  std::fprintf(stderr, "outpostd: %s\n", std::string(status.message()).c_str());
  return absl::IsDataLoss(status) ? outpost::kStoreDamaged : 1;
}
