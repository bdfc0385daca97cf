#include "server/cluster/sealed_text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace outpost::cluster {
namespace {

constexpr size_t kTokenBytes = 16;

absl::Status Refused(absl::string_view what) {
  return absl::ErrnoToStatus(errno, absl::StrCat("a sealed file in memory: ", what));
}

bool WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

SealedText::SealedText(int fd, std::string token, size_t size)
    : fd_(fd),
      token_(std::move(token)),
      path_(absl::StrCat("/proc/", getpid(), "/fd/", fd)),
      size_(size) {}

SealedText::~SealedText() {
  if (mapping_ != nullptr) munmap(mapping_, size_);
  close(fd_);
}

absl::string_view SealedText::bytes() const {
  return {static_cast<const char*>(mapping_) + kTokenBytes, size_ - kTokenBytes - kPadding};
}

absl::StatusOr<std::unique_ptr<SealedText>> SealedText::Create(absl::string_view head,
                                                               absl::string_view tail) {
  std::string token(kTokenBytes, '\0');
  if (getrandom(token.data(), token.size(), 0) != static_cast<ssize_t>(token.size())) {
    return Refused("getrandom");
  }
  const int fd = memfd_create("outpost-structure", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return Refused("memfd_create");
  const size_t size = kTokenBytes + head.size() + tail.size() + kPadding;
  std::unique_ptr<SealedText> text(new SealedText(fd, token, size));
  // Written, not mapped: a mapping that can be written would forbid the seal.
  if (!WriteAll(fd, token) || !WriteAll(fd, head) || !WriteAll(fd, tail) ||
      !WriteAll(fd, std::string(kPadding, '\0'))) {
    return Refused("write");
  }
  if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return Refused("F_ADD_SEALS");
  }
  void* const mapping = mmap(nullptr, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
  if (mapping == MAP_FAILED) return Refused("mmap");
  text->mapping_ = mapping;
  return text;
}

}  // namespace outpost::cluster
