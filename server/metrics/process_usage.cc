#include "server/metrics/process_usage.h"

#include <dirent.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace outpost::metrics {
namespace {

// Fields of /proc/PID/stat, counted from 0 behind the name of the program.
constexpr size_t kState = 0;
constexpr size_t kUserTicks = 11;
constexpr size_t kKernelTicks = 12;
constexpr size_t kThreads = 17;
constexpr size_t kResidentPages = 21;

uint32_t CountOpenFiles(pid_t pid) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(
      opendir(absl::StrCat("/proc/", pid, "/fd").c_str()), closedir);
  if (directory == nullptr) return 0;
  uint32_t count = 0;
  while (const dirent* entry = readdir(directory.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  // Our own descriptor of the directory is none of what the process has open.
  return pid == getpid() && count > 0 ? count - 1 : count;
}

}  // namespace

std::optional<ProcessUsage> ReadProcessUsage(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  // By getline, which does not throw where the process goes away while it is read (ESRCH); a
  // stream's iterators do.
  std::string stat;
  std::getline(file, stat, '\0');
  // The name is in parentheses, and may hold parentheses and spaces itself.
  const size_t name_end = stat.rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(stat).substr(name_end + 2), ' ');
  if (fields.size() <= kResidentPages) return std::nullopt;
  if (fields[kState] == "Z" || fields[kState] == "X") return std::nullopt;
  uint64_t user = 0;
  uint64_t kernel = 0;
  uint64_t pages = 0;
  ProcessUsage usage;
  if (!absl::SimpleAtoi(fields[kUserTicks], &user) ||
      !absl::SimpleAtoi(fields[kKernelTicks], &kernel) ||
      !absl::SimpleAtoi(fields[kThreads], &usage.threads) ||
      !absl::SimpleAtoi(fields[kResidentPages], &pages)) {
    return std::nullopt;
  }
  usage.rss_bytes = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  usage.cpu =
      absl::Seconds(static_cast<double>(user + kernel) / static_cast<double>(sysconf(_SC_CLK_TCK)));
  usage.open_files = CountOpenFiles(pid);
  return usage;
}

}  // namespace outpost::metrics
