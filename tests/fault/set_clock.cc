// Preloaded into a manager, its modules and the command line: the wall clock of all of them is
// ahead by the number of seconds that the file OUTPOST_TEST_CLOCK holds, as an int64_t. A test sets
// it while they run, as an operator sets the machine's.
//
// What asks for the time gets another one. What waits until a time of the wall clock (in a futex,
// as Abseil's and the C++ library's waits do) goes by the clock as it is set meanwhile, as the
// kernel has it: it waits in short pieces here, and looks at the clock again.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace {

constexpr int64_t kSecond = 1'000'000'000;  // ns
constexpr int64_t kPiece = kSecond / 20;

int64_t Ahead() {
  static const int64_t* const seconds = [] {
    static const int64_t none = 0;
    const char* file = getenv("OUTPOST_TEST_CLOCK");
    const int fd = file == nullptr ? -1 : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return &none;
    void* const map = mmap(nullptr, sizeof none, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return map == MAP_FAILED ? &none : static_cast<const int64_t*>(map);
  }();
  return __atomic_load_n(seconds, __ATOMIC_SEQ_CST);
}

long Call(long number, long a, long b, long c, long d, long e, long f) {
  using Syscall = long (*)(long, ...);
  // Not a static that is made once: whoever waited for that would do so by syscall().
  static std::atomic<Syscall> found = nullptr;
  Syscall original = found.load(std::memory_order_relaxed);
  if (original == nullptr) {
    original = reinterpret_cast<Syscall>(dlsym(RTLD_NEXT, "syscall"));
    found.store(original, std::memory_order_relaxed);
  }
  return original(number, a, b, c, d, e, f);
}

int64_t RealNow() {
  timespec time = {};
  Call(SYS_clock_gettime, CLOCK_REALTIME, reinterpret_cast<long>(&time), 0, 0, 0, 0);
  return time.tv_sec * kSecond + time.tv_nsec;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result =
      static_cast<int>(Call(SYS_clock_gettime, clock, reinterpret_cast<long>(time), 0, 0, 0, 0));
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    time->tv_sec += Ahead();
  }
  return result;
}

int gettimeofday(timeval* time, void*) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* result) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (result != nullptr) *result = now.tv_sec;
  return now.tv_sec;
}

long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_clock_gettime) {  // as gRPC asks in Python
    // NOLINTNEXTLINE(performance-no-int-to-ptr): so it comes, as an argument of a system call
    return clock_gettime(static_cast<clockid_t>(a[0]), reinterpret_cast<timespec*>(a[1]));
  }
  const long operation = a[1] & FUTEX_CMD_MASK;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): so it comes, as an argument of a system call
  const auto* until = reinterpret_cast<const timespec*>(a[3]);
  if (number != SYS_futex || operation != FUTEX_WAIT_BITSET || until == nullptr ||
      (a[1] & FUTEX_CLOCK_REALTIME) == 0) {
    return Call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
  }
  while (true) {
    const int64_t now = RealNow();
    const int64_t left = until->tv_sec * kSecond + until->tv_nsec - Ahead() * kSecond - now;
    const int64_t end = now + (left < kPiece ? left : kPiece);
    const timespec piece = {.tv_sec = end / kSecond, .tv_nsec = end % kSecond};
    const long result = Call(number, a[0], a[1], a[2], reinterpret_cast<long>(&piece), a[4], a[5]);
    if (result == 0 || errno != ETIMEDOUT || left <= kPiece) return result;
  }
}

}  // extern "C"
