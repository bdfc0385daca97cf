#include "cli/watch_progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "cli/run_command.h"
#include "cli/terminal.h"

namespace outpost::cli {
namespace {

// How many rows of the terminal `line` takes: a column for each character.
size_t RowsOf(absl::string_view line, const TerminalSize& terminal) {
  const size_t columns = std::max(1, terminal.columns);
  const size_t characters = std::count_if(line.begin(), line.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  });
  return std::max<size_t>(1, (characters + columns - 1) / columns);
}

// The lines of `text` that fit on the terminal, as one can't go up beyond its first row, and
// how many rows they take.
std::pair<std::string, size_t> Fitting(absl::string_view text, const TerminalSize& terminal) {
  std::pair<std::string, size_t> shown;
  for (const absl::string_view line : absl::StrSplit(absl::StripSuffix(text, "\n"), '\n')) {
    const size_t rows = RowsOf(line, terminal);
    if (shown.second + rows >= static_cast<size_t>(std::max(2, terminal.rows))) break;
    absl::StrAppend(&shown.first, line, "\n");
    shown.second += rows;
  }
  return shown;
}

// Goes up over what was drawn, and takes it away.
std::string Erase(size_t rows) { return rows == 0 ? "" : absl::StrCat("\x1b[", rows, "A\x1b[J"); }

}  // namespace

bool IsProgress(const std::vector<std::string>& words) {
  return words.size() == 1 && words[0] == "progress";
}

std::optional<Failure> WatchProgress(const Arguments& arguments, Client* client,
                                     const Interrupt& interrupt, Output* output) {
  const bool redraw = arguments.format.empty() && arguments.out_file.empty() && isatty(1) == 1;
  v1::CommandsRunRequest request;
  request.add_words("progress");
  request.set_format(arguments.format);
  std::string last;
  size_t drawn = 0;
  while (interrupt.signal() == 0) {
    v1::CommandsRunResponse response;
    std::optional<Failure> failure = client->Run(request, &response);
    if (interrupt.signal() != 0) break;
    if (!failure.has_value()) failure = FailureOf(response);
    if (failure.has_value()) return failure;
    const std::string& text = response.result().stdout();
    if (redraw) {
      const auto [shown, rows] = Fitting(text, GetTerminalSize());
      failure = output->Write(absl::StrCat(Erase(drawn), shown));
      drawn = rows;
    } else if (text != last) {
      failure = output->Write(text);
    }
    if (failure.has_value()) return failure;
    last = text;
    if (arguments.period == absl::ZeroDuration()) break;
    interrupt.WaitFor(arguments.period);
  }
  return std::nullopt;
}

}  // namespace outpost::cli
