#include "cli/lines.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/terminal_lines.h"

namespace outpost::cli {
namespace {

constexpr size_t kReadSize = size_t{1} << 16;

// Standard input that is a pipe or a file.
class PlainLines : public Lines {
 public:
  explicit PlainLines(Interrupt* interrupt) : interrupt_(interrupt) {}

  Read Next(const std::string&, std::string* line) override {
    for (;;) {
      if (const size_t end = read_.find('\n'); end != std::string::npos) {
        *line = read_.substr(0, end);
        read_.erase(0, end + 1);
        return Read::kLine;
      }
      if (!interrupt_->WaitToRead(STDIN_FILENO)) return Read::kInterrupted;
      std::string more(kReadSize, '\0');
      const ssize_t n = read(STDIN_FILENO, more.data(), more.size());
      if (n > 0) {
        read_.append(more, 0, static_cast<size_t>(n));
      } else if (read_.empty()) {
        return Read::kEnd;
      } else {
        *line = std::exchange(read_, "");  // the last line, without a newline
        return Read::kLine;
      }
    }
  }

  bool is_terminal() const override { return false; }

 private:
  Interrupt* const interrupt_;
  std::string read_;
};

}  // namespace

std::unique_ptr<Lines> OpenLines(const std::string& history_file, Completer completer,
                                 Interrupt* interrupt) {
  if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1) {
    return std::make_unique<PlainLines>(interrupt);
  }
  return std::make_unique<TerminalLines>(history_file, std::move(completer), interrupt);
}

std::string HistoryFile(absl::string_view name) {
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return absl::StrCat(state, "/outpost/", name);
  }
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return "";
  return absl::StrCat(home, "/.local/state/outpost/", name);
}

}  // namespace outpost::cli
