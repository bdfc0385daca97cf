// Rights: what a caller needs for each RPC of each service, in one table.
//
// An RPC without a row is refused at the manager's start, and by rights_test.
#ifndef OUTPOST_SERVER_RPC_RIGHTS_H_
#define OUTPOST_SERVER_RPC_RIGHTS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "server/auth/caps.h"

namespace outpost::rpc {

// What a request is about, as far as rights depend on it.
struct Subject {
  std::string service;  // empty: as the row says
  std::string module;   // whose options, keys or methods
  std::string command;  // its prefix
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

// The row of a method; null: there is none.
const Right* FindRight(absl::string_view method);

// The service that rights for one of the manager's own commands are about: of "config set"
// it is "config", of "osd_map"'s `get` "cluster".
absl::string_view ServiceOfCommand(absl::string_view prefix);

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_RIGHTS_H_
