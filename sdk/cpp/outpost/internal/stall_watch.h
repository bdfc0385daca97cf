// StallWatch notices work that takes its time, on threads whose work is short as a
// rule: they wait for it themselves, and wake nobody to wait in their place while
// they do it, until this watch says that one of them is at it for long.
//
// **Thread safety.** Each slot is one thread's: Begin and End of a slot must not run at
// once. The rest may be called from any thread.
//
// **Invariants.**
// 1. Begin and End cost an atomic increment each; a thread is woken only by the first Begin
//    after a time without any.
// 2. Nothing wakes up while there is no work.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STALL_WATCH_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STALL_WATCH_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/internal/steady_wait.h"

namespace outpost::internal {

class StallWatch {
 public:
  static constexpr absl::Duration kTick = absl::Milliseconds(2);

  // `stalled`: gets the slot of a work that is older than one tick and younger than
  // about two, once for each such work. Called on a thread of the watch; must not
  // block. The work may have ended meanwhile.
  StallWatch(size_t slots, std::function<void(size_t)> stalled);
  // No slot has work, and none will.
  ~StallWatch();
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;

  // The thread of `slot` has work from now on.
  void Begin(size_t slot) {
    // In one order with what the watch does before it stops: either it sees the turn, or
    // this sees that it has stopped.
    slots_[slot].turn.fetch_add(1, std::memory_order_seq_cst);
    if (!ticking_.load(std::memory_order_seq_cst)) Start();
  }
  void End(size_t slot) { slots_[slot].turn.fetch_add(1, std::memory_order_relaxed); }

 private:
  struct alignas(64) Slot {
    std::atomic<uint64_t> turn = 0;  // odd: there is work
    // The watch's alone:
    uint64_t seen = 0;  // `turn` at the last tick
    bool told = false;  // of this work
  };

  void Start();
  void Watch();
  // One tick. True: there is work, or was since the last tick.
  bool Tick();

  const std::function<void(size_t)> stalled_;
  std::atomic<bool> ticking_ = false;
  std::vector<Slot> slots_;

  absl::Mutex mu_;
  SteadyCondVar wake_;
  bool over_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_STALL_WATCH_H_
