// What a process uses of the machine, as the kernel tells it (proc(5)).
//
// **Thread safety.** A function of its argument; it reads files and lists a directory
// below /proc, some 50 microseconds in all, more with thousands of open files.
#ifndef OUTPOST_SERVER_METRICS_PROCESS_USAGE_H_
#define OUTPOST_SERVER_METRICS_PROCESS_USAGE_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "absl/time/time.h"

namespace outpost::metrics {

struct ProcessUsage {
  uint64_t rss_bytes = 0;  // resident memory, to some pages
  absl::Duration cpu;      // its own and the kernel's for it, since it started
  uint32_t threads = 0;
  uint32_t open_files = 0;  // descriptors; 0: they are hidden from us, as it is another user's
};

// What process `pid` uses now. nullopt: there is no such process, or it has ended and
// nobody has waited for it yet. A pid can have become another process's: who must be
// sure holds the process by pidfd, and asks that afterwards.
std::optional<ProcessUsage> ReadProcessUsage(pid_t pid);

}  // namespace outpost::metrics

#endif  // OUTPOST_SERVER_METRICS_PROCESS_USAGE_H_
