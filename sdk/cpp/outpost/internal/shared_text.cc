#include "outpost/internal/shared_text.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>

namespace outpost::internal {
namespace {

// Nobody can change, or cut off, what is mapped of it.
constexpr int kSeals = F_SEAL_WRITE | F_SEAL_SHRINK;

// The whole file, or null.
std::shared_ptr<const char> MapFile(const std::string& path, size_t least, size_t* size) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  struct stat about = {};
  const int seals = fcntl(fd, F_GET_SEALS);
  void* mapping = MAP_FAILED;
  if (seals >= 0 && (seals & kSeals) == kSeals && fstat(fd, &about) == 0 &&
      static_cast<uint64_t>(about.st_size) >= least) {
    *size = static_cast<size_t>(about.st_size);
    mapping = mmap(nullptr, *size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
  }
  close(fd);
  if (mapping == MAP_FAILED) return nullptr;
  return {static_cast<const char*>(mapping),
          [length = *size](const char* m) { munmap(const_cast<char*>(m), length); }};
}

}  // namespace

std::optional<StructureText> MapShared(const v1::SharedText& shared) {
  const uint64_t end = shared.offset() + shared.size() + StructureText::kPadding;
  if (shared.token().empty() || shared.offset() < shared.token().size() || end < shared.size()) {
    return std::nullopt;
  }
  size_t size = 0;
  const std::shared_ptr<const char> file = MapFile(shared.path(), end, &size);
  if (file == nullptr ||
      std::memcmp(file.get(), shared.token().data(), shared.token().size()) != 0) {
    return std::nullopt;
  }
  return StructureText{.keeper = file,
                       .text = absl::string_view(file.get() + shared.offset(), shared.size()),
                       .padded = true};
}

}  // namespace outpost::internal
