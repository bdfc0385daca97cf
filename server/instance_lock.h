// InstanceLock keeps a data directory for one manager at a time.
#ifndef OUTPOST_SERVER_INSTANCE_LOCK_H_
#define OUTPOST_SERVER_INSTANCE_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace outpost {

// Held as long as it lives; also let go when the process dies in any way.
class InstanceLock {
 public:
  // Takes the lock of `directory`. FAILED_PRECONDITION: another process has it;
  // the message has its pid.
  static absl::StatusOr<std::unique_ptr<InstanceLock>> Take(const std::string& directory);
  ~InstanceLock();
  InstanceLock(const InstanceLock&) = delete;
  InstanceLock& operator=(const InstanceLock&) = delete;

 private:
  explicit InstanceLock(int fd) : fd_(fd) {}
  const int fd_;
};

// Makes `directory` (mode 0700) where it is not there. PERMISSION_DENIED: it is
// there, and others may write to it; other errors are the system's.
absl::Status MakePrivateDirectory(const std::string& directory);

// Takes a left-over socket away. FAILED_PRECONDITION: a manager answers there.
// INVALID_ARGUMENT: the path is too long for a socket, or no socket.
absl::Status ClearSocket(const std::string& path);

}  // namespace outpost

#endif  // OUTPOST_SERVER_INSTANCE_LOCK_H_
