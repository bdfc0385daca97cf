#include "server/config/option_value.h"

#include <arpa/inet.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace outpost::config {
namespace {

template <typename... Words>
absl::Status Not(const Words&... words) {
  return absl::InvalidArgumentError(absl::StrCat(words...));
}

// Takes the digits at the front of `text`; false: there are none.
bool ConsumeDigits(absl::string_view& text, absl::string_view& digits) {
  size_t n = 0;
  while (n < text.size() && absl::ascii_isdigit(text[n])) ++n;
  digits = text.substr(0, n);
  text.remove_prefix(n);
  return n > 0;
}

// The shortest text that reads back as the same number.
std::string ToText(double number) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  return std::string(buffer, end);
}

// The power of a unit prefix ('K' 1, 'M' 2, …); 0: not one.
int Power(char prefix) {
  switch (prefix) {
    case 'K':
      return 1;
    case 'M':
      return 2;
    case 'G':
      return 3;
    case 'T':
      return 4;
    case 'P':
      return 5;
    case 'E':
      return 6;
    default:
      return 0;
  }
}

// `digits` times `base` to the `power`; nullopt: over 64 bits.
std::optional<uint64_t> Scale(absl::string_view digits, uint64_t base, int power) {
  uint64_t number = 0;
  if (!absl::SimpleAtoi(digits, &number)) return std::nullopt;
  for (; power > 0; --power) {
    if (__builtin_mul_overflow(number, base, &number)) return std::nullopt;
  }
  return number;
}

constexpr char kIntegerForm[] =
    "is not an integer (decimal digits; K, M, G, T, P or E after them for thousands, millions, …)";

absl::StatusOr<uint64_t> ParseMagnitude(absl::string_view text) {
  absl::string_view digits;
  if (!ConsumeDigits(text, digits)) return Not(kIntegerForm);
  int power = 0;
  if (text.size() == 1) power = text[0] == 'k' ? 1 : Power(text[0]);
  if (!text.empty() && power == 0) return Not(kIntegerForm);
  const auto number = Scale(digits, 1000, power);
  if (!number) return Not("does not fit into 64 bits");
  return *number;
}

absl::StatusOr<ParsedValue> ParseInt(absl::string_view text) {
  const bool negative = absl::ConsumePrefix(&text, "-");
  if (!negative) absl::ConsumePrefix(&text, "+");
  auto magnitude = ParseMagnitude(text);
  if (!magnitude.ok()) return magnitude.status();
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  if (*magnitude > kMost + (negative ? 1 : 0)) return Not("does not fit into 64 bits with a sign");
  const int64_t number =
      negative ? static_cast<int64_t>(-*magnitude) : static_cast<int64_t>(*magnitude);
  return ParsedValue{absl::StrCat(number), number};
}

absl::StatusOr<ParsedValue> ParseUint(absl::string_view text) {
  if (absl::StartsWith(text, "-")) return Not("is negative, and this option takes 0 or more");
  absl::ConsumePrefix(&text, "+");
  auto number = ParseMagnitude(text);
  if (!number.ok()) return number.status();
  return ParsedValue{absl::StrCat(*number), *number};
}

absl::StatusOr<ParsedValue> ParseFloat(absl::string_view text) {
  double number = 0;
  if (!absl::SimpleAtod(text, &number)) return Not("is not a number (like 0.5, -3 or 1e6)");
  if (!std::isfinite(number)) return Not("is not a finite number that a double can hold");
  return ParsedValue{ToText(number), number};
}

absl::StatusOr<ParsedValue> ParseBool(absl::string_view text) {
  const std::string word = absl::AsciiStrToLower(text);
  for (const char* yes : {"true", "yes", "on", "1"}) {
    if (word == yes) return ParsedValue{"true", {}};
  }
  for (const char* no : {"false", "no", "off", "0"}) {
    if (word == no) return ParsedValue{"false", {}};
  }
  return Not("is not a bool (true, false, yes, no, on, off, 1, 0)");
}

absl::StatusOr<ParsedValue> ParseSize(absl::string_view text) {
  constexpr char kForm[] =
      "is not a size (bytes, or with K, M, G, T, P or E, each 1024 times more)";
  if (absl::StartsWith(text, "-")) return Not("is negative, and a size is 0 or more");
  absl::ConsumePrefix(&text, "+");
  absl::string_view digits;
  if (!ConsumeDigits(text, digits)) return Not(kForm);
  int power = 0;
  if (!text.empty() && text != "B") {
    power = Power(text[0]);
    const absl::string_view rest = text.substr(1);
    if (power == 0 || (!rest.empty() && rest != "i" && rest != "iB")) return Not(kForm);
  }
  const auto bytes = Scale(digits, 1024, power);
  if (!bytes) return Not("does not fit into 64 bits");
  return ParsedValue{absl::StrCat(*bytes), *bytes};
}

// The seconds in a unit; 0: not one.
uint64_t UnitSeconds(absl::string_view unit) {
  constexpr uint64_t kMinute = 60, kHour = 3600, kDay = 86400;
  static constexpr std::pair<absl::string_view, uint64_t> kUnits[] = {
      {"", 1},
      {"s", 1},
      {"sec", 1},
      {"second", 1},
      {"seconds", 1},
      {"m", kMinute},
      {"min", kMinute},
      {"minute", kMinute},
      {"minutes", kMinute},
      {"h", kHour},
      {"hr", kHour},
      {"hour", kHour},
      {"hours", kHour},
      {"d", kDay},
      {"day", kDay},
      {"days", kDay},
      {"w", 7 * kDay},
      {"wk", 7 * kDay},
      {"week", 7 * kDay},
      {"weeks", 7 * kDay},
      {"mo", 30 * kDay},
      {"month", 30 * kDay},
      {"months", 30 * kDay},
      {"y", 365 * kDay},
      {"yr", 365 * kDay},
      {"year", 365 * kDay},
      {"years", 365 * kDay},
  };
  for (const auto& [name, seconds] : kUnits) {
    if (unit == name) return seconds;
  }
  return 0;
}

// Numbers with units, added up. Whole seconds are added exactly; when one of the
// numbers has a fraction, as doubles.
absl::StatusOr<ParsedValue> ParseSecs(absl::string_view text) {
  constexpr char kForm[] =
      "is not a duration (seconds, or numbers with s, m, h, d, w, mo or y, like 5m or 2h30)";
  if (absl::StartsWith(text, "-")) return Not("is negative, and a duration is 0 or more");
  if (text.empty()) return Not(kForm);
  int64_t whole = 0;
  double sum = 0;
  bool has_fraction = false;
  while (!text.empty()) {
    const absl::string_view start = text;
    absl::string_view digits, fraction;
    if (!ConsumeDigits(text, digits)) return Not(kForm);
    if (absl::ConsumePrefix(&text, ".")) {
      if (!ConsumeDigits(text, fraction)) return Not(kForm);
      has_fraction = true;
    }
    double number = 0;
    if (!absl::SimpleAtod(start.substr(0, start.size() - text.size()), &number)) return Not(kForm);
    text = absl::StripLeadingAsciiWhitespace(text);
    size_t letters = 0;
    while (letters < text.size() && absl::ascii_isalpha(text[letters])) ++letters;
    const uint64_t unit = UnitSeconds(text.substr(0, letters));
    if (unit == 0) return Not(kForm);
    text = absl::StripLeadingAsciiWhitespace(text.substr(letters));
    sum += number * static_cast<double>(unit);
    int64_t term = 0;
    if (!absl::SimpleAtoi(digits, &term) || __builtin_mul_overflow(term, unit, &term) ||
        __builtin_add_overflow(whole, term, &whole)) {
      return Not("is longer than 64 bits of seconds");
    }
  }
  if (has_fraction) return ParsedValue{ToText(sum), sum};
  return ParsedValue{absl::StrCat(whole), static_cast<double>(whole)};
}

bool IsIp(int family, absl::string_view text) {
  unsigned char buffer[sizeof(struct in6_addr)];
  if (absl::StrContains(text, '\0')) return false;  // inet_pton would stop there
  return inet_pton(family, std::string(text).c_str(), buffer) == 1;
}

// An IP, one with a port, with a protocol ("v1:", "v2:", "any:") before it and a nonce
// ("/0") behind it. With a port, a version 6 address stands in brackets.
bool IsAddress(absl::string_view text) {
  for (const char* protocol : {"v1:", "v2:", "any:"}) {
    if (absl::ConsumePrefix(&text, protocol)) break;
  }
  const auto slash = text.find('/');
  if (slash != absl::string_view::npos) {
    uint32_t nonce;
    const absl::string_view digits = text.substr(slash + 1);
    if (digits.empty() || !absl::ascii_isdigit(digits[0]) || !absl::SimpleAtoi(digits, &nonce)) {
      return false;
    }
    text = text.substr(0, slash);
  }
  if (IsIp(AF_INET6, text)) return true;
  absl::string_view host = text, port;
  if (absl::ConsumePrefix(&host, "[")) {
    const auto bracket = host.find(']');
    if (bracket == absl::string_view::npos) return false;
    port = host.substr(bracket + 1);
    host = host.substr(0, bracket);
    if (!IsIp(AF_INET6, host)) return false;
  } else {
    const auto colon = text.find(':');
    if (colon != absl::string_view::npos) {
      host = text.substr(0, colon);
      port = text.substr(colon);
    }
    if (!IsIp(AF_INET, host)) return false;
  }
  if (port.empty()) return true;
  uint32_t number;
  return absl::ConsumePrefix(&port, ":") && !port.empty() && absl::ascii_isdigit(port[0]) &&
         absl::SimpleAtoi(port, &number) && number <= 65535;
}

constexpr char kAddressForm[] =
    "is not an address (1.2.3.4, 1.2.3.4:6789, [::1]:6789, v2:1.2.3.4:3300/0)";

absl::StatusOr<ParsedValue> ParseAddress(absl::string_view text) {
  if (!IsAddress(text)) return Not(kAddressForm);
  return ParsedValue{std::string(text), {}};
}

bool IsAddressList(absl::string_view text) {
  for (absl::string_view address :
       absl::StrSplit(text, absl::ByAnyChar(",; "), absl::SkipEmpty())) {
    if (!IsAddress(address)) return false;
  }
  return !text.empty();
}

// Addresses with ',', ';' or spaces between them; Ceph writes brackets round the list.
absl::StatusOr<ParsedValue> ParseAddressList(absl::string_view text) {
  absl::string_view inner = text;
  const bool bracketed = absl::ConsumePrefix(&inner, "[") && absl::ConsumeSuffix(&inner, "]");
  if (IsAddressList(text) || (bracketed && IsAddressList(inner))) {
    return ParsedValue{std::string(text), {}};
  }
  return Not(
      "is not a list of addresses (1.2.3.4:6789,[::1]:6789 or "
      "[v2:1.2.3.4:3300/0,v1:1.2.3.4:6789/0])");
}

absl::StatusOr<ParsedValue> ParseUuid(absl::string_view text) {
  bool right = text.size() == 36;
  for (size_t i = 0; right && i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    right = dash ? text[i] == '-' : absl::ascii_isxdigit(text[i]);
  }
  if (!right) return Not("is not a UUID (8-4-4-4-12 hexadecimal digits)");
  return ParsedValue{absl::AsciiStrToLower(text), {}};
}

}  // namespace

absl::StatusOr<ParsedValue> ParseValue(v1::OptionType type, absl::string_view text) {
  if (type == v1::OPTION_TYPE_UNSPECIFIED || type == v1::OPTION_TYPE_STR) {
    return ParsedValue{std::string(text), {}};
  }
  text = absl::StripAsciiWhitespace(text);
  switch (type) {
    case v1::OPTION_TYPE_INT:
      return ParseInt(text);
    case v1::OPTION_TYPE_UINT:
      return ParseUint(text);
    case v1::OPTION_TYPE_FLOAT:
      return ParseFloat(text);
    case v1::OPTION_TYPE_BOOL:
      return ParseBool(text);
    case v1::OPTION_TYPE_ADDR:
      return ParseAddress(text);
    case v1::OPTION_TYPE_ADDRVEC:
      return ParseAddressList(text);
    case v1::OPTION_TYPE_UUID:
      return ParseUuid(text);
    case v1::OPTION_TYPE_SIZE:
      return ParseSize(text);
    case v1::OPTION_TYPE_SECS:
      return ParseSecs(text);
    default:
      return Not("has a type that this manager does not know");
  }
}

bool IsNumeric(v1::OptionType type) {
  switch (type) {
    case v1::OPTION_TYPE_INT:
    case v1::OPTION_TYPE_UINT:
    case v1::OPTION_TYPE_FLOAT:
    case v1::OPTION_TYPE_SIZE:
    case v1::OPTION_TYPE_SECS:
      return true;
    default:
      return false;
  }
}

absl::string_view TypeName(v1::OptionType type) {
  switch (type) {
    case v1::OPTION_TYPE_UNSPECIFIED:
    case v1::OPTION_TYPE_STR:
      return "str";
    case v1::OPTION_TYPE_INT:
      return "int";
    case v1::OPTION_TYPE_UINT:
      return "uint";
    case v1::OPTION_TYPE_FLOAT:
      return "float";
    case v1::OPTION_TYPE_BOOL:
      return "bool";
    case v1::OPTION_TYPE_ADDR:
      return "addr";
    case v1::OPTION_TYPE_ADDRVEC:
      return "addrvec";
    case v1::OPTION_TYPE_UUID:
      return "uuid";
    case v1::OPTION_TYPE_SIZE:
      return "size";
    case v1::OPTION_TYPE_SECS:
      return "secs";
    default:
      return "unknown";
  }
}

}  // namespace outpost::config
