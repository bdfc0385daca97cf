// Rights: what a caller needs for each RPC of each service, in one table.
//
// An RPC without a row is refused at the manager's start, and by rights_test.
#ifndef OUTPOST_SERVER_RPC_RIGHTS_H_
#define OUTPOST_SERVER_RPC_RIGHTS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/auth/caps.h"

namespace outpost::rpc {

// What a request is about, as far as rights depend on it.
struct Subject {
  std::string service;    // empty: as the row says
  std::string module;     // whose options, keys or methods
  std::string command;    // its prefix
  auth::Access more = 0;  // that is needed besides what the row says
};

struct Right {
  enum class Kind {
    kAnybody,   // whoever is known at all
    kOwn,       // of the caller itself (its health checks, its progress): the service sees to it
    kNeed,      // `service` and `access`, and what of the request says
    kByModule,  // of the module that the first message names: ModuleHost checks it
    kByCommand  // what the command needs, and who provides it: the dispatcher checks it
  };
  absl::string_view method;  // "outpost.v1.Config.Set"
  Kind kind = Kind::kNeed;
  absl::string_view service = "";
  auth::Access access = 0;
  // Reads a request; null: rights do not depend on it.
  Subject (*of)(absl::string_view request_bytes) = nullptr;
  // A module needs no right for what is its own.
  bool own_is_free = false;
};

// Whether a call of it may change something, which is audited where a user makes it. What
// ModuleHost and the dispatcher check, they write down themselves; a daemon's reports are no
// changes.
constexpr bool IsChange(const Right& right) {
  return right.kind == Right::Kind::kNeed && (right.access & auth::kWrite) != 0 &&
         right.service != "report";
}
// The methods of which IsChange is true.
std::vector<absl::string_view> MethodsThatChange();

// The row of a method; null: there is none.
const Right* FindRight(absl::string_view method);

// The service that rights for one of the manager's own commands are about: of "config set"
// it is "config", of "osd_map"'s `get` "cluster".
absl::string_view ServiceOfCommand(absl::string_view prefix);

// What rights a command of the cluster's own needs that gives rights or shows secrets, whichever
// daemon gets it, and whoever sends it: `auth …` and `fs authorize` are about the service "auth"
// and need execute as well, `config-key …` is about "config-key".
struct Guard {
  absl::string_view service;
  auth::Access more = 0;
};
// nullopt: it is none of these.
std::optional<Guard> GuardOf(absl::string_view prefix);

// The prefix of a command in JSON, as a daemon could take it; empty: it has none.
std::string PrefixInJson(absl::string_view command_json);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_RIGHTS_H_
