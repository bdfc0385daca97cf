#include "tests/bench/disks.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/bench/fault.h"
#include "tests/bench/servers.h"

namespace outpost::bench {

namespace fs = std::filesystem;

std::unique_ptr<SmallDisk> SmallDisk::Mount(const std::string& path) {
  fs::create_directories(path);
  if (mount("outpost-bench", path.c_str(), "tmpfs", 0, "size=64m,mode=0700") != 0) return nullptr;
  return std::unique_ptr<SmallDisk>(new SmallDisk(path));
}

SmallDisk::~SmallDisk() { umount2(path_.c_str(), MNT_DETACH); }

void SmallDisk::Fill() const {
  std::ofstream file(Filler(), std::ios::binary);
  const std::string page(4096, 'x');
  while (file.write(page.data(), static_cast<std::streamsize>(page.size())) && file.flush()) {
  }
}

void SmallDisk::Clear() const {
  for (const auto& entry : fs::directory_iterator(path_)) fs::remove_all(entry.path());
}

std::unique_ptr<FailingDisk> FailingDisk::Mount(const std::string& path, const std::string& image) {
  fs::create_directories(path);
  std::ofstream(image).close();
  fs::resize_file(image, uintmax_t{32} << 20);
  std::unique_ptr<FailingDisk> disk(new FailingDisk(path, image));
  if (!Succeeds({"mkfs.ext4", "-q", "-F", image}) || !disk->MountAgain()) return nullptr;
  return disk;
}

FailingDisk::~FailingDisk() { umount2(path_.c_str(), MNT_DETACH); }

bool FailingDisk::MountAgain() const {
  return Succeeds({"mount", "-o", "loop,errors=remount-ro", image_, path_});
}

void FailingDisk::Fail() const {
  struct stat status;
  if (stat(path_.c_str(), &status) != 0) Die(path_ + " is gone");
  const std::string device = fs::read_symlink(absl::StrCat("/sys/dev/block/", major(status.st_dev),
                                                           ":", minor(status.st_dev)))
                                 .filename();
  std::ofstream trigger(absl::StrCat("/sys/fs/ext4/", device, "/trigger_fs_error"));
  if (!(trigger << "1" << std::flush)) Die(device + " can't be made to fail");
}

void FailingDisk::Mend() const {
  MustRun({"umount", path_});
  // Status 1: there were errors, and they are mended.
  MustRun({"sh", "-c", absl::StrCat("e2fsck -fp ", image_, "; [ $? -le 1 ]")});
  if (!MountAgain()) Die(path_ + " can't be mounted again");
}

}  // namespace outpost::bench
