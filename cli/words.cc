#include "cli/words.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace outpost::cli {
namespace {

constexpr absl::string_view kSpaces = " \t\r\n";
// What stays itself within double quotes only after a backslash.
constexpr absl::string_view kEscapedInQuotes = "\"\\$`";

class Splitter {
 public:
  explicit Splitter(absl::string_view line) : line_(line) { Split(); }

  std::vector<std::string> words;
  std::string last;    // the word at the end of the line, if in_word
  size_t last_at = 0;  // where it begins
  bool in_word = false;
  bool after_backslash = false;  // and nothing comes any more
  char quote = 0;                // the one that is open at the end

 private:
  void Split() {
    for (at_ = 0; at_ < line_.size(); ++at_) {
      const char c = line_[at_];
      if (quote != 0) {
        Quoted(c);
      } else if (absl::StrContains(kSpaces, c)) {
        Finish();
      } else if (c == '#' && !in_word) {
        at_ = line_.size();
        last_at = at_;
        return;
      } else {
        Begin();
        if (c == '\'' || c == '"') {
          quote = c;
        } else if (c == '\\') {
          Escaped();
        } else {
          last += c;
        }
      }
    }
    if (!in_word) last_at = line_.size();
  }

  void Quoted(char c) {
    if (c == quote) {
      quote = 0;
    } else if (quote == '"' && c == '\\' && at_ + 1 < line_.size() &&
               absl::StrContains(kEscapedInQuotes, line_[at_ + 1])) {
      last += line_[++at_];
    } else {
      last += c;
    }
  }

  void Escaped() {
    if (at_ + 1 == line_.size()) {
      after_backslash = true;
    } else {
      last += line_[++at_];
    }
  }

  void Begin() {
    if (!in_word) last_at = at_;
    in_word = true;
  }

  void Finish() {
    if (in_word) words.push_back(std::exchange(last, ""));
    in_word = false;
  }

  const absl::string_view line_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWords(absl::string_view line) {
  Splitter splitter(line);
  if (splitter.quote != 0) {
    return absl::InvalidArgumentError(std::string("a ") + splitter.quote + " is not closed");
  }
  if (splitter.after_backslash) {
    return absl::InvalidArgumentError("nothing follows the backslash at the end of the line");
  }
  if (splitter.in_word) splitter.words.push_back(std::move(splitter.last));
  return std::move(splitter.words);
}

UnfinishedLine SplitUnfinished(absl::string_view line) {
  Splitter splitter(line);
  splitter.words.push_back(std::move(splitter.last));
  return {.words = std::move(splitter.words), .last_at = splitter.last_at};
}

std::string QuoteWord(absl::string_view word) {
  std::string quoted;
  for (const char c : word) {
    const bool plain = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                       absl::StrContains("-_=.,:/@%+", c) ||
                       (static_cast<unsigned char>(c) >= 0x80);
    if (!plain) quoted += '\\';
    quoted += c;
  }
  return quoted.empty() ? "''" : quoted;
}

}  // namespace outpost::cli
