#include "server/cluster/perf_counters.h"

#include <algorithm>

#include "server/event/proto_time.h"

namespace outpost::cluster {
namespace {

v1::DaemonName NameOf(const std::pair<std::string, std::string>& key) {
  v1::DaemonName name;
  name.set_type(key.first);
  name.set_id(key.second);
  return name;
}

bool Wanted(const v1::CounterSchema& counter, const v1::GetCountersRequest& request) {
  if (counter.priority() < request.min_priority()) return false;
  const auto& paths = request.paths();
  return paths.empty() || std::find(paths.begin(), paths.end(), counter.path()) != paths.end();
}

}  // namespace

void PerfCounters::SetSchema(const std::string& type, const std::string& id, Schema schema) {
  absl::MutexLock lock(&mu_);
  Daemon& daemon = daemons_[{type, id}];
  if (daemon.schema == schema) return;
  daemon = {.schema = std::move(schema), .samples = {}};
}

bool PerfCounters::Record(const std::string& type, const std::string& id, absl::Time time,
                          std::vector<Value> values) {
  absl::MutexLock lock(&mu_);
  const auto found = daemons_.find({type, id});
  if (found == daemons_.end() || found->second.schema->size() != values.size()) return false;
  std::deque<Sample>& samples = found->second.samples;
  samples.push_back({time, std::move(values)});
  if (samples.size() > kSamples) samples.pop_front();
  return true;
}

void PerfCounters::Remove(const std::string& type, const std::string& id) {
  absl::MutexLock lock(&mu_);
  daemons_.erase({type, id});
}

template <typename F>
void PerfCounters::ForEach(const v1::DaemonName& name, F f) const {
  if (!name.type().empty() && !name.id().empty()) {
    const auto found = daemons_.find({name.type(), name.id()});
    if (found != daemons_.end()) f(found->first, found->second);
    return;
  }
  for (const auto& [key, daemon] : daemons_) {
    if (!name.type().empty() && key.first != name.type()) continue;
    if (!name.id().empty() && key.second != name.id()) continue;
    f(key, daemon);
  }
}

std::vector<v1::DaemonPerfSchema> PerfCounters::Schemas(const v1::DaemonName& daemon) const {
  std::vector<v1::DaemonPerfSchema> schemas;
  absl::MutexLock lock(&mu_);
  ForEach(daemon, [&](const Key& key, const Daemon& found) {
    v1::DaemonPerfSchema& schema = schemas.emplace_back();
    *schema.mutable_daemon() = NameOf(key);
    schema.mutable_counters()->Add(found.schema->begin(), found.schema->end());
  });
  return schemas;
}

std::vector<v1::CounterSeries> PerfCounters::Series(const v1::GetCountersRequest& request) const {
  std::vector<v1::CounterSeries> all;
  absl::MutexLock lock(&mu_);
  ForEach(request.daemon(), [&](const Key& key, const Daemon& daemon) {
    if (daemon.samples.empty()) return;
    const size_t first = request.latest_only() ? daemon.samples.size() - 1 : 0;
    for (size_t i = 0; i < daemon.schema->size(); ++i) {
      const v1::CounterSchema& counter = (*daemon.schema)[i];
      if (!Wanted(counter, request)) continue;
      v1::CounterSeries& series = all.emplace_back();
      *series.mutable_daemon() = NameOf(key);
      series.set_path(counter.path());
      for (size_t n = first; n < daemon.samples.size(); ++n) {
        const Sample& sample = daemon.samples[n];
        v1::CounterSample& shown = *series.add_samples();
        *shown.mutable_time() = event::ToProto(sample.time);
        shown.set_value(sample.values[i].value);
        if ((counter.type() & kLongRunAvg) != 0) shown.set_count(sample.values[i].count);
      }
    }
  });
  return all;
}

}  // namespace outpost::cluster
