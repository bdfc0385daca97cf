// CommandTable knows every command that somebody provides, and finds the one that a
// caller means.
//
// Providers may offer the same prefix: the manager's commands hide the cluster's, and
// so do a module's, which also hide those of the manager's that yield. Two modules, or a
// module and the manager otherwise, may not.
//
// **Thread safety.** All methods may be called from any thread. Lookups work on an
// immutable index; a change makes a new one, which shares what it does not concern with the
// one before, and swaps it in. What a change costs does not depend on what others provide.
//
// **Invariants.**
// 1. A provider's commands change together or not at all.
// 2. Of the manager (without what yields) and the modules, one at most provides a prefix, once.
// 3. A Command never changes; a holder may keep it after its provider has gone.
#ifndef OUTPOST_SERVER_COMMAND_COMMAND_TABLE_H_
#define OUTPOST_SERVER_COMMAND_COMMAND_TABLE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "nlohmann/json.hpp"
#include "server/command/command.h"
#include "server/command/signature.h"

namespace outpost::command {

// A declared command, parsed.
struct Command {
  Declaration declaration;
  Signature signature;
  Provider provider;
};
using CommandPtr = std::shared_ptr<const Command>;

// A command that a caller meant, and the typed arguments; no "prefix" among them.
struct Match {
  CommandPtr command;
  nlohmann::json args;
};

// One word that could be typed next.
struct CompletionCandidate {
  std::string text;
  std::string description;  // may be empty
};

// Those of `declarations` whose signatures can be parsed; the others are logged. For
// commands that come from elsewhere (a newer Ceph may have a type unknown here), of which
// one bad one must not cost the rest.
std::vector<Declaration> WithValidSignatures(std::vector<Declaration> declarations);

class CommandTable {
 public:
  CommandTable();
  ~CommandTable();
  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  // Makes `declarations` all that `provider` provides.
  // INVALID_ARGUMENT: a signature is wrong (named, with its fault), or declared twice.
  // ALREADY_EXISTS: another module or the manager has one of the prefixes.
  // The cluster's commands may share a prefix among themselves: Ceph has such. Who passes on the
  // commands of a Ceph newer than this server leaves out those that Signature::Parse refuses.
  // Costs next to nothing where they are what `provider` provides already.
  absl::Status SetCommands(const Provider& provider, std::vector<Declaration> declarations);

  // Forgets all that `provider` provides.
  void RemoveCommands(const Provider& provider);

  // Finds the command whose literal words begin `words` and whose parameters the rest fits:
  // the one with the most literal words, if several. A first word with spaces is split.
  // INVALID_ARGUMENT says, as Ceph's command line does, what is wrong with the arguments of
  // the best one, or which commands come closest.
  absl::StatusOr<Match> ResolveWords(const std::vector<std::string>& words) const;

  // The same for {"prefix": "osd status", arguments…}. INVALID_ARGUMENT: not such an object;
  // no such prefix (the nearest are named); or the arguments do not fit.
  absl::StatusOr<Match> ResolveJson(absl::string_view command_json) const;

  // Whether a status of ResolveWords or ResolveJson says that there is no such command; else its
  // arguments do not fit.
  static bool IsUnknownCommand(const absl::Status& status);

  // The commands whose prefix begins with `prefix`, by prefix, without those that others hide.
  std::vector<CommandPtr> List(absl::string_view prefix, bool include_cluster) const;

  // The values that `param` of `command` may have where its signature does not list them, as
  // far as they are known; `given` are the words after the literal ones.
  using KnownValues = std::function<std::vector<CompletionCandidate>(
      const Command& command, const Param& param, const std::vector<std::string>& given)>;

  // What could be typed after `words`, of which the last is unfinished or empty: literal words,
  // choices, `known` values (if it is not empty), and the names of parameters.
  std::vector<CompletionCandidate> Complete(const std::vector<std::string>& words,
                                            const KnownValues& known = nullptr) const;

 private:
  class Index;

  std::shared_ptr<const Index> index() const ABSL_LOCKS_EXCLUDED(mu_);
  bool Provides(const Provider& provider, const std::vector<Declaration>& declarations) const
      ABSL_LOCKS_EXCLUDED(change_mu_);
  void Replace(const Provider& provider, std::vector<CommandPtr> commands)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(change_mu_);

  mutable absl::Mutex change_mu_;  // one change at a time; held while the next index is made
  // By Provider::ToString(), in the order of declaration; none is empty.
  absl::flat_hash_map<std::string, std::vector<CommandPtr>> provided_ ABSL_GUARDED_BY(change_mu_);
  mutable absl::Mutex mu_ ABSL_ACQUIRED_AFTER(change_mu_);
  std::shared_ptr<const Index> index_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_COMMAND_TABLE_H_
