#include "server/health/health_registry.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "server/event/moment.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"

namespace outpost::health {
namespace {

constexpr absl::string_view kMutePrefix = "health/mute/";
constexpr absl::string_view kHistoryPrefix = "health/history/";
constexpr int kHistoryDetail = 20;  // lines

std::string HistoryKey(uint64_t number) {
  return absl::StrFormat("%s%020d", kHistoryPrefix, number);
}

absl::Status Validate(absl::string_view source, const v1::HealthCheck& check) {
  const auto invalid = [&](absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("health check \"", check.code(), "\" of ", source, ": ", what));
  };
  if (auto status = ValidateCode(check.code()); !status.ok()) return invalid(status.message());
  if (check.severity() != v1::SEVERITY_WARNING && check.severity() != v1::SEVERITY_ERROR) {
    return invalid("the severity must be SEVERITY_WARNING or SEVERITY_ERROR");
  }
  if (check.summary().empty()) return invalid("the summary is empty");
  if (check.count() < 0) return invalid("the count is negative");
  return absl::OkStatus();
}

bool Same(const v1::HealthCheck& a, const v1::HealthCheck& b) {
  return google::protobuf::util::MessageDifferencer::Equals(a, b);
}

}  // namespace

absl::Status ValidateCode(absl::string_view code) {
  if (code.empty()) return absl::InvalidArgumentError("the code is empty");
  for (const char c : code) {
    if (!absl::ascii_isupper(c) && !absl::ascii_isdigit(c) && c != '_') {
      return absl::InvalidArgumentError("the code may have capitals, digits and '_' only");
    }
  }
  return absl::OkStatus();
}

absl::string_view SeverityName(v1::Severity severity) {
  switch (severity) {
    case v1::SEVERITY_WARNING:
      return "HEALTH_WARN";
    case v1::SEVERITY_ERROR:
      return "HEALTH_ERR";
    default:
      return "HEALTH_OK";
  }
}

HealthRegistry::HealthRegistry(store::StateStore* store, event::TimerQueue* timers,
                               Listeners listeners)
    : store_(store), timers_(timers), listeners_(std::move(listeners)) {
  std::vector<std::pair<std::string, absl::Duration>> ends;
  {
    absl::MutexLock lock(&mu_);
    const event::Moment now = event::Moment::Now();
    for (const auto& [key, value] : store_->List(kMutePrefix)) {
      KeptMute kept;
      if (!kept.mute.ParseFromString(value)) continue;
      if (kept.mute.has_until()) {
        kept.end = now.steady + (event::FromProto(kept.mute.until()) - now.wall);
      }
      ends.emplace_back(kept.mute.code(), kept.end);
      mutes_[kept.mute.code()] = std::move(kept);
    }
    for (const auto& [key, value] : store_->List(kHistoryPrefix)) {
      v1::HealthEvent event;
      uint64_t number = 0;
      if (!absl::SimpleAtoi(absl::string_view(key).substr(kHistoryPrefix.size()), &number))
        continue;
      if (event.ParseFromString(value)) history_[number] = std::move(event);
    }
  }
  for (const auto& [code, end] : ends) ScheduleEnd(code, end);
}

absl::Status HealthRegistry::Set(absl::string_view source, std::vector<v1::HealthCheck> checks) {
  Checks next;
  for (auto& check : checks) {
    if (auto status = Validate(source, check); !status.ok()) return status;
    check.clear_muted();
    const std::string code = check.code();
    if (!next.emplace(code, std::move(check)).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("health check \"", code, "\" of ", source, " is given twice"));
    }
  }
  return Replace(source, std::move(next));
}

absl::Status HealthRegistry::Replace(absl::string_view source, Checks next) {
  std::vector<v1::HealthEvent> events;
  store::Batch batch;
  {
    absl::MutexLock lock(&mu_);
    if (next.empty() && checks_.count(std::string(source)) == 0) return absl::OkStatus();
    Checks& present = checks_[std::string(source)];
    bool same = present.size() == next.size();
    for (auto& [code, check] : next) {
      check.set_source(std::string(source));
      const auto old = present.find(code);
      *check.mutable_since() =
          old == present.end() ? event::ToProto(absl::Now()) : old->second.since();
      same = same && old != present.end() && Same(old->second, check);
    }
    if (same) return absl::OkStatus();
    const Checks before = std::exchange(present, std::move(next));
    events = Compare(before, present, &batch);
    if (present.empty()) checks_.erase(std::string(source));
  }
  Save(std::move(batch));
  for (const auto& event : events) {
    if (listeners_.event) listeners_.event(event);
  }
  listeners_.changed();
  return absl::OkStatus();
}

std::vector<v1::HealthEvent> HealthRegistry::Compare(const Checks& before, const Checks& after,
                                                     store::Batch* batch) {
  std::vector<v1::HealthEvent> events;
  const auto add = [&](const v1::HealthCheck& check) -> v1::HealthEvent& {
    v1::HealthEvent& event = events.emplace_back();
    *event.mutable_time() = event::ToProto(absl::Now());
    *event.mutable_check() = check;
    return event;
  };
  for (const auto& [code, check] : after) {
    const auto old = before.find(code);
    if (old == before.end()) {
      add(check);
    } else if (old->second.summary() != check.summary() ||
               old->second.severity() != check.severity()) {
      add(check).set_changed(true);
    }
  }
  for (const auto& [code, check] : before) {
    if (after.count(code) == 0) add(check).set_cleared(true);
  }
  for (const auto& event : events) Remember(event, batch);
  for (auto mute = mutes_.begin(); mute != mutes_.end();) {
    const std::optional<int64_t> count = CountOf(mute->first);
    const bool concerned = before.count(mute->first) > 0 || after.count(mute->first) > 0;
    const v1::HealthMute& kept = mute->second.mute;
    if (concerned && !kept.sticky() && (!count || *count > kept.count())) {
      batch->changes.push_back({absl::StrCat(kMutePrefix, mute->first), std::nullopt});
      mute = mutes_.erase(mute);
    } else {
      ++mute;
    }
  }
  return events;
}

void HealthRegistry::Remember(const v1::HealthEvent& event, store::Batch* batch) {
  v1::HealthEvent kept = event;
  auto* const detail = kept.mutable_check()->mutable_detail();
  if (detail->size() > kHistoryDetail) {
    detail->DeleteSubrange(kHistoryDetail, detail->size() - kHistoryDetail);
  }
  const uint64_t number = history_.empty() ? 1 : history_.rbegin()->first + 1;
  batch->changes.push_back({HistoryKey(number), kept.SerializeAsString()});
  history_[number] = std::move(kept);
  while (history_.size() > kHistory) {
    batch->changes.push_back({HistoryKey(history_.begin()->first), std::nullopt});
    history_.erase(history_.begin());
  }
}

void HealthRegistry::Save(store::Batch batch) {
  if (batch.changes.empty()) return;
  store_->Write(std::move(batch), [](const absl::Status& status) {
    if (!status.ok()) log::Get("store").warn("the history of health: {}", status.ToString());
  });
}

std::optional<int64_t> HealthRegistry::CountOf(absl::string_view code) const {
  std::optional<int64_t> count;
  for (const auto& [source, checks] : checks_) {
    const auto check = checks.find(std::string(code));
    if (check != checks.end()) count = count.value_or(0) + check->second.count();
  }
  return count;
}

void HealthRegistry::Mute(const std::string& code, std::optional<absl::Duration> ttl, bool sticky,
                          Done done) {
  if (auto status = ValidateCode(code); !status.ok()) {
    return done(absl::InvalidArgumentError(
        absl::StrCat("health check \"", code, "\": ", status.message())));
  }
  if (ttl && *ttl <= absl::ZeroDuration()) {
    return done(absl::InvalidArgumentError(absl::StrCat(
        "health check \"", code, "\" can't be muted for ", absl::FormatDuration(*ttl))));
  }
  v1::HealthMute mute;
  mute.set_code(code);
  mute.set_sticky(sticky);
  absl::Duration end = absl::InfiniteDuration();
  if (ttl) {
    const event::Moment until = event::Moment::Now() + *ttl;
    *mute.mutable_until() = event::ToProto(until.wall);
    end = until.steady;
  }
  bool raised = false;
  {
    absl::MutexLock lock(&mu_);
    const std::optional<int64_t> count = CountOf(code);
    raised = count.has_value();
    mute.set_count(count.value_or(0));
    if (raised || sticky) mutes_[code] = {mute, end};
  }
  if (!raised && !sticky) {
    return done(
        absl::NotFoundError(absl::StrCat("health alert ", code, " is not currently raised")));
  }
  ScheduleEnd(code, end);
  store_->Write(
      {.conditions = {}, .changes = {{absl::StrCat(kMutePrefix, code), mute.SerializeAsString()}}},
      std::move(done));
  listeners_.changed();
}

void HealthRegistry::Unmute(const std::string& code, Done done) {
  {
    absl::MutexLock lock(&mu_);
    if (mutes_.erase(code) == 0) return done(absl::OkStatus());
  }
  store_->Write({.conditions = {}, .changes = {{absl::StrCat(kMutePrefix, code), std::nullopt}}},
                std::move(done));
  listeners_.changed();
}

void HealthRegistry::ScheduleEnd(const std::string& code, absl::Duration end) {
  const absl::Duration left = end - event::Moment::Now().steady;
  if (left == absl::InfiniteDuration()) return;
  timers_->After(std::max(left, absl::ZeroDuration()), [this, code] { EndIfOver(code); });
}

void HealthRegistry::EndIfOver(const std::string& code) {
  {
    absl::MutexLock lock(&mu_);
    const auto mute = mutes_.find(code);
    if (mute == mutes_.end()) return;
    // Else it was given another time, and waits for that, too.
    if (mute->second.end > event::Moment::Now().steady) return;
    mutes_.erase(mute);
  }
  Save({.conditions = {}, .changes = {{absl::StrCat(kMutePrefix, code), std::nullopt}}});
  listeners_.changed();
}

absl::Status HealthRegistry::SetFromCluster(absl::string_view structure_json) {
  const auto malformed = [](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("the cluster's health: ", what));
  };
  const auto outer = nlohmann::json::parse(structure_json.begin(), structure_json.end(), nullptr,
                                           /*allow_exceptions=*/false);
  if (!outer.is_object() || !outer.contains("json") || !outer["json"].is_string()) {
    return malformed("not an object with a text \"json\"");
  }
  const auto health =
      nlohmann::json::parse(outer["json"].get_ref<const std::string&>(), nullptr, false);
  if (!health.is_object()) return malformed("\"json\" does not hold an object");
  Checks checks;
  const auto found = health.find("checks");
  if (found != health.end() && found->is_object()) {
    for (const auto& [code, value] : found->items()) {
      v1::HealthCheck check;
      check.set_code(code);
      check.set_severity(value.value("severity", "") == "HEALTH_ERR" ? v1::SEVERITY_ERROR
                                                                     : v1::SEVERITY_WARNING);
      const auto summary = value.find("summary");
      if (summary != value.end() && summary->is_object()) {
        check.set_summary(summary->value("message", code));
        check.set_count(summary->value("count", int64_t{0}));
      }
      if (check.summary().empty()) check.set_summary(code);
      const auto detail = value.find("detail");
      if (detail != value.end() && detail->is_array()) {
        for (const auto& line : *detail) {
          if (line.is_object()) check.add_detail(line.value("message", ""));
        }
      }
      check.set_muted(value.value("muted", false));
      if (auto status = Validate("cluster", check); !status.ok()) return status;
      checks[code] = std::move(check);
    }
  }
  return Replace("cluster", std::move(checks));
}

Report HealthRegistry::Get() const {
  Report report;
  const event::Moment now = event::Moment::Now();
  absl::MutexLock lock(&mu_);
  for (const auto& [code, kept] : mutes_) {
    if (kept.end <= now.steady) continue;
    v1::HealthMute& mute = report.mutes.emplace_back(kept.mute);
    if (mute.has_until()) {
      // By the wall clock as it goes now; what is below a second is drift.
      const absl::Time until = event::FromProto(mute.until());
      const absl::Duration step = now.wall + (kept.end - now.steady) - until;
      if (absl::AbsDuration(step) >= absl::Seconds(1)) {
        *mute.mutable_until() = event::ToProto(until + step);
      }
    }
  }
  for (const auto& [source, checks] : checks_) {
    for (const auto& [code, check] : checks) {
      v1::HealthCheck& shown = report.checks.emplace_back(check);
      const auto mute = mutes_.find(code);
      if (mute != mutes_.end() && mute->second.end > now.steady) shown.set_muted(true);
      if (!shown.muted()) report.status = std::max(report.status, shown.severity());
    }
  }
  std::stable_sort(report.checks.begin(), report.checks.end(), [](const auto& a, const auto& b) {
    return a.severity() != b.severity() ? a.severity() > b.severity() : a.code() < b.code();
  });
  return report;
}

std::vector<v1::HealthEvent> HealthRegistry::History(size_t limit) const {
  std::vector<v1::HealthEvent> events;
  absl::MutexLock lock(&mu_);
  for (auto event = history_.rbegin(); event != history_.rend() && events.size() < limit; ++event) {
    events.push_back(event->second);
  }
  return events;
}

}  // namespace outpost::health
