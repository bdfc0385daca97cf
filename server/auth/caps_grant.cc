#include "server/auth/caps_grant.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace outpost::auth {
namespace {

constexpr size_t kMaxPattern = 256;                  // bytes of a regular expression
constexpr size_t kMaxMatched = 4096;                 // bytes of a value that one is tried on
constexpr int64_t kPatternBytes = int64_t{1} << 20;  // that one may take, compiled

// As Ceph prints a name: quoted where it holds more than letters, digits, "-" and "_".
std::string Quoted(absl::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
  if (plain) return std::string(text);
  // A text holds at most one of the two kinds of quotes: it was quoted with the other.
  const char* quote = absl::StrContains(text, '"') ? "'" : "\"";
  return absl::StrCat(quote, text, quote);
}

constexpr size_t kMappedBits = 96;  // before an IPv4 address

std::optional<AddressBytes> ParseAddress(const std::string& text, bool* is_v4) {
  AddressBytes bytes = {};
  in_addr v4;
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    *is_v4 = true;
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(bytes.data() + 12, &v4, sizeof v4);
    return bytes;
  }
  *is_v4 = false;
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const re2::RE2>> CompilePattern(const std::string& text) {
  if (text.size() > kMaxPattern) {
    return absl::InvalidArgumentError(
        absl::StrCat("a regular expression has at most ", kMaxPattern, " bytes"));
  }
  re2::RE2::Options options;
  options.set_posix_syntax(true);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);  // of bytes, which need not be UTF-8
  options.set_max_mem(kPatternBytes);
  options.set_log_errors(false);
  auto pattern = std::make_shared<const re2::RE2>(text, options);
  if (!pattern->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is no regular expression: ", pattern->error()));
  }
  return pattern;
}

bool Constraint::Holds(const std::string& given) const {
  switch (kind) {
    case Kind::kEqual:
      return given == value;
    case Kind::kPrefix:
      return absl::StartsWith(given, value);
    case Kind::kRegex:
      return given.size() <= kMaxMatched && re2::RE2::FullMatch(given, *pattern);
  }
  return false;
}

std::string Constraint::ToString() const {
  constexpr std::array<const char*, 3> kBefore = {"=", " prefix ", " regex "};
  return absl::StrCat(kBefore[static_cast<size_t>(kind)], Quoted(value));
}

std::optional<Network> Network::Parse(absl::string_view text) {
  Network network;
  network.text = std::string(text);
  const size_t slash = text.find('/');
  std::string host(text.substr(0, slash));
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  bool is_v4 = false;
  const std::optional<AddressBytes> address = ParseAddress(host, &is_v4);
  uint32_t bits = 0;
  if (!address || slash == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(slash + 1), &bits) || bits > (is_v4 ? 32U : 128U)) {
    return std::nullopt;
  }
  network.address = *address;
  network.bits = bits + (is_v4 ? kMappedBits : 0);
  return network;
}

bool Network::Contains(absl::string_view other) const {
  bool is_v4 = false;
  const std::optional<AddressBytes> bytes = ParseAddress(std::string(other), &is_v4);
  if (!bytes) return false;
  for (size_t bit = 0; bit < bits; ++bit) {
    const unsigned mask = 0x80U >> (bit % 8);
    if ((((*bytes)[bit / 8] ^ address[bit / 8]) & mask) != 0) return false;
  }
  return true;
}

bool Caps::Grant::Fit(const Need& need) const {
  return std::all_of(arguments.begin(), arguments.end(), [&](const auto& argument) {
    const std::optional<std::string> given = need.argument(argument.first);
    return given.has_value() && argument.second.Holds(*given);
  });
}

Access Caps::Grant::Allowed(const Need& need) const {
  if (network && !network->Contains(need.address)) return 0;
  if (!profile.empty()) {
    Access allowed = 0;
    for (const Grant& grant : of_profile) allowed |= grant.Allowed(need);
    return allowed;
  }
  if (!service.empty()) return service == need.service ? access : 0;
  if (!module.empty()) {
    return module == need.module && (!need.command.empty() || Fit(need)) ? access : 0;
  }
  if (!command.empty()) return command == need.command && Fit(need) ? kAny : 0;
  return access;
}

std::string Caps::Grant::ToString() const {
  std::string text = profile.empty() ? "allow" : absl::StrCat("profile ", Quoted(profile));
  if (!service.empty()) absl::StrAppend(&text, " service ", Quoted(service));
  if (!module.empty()) absl::StrAppend(&text, " module ", Quoted(module));
  if (!command.empty()) absl::StrAppend(&text, " command ", Quoted(command));
  if (!arguments.empty() && profile.empty()) absl::StrAppend(&text, " with");
  for (const auto& [key, constraint] : arguments) {
    absl::StrAppend(&text, " ", Quoted(key), constraint.ToString());
  }
  if (access != 0) absl::StrAppend(&text, " ", AccessText(access));
  if (network) absl::StrAppend(&text, " network ", network->text);
  return text;
}

}  // namespace outpost::auth
