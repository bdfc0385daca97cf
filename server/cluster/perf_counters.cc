#include "server/cluster/perf_counters.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

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

bool IsAverage(const v1::CounterSchema& counter) { return (counter.type() & kLongRunAvg) != 0; }

}  // namespace

PerfCounters::Samples::Samples(Schema schema)
    : schema_(std::move(schema)),
      width_(schema_->size()),
      averages_(static_cast<size_t>(std::count_if(schema_->begin(), schema_->end(), IsAverage))) {}

void PerfCounters::Samples::Follow(const event::Moment& now) {
  if (newest_.has_value()) {
    const absl::Duration step = event::WallClockStep(*newest_, now);
    if (step != absl::ZeroDuration()) {
      for (absl::Time& time : times_) time += step;
    }
  }
  newest_ = now;
}

size_t PerfCounters::Samples::Begin(absl::Time time) {
  const size_t taken = times_.size();
  if (taken == 0) {
    times_.push_back(time);
    values_.assign(width_, kNoValue);
    counts_.assign(averages_, 0);
    return 0;
  }
  size_t slot = taken;
  const size_t newest = (oldest_ + taken - 1) % taken;
  if (taken < kSamples) {
    // By a few slots at a time: doubling would leave a third of the memory unused.
    constexpr size_t kStep = 4;
    if (times_.capacity() == taken) {
      const size_t capacity = std::min(taken + kStep, kSamples);
      times_.reserve(capacity);
      values_.reserve(capacity * width_);
      counts_.reserve(capacity * averages_);
    }
    times_.push_back(time);
    values_.resize((taken + 1) * width_);
    counts_.resize((taken + 1) * averages_);
  } else {
    slot = oldest_;
    times_[slot] = time;
    oldest_ = (oldest_ + 1) % kSamples;
  }
  std::copy_n(values_.begin() + static_cast<ptrdiff_t>(newest * width_), width_,
              values_.begin() + static_cast<ptrdiff_t>(slot * width_));
  std::copy_n(counts_.begin() + static_cast<ptrdiff_t>(newest * averages_), averages_,
              counts_.begin() + static_cast<ptrdiff_t>(slot * averages_));
  return slot;
}

absl::Time PerfCounters::Samples::Last(const event::Moment& now) const {
  absl::MutexLock lock(&mu_);
  if (times_.empty()) return absl::InfinitePast();
  const absl::Time last = times_[(oldest_ + times_.size() - 1) % times_.size()];
  return newest_.has_value() ? last + event::WallClockStep(*newest_, now) : last;
}

void PerfCounters::Samples::Read(const v1::DaemonName& name, const v1::GetCountersRequest& request,
                                 const event::Moment& now,
                                 std::vector<v1::CounterSeries>* all) const {
  absl::MutexLock lock(&mu_);
  const size_t taken = times_.size();
  if (taken == 0) return;
  const absl::Duration step =
      newest_.has_value() ? event::WallClockStep(*newest_, now) : absl::ZeroDuration();
  const size_t first = request.latest_only() ? taken - 1 : 0;
  size_t average = 0;  // how many came before
  for (size_t i = 0; i < width_; ++i) {
    const v1::CounterSchema& counter = (*schema_)[i];
    const bool is_average = IsAverage(counter);
    const size_t count_at = average;
    if (is_average) ++average;
    if (!Wanted(counter, request)) continue;
    v1::CounterSeries series;
    for (size_t n = first; n < taken; ++n) {
      const size_t slot = (oldest_ + n) % taken;
      const double value = values_[slot * width_ + i];
      if (std::isnan(value)) continue;
      v1::CounterSample& shown = *series.add_samples();
      *shown.mutable_time() = event::ToProto(times_[slot] + step);
      shown.set_value(value);
      if (is_average) shown.set_count(counts_[slot * averages_ + count_at]);
    }
    if (series.samples().empty()) continue;
    *series.mutable_daemon() = name;
    series.set_path(counter.path());
    all->push_back(std::move(series));
  }
}

std::shared_ptr<PerfCounters::Samples> PerfCounters::SetSchema(const std::string& type,
                                                               const std::string& id,
                                                               Schema schema) {
  std::shared_ptr<Samples> samples;
  {
    absl::MutexLock lock(&mu_);
    std::shared_ptr<Samples>& of_daemon = daemons_[{type, id}];
    if (of_daemon != nullptr && of_daemon->schema() == schema) return of_daemon;
    of_daemon = std::make_shared<Samples>(std::move(schema));
    samples = of_daemon;
  }
  if (schema_changed_) schema_changed_(type, id);
  return samples;
}

bool PerfCounters::Record(const std::string& type, const std::string& id, const event::Moment& now,
                          std::vector<Value> values) {
  std::shared_ptr<Samples> samples;
  {
    absl::MutexLock lock(&mu_);
    const auto found = daemons_.find({type, id});
    if (found == daemons_.end()) return false;
    samples = found->second;
  }
  const Schema& schema = samples->schema();
  if (schema->size() != values.size()) return false;
  samples->Add(now, [&](absl::Span<double> newest, absl::Span<uint64_t> counts) {
    size_t average = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      newest[i] = values[i].value;
      if (IsAverage((*schema)[i])) counts[average++] = values[i].count;
    }
  });
  return true;
}

void PerfCounters::Remove(const std::string& type, const std::string& id) {
  {
    absl::MutexLock lock(&mu_);
    if (daemons_.erase({type, id}) == 0) return;
  }
  if (schema_changed_) schema_changed_(type, id);
}

PerfCounters::Found PerfCounters::Find(const v1::DaemonName& name) const {
  Found found;
  absl::MutexLock lock(&mu_);
  if (!name.type().empty() && !name.id().empty()) {
    const auto daemon = daemons_.find({name.type(), name.id()});
    if (daemon != daemons_.end()) found.emplace_back(name, daemon->second);
    return found;
  }
  for (const auto& [key, samples] : daemons_) {
    if (!name.type().empty() && key.first != name.type()) continue;
    if (!name.id().empty() && key.second != name.id()) continue;
    found.emplace_back(NameOf(key), samples);
  }
  return found;
}

std::vector<v1::DaemonPerfSchema> PerfCounters::Schemas(const v1::DaemonName& daemon) const {
  std::vector<v1::DaemonPerfSchema> schemas;
  for (auto& [name, samples] : Find(daemon)) {
    v1::DaemonPerfSchema& schema = schemas.emplace_back();
    *schema.mutable_daemon() = std::move(name);
    schema.mutable_counters()->Add(samples->schema()->begin(), samples->schema()->end());
  }
  return schemas;
}

absl::Time PerfCounters::LastSample(const v1::DaemonName& daemon, const event::Moment& now) const {
  absl::Time last = absl::InfinitePast();
  for (const auto& [name, samples] : Find(daemon)) last = std::max(last, samples->Last(now));
  return last;
}

std::vector<v1::CounterSeries> PerfCounters::Series(const v1::GetCountersRequest& request,
                                                    const event::Moment& now) const {
  std::vector<v1::CounterSeries> all;
  for (const auto& [name, samples] : Find(request.daemon())) {
    samples->Read(name, request, now, &all);
  }
  return all;
}

}  // namespace outpost::cluster
