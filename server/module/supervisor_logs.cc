// Supervisor: what modules log.
#include <utility>

#include "server/event/moment.h"
#include "server/log/log.h"
#include "server/module/supervisor.h"

namespace outpost::module {
namespace {

constexpr absl::Duration kTellLeftOutAfter = absl::Seconds(1);
constexpr size_t kMaxLogLimits = 4096;

}  // namespace

void Supervisor::HandleLog(const std::string& name, const v1::LogBatch& batch) {
  if (batch.dropped() > 0) {
    log::Get("module").warn("{}: {} log lines were lost", name, batch.dropped());
  }
  const int may = MayLog(name, batch.records_size());
  for (int i = 0; i < may; ++i) {
    const v1::LogRecord& record = batch.records(i);
    log::Write(name, record);
    if (!record.channel().empty() && options_.cluster_log) options_.cluster_log(record);
  }
}

int Supervisor::MayLog(const std::string& name, int lines) {
  const absl::Duration now = event::Moment::Now().steady;
  int may = 0;
  bool tell = false;
  {
    absl::MutexLock lock(&log_mu_);
    // Of strangers, there are names without end.
    if (log_limits_.size() >= kMaxLogLimits && !log_limits_.contains(name)) {
      absl::erase_if(log_limits_,
                     [now](const auto& entry) { return entry.second.lines.IsFull(now); });
    }
    LogLimit& limit =
        log_limits_.try_emplace(name, LogLimit{.lines = {options_.log_burst, options_.log_rate}})
            .first->second;
    for (int i = 0; i < lines; ++i) may += limit.lines.Take(now) ? 1 : 0;
    tell = may < lines && !std::exchange(limit.is_told, true);
  }
  if (tell) parts_.timers->After(kTellLeftOutAfter, [this, name] { TellLeftOut(name); });
  return may;
}

void Supervisor::TellLeftOut(const std::string& name) {
  uint64_t left_out = 0;
  {
    absl::MutexLock lock(&log_mu_);
    const auto limit = log_limits_.find(name);
    if (limit == log_limits_.end()) return;
    limit->second.is_told = false;
    left_out = limit->second.lines.TakeRefused();
  }
  if (left_out == 0) return;
  log::Get("module").warn(
      "{}: {} lines were left out: it logs more than {} a second (--log-lines-per-second)", name,
      left_out, options_.log_rate);
}

}  // namespace outpost::module
