// Supervisor: what modules log.
#include <utility>

#include "server/event/moment.h"
#include "server/log/log.h"
#include "server/module/supervisor.h"

namespace outpost::module {
namespace {

constexpr absl::Duration kTellLeftOutAfter = absl::Seconds(1);
constexpr size_t kMaxLogLimits = 4096;
constexpr double kBurstSeconds = 10;

}  // namespace

void Supervisor::HandleLog(const Session& session, const v1::LogBatch& batch) {
  const std::string& name = session.name();
  if (batch.dropped() > 0) {
    log::Get("module").warn("{}: {} log lines were lost", name, batch.dropped());
  }
  const int may = MayLog(name, batch.records_size(), session.rates());
  for (int i = 0; i < may; ++i) {
    const v1::LogRecord& record = batch.records(i);
    log::Write(name, record);
    if (!record.channel().empty() && options_.cluster_log) options_.cluster_log(record);
  }
}

int Supervisor::MayLog(const std::string& name, int lines, const ModuleRates& rates) {
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
    const auto per_second = static_cast<double>(rates.log_lines);
    const LogLimit whole = {.per_second = rates.log_lines,
                            .lines = {kBurstSeconds * per_second, per_second}};
    LogLimit& limit = log_limits_.try_emplace(name, whole).first->second;
    if (limit.per_second != rates.log_lines) limit = whole;
    for (int i = 0; i < lines; ++i) may += limit.lines.Take(now) ? 1 : 0;
    tell = may < lines && !std::exchange(limit.is_told, true);
  }
  if (tell) parts_.timers->After(kTellLeftOutAfter, [this, name] { TellLeftOut(name); });
  return may;
}

void Supervisor::TellLeftOut(const std::string& name) {
  uint64_t left_out = 0;
  uint64_t per_second = 0;
  {
    absl::MutexLock lock(&log_mu_);
    const auto limit = log_limits_.find(name);
    if (limit == log_limits_.end()) return;
    limit->second.is_told = false;
    left_out = limit->second.lines.TakeRefused();
    per_second = limit->second.per_second;
  }
  if (left_out == 0) return;
  log::Get("module").warn(
      "{}: {} lines were left out: it logs more than {} a second (log-lines-per-second)", name,
      left_out, per_second);
}

}  // namespace outpost::module
