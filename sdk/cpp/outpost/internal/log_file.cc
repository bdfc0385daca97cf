#include "outpost/internal/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace outpost::internal {
namespace {

constexpr std::array<absl::string_view, 5> kLevels = {"DEBUG", "INFO", "WARNING", "ERROR",
                                                      "CRITICAL"};
constexpr mode_t kMode = 0640;

}  // namespace

absl::StatusOr<std::shared_ptr<LogFile>> LogFile::Open(std::string path) {
  std::shared_ptr<LogFile> file(new LogFile(std::move(path)));
  absl::MutexLock lock(&file->mu_);
  if (absl::Status status = file->Reopen(); !status.ok()) return status;
  return file;
}

LogFile::~LogFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status LogFile::Reopen() {
  if (fd_ >= 0) close(fd_);
  fd_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kMode);
  if (fd_ >= 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, path_);
}

bool LogFile::MovedAway() const {
  struct stat opened {};
  struct stat named {};
  return fd_ < 0 || fstat(fd_, &opened) != 0 || stat(path_.c_str(), &named) != 0 ||
         opened.st_ino != named.st_ino || opened.st_dev != named.st_dev;
}

void LogFile::Write(absl::Time time, LogLevel level, absl::string_view logger,
                    absl::string_view text) {
  const std::string line =
      absl::StrCat(absl::FormatTime("%Y-%m-%d %H:%M:%S,%E3f", time, absl::LocalTimeZone()), " [",
                   gettid(), "] [", kLevels[static_cast<size_t>(level) - 1], "] [",
                   logger.empty() ? "root" : logger, "] ", text, "\n");
  absl::MutexLock lock(&mu_);
  if (MovedAway() && !Reopen().ok()) return;
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t n = write(fd_, line.data() + written, line.size() - written);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) written += static_cast<size_t>(n);
  }
}

}  // namespace outpost::internal
