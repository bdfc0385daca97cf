// ByteRate is a moving average of bytes a second, over about half a minute.
//
// **Thread safety.** None: its owner has a lock.
#ifndef OUTPOST_SERVER_CLUSTER_REPORT_BYTE_RATE_H_
#define OUTPOST_SERVER_CLUSTER_REPORT_BYTE_RATE_H_

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/time/time.h"

namespace outpost::cluster::report {

class ByteRate {
 public:
  // `now`: of a clock that never goes back.
  void Add(absl::Duration now, size_t bytes) {
    Decay(now);
    bytes_ += static_cast<double>(bytes);
  }

  double PerSecond(absl::Duration now) const {
    ByteRate later = *this;
    later.Decay(now);
    // Of what began a moment ago there is no rate yet.
    const double seconds = std::max(later.seconds_, 1.0);
    return later.bytes_ / seconds;
  }

 private:
  static constexpr double kOver = 30;  // seconds

  // Both fade alike, so that their quotient is right from the beginning.
  void Decay(absl::Duration now) {
    if (then_ == absl::ZeroDuration()) then_ = now;
    const double passed = absl::ToDoubleSeconds(std::max(now - then_, absl::ZeroDuration()));
    const double kept = std::exp(-passed / kOver);
    bytes_ *= kept;
    seconds_ = seconds_ * kept + kOver * (1 - kept);
    then_ = now;
  }

  absl::Duration then_;
  double bytes_ = 0;
  double seconds_ = 0;
};

}  // namespace outpost::cluster::report

#endif  // OUTPOST_SERVER_CLUSTER_REPORT_BYTE_RATE_H_
