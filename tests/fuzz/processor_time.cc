// Part of every fuzzer: ends it when it has used as much of a processor as the environment says,
// in seconds. By the clock that takes longer where other work comes first.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* const seconds = getenv("OUTPOST_FUZZ_SECONDS");
  if (seconds == nullptr) return 0;
  sigevent event = {};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;  // libFuzzer ends in order then
  itimerspec time = {};
  time.it_value.tv_sec = strtol(seconds, nullptr, 10);
  timer_t timer;
  if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) != 0 ||
      timer_settime(timer, 0, &time, nullptr) != 0) {
    perror("OUTPOST_FUZZ_SECONDS");
    exit(1);
  }
  return 0;
}
