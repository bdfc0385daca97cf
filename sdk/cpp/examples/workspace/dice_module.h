// The module dice: it throws dice, remembers the sum, and warns of bad luck. An
// example of a module outside of Outpost's own workspace, with its test.
#ifndef DICE_MODULE_H_
#define DICE_MODULE_H_

#include <cstdint>
#include <vector>

#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "outpost/module.h"

// What `dice throw` gives; printed as its caller asks for.
struct Throw {
  std::vector<int64_t> eyes;
  int64_t total = 0;  // of all throws so far
};
void to_json(outpost::Json& json, const Throw& thrown);

class DiceModule : public outpost::Module {
 public:
  DiceModule();

 private:
  absl::StatusOr<Throw> ThrowDice(int64_t number);

  const outpost::Option<int64_t> sides_ =
      options().Add<int64_t>("sides", 6, "How many sides a die has", {.min = 2, .max = 100});

  absl::Mutex mu_;
  absl::BitGen random_ ABSL_GUARDED_BY(mu_);
};

#endif  // DICE_MODULE_H_
