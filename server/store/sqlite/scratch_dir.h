// ScratchDir is a new empty folder for a test, removed at the end.
#ifndef OUTPOST_SERVER_STORE_SQLITE_SCRATCH_DIR_H_
#define OUTPOST_SERVER_STORE_SQLITE_SCRATCH_DIR_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace outpost::store {

class ScratchDir {
 public:
  ScratchDir() : path_(testing::TempDir() + "/storeXXXXXX") {
    if (mkdtemp(path_.data()) == nullptr) ADD_FAILURE() << "can't make " << path_;
  }
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace outpost::store

#endif  // OUTPOST_SERVER_STORE_SQLITE_SCRATCH_DIR_H_
