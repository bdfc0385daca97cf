#include "server/cluster/ceph/counter_poller.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "server/event/moment.h"
#include "server/event/thread_role.h"
#include "server/log/log.h"

namespace outpost::cluster::ceph {
namespace {

using nlohmann::json;

constexpr uint32_t kHistogram = 16;  // of Ceph's bits of a counter's type
constexpr char kSchemaCommand[] = R"({"prefix":"perf schema","format":"json"})";
constexpr char kDumpCommand[] = R"({"prefix":"perf dump","format":"json"})";

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("not what a daemon of Ceph prints: ", what));
}

// Calls f(path, value) for each counter of each collection.
template <typename F>
absl::Status ForEachCounter(absl::string_view text, absl::string_view what, F f) {
  const json collections = json::parse(text.begin(), text.end(), nullptr,
                                       /*allow_exceptions=*/false);
  if (!collections.is_object()) return Malformed(absl::StrCat(what, " is not a JSON object"));
  for (const auto& [collection, counters] : collections.items()) {
    if (!counters.is_object()) return Malformed(absl::StrCat(what, ": \"", collection, "\""));
    for (const auto& [name, value] : counters.items()) {
      f(absl::StrCat(collection, ".", name), value);
    }
  }
  return absl::OkStatus();
}

double NumberOr0(const json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_number() ? member->get<double>() : 0;
}

std::string TextOr(const json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace

absl::StatusOr<std::vector<v1::CounterSchema>> ParsePerfSchema(absl::string_view perf_schema,
                                                               uint32_t min_priority) {
  std::vector<v1::CounterSchema> schema;
  const absl::Status status =
      ForEachCounter(perf_schema, "perf schema", [&](const std::string& path, const json& value) {
        if (!value.is_object()) return;
        const auto type = static_cast<uint32_t>(NumberOr0(value, "type"));
        const auto priority = static_cast<uint32_t>(NumberOr0(value, "priority"));
        if ((type & kHistogram) != 0 || priority < min_priority) return;
        v1::CounterSchema& counter = schema.emplace_back();
        counter.set_path(path);
        counter.set_type(type);
        counter.set_priority(priority);
        counter.set_unit(TextOr(value, "units") == "bytes" ? 0 : 1);
        counter.set_description(TextOr(value, "description"));
        counter.set_nick(TextOr(value, "nick"));
      });
  if (!status.ok()) return status;
  std::sort(schema.begin(), schema.end(),
            [](const auto& a, const auto& b) { return a.path() < b.path(); });
  return schema;
}

absl::StatusOr<std::vector<PerfCounters::Value>> ParsePerfDump(
    absl::string_view perf_dump, const std::vector<v1::CounterSchema>& schema) {
  std::vector<PerfCounters::Value> values(schema.size());
  const absl::Status status =
      ForEachCounter(perf_dump, "perf dump", [&](const std::string& path, const json& value) {
        const auto counter =
            std::lower_bound(schema.begin(), schema.end(), path,
                             [](const v1::CounterSchema& c, const std::string& wanted) {
                               return c.path() < wanted;
                             });
        if (counter == schema.end() || counter->path() != path) return;
        PerfCounters::Value& kept = values[static_cast<size_t>(counter - schema.begin())];
        if (value.is_number()) {
          kept.value = value.get<double>();
        } else if (value.is_object()) {
          kept.value = NumberOr0(value, "sum");
          kept.count = static_cast<uint64_t>(NumberOr0(value, "avgcount"));
        }
      });
  if (!status.ok()) return status;
  return values;
}

CounterPoller::CounterPoller(PerfCounters* counters, absl::Duration interval, size_t threads,
                             Tell tell)
    : counters_(*counters),
      interval_(interval),
      max_doubtful_(std::max<size_t>(threads, 2) - 1),
      tell_(std::move(tell)) {
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

CounterPoller::~CounterPoller() { Stop(); }

void CounterPoller::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    changed_.SignalAll();
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void CounterPoller::SetDaemons(const std::vector<Daemon>& daemons) {
  std::vector<Key> removed;
  {
    absl::MutexLock lock(&mu_);
    std::map<Key, uint64_t> present;
    for (const Daemon& daemon : daemons) present[{daemon.type, daemon.id}] = daemon.start;
    for (auto known = daemons_.begin(); known != daemons_.end();) {
      if (present.count(known->first) > 0) {
        ++known;
      } else if (known->second.asked) {
        known->second.gone = true;
        ++known;
      } else {
        removed.push_back(known->first);
        queue_.erase({known->second.due, known->first});
        known = daemons_.erase(known);
      }
    }
    for (const auto& [key, start] : present) {
      const auto [daemon, is_new] = daemons_.try_emplace(key);
      State& state = daemon->second;
      state.gone = false;
      if (!is_new && state.start == start) continue;
      queue_.erase({state.due, key});
      const bool asked = state.asked;
      state = {};
      state.start = start;
      state.asked = asked;
      if (!state.asked) queue_.insert({state.due, key});
    }
    changed_.SignalAll();
  }
  for (const auto& [type, id] : removed) counters_.Remove(type, id);
}

CounterPoller::Queue::const_iterator CounterPoller::Next(absl::Duration now,
                                                         absl::Duration* wait) const {
  *wait = absl::InfiniteDuration();
  auto next = queue_.begin();
  for (; next != queue_.end(); ++next) {
    if (next->first > now) {
      *wait = next->first - now;
      return queue_.end();
    }
    if (doubtful_ < max_doubtful_ || daemons_.at(next->second).failures == 0) break;
  }
  return next;
}

void CounterPoller::Run() {
  event::BeginBackground("counters");
  absl::MutexLock lock(&mu_);
  while (!stopping_) {
    const absl::Duration now = event::Moment::Now().steady;
    absl::Duration wait;
    const auto next = Next(now, &wait);
    if (next == queue_.end()) {
      changed_.Wait(&mu_, wait);
      continue;
    }
    const Key key = next->second;
    queue_.erase(next);
    daemons_[key].asked = true;
    const uint64_t start = daemons_[key].start;
    PerfCounters::Schema schema = daemons_[key].schema;
    const size_t doubtful = daemons_[key].failures > 0 ? 1 : 0;
    doubtful_ += doubtful;
    mu_.Unlock();
    const bool answered = Ask(key, &schema);
    mu_.Lock();
    doubtful_ -= doubtful;
    State& state = daemons_[key];  // nobody erases it while it is asked
    state.asked = false;
    if (state.gone) {
      daemons_.erase(key);
      mu_.Unlock();
      counters_.Remove(key.first, key.second);
      mu_.Lock();
      continue;
    }
    if (state.start == start) {  // else it has started again meanwhile, and is due
      state.schema = schema;
      state.failures = answered ? 0 : state.failures + 1;
      state.due = now + std::min(interval_ * (1 << std::min(state.failures, 10)), kLongestRest);
    }
    queue_.insert({state.due, key});
    changed_.SignalAll();
  }
}

bool CounterPoller::Ask(const Key& key, PerfCounters::Schema* schema) {
  const auto& [type, id] = key;
  if (*schema == nullptr) {
    const command::Result described = tell_(type, id, kSchemaCommand);
    if (described.retval != 0) return false;
    auto parsed = ParsePerfSchema(described.out, kMinPriority);
    if (!parsed.ok()) {
      log::Get("cluster").warn("the counters of {}.{}: {}", type, id, parsed.status().ToString());
      return false;
    }
    *schema = Shared(*std::move(parsed));
    counters_.SetSchema(type, id, *schema);
  }
  const command::Result dump = tell_(type, id, kDumpCommand);
  if (dump.retval != 0) return false;
  auto values = ParsePerfDump(dump.out, **schema);
  if (!values.ok()) {
    log::Get("cluster").warn("the counters of {}.{}: {}", type, id, values.status().ToString());
    return false;
  }
  return counters_.Record(type, id, event::Moment::Now(), *std::move(values));
}

PerfCounters::Schema CounterPoller::Shared(std::vector<v1::CounterSchema> schema) {
  std::string bytes;
  for (const auto& counter : schema) counter.AppendToString(&bytes);
  absl::MutexLock lock(&mu_);
  PerfCounters::Schema& shared = schemas_[bytes];
  if (shared == nullptr) {
    shared = std::make_shared<const std::vector<v1::CounterSchema>>(std::move(schema));
  }
  return shared;
}

}  // namespace outpost::cluster::ceph
