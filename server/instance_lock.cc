#include "server/instance_lock.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace outpost {

absl::StatusOr<std::unique_ptr<InstanceLock>> InstanceLock::Take(const std::string& directory) {
  const std::string path = absl::StrCat(directory, "/lock");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::UnavailableError(absl::StrCat(path, ": ", strerrordesc_np(errno)));
  }
  auto lock = std::unique_ptr<InstanceLock>(new InstanceLock(fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    const ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    return absl::FailedPreconditionError(
        absl::StrCat("the data directory ", directory, " is in use by another manager",
                     n > 0 ? absl::StrCat(" (process ", pid, ")") : "",
                     "; end that one, or choose another --data-dir"));
  }
  const std::string pid = absl::StrCat(getpid());
  if (ftruncate(fd, 0) != 0 ||
      pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return absl::UnavailableError(absl::StrCat(path, ": ", strerrordesc_np(errno)));
  }
  return lock;
}

InstanceLock::~InstanceLock() { close(fd_); }

absl::Status MakePrivateDirectory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(directory).parent_path(), error);
  if (mkdir(directory.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno != EEXIST) {
    return absl::UnavailableError(absl::StrCat(directory, ": ", strerrordesc_np(errno)));
  }
  struct stat info;
  if (stat(directory.c_str(), &info) != 0) {
    return absl::UnavailableError(absl::StrCat(directory, ": ", strerrordesc_np(errno)));
  }
  if (!S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(directory, " is not a directory"));
  }
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return absl::PermissionDeniedError(absl::StrCat(
        directory, " may be written to by others; mend it with: chmod 0700 ", directory));
  }
  return absl::OkStatus();
}

absl::Status ClearSocket(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("the socket's path ", path, " has ", path.size(),
                                                   " bytes; at most ", sizeof address.sun_path - 1,
                                                   " are possible: choose a shorter --run-dir"));
  }
  struct stat info;
  if (lstat(path.c_str(), &info) != 0) return absl::OkStatus();
  if (!S_ISSOCK(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is there and is no socket; move it away"));
  }
  path.copy(address.sun_path, path.size());
  // EAGAIN: somebody listens, but is too busy to accept.
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const bool answered =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN;
  close(fd);
  if (answered) {
    return absl::FailedPreconditionError(absl::StrCat(
        "another manager listens on ", path, "; end that one, or choose another --run-dir"));
  }
  if (unlink(path.c_str()) != 0) {
    return absl::UnavailableError(absl::StrCat(path, ": ", strerrordesc_np(errno)));
  }
  return absl::OkStatus();
}

}  // namespace outpost
