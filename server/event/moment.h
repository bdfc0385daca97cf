// Moment is a point in time by both clocks: by the wall clock, for people, and by the steady one,
// for how long ago it was. Who sets the wall clock makes nothing older or younger.
#ifndef OUTPOST_SERVER_EVENT_MOMENT_H_
#define OUTPOST_SERVER_EVENT_MOMENT_H_

#include <chrono>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace outpost::event {

struct Moment {
  absl::Time wall;
  absl::Duration steady;  // since any one point

  static Moment Now() {
    return {absl::Now(), absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch())};
  }
};

// How long `earlier` was before `later`.
inline absl::Duration operator-(const Moment& later, const Moment& earlier) {
  return later.steady - earlier.steady;
}

inline Moment operator+(const Moment& moment, absl::Duration time) {
  return {moment.wall + time, moment.steady + time};
}

// By how much the wall clock was set between the two. What is below a second is drift, and 0, so
// that a time which is shown again is the same.
inline absl::Duration WallClockStep(const Moment& earlier, const Moment& later) {
  const absl::Duration step = (later.wall - earlier.wall) - (later - earlier);
  return absl::AbsDuration(step) < absl::Seconds(1) ? absl::ZeroDuration() : step;
}

// When `then` was, by the wall clock as it goes at `now`.
inline absl::Time WallTime(const Moment& then, const Moment& now) {
  return then.wall + WallClockStep(then, now);
}

}  // namespace outpost::event

#endif  // OUTPOST_SERVER_EVENT_MOMENT_H_
