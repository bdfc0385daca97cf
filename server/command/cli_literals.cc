#include "server/command/cli_literals.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace outpost::command {
namespace {

// 99 for what is no digit in any base.
int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(c);
  if (lower >= 'a' && lower <= 'f') return lower - 'a' + 10;
  return 99;
}

// Removes one "_" between two digits each; false when one stands elsewhere.
bool DropSeparators(absl::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out.push_back(text[i]);
      continue;
    }
    const bool between = i > 0 && i + 1 < text.size() && absl::ascii_isdigit(text[i - 1]) &&
                         absl::ascii_isdigit(text[i + 1]);
    if (!between) return false;
  }
  return true;
}

// [sign] digits [. digits] [e [sign] digits], with digits on one side of the point at least.
bool IsDecimal(absl::string_view text) {
  size_t at = 0;
  const auto sign = [&] { at += at < text.size() && (text[at] == '+' || text[at] == '-'); };
  const auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && absl::ascii_isdigit(text[at])) ++at;
    return at - begin;
  };
  sign();
  size_t mantissa = digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    mantissa += digits();
  }
  if (mantissa == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    sign();
    if (digits() == 0) return false;
  }
  return at == text.size();
}

std::string Quote(absl::string_view text) {
  const char quote = absl::StrContains(text, "'") && !absl::StrContains(text, "\"") ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (absl::ascii_iscntrl(c)) {
      absl::StrAppendFormat(&out, "\\x%02x", static_cast<unsigned>(c));
    } else {
      out.push_back(c);
    }
  }
  out.push_back(quote);
  return out;
}

}  // namespace

std::optional<IntegerLiteral> ParseInteger(absl::string_view text, int base) {
  text = absl::StripAsciiWhitespace(text);
  IntegerLiteral literal;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    literal.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  bool prefixed = false;
  if (text.size() > 2 && text[0] == '0') {
    for (const auto& [letter, of] : {std::pair{'x', 16}, std::pair{'o', 8}, std::pair{'b', 2}}) {
      if (absl::ascii_tolower(text[1]) == letter && (base == of || base == 0)) {
        base = of;
        prefixed = true;
        text.remove_prefix(2);
        break;
      }
    }
  }
  const bool source_decimal = base == 0;
  if (source_decimal) base = 10;
  if (text.empty()) return std::nullopt;

  const uint64_t limit = literal.negative ? uint64_t{1} << 63 : (uint64_t{1} << 63) - 1;
  uint64_t magnitude = 0;
  bool separator_allowed = prefixed;  // 0x_1f
  bool ends_in_digit = false;
  for (const char c : text) {
    if (c == '_') {
      if (!separator_allowed) return std::nullopt;
      separator_allowed = ends_in_digit = false;
      continue;
    }
    const int digit = DigitOf(c);
    if (digit >= base) return std::nullopt;
    separator_allowed = ends_in_digit = true;
    if (magnitude > (limit - digit) / base) {
      literal.fits = false;
    } else {
      magnitude = magnitude * base + digit;
    }
  }
  if (!ends_in_digit) return std::nullopt;
  if (source_decimal && text[0] == '0' && (magnitude != 0 || !literal.fits)) return std::nullopt;
  if (literal.fits) {
    literal.value = literal.negative ? static_cast<int64_t>(uint64_t{0} - magnitude)
                                     : static_cast<int64_t>(magnitude);
  }
  return literal;
}

std::optional<double> ParseFloat(absl::string_view text) {
  std::string digits;
  if (!DropSeparators(absl::StripAsciiWhitespace(text), digits)) return std::nullopt;
  double value = 0;
  if (!IsDecimal(digits) || !absl::SimpleAtod(digits, &value) || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::string FormatFloat(double value) {
  char buffer[64];
  const double magnitude = std::fabs(value);
  const bool fixed = magnitude == 0 || (magnitude >= 1e-4 && magnitude < 1e16);
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  std::string text(buffer, end);
  if (fixed && !absl::StrContains(text, ".")) text += ".0";
  return text;
}

std::string FormatList(const std::vector<std::string>& items) {
  return absl::StrCat("[",
                      absl::StrJoin(items, ", ",
                                    [](std::string* out, const std::string& item) {
                                      absl::StrAppend(out, Quote(item));
                                    }),
                      "]");
}

}  // namespace outpost::command
