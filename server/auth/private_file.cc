#include "server/auth/private_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace outpost::auth {
namespace {

absl::Status SystemError(const std::string& path) {
  const std::string text = absl::StrCat(path, ": ", strerrordesc_np(errno));
  if (errno == ENOENT) return absl::NotFoundError(text);
  if (errno == EACCES || errno == EPERM) return absl::PermissionDeniedError(text);
  return absl::UnavailableError(text);
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t most) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return SystemError(path);
  const absl::Cleanup close_it = [fd] { close(fd); };
  std::string content;
  std::array<char, 4096> buffer;
  while (content.size() <= most) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError(path);
    if (n == 0) return content;
    content.append(buffer.data(), static_cast<size_t>(n));
  }
  return absl::UnavailableError(absl::StrCat(path, " has more than ", most, " bytes"));
}

absl::Status WritePrivateFile(const std::string& path, const std::string& content) {
  const std::string fresh = absl::StrCat(path, ".new");
  unlink(fresh.c_str());  // of a run that was cut short
  const int fd = open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(fresh);
  const bool written =
      write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size()) &&
      fsync(fd) == 0;
  absl::Status status = written ? absl::OkStatus() : SystemError(fresh);
  close(fd);
  if (status.ok() && rename(fresh.c_str(), path.c_str()) != 0) status = SystemError(path);
  if (!status.ok()) unlink(fresh.c_str());
  return status;
}

absl::Status MakePrivateDirectory(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return SystemError(path);
}

}  // namespace outpost::auth
