#include "server/event/thread_role.h"

#include <pthread.h>
#include <sched.h>

namespace outpost::event {

void NameThread(const char* name) { pthread_setname_np(pthread_self(), name); }

void BeginBackground(const char* name) {
  NameThread(name);
  const sched_param none = {};
  // It can't be refused: it takes nothing from anybody.
  if (sched_getscheduler(0) == SCHED_OTHER) sched_setscheduler(0, SCHED_BATCH, &none);
}

}  // namespace outpost::event
