#include "outpost/internal/stall_watch.h"

#include <utility>

namespace outpost::internal {
namespace {

// The watch goes on for so many ticks without work: one that started with each of a
// client's calls would cost a context switch, which it is here to save.
constexpr int kQuietTicks = 32;

}  // namespace

StallWatch::StallWatch(size_t slots, std::function<void(size_t)> stalled)
    : stalled_(std::move(stalled)), slots_(slots), thread_([this] { Watch(); }) {}

StallWatch::~StallWatch() {
  {
    absl::MutexLock lock(&mu_);
    over_ = true;
    wake_.Signal();
  }
  thread_.join();
}

void StallWatch::Start() {
  absl::MutexLock lock(&mu_);
  ticking_.store(true, std::memory_order_seq_cst);
  wake_.Signal();
}

void StallWatch::Watch() {
  int quiet = 0;
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      while (!over_ && !ticking_.load(std::memory_order_relaxed)) {
        wake_.Wait(&mu_, absl::InfiniteDuration());
      }
      if (!over_) wake_.Wait(&mu_, kTick);
      if (over_) return;
    }
    quiet = Tick() ? 0 : quiet + 1;
    if (quiet < kQuietTicks) continue;
    quiet = 0;
    ticking_.store(false, std::memory_order_seq_cst);
    if (Tick()) ticking_.store(true, std::memory_order_seq_cst);
  }
}

bool StallWatch::Tick() {
  bool busy = false;
  for (size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const uint64_t turn = slot.turn.load(std::memory_order_seq_cst);
    if (turn != slot.seen) {
      slot.seen = turn;
      slot.told = false;
      busy = true;
    } else if (turn % 2 != 0 && !slot.told) {
      slot.told = true;
      busy = true;
      stalled_(i);
    }
  }
  return busy;
}

}  // namespace outpost::internal
