#include "server/store/sqlite/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/store/sqlite/sqlite_errors.h"

namespace outpost::store {
namespace {

absl::Status Sync(const std::string& path, const std::string& what, int flags,
                  const std::string& name) {
  const int fd = open(what.c_str(), O_RDONLY | O_CLOEXEC | flags);
  if (fd < 0) return SystemError(path, absl::StrCat("can't open ", name));
  absl::Cleanup close_fd = [fd] { close(fd); };
  if (fsync(fd) != 0) return SystemError(path, absl::StrCat("can't sync ", name));
  return absl::OkStatus();
}

}  // namespace

std::string RecoveredFile(const std::string& path) { return path + ".recovered"; }

bool HasLog(const std::string& path) {
  struct stat info;
  return stat((path + "-wal").c_str(), &info) == 0 && info.st_size > 0;
}

void RemoveDraft(const std::string& path) {
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) unlink((path + suffix).c_str());
}

absl::Status SyncDirectory(const std::string& path) {
  return Sync(path, std::filesystem::path(path).parent_path().string(), O_DIRECTORY, "its folder");
}

absl::Status SyncFile(const std::string& path) { return Sync(path, path, 0, "it"); }

}  // namespace outpost::store
