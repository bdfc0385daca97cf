#include "cli/terminal_lines.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cwchar>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "cli/terminal.h"
#include "outpost/internal/printable.h"
#include "outpost/internal/utf8.h"

namespace outpost::cli {
namespace {

// More than this is asked for by typing a letter more.
constexpr size_t kMostListed = 200;
constexpr size_t kSpaceBetween = 2;

// libedit counts characters as the locale has them; names are UTF-8 wherever this runs.
void UseUtf8() {
  setlocale(LC_CTYPE, "");
  if (absl::string_view(nl_langinfo(CODESET)) != "UTF-8") setlocale(LC_CTYPE, "C.UTF-8");
}

size_t Characters(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// What all begin with, not ending within a character.
std::string SharedBeginning(const std::vector<Completing::Candidate>& candidates) {
  std::string shared = candidates.front().text;
  for (const auto& candidate : candidates) {
    const auto end =
        std::mismatch(shared.begin(), shared.end(), candidate.text.begin(), candidate.text.end());
    shared.erase(end.first, shared.end());
  }
  while (!shared.empty() && (static_cast<unsigned char>(shared.back()) & 0xC0) == 0x80) {
    shared.pop_back();
  }
  if (!shared.empty() && static_cast<unsigned char>(shared.back()) >= 0xC0) shared.pop_back();
  return shared;
}

// A line for each that is described, else columns.
void List(const std::vector<Completing::Candidate>& candidates) {
  std::fputc('\n', stdout);
  size_t widest = 0;
  bool described = false;
  for (const auto& candidate : candidates) {
    widest = std::max(widest, Characters(candidate.text));
    described = described || !candidate.description.empty();
  }
  const size_t columns = static_cast<size_t>(GetTerminalSize().columns);
  const size_t in_a_row = described ? 1 : std::max<size_t>(1, columns / (widest + kSpaceBetween));
  size_t in_this_row = 0;
  for (const auto& candidate : candidates) {
    std::string cell = candidate.text;
    cell.append(widest + kSpaceBetween - Characters(cell), ' ');
    if (described) {
      const size_t left = columns > cell.size() ? columns - cell.size() - 1 : 0;
      const std::string description =
          absl::StrReplaceAll(internal::Printable(candidate.description), {{"\n", " "}});
      absl::StrAppend(&cell, internal::CutUtf8(description, left));
    }
    absl::FPrintF(stdout, "%s", cell);
    if (++in_this_row == in_a_row) {
      std::fputc('\n', stdout);
      in_this_row = 0;
    }
  }
  if (in_this_row != 0) std::fputc('\n', stdout);
  std::fflush(stdout);
}

}  // namespace

TerminalLines::TerminalLines(const std::string& history_file, Completer completer,
                             Interrupt* interrupt)
    : completer_(std::move(completer)),
      interrupt_(interrupt),
      history_((UseUtf8(), history_file)),
      edit_(el_init("outpost", stdin, stdout, stderr)) {
  el_set(edit_, EL_CLIENTDATA, this);
  el_set(edit_, EL_PROMPT, Prompt);
  el_set(edit_, EL_EDITOR, "emacs");
  el_set(edit_, EL_HIST, history, history_.handle());
  el_set(edit_, EL_GETCFN, ReadCharacter);
  el_set(edit_, EL_ADDFN, "outpost-complete", "Offer what could follow",
         static_cast<unsigned char (*)(EditLine*, int)>(Complete));
  el_set(edit_, EL_BIND, "^I", "outpost-complete", nullptr);
  el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  for (const char* home : {"\033[H", "\033OH", "\033[1~"}) {
    el_set(edit_, EL_BIND, home, "ed-move-to-beg", nullptr);
  }
  for (const char* end : {"\033[F", "\033OF", "\033[4~"}) {
    el_set(edit_, EL_BIND, end, "ed-move-to-end", nullptr);
  }
  el_set(edit_, EL_BIND, "\033[3~", "ed-delete-next-char", nullptr);
  el_set(edit_, EL_BIND, "\033[1;5C", "em-next-word", nullptr);
  el_set(edit_, EL_BIND, "\033[1;5D", "ed-prev-word", nullptr);
  el_source(edit_, nullptr);  // ~/.editrc: the user's own keys
}

TerminalLines::~TerminalLines() { el_end(edit_); }

Lines::Read TerminalLines::Next(const std::string& prompt, std::string* line) {
  if (ended_) return Read::kEnd;
  prompt_ = prompt;
  el_resize(edit_);
  // Before the prompt is seen: keys that are pressed then are for the editor, too.
  el_set(edit_, EL_PREP_TERM, 1);
  int length = 0;
  const char* text = el_gets(edit_, &length);
  if (interrupt_->signal() != 0) {
    absl::FPrintF(stdout, "^C\n");
    std::fflush(stdout);
    el_reset(edit_);
    return Read::kInterrupted;
  }
  if (text == nullptr || length <= 0) {
    absl::FPrintF(stdout, "\n");
    std::fflush(stdout);
    return Read::kEnd;
  }
  *line = std::string(text, static_cast<size_t>(length));
  if (absl::EndsWith(*line, "\n")) line->pop_back();
  history_.Add(*line);
  return Read::kLine;
}

TerminalLines* TerminalLines::Self(EditLine* edit) {
  void* self = nullptr;
  el_get(edit, EL_CLIENTDATA, &self);
  return static_cast<TerminalLines*>(self);
}

char* TerminalLines::Prompt(EditLine* edit) { return Self(edit)->prompt_.data(); }

// libedit's own reads on, whatever signal comes: the watcher has them all.
int TerminalLines::ReadCharacter(EditLine* edit, wchar_t* character) {
  TerminalLines* const self = Self(edit);
  std::mbstate_t state = {};
  for (;;) {
    if (!self->interrupt_->WaitToRead(STDIN_FILENO)) {
      errno = EINTR;
      return -1;
    }
    char byte = 0;
    const ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n <= 0) {
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      self->ended_ = true;  // the terminal is gone
      return 0;
    }
    switch (std::mbrtowc(character, &byte, 1, &state)) {
      case static_cast<size_t>(-1):  // not UTF-8: left out
        state = {};
        continue;
      case static_cast<size_t>(-2):  // goes on
        continue;
      default:
        return 1;
    }
  }
}

unsigned char TerminalLines::Complete(EditLine* edit, int) { return Self(edit)->Complete(); }

unsigned char TerminalLines::Complete() {
  const LineInfo* const info = el_line(edit_);
  const std::string before(info->buffer, static_cast<size_t>(info->cursor - info->buffer));
  const Completing completing = completer_(before);
  if (completing.candidates.empty() || completing.begin > before.size()) return CC_ERROR;
  const std::string typed = before.substr(completing.begin);
  if (completing.candidates.size() == 1) {
    Insert(typed, completing.candidates.front().text + completing.after);
    return CC_REFRESH;
  }
  const std::string shared = SharedBeginning(completing.candidates);
  if (shared.size() > typed.size()) {
    Insert(typed, shared);
    return CC_REFRESH;
  }
  if (completing.candidates.size() > kMostListed) {
    absl::FPrintF(stdout, "\n%d possibilities; type a letter more\n", completing.candidates.size());
    std::fflush(stdout);
  } else {
    List(completing.candidates);
  }
  return CC_REDISPLAY;
}

void TerminalLines::Insert(const std::string& typed, const std::string& text) {
  el_deletestr(edit_, static_cast<int>(Characters(typed)));
  el_insertstr(edit_, text.c_str());
}

}  // namespace outpost::cli
