#include "server/auth/caps.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <regex.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/text/nearest.h"

namespace outpost::auth {
namespace {

constexpr size_t kMaxPattern = 256;   // bytes of a regular expression
constexpr size_t kMaxMatched = 4096;  // bytes of a value that one is tried on

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/' ||
         c == '-';
}

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

// A POSIX extended regular expression that matches whole texts.
class Pattern {
 public:
  static absl::StatusOr<std::shared_ptr<const Pattern>> Compile(const std::string& text) {
    if (text.size() > kMaxPattern) {
      return absl::InvalidArgumentError(
          absl::StrCat("a regular expression has at most ", kMaxPattern, " bytes"));
    }
    // What one count repeats, another could repeat: that grows beyond all memory.
    if (std::count(text.begin(), text.end(), '{') > 1 || absl::StrContains(text, '\0')) {
      return absl::InvalidArgumentError("a regular expression has at most one {…}, and no NUL");
    }
    auto pattern = std::shared_ptr<Pattern>(new Pattern);
    // Alone first: "a)(b" is none, though it would be one in the brackets.
    for (const std::string& whole : {text, absl::StrCat("^(", text, ")$")}) {
      pattern->Free();
      const int error = regcomp(&pattern->regex_, whole.c_str(), REG_EXTENDED | REG_NOSUB);
      if (error != 0) {
        std::array<char, 128> words = {};
        regerror(error, &pattern->regex_, words.data(), words.size());
        return absl::InvalidArgumentError(
            absl::StrCat("\"", text, "\" is no regular expression: ", words.data()));
      }
      pattern->compiled_ = true;
    }
    return std::shared_ptr<const Pattern>(std::move(pattern));
  }
  ~Pattern() { Free(); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  bool Matches(const std::string& text) const {
    return text.size() <= kMaxMatched && !absl::StrContains(text, '\0') &&
           regexec(&regex_, text.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  Pattern() = default;
  void Free() {
    if (compiled_) regfree(&regex_);
    compiled_ = false;
  }

  regex_t regex_;
  bool compiled_ = false;
};

struct Constraint {
  enum class Kind { kEqual, kPrefix, kRegex };
  Kind kind = Kind::kEqual;
  std::string value;
  std::shared_ptr<const Pattern> pattern;  // of kRegex

  bool Holds(const std::string& given) const {
    switch (kind) {
      case Kind::kEqual:
        return given == value;
      case Kind::kPrefix:
        return absl::StartsWith(given, value);
      case Kind::kRegex:
        return pattern->Matches(given);
    }
    return false;
  }
  std::string ToString() const {
    constexpr std::array<const char*, 3> kBefore = {"=", " prefix ", " regex "};
    return absl::StrCat(kBefore[static_cast<size_t>(kind)], Quoted(value));
  }
};

using Constraints = std::map<std::string, Constraint>;

// An address as 16 bytes, of IPv4 in the form that IPv6 has for it.
using AddressBytes = std::array<unsigned char, 16>;
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

struct Network {
  std::string text;
  AddressBytes address = {};
  size_t bits = 0;

  static std::optional<Network> Parse(absl::string_view text) {
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

  bool Contains(absl::string_view other) const {
    bool is_v4 = false;
    const std::optional<AddressBytes> bytes = ParseAddress(std::string(other), &is_v4);
    if (!bytes) return false;
    for (size_t bit = 0; bit < bits; ++bit) {
      const unsigned mask = 0x80U >> (bit % 8);
      if ((((*bytes)[bit / 8] ^ address[bit / 8]) & mask) != 0) return false;
    }
    return true;
  }
};

}  // namespace

struct Caps::Grant {
  // Of these at most one is not empty; none: everything.
  std::string service;
  std::string module;
  std::string command;
  std::string profile;
  Constraints arguments;
  Access access = 0;
  std::optional<Network> network;
  std::vector<Grant> of_profile;

  bool Fit(const Need& need) const {
    return std::all_of(arguments.begin(), arguments.end(), [&](const auto& argument) {
      const std::optional<std::string> given = need.argument(argument.first);
      return given.has_value() && argument.second.Holds(*given);
    });
  }

  Access Allowed(const Need& need) const {
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

  std::string ToString() const {
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
};

namespace {

using Grant = Caps::Grant;

Grant AllowGrant(Access access) {
  Grant grant;
  grant.access = access;
  return grant;
}

Grant ServiceGrant(const char* service, Access access) {
  Grant grant = AllowGrant(access);
  grant.service = service;
  return grant;
}

// What a profile stands for. INVALID_ARGUMENT: there is no such profile, or it does
// not take the arguments.
absl::StatusOr<std::vector<Grant>> ExpandProfile(const std::string& name,
                                                 const Constraints& arguments) {
  const bool is_rbd = name == "rbd" || name == "rbd-read-only";
  for (const auto& [key, constraint] : arguments) {
    if (is_rbd && (key == "pool" || key == "namespace")) continue;
    return absl::InvalidArgumentError(absl::StrCat("profile ", name, " takes no argument \"", key,
                                                   "\"",
                                                   is_rbd ? "; it takes pool and namespace" : ""));
  }
  if (name == "read-only") return std::vector<Grant>{AllowGrant(kRead)};
  if (name == "read-write") return std::vector<Grant>{AllowGrant(kRead | kWrite)};
  if (name == "osd" || name == "mds" || name == "rgw") return std::vector<Grant>{};
  if (name == "crash") {
    Grant grant;
    grant.command = "crash post";
    return std::vector<Grant>{std::move(grant)};
  }
  if (is_rbd) {
    Grant grant = AllowGrant(name == "rbd" ? kRead | kWrite : kRead);
    grant.module = "rbd_support";
    grant.arguments = arguments;
    return std::vector<Grant>{std::move(grant)};
  }
  // Outpost's own.
  if (name == "module") {
    return std::vector<Grant>{ServiceGrant("cluster", kRead), ServiceGrant("health", kRead),
                              ServiceGrant("mgr", kRead), ServiceGrant("progress", kRead)};
  }
  if (name == "reporter") return std::vector<Grant>{ServiceGrant("report", kWrite)};
  const std::vector<std::string> known = {"read-only", "read-write",   "crash", "osd",
                                          "mds",       "rgw",          "rbd",   "module",
                                          "reporter",  "rbd-read-only"};
  return absl::InvalidArgumentError(absl::StrCat("there is no profile \"", name, "\"",
                                                 text::DidYouMean(text::Nearest(name, known, 1)),
                                                 " (profiles: ", absl::StrJoin(known, ", "), ")"));
}

// Reads caps from left to right.
class Parser {
 public:
  explicit Parser(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<Grant>> Run() {
    std::vector<Grant> grants;
    Spaces();
    while (true) {
      auto grant = ReadGrant();
      if (!grant.ok()) return grant.status();
      grants.push_back(*std::move(grant));
      Spaces();
      if (at_ == text_.size()) return grants;
      if (text_[at_] != ',' && text_[at_] != ';') {
        return Error("a comma before the next grant, or the end");
      }
      ++at_;
      Spaces();
    }
  }

 private:
  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n'; }

  bool Spaces() {
    const size_t before = at_;
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
    return at_ > before;
  }

  // Takes `word`, if it is next, and what is behind it is no part of a longer one.
  bool Word(absl::string_view word) {
    if (!absl::StartsWith(text_.substr(at_), word)) return false;
    const size_t end = at_ + word.size();
    if (end < text_.size() && IsWordCharacter(text_[end])) return false;
    at_ = end;
    return true;
  }

  // Takes spaces and then `word`, or nothing.
  bool NextWord(absl::string_view word) {
    const size_t before = at_;
    if (Spaces() && Word(word)) return true;
    at_ = before;
    return false;
  }

  absl::Status Error(absl::string_view expected) const {
    const absl::string_view rest = text_.substr(at_);
    const absl::string_view shown = rest.substr(0, rest.find_first_of(" \t\n,;"));
    return absl::InvalidArgumentError(absl::StrCat(
        "caps, character ", at_ + 1, ": expected ", expected, ", not ",
        rest.empty()
            ? "the end"
            : absl::StrCat("\"", shown.empty() ? rest.substr(0, 1) : shown.substr(0, 40), "\"")));
  }
  absl::Status Wrong(size_t at, const absl::Status& why) const {
    return absl::InvalidArgumentError(
        absl::StrCat("caps, character ", at + 1, ": ", why.message()));
  }

  // A name or value, quoted or not.
  absl::StatusOr<std::string> String(absl::string_view what) {
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
      const size_t end = text_.find(text_[at_], at_ + 1);
      if (end == absl::string_view::npos) return Error(absl::StrCat(what, " with both quotes"));
      if (end == at_ + 1) return Error(absl::StrCat(what, " that is not empty"));
      std::string result(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end + 1;
      return result;
    }
    const size_t begin = at_;
    while (at_ < text_.size() && IsWordCharacter(text_[at_])) ++at_;
    if (at_ == begin) return Error(what);
    return std::string(text_.substr(begin, at_ - begin));
  }

  // "service foo" or "service=foo", of which the keyword was taken.
  absl::StatusOr<std::string> Name(absl::string_view what) {
    if (at_ < text_.size() && text_[at_] == '=') {
      ++at_;
    } else if (!Spaces()) {
      return Error(absl::StrCat("a space and ", what));
    }
    return String(what);
  }

  bool IsNextArgument() const {
    const absl::string_view rest = text_.substr(at_);
    const absl::string_view key = rest.substr(0, rest.find_first_of(" \t\n,;"));
    return !key.empty() && key != "network";
  }

  absl::StatusOr<Constraint> ReadConstraint() {
    Constraint constraint;
    if (NextWord("prefix")) {
      constraint.kind = Constraint::Kind::kPrefix;
    } else if (NextWord("regex")) {
      constraint.kind = Constraint::Kind::kRegex;
    } else {
      Spaces();
      if (at_ == text_.size() || text_[at_] != '=') {
        return Error("=VALUE, prefix VALUE or regex VALUE after the argument's name");
      }
      ++at_;
      Spaces();
    }
    if (constraint.kind != Constraint::Kind::kEqual && !Spaces()) {
      return Error("a space and a value");
    }
    const size_t begin = at_;
    auto value = String("a value");
    if (!value.ok()) return value.status();
    constraint.value = *std::move(value);
    if (constraint.kind == Constraint::Kind::kRegex) {
      auto pattern = Pattern::Compile(constraint.value);
      if (!pattern.ok()) return Wrong(begin, pattern.status());
      constraint.pattern = *std::move(pattern);
    }
    return constraint;
  }

  // One or more arguments; the spaces before the first were taken.
  absl::Status Arguments(bool access_follows, Constraints* arguments) {
    while (true) {
      auto key = String("the name of an argument");
      if (!key.ok()) return key.status();
      auto constraint = ReadConstraint();
      if (!constraint.ok()) return constraint.status();
      arguments->insert_or_assign(*std::move(key), *std::move(constraint));
      const size_t before = at_;
      if (!Spaces() || !IsNextArgument() || (access_follows && IsNextAccess())) {
        at_ = before;
        return absl::OkStatus();
      }
    }
  }

  // Whether the next word is an access, and no argument called so ("x=1").
  bool IsNextAccess() {
    const size_t before = at_;
    const bool is = TakeAccess() != 0;
    size_t after = at_;
    while (after < text_.size() && IsSpace(text_[after])) ++after;
    at_ = before;
    return is && (after == text_.size() || text_[after] != '=');
  }

  // 0: none is next.
  Access TakeAccess() {
    if (at_ < text_.size() && text_[at_] == '*') {
      ++at_;
      return kAny;
    }
    if (Word("all")) return kAny;
    for (const char* letters : {"rwx", "rw", "rx", "wx", "r", "w", "x"}) {
      if (Word(letters)) return AccessOf(letters);
    }
    return 0;
  }

  absl::StatusOr<Grant> ReadGrant() {
    Grant grant;
    if (Word("profile")) return ReadProfile(std::move(grant));
    if (!Word("allow")) return Error("allow or profile");
    if (!Spaces()) return Error("a space and what is allowed");
    if (Word("profile")) return ReadProfile(std::move(grant));
    if (Word("command")) {
      auto command = Name("a command, in quotes if it has several words");
      if (!command.ok()) return command.status();
      grant.command = *std::move(command);
      if (NextWord("with")) {
        if (!Spaces()) return Error("a space and an argument");
        if (auto status = Arguments(false, &grant.arguments); !status.ok()) return status;
      }
      return ReadNetwork(std::move(grant));
    }
    if (Word("service")) {
      auto service = Name("a service");
      if (!service.ok()) return service.status();
      grant.service = *std::move(service);
    } else if (Word("module")) {
      auto module = Name("a module");
      if (!module.ok()) return module.status();
      grant.module = *std::move(module);
      if (NextWord("with")) {
        if (!Spaces()) return Error("a space and an argument");
        if (auto status = Arguments(true, &grant.arguments); !status.ok()) return status;
      }
    }
    if (!(grant.service.empty() && grant.module.empty()) && !Spaces()) {
      return Error("a space and an access: *, or some of rwx");
    }
    grant.access = TakeAccess();
    if (grant.access == 0) {
      return Error(grant.service.empty() && grant.module.empty()
                       ? "*, some of rwx, service, module, command or profile"
                       : "an access: *, or some of rwx in this order");
    }
    return ReadNetwork(std::move(grant));
  }

  absl::StatusOr<Grant> ReadProfile(Grant grant) {
    const size_t begin = at_;
    auto profile = Name("a profile");
    if (!profile.ok()) return profile.status();
    grant.profile = *std::move(profile);
    const size_t before = at_;
    if (Spaces() && IsNextArgument()) {
      if (auto status = Arguments(false, &grant.arguments); !status.ok()) return status;
    } else {
      at_ = before;
    }
    auto expanded = ExpandProfile(grant.profile, grant.arguments);
    if (!expanded.ok()) return Wrong(begin + 1, expanded.status());
    grant.of_profile = *std::move(expanded);
    return ReadNetwork(std::move(grant));
  }

  absl::StatusOr<Grant> ReadNetwork(Grant grant) {
    if (!NextWord("network")) return grant;
    if (!Spaces()) return Error("a space and a network");
    const absl::string_view rest = text_.substr(at_);
    const absl::string_view word = rest.substr(0, rest.find_first_of(" \t\n,;"));
    grant.network = Network::Parse(word);
    if (!grant.network) return Error("a network such as 192.168.0.0/16 or fd00::/8");
    at_ += word.size();
    return grant;
  }

  const absl::string_view text_;
  size_t at_ = 0;
};

bool GrantsAll(const Grant& grant) {
  return grant.access == kAny && grant.service.empty() && grant.module.empty() &&
         grant.command.empty() && grant.profile.empty() && !grant.network;
}

}  // namespace

std::string AccessText(Access access) {
  if (access == kAny) return "*";
  return absl::StrCat((access & kRead) != 0 ? "r" : "", (access & kWrite) != 0 ? "w" : "",
                      (access & kExecute) != 0 ? "x" : "");
}

Access AccessOf(absl::string_view letters) {
  Access access = 0;
  for (const char letter : letters) {
    if (letter == 'r') access |= kRead;
    if (letter == 'w') access |= kWrite;
    if (letter == 'x') access |= kExecute;
  }
  return access;
}

Caps Caps::AllowAll() {
  static const auto* const kAll = [] {
    auto* const caps = new Caps;
    caps->grants_ = std::make_shared<const std::vector<Grant>>(1, AllowGrant(kAny));
    caps->allows_all_ = true;
    return caps;
  }();
  return *kAll;
}

absl::StatusOr<Caps> Caps::Parse(absl::string_view text) {
  if (text.size() > kMaxText) {
    return absl::InvalidArgumentError(
        absl::StrCat("caps have at most ", kMaxText, " bytes, these ", text.size()));
  }
  auto grants = Parser(text).Run();
  if (!grants.ok()) return grants.status();
  Caps caps;
  caps.allows_all_ = std::any_of(grants->begin(), grants->end(), GrantsAll);
  caps.grants_ = std::make_shared<const std::vector<Grant>>(*std::move(grants));
  return caps;
}

bool Caps::Allow(const Need& need) const {
  if (allows_all_) return true;
  if (grants_ == nullptr) return false;
  Access allowed = 0;
  for (const Grant& grant : *grants_) {
    allowed |= grant.Allowed(need);
    // A need of nothing is met by a grant of anything, and not by none.
    if (allowed != 0 && (allowed & need.access) == need.access) return true;
  }
  return false;
}

std::string Caps::ToString() const {
  if (grants_ == nullptr) return "";
  return absl::StrJoin(*grants_, ", ", [](std::string* out, const Grant& grant) {
    absl::StrAppend(out, grant.ToString());
  });
}

}  // namespace outpost::auth
