// LogLines is what passes between the manager's cluster log and Ceph's: it reads the lines that
// librados hands over, and makes the text of those that are written.
//
// A line that the manager has written comes back as one of Ceph's; so does the last line when a
// connection is made anew. Both are left out.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_SERVER_CLUSTER_CEPH_LOG_LINES_H_
#define OUTPOST_SERVER_CLUSTER_CEPH_LOG_LINES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "outpost/v1/types.pb.h"

namespace outpost::cluster::ceph {

class LogLines {
 public:
  static constexpr size_t kMaxOnTheirWay = 16;  // written, and not acknowledged
  static constexpr size_t kMaxExpected = 1024;  // written, and not come back
  static constexpr size_t kRemembered = 256;    // lines that would be known again

  // A line as librados has it.
  struct Raw {
    absl::string_view channel;
    absl::string_view rank;  // "mon.0 127.0.0.1:6789/0": who, and from where
    absl::string_view name;  // "mon.a"
    absl::Time time;
    uint64_t sequence = 0;
    absl::string_view level;  // "[INF]"
    absl::string_view message;
  };
  // The line; nullopt: it was written from here, or was here before.
  std::optional<v1::LogRecord> Received(const Raw& raw);

  // The text with which `line` is to be written, expected back from now on. `log` of Ceph 16 knows
  // neither level nor channel: what is unusual of both stands before the message. nullopt: too many
  // are on their way.
  std::optional<std::string> Send(const v1::LogRecord& line);
  // Send's text was written, or it was not.
  void Sent(const std::string& text, bool written);

  // That the client of this address ("127.0.0.1:0/4711") writes those of Send.
  void SetOwnAddress(absl::string_view address);

 private:
  absl::Mutex mu_;
  std::string own_address_ ABSL_GUARDED_BY(mu_);
  size_t on_their_way_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<std::string> expected_ ABSL_GUARDED_BY(mu_);
  using Key = std::tuple<std::string, uint64_t, absl::Time, std::string>;  // rank, sequence, …
  std::deque<Key> order_ ABSL_GUARDED_BY(mu_);
  std::set<Key> seen_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::cluster::ceph

#endif  // OUTPOST_SERVER_CLUSTER_CEPH_LOG_LINES_H_
