// Disks that fail: a small one that gets full, and one that the kernel makes read-only.
//
// **Thread safety.** None.
#ifndef OUTPOST_TESTS_BENCH_DISKS_H_
#define OUTPOST_TESTS_BENCH_DISKS_H_

#include <memory>
#include <string>
#include <utility>

namespace outpost::bench {

// A file system of its own, of 64 MiB, that can be filled.
class SmallDisk {
 public:
  // Null: who runs this may not mount one.
  static std::unique_ptr<SmallDisk> Mount(const std::string& path);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  void Fill() const;
  void Clear() const;

 private:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {}
  std::string Filler() const { return path_ + "/filler"; }

  const std::string path_;
};

// An ext4 file system in a file, which the kernel makes read-only at an error, as it does
// with a disk that fails.
class FailingDisk {
 public:
  // Null: who runs this may not mount one, or there is no ext4 here.
  static std::unique_ptr<FailingDisk> Mount(const std::string& path, const std::string& image);
  ~FailingDisk();
  FailingDisk(const FailingDisk&) = delete;
  FailingDisk& operator=(const FailingDisk&) = delete;

  // Lets the file system find an error.
  void Fail() const;
  // Checks it, and mounts it again; nobody may use it.
  void Mend() const;

 private:
  FailingDisk(std::string path, std::string image)
      : path_(std::move(path)), image_(std::move(image)) {}
  bool MountAgain() const;

  const std::string path_;
  const std::string image_;
};

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_DISKS_H_
