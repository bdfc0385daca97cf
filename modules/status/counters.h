// Counters holds performance counters of many daemons, by daemon and path.
//
// **Thread safety.** Immutable.
#ifndef OUTPOST_MODULES_STATUS_COUNTERS_H_
#define OUTPOST_MODULES_STATUS_COUNTERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "outpost/cluster.h"

namespace status {

class Counters {
 public:
  Counters() = default;
  explicit Counters(std::vector<outpost::CounterSeries> series) {
    for (outpost::CounterSeries& one : series) {
      std::pair key(one.daemon.id, one.path);
      series_.emplace(std::move(key), std::move(one));
    }
  }

  // The newest value; 0 where there is none.
  int64_t Latest(const std::string& daemon_id, const std::string& path) const {
    const outpost::CounterSeries* series = Find(daemon_id, path);
    if (series == nullptr || series->samples.empty()) return 0;
    return static_cast<int64_t>(series->samples.back().value);
  }
  // The change per second; 0 where it is not known.
  int64_t Rate(const std::string& daemon_id, const std::string& path) const {
    const outpost::CounterSeries* series = Find(daemon_id, path);
    return series == nullptr ? 0 : outpost::Rate(*series);
  }

 private:
  const outpost::CounterSeries* Find(const std::string& daemon_id, const std::string& path) const {
    const auto it = series_.find({daemon_id, path});
    return it == series_.end() ? nullptr : &it->second;
  }

  std::map<std::pair<std::string, std::string>, outpost::CounterSeries> series_;
};

}  // namespace status

#endif  // OUTPOST_MODULES_STATUS_COUNTERS_H_
