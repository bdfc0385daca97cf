#include "cli/files.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"

namespace outpost::cli {
namespace {

constexpr size_t kReadSize = size_t{1} << 16;

// The words and the exit status of ceph's command line.
Failure CannotOpen(absl::string_view what, const std::string& path, int error) {
  return {.exit_status = 1,
          .text = absl::StrCat("Can't open ", what, " file ", path, ": [Errno ", error, "] ",
                               strerrordesc_np(error))};
}

}  // namespace

std::variant<std::string, Failure> ReadInFile(const std::string& path) {
  const bool standard = path == "-";
  const int fd = standard ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return CannotOpen("input", path, errno);
  absl::Cleanup closer = [fd, standard] {
    if (!standard) close(fd);
  };
  std::string content;
  std::vector<char> buffer(kReadSize);
  for (;;) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n == 0) return content;
    if (n < 0) {
      if (errno == EINTR) continue;
      return ErrnoFailure(
          errno, absl::StrCat("can't read input file ", path, ": ", strerrordesc_np(errno)));
    }
    content.append(buffer.data(), n);
    if (content.size() > kMaxInFile) {
      return ErrnoFailure(
          EFBIG, absl::StrCat("input file ", path, " is larger than ", kMaxInFile >> 20, " MiB"));
    }
  }
}

void OccupyClosedStandardStreams() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
      // The lowest free number is fd: those below it are taken by now.
      (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
  }
}

std::variant<Output, Failure> Output::Open(const std::string& path) {
  if (path.empty() || path == "-") return Output(STDOUT_FILENO, "");
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return CannotOpen("output", path, errno);
  return Output(fd, path);
}

Output::Output(Output&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)) {}

Output::~Output() {
  if (fd_ >= 0 && !name_.empty()) close(fd_);
}

std::optional<Failure> Output::Write(absl::string_view text) {
  if (text.empty() || !name_.empty() || text.back() == '\n') return WriteBytes(text);
  return WriteBytes(absl::StrCat(text, "\n"));
}

std::optional<Failure> Output::WriteBytes(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd_, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(n);
    } else if (errno == EPIPE) {
      return SignalFailure(SIGPIPE);
    } else if (errno != EINTR) {
      return ErrnoFailure(
          errno, absl::StrCat("can't write to ", name_.empty() ? "standard output" : name_, ": ",
                              strerrordesc_np(errno)));
    }
  }
  return std::nullopt;
}

}  // namespace outpost::cli
