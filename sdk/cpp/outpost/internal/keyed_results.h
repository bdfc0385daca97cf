// KeyedResults remembers what came of commands that are not to be run twice; see
// RunCommand.idempotency_key. How many keys there are is bounded by the manager; of a result that
// is too great only that is remembered, and of one that says "try again" nothing.
//
// **Thread safety.** All methods may be called from any thread. Answers are given on the
// caller's thread, without a lock held.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_KEYED_RESULTS_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_KEYED_RESULTS_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"
#include "outpost/v1/types.pb.h"

namespace outpost::internal {

class KeyedResults {
 public:
  using Answer = std::function<void(const v1::CommandResult&)>;

  static constexpr absl::Duration kKeep = absl::Minutes(10);  // as module_host.proto promises
  static constexpr size_t kMaxBytes = size_t{256} << 10;      // of a result
  static constexpr size_t kMaxBytesOfAll = size_t{64} << 20;

  // `clock` never goes back.
  explicit KeyedResults(std::function<absl::Time()> clock = &SteadyNow);

  // Whether a command with this key is to be run now; End then tells its result. `answer` is
  // called with that: at once where it is known, or by End.
  bool Begin(const std::string& key, Answer answer);
  void End(const std::string& key, const v1::CommandResult& result);

 private:
  struct Entry {
    std::optional<v1::CommandResult> result;
    std::vector<Answer> waiting;
  };

  void Expire() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::function<absl::Time()> clock_;

  absl::Mutex mu_;
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of all results
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mu_);
  std::deque<std::pair<absl::Time, std::string>> ends_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_KEYED_RESULTS_H_
