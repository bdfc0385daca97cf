#include "server/auth/caps_parser.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/text/nearest.h"

namespace outpost::auth {
namespace {

using Grant = Caps::Grant;

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/' ||
         c == '-';
}

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

  // Whether what is next makes the word before it the name of an argument.
  bool IsNextConstraint() {
    const size_t before = at_;
    bool is = NextWord("prefix") || NextWord("regex");
    if (!is) {
      Spaces();
      is = at_ < text_.size() && text_[at_] == '=';
    }
    at_ = before;
    return is;
  }

  bool IsNextArgument() {
    const size_t before = at_;
    const bool is = at_ < text_.size() && text_[at_] != ',' && text_[at_] != ';' &&
                    (!Word("network") || IsNextConstraint());
    at_ = before;
    return is;
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
      auto pattern = CompilePattern(constraint.value);
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

  // "with" and arguments, or nothing.
  absl::Status With(bool access_follows, Constraints* arguments) {
    if (!NextWord("with")) return absl::OkStatus();
    if (!Spaces()) return Error("a space and an argument");
    return Arguments(access_follows, arguments);
  }

  // Whether the next word is an access, and no argument called so ("x=1", "x prefix a").
  bool IsNextAccess() {
    const size_t before = at_;
    const bool is = TakeAccess() != 0 && !IsNextConstraint();
    at_ = before;
    return is;
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
      if (auto status = With(false, &grant.arguments); !status.ok()) return status;
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
      if (auto status = With(true, &grant.arguments); !status.ok()) return status;
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

}  // namespace

absl::StatusOr<std::vector<Caps::Grant>> ParseGrants(absl::string_view text) {
  return Parser(text).Run();
}

}  // namespace outpost::auth
