// Dispatcher runs commands: finds the command, checks its arguments, and hands it
// to whoever provides it.
//
// **Thread safety.** Run may be called from any thread, once all AddBuiltin calls
// are done.
#ifndef OUTPOST_SERVER_COMMAND_DISPATCHER_H_
#define OUTPOST_SERVER_COMMAND_DISPATCHER_H_

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "server/cluster/source.h"
#include "server/command/command.h"
#include "server/command/command_table.h"
#include "server/metrics/request_counters.h"
#include "server/module/call_router.h"

namespace outpost::command {

// What somebody asks to be run: words as typed, or a JSON object.
struct Request {
  std::vector<std::string> words;
  std::string command_json;  // used when not empty
  std::optional<std::string> inbuf;
  std::string format;                            // empty: the command's own
  absl::Time deadline = absl::InfiniteFuture();  // by internal::SteadyNow
  std::string caller;
  std::string parent_call;
  // As in Invocation; of modules' commands only.
  std::string idempotency_key = {};
  std::string only_instance = {};
  // Whether the caller may run what was found; called before Run returns. Empty: they may.
  std::function<absl::Status(const Match&)> authorize;
};

// What came of it.
struct Response {
  Result result;
  std::string prefix;    // empty: no command was found
  std::string provider;  // as in Provider::ToString
  bool poll = false;
  absl::Status refused;  // not OK: the caller may not, and nothing was run
};

// What a command of the manager itself is given.
struct BuiltinCall {
  nlohmann::json args;  // typed, checked; an object
  std::string format;   // empty: plain
  std::optional<std::string> inbuf;
  absl::Time deadline;
  std::string caller;
};

class Dispatcher {
 public:
  using BuiltinHandler = std::function<void(BuiltinCall, ResultCallback)>;
  using Done = absl::AnyInvocable<void(Response)>;
  // Ends the run early, as far as that can be done. Thread-safe; may be called
  // once, at any time, also after the run.
  using CancelFunction = absl::AnyInvocable<void()>;

  // All outlive the dispatcher.
  Dispatcher(CommandTable* table, module::CallRouter* modules, cluster::Source* source);

  // Adds a command of the manager itself.
  void AddBuiltin(Declaration declaration, BuiltinHandler handler);
  // Puts the added commands into the table. Errors as CommandTable::SetCommands.
  absl::Status PublishBuiltins();

  // Puts the cluster's commands into the table, as the source knows them now.
  void PublishClusterCommands();

  // The command that `request` asks for; INVALID_ARGUMENT: there is none, or an argument is
  // wrong.
  absl::StatusOr<Match> Resolve(const Request& request) const;

  // What is answered where nothing is run, as Resolve has failed with `why`.
  Response Unresolved(const absl::Status& why);

  // Runs one command; `done` is called exactly once.
  CancelFunction Run(Request request, Done done);

  // What was run of a provider's commands: how often each was answered with success or
  // with an error, and how long that took.
  const metrics::RequestCounters& counters(Provider::Kind kind) const {
    return counters_[static_cast<size_t>(kind)];
  }
  // How many were not run, as there is no such command, or an argument is wrong.
  uint64_t invalid_commands() const { return invalid_commands_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kKinds = static_cast<size_t>(Provider::Kind::kCluster) + 1;

  CommandTable* const table_;
  module::CallRouter* const modules_;
  cluster::Source* const source_;
  std::vector<Declaration> builtin_declarations_;
  std::map<std::string, BuiltinHandler, std::less<>> builtins_;  // by prefix
  std::array<metrics::RequestCounters, kKinds> counters_;        // by Provider::Kind
  std::atomic<uint64_t> invalid_commands_ = 0;
};

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_DISPATCHER_H_
