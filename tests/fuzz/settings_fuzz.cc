// A configuration file of any content: it is read, or refused with a message.
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/settings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("settings", MFD_CLOEXEC);
  static const std::string path = absl::StrCat("/proc/self/fd/", fd);
  if (ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != static_cast<ssize_t>(size)) {
    std::abort();
  }
  const std::array<const char*, 3> argv = {"outpostd", "--config", path.c_str()};
  const auto read =
      outpost::ParseSettings(static_cast<int>(argv.size()), argv.data(), "outpost fuzz");
  if (!read.ok() && read.status().message().empty()) std::abort();
  return 0;
}
