#include "cli/history.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace outpost::cli {
namespace {

constexpr int kLines = 2000;
// So often is the file made short again.
constexpr size_t kLongestFile = size_t{2} * kLines;

void Enter(History* history, const std::string& line) {
  HistEvent event;
  ::history(history, &event, H_ENTER, line.c_str());
}

}  // namespace

TypedHistory::TypedHistory(std::string file) : file_(std::move(file)), history_(history_init()) {
  HistEvent event;
  history(history_, &event, H_SETSIZE, kLines);
  if (!file_.empty()) Load();
}

TypedHistory::~TypedHistory() { history_end(history_); }

void TypedHistory::Load() {
  const std::filesystem::path path(file_);
  std::error_code ignored;
  if (!std::filesystem::exists(path.parent_path(), ignored)) {
    std::filesystem::create_directories(path.parent_path().parent_path(), ignored);
    mkdir(path.parent_path().c_str(), 0700);
  }
  std::ifstream in(file_);
  std::deque<std::string> lines;
  size_t read = 0;
  for (std::string line; std::getline(in, line); ++read) {
    if (line.empty()) continue;
    lines.push_back(std::move(line));
    if (lines.size() > kLines) lines.pop_front();
  }
  for (const std::string& line : lines) Enter(history_, line);
  if (!lines.empty()) last_ = lines.back();
  if (read <= kLongestFile) return;
  // Beside it and then in its place, so that no line is lost if this fails.
  const std::string shorter = absl::StrCat(file_, ".", getpid());
  const int fd = open(shorter.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return;
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  const bool whole = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(fd);
  if (whole) {
    std::filesystem::rename(shorter, file_, ignored);
  } else {
    unlink(shorter.c_str());
  }
}

void TypedHistory::Add(const std::string& line) {
  if (line.empty() || line == last_) return;
  last_ = line;
  Enter(history_, line);
  if (file_.empty() || line.front() == ' ') return;
  const int fd = open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const std::string text = line + "\n";
  // A history that can't be written is no reason to refuse the command.
  [[maybe_unused]] const ssize_t written = write(fd, text.data(), text.size());
  close(fd);
}

}  // namespace outpost::cli
