#include "outpost/internal/orphan_output.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace outpost::internal {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(50);  // at how full it is

// A descriptor that reads the FIFO without ever waiting; -1: it is none of the supervisor's.
int OpenFifo(int descriptor) {
  struct stat what;
  if (fstat(descriptor, &what) != 0 || !S_ISFIFO(what.st_mode) ||
      (fcntl(descriptor, F_GETFL) & O_ACCMODE) != O_RDWR) {
    return -1;
  }
  const std::string path = absl::StrCat("/proc/self/fd/", descriptor);
  return open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

}  // namespace

void OrphanOutput::Orphaned() {
  if (thread_.joinable()) return;
  const int reader = OpenFifo(descriptor_);
  if (reader < 0) return;
  thread_ = std::thread([this, reader] { Run(reader); });
}

uint64_t OrphanOutput::Adopted() {
  if (!thread_.joinable()) return 0;
  {
    absl::MutexLock lock(&mu_);
    adopted_ = true;
  }
  changed_.SignalAll();
  thread_.join();
  absl::MutexLock lock(&mu_);
  adopted_ = false;
  return std::exchange(dropped_, 0);
}

void OrphanOutput::Run(int reader) {
  const int half = fcntl(reader, F_GETPIPE_SZ) / 2;
  const auto adopted = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return adopted_; };
  absl::MutexLock lock(&mu_);
  while (!changed_.AwaitFor(&mu_, kLook, adopted)) {
    int filled = 0;
    if (ioctl(reader, FIONREAD, &filled) != 0) continue;
    char buffer[4096];
    for (int over = filled - half; over > 0;) {
      const ssize_t n = read(reader, buffer, std::min<size_t>(over, sizeof buffer));
      if (n <= 0) break;
      over -= static_cast<int>(n);
      dropped_ += static_cast<uint64_t>(n);
    }
  }
  close(reader);
}

}  // namespace outpost::internal
