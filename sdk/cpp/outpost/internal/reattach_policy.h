// ReattachPolicy says what follows from the end of a session's stream: another
// try, and when, or the end of the module.
//
// **Thread safety.** None: the session's driver's own.
//
// **Invariants.** A refusal that module_host.proto calls final is final. Else the
// module goes on trying until no manager could be reached for its grace.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REATTACH_POLICY_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REATTACH_POLICY_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "outpost/internal/backoff.h"

namespace outpost::internal {

inline constexpr int kExitStuck = 1;
inline constexpr int kExitNoManager = 75;
inline constexpr int kExitRefused = 78;

// How a module ends; main.h lists the exit statuses.
struct SessionOutcome {
  int exit_status = 0;
  std::string message = {};  // for a person; empty: all went well
  // A thread of the module is still running: the process can't be left in order.
  bool stuck = false;
};

class ReattachPolicy {
 public:
  // `first_grace` is how long to look for the first manager, from `now`.
  ReattachPolicy(BackoffPolicy backoff, absl::Duration first_grace, std::string address,
                 absl::Time now)
      : backoff_(backoff),
        address_(std::move(address)),
        grace_(first_grace),
        give_up_at_(now + first_grace) {}

  // The module is attached; the manager's grace holds from here on.
  void Attached(absl::Duration orphan_grace);

  // A stream ended with `status`. `reached`: the manager had answered Register.
  // Nullopt: try again at NextTry.
  std::optional<SessionOutcome> StreamEnded(const absl::Status& status, bool reached,
                                            absl::Time now);

  // True once after each Attached, and at the first: the outage is news.
  bool TellOutage() { return !std::exchange(outage_told_, true); }

  absl::Time NextTry(absl::Time now);

 private:
  Backoff backoff_;
  const std::string address_;
  absl::Duration grace_;
  absl::Time give_up_at_;
  bool outage_told_ = false;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_REATTACH_POLICY_H_
