// KeyedRuns runs commands that have an idempotency key: each once, however often it is asked
// for, over restarts of the manager too. See CommandsRunRequest.idempotency_key.
//
// That a command begins is made durable before it does, and what came of it before anybody is
// told. So after a crash of the manager it is known which ones were begun and have not ended:
// these are not run again, but a module whose process lives on and remembers is asked for
// what came of them, as long as it can't have forgotten.
//
// **Thread safety.** All methods may be called from any thread. Callbacks run on any thread,
// without a lock held.
//
// **Invariants.**
// 1. Every Run ends in exactly one callback.
// 2. Of a caller's requests with the same key at most one is given to whoever runs commands,
//    but for those that were not begun, and those that a process is asked for which knows
//    its keys.
// 3. What runs, or is told, is what `Request::authorize` has allowed to who asks.
#ifndef OUTPOST_SERVER_COMMAND_KEYED_RUNS_H_
#define OUTPOST_SERVER_COMMAND_KEYED_RUNS_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/command/dispatcher.h"
#include "server/event/moment.h"
#include "server/store/state_store.h"

namespace outpost::command {

struct KeyedRunsOptions {
  absl::Duration keep = absl::Minutes(10);      // after the end of a command
  size_t max_keys = 10'000;                     // that are remembered
  size_t max_result_bytes = size_t{256} << 10;  // greater results are not remembered
  size_t max_bytes_of_all = size_t{64} << 20;   // of results that are
};

class KeyedRuns {
 public:
  static constexpr size_t kMaxKey = 128;  // bytes

  // What came of a request; or why there is no answer, and the reason of the ErrorInfo.
  struct Outcome {
    absl::Status status;
    absl::string_view reason = {};
    Response response = {};
    bool replayed = false;
  };
  using Done = absl::AnyInvocable<void(Outcome)>;
  // How to learn the `instance` of a module's process; empty: none runs, or it does not
  // remember.
  struct Instances {
    std::function<std::string(const std::string& module)> now;
    // Waits for a module that is starting, at most until the deadline.
    std::function<void(const std::string& module, absl::Time deadline,
                       absl::AnyInvocable<void(std::string)>)>
        when_running;
  };

  // `dispatcher` and `store` outlive it. `clock`: what time it is; by the steady clock for as long
  // as the machine is up.
  KeyedRuns(Dispatcher* dispatcher, store::StateStore* store, Instances instances,
            KeyedRunsOptions options = {},
            std::function<event::Moment()> clock = &event::Moment::Now);
  // Waits until what runs has ended: whoever runs it has been told to.
  ~KeyedRuns();

  // Runs `request`, unless its caller has used `key` before. INVALID_ARGUMENT: `key` is none.
  void Run(const std::string& key, Request request, Done done);

  // How many keys are remembered, of commands that run too.
  size_t size() const;

 private:
  struct Entry {
    enum class State {
      kRunning,
      kEnded,
      kInterrupted,  // by the end of a manager, before it was known what came of it
    };
    State state = State::kRunning;
    std::string fingerprint;  // of what was asked for
    std::string module;       // whose command it is; empty: no module's
    std::string instance;     // of the process that is to run it, if it remembers
    event::Moment begun;      // or, by another manager, as long ago as that may be
    event::Moment ended;      // or, interrupted, when that was noticed
    size_t left_out = 0;      // bytes of the result that are too many to be remembered
    Response response;        // kEnded
    std::vector<Done> waiting = {};
  };

  static std::string Encode(const Entry& entry);
  static absl::StatusOr<Entry> Decode(const std::string& text);
  static Outcome OutcomeOf(const Entry& entry);
  static size_t KeptBytes(const Entry& entry) {
    return entry.response.result.out.size() + entry.response.result.err.size();
  }

  // The answer where there is no such command, for the reason `why`.
  Outcome Unresolved(const std::string& id, const std::string& fingerprint,
                     const absl::Status& why);
  // For the first time, when `record` is durable.
  void Begin(const std::string& id, std::string record, Request request);
  // Asks the process that was given it, as `entry`, by another manager.
  void AskAgain(const std::string& id, const Entry& entry, Request request);
  // `again`: by AskAgain.
  void Ended(const std::string& id, Response response, bool again);
  // What there is to say now is said to those who wait, and remembered as `state`; nullopt:
  // nothing is remembered.
  void Answer(const std::string& id, std::optional<Entry::State> state, Outcome outcome);
  // Removes what is older than `keep`.
  void Expire() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  Dispatcher* const dispatcher_;
  store::StateStore* const store_;
  const Instances instances_;
  const KeyedRunsOptions options_;
  const std::function<event::Moment()> clock_;

  mutable absl::Mutex mu_;
  size_t running_ ABSL_GUARDED_BY(mu_) = 0;  // entries that were not answered yet
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);  // by id
  // Those that do not run, in the order in which they expire, with Entry::ended.steady.
  std::deque<std::pair<absl::Duration, std::string>> ends_ ABSL_GUARDED_BY(mu_);
  size_t kept_bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace outpost::command

#endif  // OUTPOST_SERVER_COMMAND_KEYED_RUNS_H_
