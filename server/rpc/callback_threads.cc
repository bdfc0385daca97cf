#include "server/rpc/callback_threads.h"

#include <algorithm>

#include "server/event/lent_thread.h"
#include "server/event/thread_role.h"

namespace outpost::rpc {
CallbackThreads::Limits CallbackThreads::LimitsFor(size_t cores) {
  return {.pollers = std::clamp<size_t>(cores / 4, 1, 8),
          .threads = std::clamp<size_t>(cores * 2, 8, 32)};
}

CallbackThreads::CallbackThreads(grpc_completion_queue* queue, Limits limits)
    : queue_(queue),
      limits_(limits),
      workers_(limits.threads),
      watch_(limits.threads, [this](size_t slow) { Relieve(slow); }) {
  threads_.reserve(limits.threads);
  for (size_t i = 0; i < limits.threads; ++i) threads_.emplace_back([this, i] { Work(i); });
}

CallbackThreads::~CallbackThreads() {
  for (std::thread& thread : threads_) thread.join();
}

class CallbackThreads::Lender final : public event::ThreadLender {
 public:
  Lender(CallbackThreads* threads, size_t slot) : threads_(threads), slot_(slot) {}
  void TakesItsTime() override { threads_->Relieve(slot_); }

 private:
  CallbackThreads* const threads_;
  const size_t slot_;
};

void CallbackThreads::Work(size_t self) {
  event::NameThread("grpc-callback");
  Lender lender(this, self);
  event::SetLender(&lender);
  Worker& worker = workers_[self];
  absl::MutexLock lock(&mu_);
  while (!over_) {
    if (polling_ == limits_.pollers) {
      reserve_.Wait(&mu_);
      continue;
    }
    ++polling_;
    worker.polls = true;
    worker.relieved.store(false, std::memory_order_relaxed);
    mu_.Unlock();
    const bool more = Poll(self);
    mu_.Lock();
    if (worker.polls) --polling_;
    worker.polls = false;
    if (!more) {
      over_ = true;
      reserve_.SignalAll();
    }
  }
}

bool CallbackThreads::Poll(size_t self) {
  const gpr_timespec forever = gpr_inf_future(GPR_CLOCK_MONOTONIC);
  while (!workers_[self].relieved.load(std::memory_order_relaxed)) {
    // The queue's own function: the C++ queue's would finish the event, which the
    // functor does.
    const grpc_event event = grpc_completion_queue_next(queue_, forever, nullptr);
    if (event.type == GRPC_QUEUE_SHUTDOWN) return false;
    watch_.Begin(self);
    auto* const functor = static_cast<grpc_completion_queue_functor*>(event.tag);
    functor->functor_run(functor, event.success);
    watch_.End(self);
  }
  return true;
}

void CallbackThreads::Relieve(size_t slow) {
  absl::MutexLock lock(&mu_);
  if (!workers_[slow].polls) return;
  workers_[slow].polls = false;
  workers_[slow].relieved.store(true, std::memory_order_relaxed);
  --polling_;
  reserve_.Signal();
}

}  // namespace outpost::rpc
