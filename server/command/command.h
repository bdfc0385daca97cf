// What a command is, who may provide one, and what running one gives: the words
// that the command, module and cluster parts share.
#ifndef OUTPOST_SERVER_COMMAND_COMMAND_H_
#define OUTPOST_SERVER_COMMAND_COMMAND_H_

#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace outpost::command {

// What a command gives back. A failed command is a Result with a negative errno.
struct Result {
  int retval = 0;        // 0 or a negative errno; positive values pass through
  std::string out = {};  // the output, bytes
  std::string err = {};  // text beside the output: a warning, the error
  // It failed before anybody could begin to run it: to ask again is safe.
  bool not_begun = false;
  // The module that was given it went away: whether it has run it is not known.
  bool lost = false;
};

// Takes the result of one run; called exactly once, on any thread; must not block.
using ResultCallback = absl::AnyInvocable<void(Result)>;

// Who runs a command.
struct Provider {
  enum class Kind { kManager, kModule, kCluster };
  Kind kind = Kind::kManager;
  std::string module;  // for kModule: its name

  bool operator==(const Provider&) const = default;

  // "manager", "cluster", "module/<name>": as on the wire.
  std::string ToString() const {
    switch (kind) {
      case Kind::kManager:
        return "manager";
      case Kind::kCluster:
        return "cluster";
      case Kind::kModule:
        return "module/" + module;
    }
    return "";
  }
};

// A command as its provider declares it; see CommandDescriptor on the wire.
struct Declaration {
  std::string signature;  // Ceph's grammar: "osd status name=bucket,type=CephString,req=false"
  std::string description;
  std::string permissions;  // some of "rwx"
  bool poll = false;
  bool yields = false;  // of the manager: a module may provide the prefix in its place

  bool operator==(const Declaration&) const = default;
};

// One request to run a command, checked and routed.
struct Invocation {
  std::string prefix;        // "osd status"
  std::string command_json;  // {"prefix": …, arguments…}, typed
  std::optional<std::string> inbuf;
  absl::Time deadline = absl::InfiniteFuture();  // by internal::SteadyNow
  std::string caller;                            // "client", "module/<name>": for display
  std::string parent_call;  // the call id of what the caller works on; may be empty
  // What a module knows it by that runs it once only, as its process does that has this
  // `instance`; see module_host.proto. Both empty: it is simply run.
  std::string idempotency_key = {};
  std::string only_instance = {};  // another process is not given it
};

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_COMMAND_H_
