#include "server/auth/audit_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace outpost::auth {
namespace {

constexpr off_t kTail = 1 << 20;  // bytes

absl::Status SystemError(const std::string& path) {
  return absl::UnavailableError(absl::StrCat("the audit log ", path, ": ", strerrordesc_np(errno)));
}

// The end of a file; empty where it can't be read.
std::string TailOf(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  const absl::Cleanup close_it = [fd] { close(fd); };
  const off_t size = lseek(fd, 0, SEEK_END);
  if (size <= 0) return "";
  std::string tail(static_cast<size_t>(std::min(size, kTail)), '\0');
  const ssize_t n = pread(fd, tail.data(), tail.size(), size - static_cast<off_t>(tail.size()));
  tail.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
  return tail;
}

}  // namespace

AuditFile::~AuditFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status AuditFile::Open() {
  const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return SystemError(path_);
  if (fd_ >= 0) close(fd_);
  fd_ = fd;
  // A line whose end was lost, as in a crash of the machine, is not to spoil the next.
  char last = '\n';
  const off_t size = lseek(fd_, 0, SEEK_END);
  if (size > 0 && pread(fd_, &last, 1, size - 1) == 1 && last != '\n') return Append("\n");
  return absl::OkStatus();
}

absl::Status AuditFile::Append(const std::string& lines) {
  struct stat info = {};
  if (fstat(fd_, &info) != 0) return SystemError(path_);
  size_t written = 0;
  while (written < lines.size()) {
    const ssize_t n = write(fd_, lines.data() + written, lines.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      absl::Status status = SystemError(path_);
      // No line is left that has lost its end.
      if (written > 0 && ftruncate(fd_, info.st_size) != 0) return SystemError(path_);
      return status;
    }
    written += static_cast<size_t>(n);
  }
  if (info.st_size + static_cast<off_t>(written) < limits_.bytes) return absl::OkStatus();
  return Rotate();
}

absl::Status AuditFile::Rotate() {
  for (int i = limits_.kept; i > 0; --i) {
    const std::string from = i == 1 ? path_ : absl::StrCat(path_, ".", i - 1);
    const std::string to = absl::StrCat(path_, ".", i);
    if (rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) return SystemError(to);
  }
  return Open();
}

std::vector<std::string> AuditFile::Last(size_t count) const {
  std::vector<std::string> lines;
  for (const std::string& path : {path_ + ".1", path_}) {
    const std::string tail = TailOf(path);
    for (const absl::string_view line : absl::StrSplit(tail, '\n', absl::SkipEmpty())) {
      // One that has lost its beginning is not whole.
      if (absl::StartsWith(line, "{") && absl::EndsWith(line, "}")) lines.emplace_back(line);
    }
  }
  if (lines.size() > count) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  }
  return lines;
}

}  // namespace outpost::auth
