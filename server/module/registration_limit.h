// RegistrationLimit bounds the work that modules cause by registering: each by its own name,
// so that one which does so again and again costs the others nothing, and all together.
//
// A registration counts as one, and as one more for each hundred commands and options that it
// declares.
//
// **Thread safety.** None: its owner has a lock.
//
// **Invariants.**
// 1. At most kMaxNames names are known; one that is forgotten could register at once anyway.
#ifndef OUTPOST_SERVER_MODULE_REGISTRATION_LIMIT_H_
#define OUTPOST_SERVER_MODULE_REGISTRATION_LIMIT_H_

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/log/rate_limit.h"

namespace outpost::module {

class RegistrationLimit {
 public:
  static constexpr size_t kMaxNames = 4096;
  static constexpr double kBurstSeconds = 10;  // of registrations at once
  static constexpr double kAll = 50;           // times the rate of one: that of all together

  // `per_second`: of one module.
  explicit RegistrationLimit(double per_second);

  // Whether `name`, which is valid, may register now with so many commands and options; else
  // UNAVAILABLE, which names the flag. `now` is by a clock that does not step.
  absl::Status Take(const std::string& name, size_t declarations, absl::Duration now);

  // Whether the refusals are to be told of now: once a second. Then how many there were.
  size_t TakeUntold(absl::Duration now);
  // Why the last one was refused.
  const std::string& last_words() const { return last_words_; }

 private:
  absl::Status Refuse(std::string words);
  void ForgetIdle(absl::Duration now);

  const double per_second_;
  log::RateLimit all_;
  absl::flat_hash_map<std::string, log::RateLimit> by_name_;
  std::string last_words_;
  size_t untold_ = 0;
  absl::Duration told_ = -absl::InfiniteDuration();
};

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_REGISTRATION_LIMIT_H_
