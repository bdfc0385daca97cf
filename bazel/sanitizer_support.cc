// What sanitizers have to be told about Debian's libraries, which are built without them.
// Empty in other builds.
#if defined(__SANITIZE_ADDRESS__)

// A name that c-ares looks up is still there when a program ends.
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares\n"; }

#elif defined(__SANITIZE_THREAD__)

#include <dlfcn.h>
#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

// Reports about memory that only these libraries touch: their locks and atomics
// are not seen. (What goes through them between our threads is still checked.)
extern "C" const char* __tsan_default_suppressions() {
  return "race:libgrpc\n"
         "race:libgpr\n"
         "race:libupb\n"
         "race:libaddress_sorting\n"
         "race:libabsl\n"
         "race:libprotobuf\n"
         "race:libsqlite3\n"
         "race:librados\n"
         "race:libceph-common\n"
         "race:libspdlog\n"
         "race:^grpc::\n"
         "race:^absl::debian3::base_internal\n"
         // The count of a shared absl::Status goes down inside libabsl_status.
         "race:^absl::debian3::Status::Unref\n"
         "deadlock:libabsl\n"
         "deadlock:librados\n"
         "deadlock:libceph-common\n"
         "signal:libgrpc\n";
}

// absl::Mutex orders memory by atomics inside libabsl_synchronization, which
// TSan does not see: without help everything that a Mutex guards looks like a
// race. So the executable's own definitions come before the library's, call
// those, and tell TSan what was ordered.
namespace {

template <typename Function>
Function Original(const char* symbol) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, symbol));
}

}  // namespace

#define ORIGINAL(symbol, type) static const auto original = Original<type>(symbol)

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);

namespace {

// Whoever lets go of a Mutex evaluates the Conditions of those who wait for it, on
// their stacks, under its inner lock: TSan would see a race with what the waiter
// puts there next.
class EvaluatesConditions {
 public:
  EvaluatesConditions() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~EvaluatesConditions() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

void Mutex::Lock() {
  ORIGINAL("_ZN4absl7debian35Mutex4LockEv", void (*)(Mutex*));
  original(this);
  __tsan_acquire(this);
}
void Mutex::Unlock() {
  ORIGINAL("_ZN4absl7debian35Mutex6UnlockEv", void (*)(Mutex*));
  __tsan_release(this);
  const EvaluatesConditions evaluates;
  original(this);
}
bool Mutex::TryLock() {
  ORIGINAL("_ZN4absl7debian35Mutex7TryLockEv", bool (*)(Mutex*));
  const bool locked = original(this);
  if (locked) __tsan_acquire(this);
  return locked;
}
void Mutex::ReaderLock() {
  ORIGINAL("_ZN4absl7debian35Mutex10ReaderLockEv", void (*)(Mutex*));
  original(this);
  __tsan_acquire(this);
}
void Mutex::ReaderUnlock() {
  ORIGINAL("_ZN4absl7debian35Mutex12ReaderUnlockEv", void (*)(Mutex*));
  __tsan_release(this);
  const EvaluatesConditions evaluates;
  original(this);
}
void Mutex::Await(const Condition& condition) {
  ORIGINAL("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE", void (*)(Mutex*, const Condition&));
  __tsan_release(this);
  const EvaluatesConditions evaluates;
  original(this, condition);
  __tsan_acquire(this);
}
bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  ORIGINAL("_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE",
           bool (*)(Mutex*, const Condition&, Duration));
  __tsan_release(this);
  const EvaluatesConditions evaluates;
  const bool held = original(this, condition, timeout);
  __tsan_acquire(this);
  return held;
}
bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  ORIGINAL("_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE",
           bool (*)(Mutex*, const Condition&, Time));
  __tsan_release(this);
  const EvaluatesConditions evaluates;
  const bool held = original(this, condition, deadline);
  __tsan_acquire(this);
  return held;
}
void Mutex::LockWhen(const Condition& condition) {
  ORIGINAL("_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE", void (*)(Mutex*, const Condition&));
  original(this, condition);
  __tsan_acquire(this);
}
void CondVar::Wait(Mutex* mu) {
  ORIGINAL("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE", void (*)(CondVar*, Mutex*));
  __tsan_release(mu);
  const EvaluatesConditions evaluates;
  original(this, mu);
  __tsan_acquire(mu);
}
bool CondVar::WaitWithTimeout(Mutex* mu, Duration timeout) {
  ORIGINAL("_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE",
           bool (*)(CondVar*, Mutex*, Duration));
  __tsan_release(mu);
  const EvaluatesConditions evaluates;
  const bool timed_out = original(this, mu, timeout);
  __tsan_acquire(mu);
  return timed_out;
}
bool CondVar::WaitWithDeadline(Mutex* mu, Time deadline) {
  ORIGINAL("_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE",
           bool (*)(CondVar*, Mutex*, Time));
  __tsan_release(mu);
  const EvaluatesConditions evaluates;
  const bool timed_out = original(this, mu, deadline);
  __tsan_acquire(mu);
  return timed_out;
}

void Notification::Notify() {
  ORIGINAL("_ZN4absl7debian312Notification6NotifyEv", void (*)(Notification*));
  __tsan_release(this);
  original(this);
}
void Notification::WaitForNotification() const {
  ORIGINAL("_ZNK4absl7debian312Notification19WaitForNotificationEv", void (*)(const Notification*));
  original(this);
  __tsan_acquire(const_cast<Notification*>(this));
}
bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  ORIGINAL("_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE",
           bool (*)(const Notification*, Duration));
  const bool notified = original(this, timeout);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}
bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  ORIGINAL("_ZNK4absl7debian312Notification31WaitForNotificationWithDeadlineENS0_4TimeE",
           bool (*)(const Notification*, Time));
  const bool notified = original(this, deadline);
  if (notified) __tsan_acquire(const_cast<Notification*>(this));
  return notified;
}

ABSL_NAMESPACE_END
}  // namespace absl

// A completion queue orders what came before an operation's start before what
// comes after its end, by a list without locks inside libgrpc.
bool grpc_cq_begin_op(grpc_completion_queue* queue, void* tag) {
  ORIGINAL("_Z16grpc_cq_begin_opP21grpc_completion_queuePv",
           bool (*)(grpc_completion_queue*, void*));
  __tsan_release(tag);
  return original(queue, tag);
}

extern "C" grpc_event grpc_completion_queue_next(grpc_completion_queue* queue,
                                                 gpr_timespec deadline, void* reserved) {
  ORIGINAL("grpc_completion_queue_next",
           grpc_event(*)(grpc_completion_queue*, gpr_timespec, void*));
  const grpc_event event = original(queue, deadline, reserved);
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

#endif
