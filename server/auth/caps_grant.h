// A grant of caps, as it was parsed: for caps.cc and caps_parser.cc.
//
// **Thread safety.** Immutable once parsed; copies share compiled expressions.
#ifndef OUTPOST_SERVER_AUTH_CAPS_GRANT_H_
#define OUTPOST_SERVER_AUTH_CAPS_GRANT_H_

#include <re2/re2.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/auth/caps.h"

namespace outpost::auth {

// A POSIX extended regular expression, as Ceph's caps have them, that matches whole texts. It is
// RE2's: its memory is bounded, and its time grows no faster than the text.
absl::StatusOr<std::shared_ptr<const re2::RE2>> CompilePattern(const std::string& text);

struct Constraint {
  enum class Kind { kEqual, kPrefix, kRegex };
  Kind kind = Kind::kEqual;
  std::string value;
  std::shared_ptr<const re2::RE2> pattern;  // of kRegex

  bool Holds(const std::string& given) const;
  std::string ToString() const;
};

using Constraints = std::map<std::string, Constraint>;

// An address as 16 bytes, of IPv4 in the form that IPv6 has for it.
using AddressBytes = std::array<unsigned char, 16>;

struct Network {
  std::string text;
  AddressBytes address = {};
  size_t bits = 0;

  // nullopt: it is none.
  static std::optional<Network> Parse(absl::string_view text);
  bool Contains(absl::string_view other) const;
};

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

  // Whether the arguments of `need` are as these say.
  bool Fit(const Need& need) const;
  Access Allowed(const Need& need) const;
  std::string ToString() const;
};

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_CAPS_GRANT_H_
