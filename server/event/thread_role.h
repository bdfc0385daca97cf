// What a thread of the manager is for, as the kernel and `top -H` see it.
//
// **Thread safety.** All functions are of the calling thread.
#ifndef OUTPOST_SERVER_EVENT_THREAD_ROLE_H_
#define OUTPOST_SERVER_EVENT_THREAD_ROLE_H_

namespace outpost::event {

// Names the thread: at most 15 characters.
void NameThread(const char* name);

// Names it, and has it wait for its turn when it wakes up: nobody waits for what it does, so it is
// not to take a processor from a thread that answers a call (SCHED_BATCH, sched(7)). It has its
// share of the processors as before. Where an operator has given the manager a policy of its own,
// that stays. What is started by it has that policy, too.
void BeginBackground(const char* name);

}  // namespace outpost::event

#endif  // OUTPOST_SERVER_EVENT_THREAD_ROLE_H_
