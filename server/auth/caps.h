// Caps are what somebody may do, in the grammar of Ceph's mgr caps:
//
//     caps    = grant *( ("," / ";") grant )
//     grant   = "allow" access [network]
//             / "allow" "service" name access [network]
//             / "allow" "module" name ["with" arguments] access [network]
//             / "allow" "command" name ["with" arguments] [network]
//             / ["allow"] "profile" name [arguments] [network]
//     access  = "*" / "all" / "r" / "w" / "x" / "rw" / "rx" / "wx" / "rwx"
//     arguments = one or more of   key=value   key prefix value   key regex value
//     network = "network" CIDR
//
// A name or value of other characters than letters, digits, "_", ".", "/" and "-" is
// quoted with " or '. What the grants allow adds up.
//
// As in Ceph, `allow command` allows all that the command does, and the arguments of an
// `allow module` are looked at only where no command is asked for: the module asks for
// them itself. Unlike Ceph, a regular expression that is none is refused here, and not
// where it would never match.
//
// **Thread safety.** Immutable; copies share what they hold.
//
// **Invariants.**
// 1. Caps without a grant allow nothing, and so do caps that could not be parsed: there
//    are none.
// 2. Parse(caps.ToString()) equals `caps`.
#ifndef OUTPOST_SERVER_AUTH_CAPS_H_
#define OUTPOST_SERVER_AUTH_CAPS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace outpost::auth {

// Kinds of access, as bits.
using Access = uint8_t;
constexpr Access kRead = 1;
constexpr Access kWrite = 2;
constexpr Access kExecute = 4;
constexpr Access kAny = 0xff;  // "*": more than rwx, as in Ceph

// "rw"; "*" for kAny.
std::string AccessText(Access access);
// The bits of the letters r, w and x in `letters`; others mean nothing.
Access AccessOf(absl::string_view letters);

// Of a Need of what has none.
inline std::optional<std::string> NoArguments(absl::string_view) { return std::nullopt; }

// What somebody is about to do.
struct Need {
  absl::string_view service;  // "config"; empty: no service
  absl::string_view module;   // whose command or method it is; empty: no module's
  absl::string_view command;  // its prefix, "osd status"; empty: no command
  Access access = 0;          // all of these are needed
  // The value of an argument of it; nullopt: there is none of the name.
  absl::FunctionRef<std::optional<std::string>(absl::string_view)> argument;
  // Where the caller is: "192.168.1.2", "fe80::1"; empty: on this host.
  absl::string_view address;
};

class Caps {
 public:
  static constexpr size_t kMaxText = size_t{16} << 10;  // bytes

  // Allow nothing.
  Caps() = default;
  static Caps AllowAll();
  // INVALID_ARGUMENT says where `text` is wrong, and what could stand there.
  static absl::StatusOr<Caps> Parse(absl::string_view text);

  bool Allow(const Need& need) const;
  // Whether there is a grant of everything from everywhere.
  bool allows_all() const { return allows_all_; }
  // Whether one is a copy of the other: then they allow the same.
  bool IsCopyOf(const Caps& other) const { return grants_ == other.grants_; }

  // In the form that Ceph prints.
  std::string ToString() const;

  struct Grant;  // of caps_grant.h

 private:
  std::shared_ptr<const std::vector<Grant>> grants_;
  bool allows_all_ = false;
};

}  // namespace outpost::auth

#endif  // OUTPOST_SERVER_AUTH_CAPS_H_
