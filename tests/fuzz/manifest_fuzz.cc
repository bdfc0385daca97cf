// A module's manifest of any content: it is read, or the problem names it.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/module/installed_modules.h"

namespace {

// A directory that goes with the process.
struct Directory {
  std::string path = absl::StrCat("/dev/shm/outpost-fuzz-", getpid());
  Directory() { std::filesystem::create_directories(path); }
  ~Directory() { std::filesystem::remove_all(path); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Directory directory;
  std::ofstream(directory.path + "/module.toml", std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const auto module = outpost::module::ReadModuleDirectory(directory.path, {});
  if (module.problem.empty() &&
      (module.argv.empty() || !outpost::module::ValidateModuleName(module.name).ok())) {
    std::abort();
  }
  return 0;
}
