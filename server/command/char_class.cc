#include "server/command/char_class.h"

#include <cstddef>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace outpost::command {
namespace {

using Set = std::bitset<128>;

template <typename Predicate>
Set Where(Predicate holds) {
  Set set;
  for (size_t c = 0; c < set.size(); ++c) set[c] = holds(static_cast<unsigned char>(c));
  return set;
}

// One element of a class: a character, or what stands for several ("\w").
struct Element {
  Set set;
  std::optional<char> single;
};

std::optional<Element> Single(char c) {
  if (static_cast<unsigned char>(c) >= 128) return std::nullopt;
  Element element;
  element.set[static_cast<size_t>(c)] = true;
  element.single = c;
  return element;
}

std::optional<Element> Escape(char c) {
  const Set digits = Where(absl::ascii_isdigit);
  const Set spaces = Where(absl::ascii_isspace);
  const Set words = Where([](unsigned char w) { return absl::ascii_isalnum(w) || w == '_'; });
  switch (c) {
    case 'd':
      return Element{digits, std::nullopt};
    case 'D':
      return Element{~digits, std::nullopt};
    case 's':
      return Element{spaces, std::nullopt};
    case 'S':
      return Element{~spaces, std::nullopt};
    case 'w':
      return Element{words, std::nullopt};
    case 'W':
      return Element{~words, std::nullopt};
    case 't':
      return Single('\t');
    case 'n':
      return Single('\n');
    case 'r':
      return Single('\r');
    default:
      // Any other letter or digit would be a mistake, or a feature that no goodchars needs.
      return absl::ascii_isalnum(c) ? std::nullopt : Single(c);
  }
}

std::optional<Element> Next(absl::string_view& rest) {
  const char c = rest.front();
  rest.remove_prefix(1);
  if (c != '\\') return Single(c);
  if (rest.empty()) return std::nullopt;
  const char escaped = rest.front();
  rest.remove_prefix(1);
  return Escape(escaped);
}

// The set of what stands between the brackets.
std::optional<Set> Members(absl::string_view rest) {
  Set set;
  bool first = true;
  while (!rest.empty()) {
    if (rest.front() == ']' && !first) return std::nullopt;  // the class ended before the text
    first = false;
    const auto low = Next(rest);
    if (!low) return std::nullopt;
    // A "-" at the end is itself, and not a range.
    if (rest.size() < 2 || rest.front() != '-') {
      set |= low->set;
      continue;
    }
    rest.remove_prefix(1);
    const auto high = Next(rest);
    if (!high || !low->single || !high->single || *high->single < *low->single) {
      return std::nullopt;
    }
    set |= Where([&](unsigned char c) {
      return c >= static_cast<unsigned char>(*low->single) &&
             c <= static_cast<unsigned char>(*high->single);
    });
  }
  return first ? std::nullopt : std::optional<Set>(set);
}

}  // namespace

absl::StatusOr<std::bitset<128>> ParseCharClass(absl::string_view text) {
  const auto wrong = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("goodchars \"", text, "\" is not a character class like [A-Za-z0-9_.]"));
  };
  absl::string_view inner = text;
  if (!absl::ConsumePrefix(&inner, "[") || !absl::ConsumeSuffix(&inner, "]")) return wrong();
  const bool negated = absl::ConsumePrefix(&inner, "^");
  std::optional<Set> members = Members(inner);
  if (!members) return wrong();
  if (negated) members->flip();
  *members &=
      Where([](unsigned char c) { return absl::ascii_isprint(c) || absl::ascii_isspace(c); });
  if (members->none()) return wrong();
  return *members;
}

}  // namespace outpost::command
