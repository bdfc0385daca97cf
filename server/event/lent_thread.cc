#include "server/event/lent_thread.h"

namespace outpost::event {
namespace {

thread_local ThreadLender* this_lender = nullptr;

}  // namespace

void SetLender(ThreadLender* lender) { this_lender = lender; }

void TakesItsTime() {
  if (this_lender != nullptr) this_lender->TakesItsTime();
}

LentMutexLock::LentMutexLock(absl::Mutex* mu) : mu_(mu) {
  if (mu->TryLock()) return;
  TakesItsTime();
  mu->Lock();
}

}  // namespace outpost::event
