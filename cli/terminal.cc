#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/numbers.h"

namespace outpost::cli {
namespace {

void FromEnvironment(const char* name, int* size) {
  const char* text = std::getenv(name);
  int value = 0;
  if (text != nullptr && absl::SimpleAtoi(text, &value) && value > 0) *size = value;
}

}  // namespace

TerminalSize GetTerminalSize() {
  TerminalSize size;
  winsize window = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0) {
    size.columns = window.ws_col;
    size.rows = window.ws_row;
    return size;
  }
  FromEnvironment("COLUMNS", &size.columns);
  FromEnvironment("LINES", &size.rows);
  return size;
}

}  // namespace outpost::cli
