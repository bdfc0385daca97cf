// A daemon that reports itself: it pretends to save files, until SIGTERM or SIGINT.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/time/time.h"
#include "outpost/reporter.h"

int main(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);  // before there are threads

  const char* const address = std::getenv("OUTPOST_ADDRESS");
  outpost::Reporter reporter({
      .service_type = "backup-agent",
      .daemon_id = argc > 1 ? argv[1] : "site1",
      .address = address != nullptr ? address : "unix:/run/outpost/outpost.sock",
      .version = "1.4",
      .on_rejected =
          [](const outpost::ReportRejection& rejection) {
            std::fprintf(stderr, "%s\n", rejection.message.c_str());
          },
  });
  auto files = reporter.AddCounter("backup.files", {.priority = 8, .description = "Files saved"});
  auto queue = reporter.AddGauge("backup.queue", {.description = "Files that wait"});
  auto took = reporter.AddTimeAverage("backup.took", {.description = "Time for one file"});
  if (!files.ok() || !queue.ok() || !took.ok()) return 1;

  reporter.SetMetadata({{"disk", "sda"}});
  reporter.SetStatus({{"state", "running"}});
  reporter.SetHealthMetrics({{.type = "SLOW_OPS", .n1 = 2, .n2 = 40}});
  reporter.SetStructure("backup_sites", {{"sites", {"berlin", "oslo"}}});
  reporter.Start();
  const absl::Status flushed = reporter.Flush(absl::Seconds(30));
  if (!flushed.ok()) {
    std::fprintf(stderr, "%s\n", std::string(flushed.message()).c_str());
    return 1;
  }
  std::printf("reporting\n");
  std::fflush(stdout);

  const timespec pause = {.tv_sec = 0, .tv_nsec = 10'000'000};  // a file takes 10 ms
  for (uint64_t waiting = 1000; sigtimedwait(&signals, nullptr, &pause) < 0; --waiting) {
    files->Add();
    queue->Set(waiting);
    took->Add(absl::Milliseconds(10));
  }
  reporter.Close("stopped by a signal");
  return 0;
}
