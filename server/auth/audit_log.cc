#include "server/auth/audit_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/event/moment.h"
#include "server/event/thread_role.h"
#include "server/log/log.h"

namespace outpost::auth {
namespace {

using nlohmann::json;

constexpr size_t kMaxRefused = 1024;  // callers whose refusals are counted
// How long lines wait for others, to be written with them.
constexpr absl::Duration kGather = absl::Milliseconds(20);
// How long it takes until it is told again how many are lost.
constexpr absl::Duration kTellAgain = absl::Seconds(5);

std::string LineOf(uint64_t number, const AuditRecord& record, uint64_t untold) {
  const auto dump = [](const auto& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  nlohmann::ordered_json line;
  line["n"] = number;
  line["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", record.began.wall, absl::UTCTimeZone());
  line["who"] = record.who;
  line["from"] = record.from;
  if (!record.command.empty()) line["command"] = record.command;
  if (!record.method.empty()) line["method"] = record.method;
  if (!record.arguments.is_null()) {
    if (const std::string arguments = dump(record.arguments);
        arguments.size() <= AuditLog::kMaxLine) {
      line["arguments"] = record.arguments;
    } else {
      line["arguments"] = absl::StrCat("(", arguments.size(), " bytes)");
    }
  }
  line["result"] = record.result;
  if (!record.error.empty()) {
    line["error"] = record.hides && !record.refused
                        ? kNotShown
                        : record.error.substr(0, AuditLog::kMaxLine / 4);
  }
  if (record.refused) line["refused"] = true;
  if (record.replayed) line["replayed"] = true;
  if (untold > 0) line["refusals_not_written"] = untold;
  if (record.took > absl::ZeroDuration()) {
    line["seconds"] = static_cast<double>(absl::ToInt64Microseconds(record.took)) / 1e6;
  }
  return dump(line);
}

uint64_t NumberOf(const std::string& line) {
  const json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object() || !object.contains("n") || !object["n"].is_number_unsigned()) return 0;
  return object["n"].get<uint64_t>();
}

}  // namespace

bool SoundsSecret(absl::string_view name) {
  const std::string last = absl::AsciiStrToLower(name.substr(name.rfind('/') + 1));
  for (const char* word : {"secret", "passw", "passphrase", "token", "private", "credential"}) {
    if (absl::StrContains(last, word)) return true;
  }
  return absl::EndsWith(last, "key");
}

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path,
                                                         AuditFile::Limits limits,
                                                         OnTrouble on_trouble) {
  auto log = std::unique_ptr<AuditLog>(new AuditLog(path, limits, std::move(on_trouble)));
  if (absl::Status status = log->file_.Open(); !status.ok()) return status;
  {
    absl::MutexLock lock(&log->mu_);
    for (std::string& line : log->file_.Last(kRemembered)) {
      log->remembered_.push_back(std::move(line));
    }
    if (!log->remembered_.empty()) log->next_number_ = NumberOf(log->remembered_.back()) + 1;
  }
  log->thread_ = std::thread([self = log.get()] { self->Run(); });
  return log;
}

AuditLog::~AuditLog() {
  {
    absl::MutexLock lock(&mu_);
    stop_ = true;
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool AuditLog::MayTell(const std::string& who, uint64_t* untold) {
  if (refusals_.size() >= kMaxRefused && !refusals_.contains(who)) refusals_.clear();
  log::RateLimit& limit =
      refusals_.try_emplace(who, kRefusalsAtOnce, kRefusalsASecond).first->second;
  if (!limit.Take(event::Moment::Now().steady)) return false;
  *untold = limit.TakeRefused();
  return true;
}

void AuditLog::Write(const AuditRecord& record) {
  {
    absl::MutexLock lock(&mu_);
    uint64_t untold = 0;
    if (record.refused && !MayTell(record.who, &untold)) return;
    std::string line = LineOf(next_number_++, record, untold);
    remembered_.push_back(line);
    if (remembered_.size() > kRemembered) remembered_.pop_front();
    if (waiting_.size() >= kMaxWaiting) {
      ++lost_;
    } else {
      waiting_.push_back(std::move(line));
      if (waiting_.size() == 1) changed_.Signal();
    }
  }
  absl::MutexLock lock(&listeners_mu_);
  for (const auto& [id, listener] : listeners_) listener();
}

void AuditLog::Reopen() {
  absl::MutexLock lock(&mu_);
  reopen_ = true;
  changed_.Signal();
}

std::vector<std::string> AuditLog::Last(size_t count) const {
  absl::MutexLock lock(&mu_);
  const size_t n = std::min(count, remembered_.size());
  return {remembered_.end() - static_cast<std::ptrdiff_t>(n), remembered_.end()};
}

uint64_t AuditLog::Start(size_t count, uint64_t after) const {
  absl::MutexLock lock(&mu_);
  const uint64_t first = next_number_ - std::min<uint64_t>(count, remembered_.size());
  return after < next_number_ ? std::max(first, after + 1) : first;
}

std::optional<std::string> AuditLog::Read(uint64_t* next, uint64_t* missed) const {
  absl::MutexLock lock(&mu_);
  if (*next >= next_number_) return std::nullopt;
  const uint64_t first = next_number_ - remembered_.size();
  if (*next < first) {
    *missed += first - *next;
    *next = first;
  }
  return remembered_[static_cast<size_t>((*next)++ - first)];
}

uint64_t AuditLog::End() const {
  absl::MutexLock lock(&mu_);
  return next_number_;
}

uint64_t AuditLog::Listen(std::function<void()> listener) {
  absl::MutexLock lock(&listeners_mu_);
  listeners_.emplace(next_listener_, std::move(listener));
  return next_listener_++;
}

void AuditLog::Unlisten(uint64_t id) {
  absl::MutexLock lock(&listeners_mu_);
  listeners_.erase(id);
}

void AuditLog::Run() {
  event::BeginBackground("audit");
  uint64_t told = 0;  // of those that were lost
  std::string why;
  absl::Time tell_again = absl::InfiniteFuture();  // by internal::SteadyNow; infinite: nothing to
  bool ends = false;
  while (!ends) {
    std::string lines;
    size_t count = 0;
    bool reopen = false;
    {
      absl::MutexLock lock(&mu_);
      const auto something = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
        return !waiting_.empty() || reopen_ || stop_;
      };
      const auto stop = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stop_; };
      if (changed_.AwaitUntil(&mu_, tell_again, something)) {
        // What comes in a moment is written in the same call.
        changed_.AwaitFor(&mu_, kGather, stop);
      }
      count = waiting_.size();
      for (const std::string& line : waiting_) absl::StrAppend(&lines, line, "\n");
      waiting_.clear();
      reopen = std::exchange(reopen_, false);
      ends = stop_;
    }
    absl::Status status;
    if (reopen) {
      status = file_.Open();
      if (!status.ok()) log::Get("auth").error("{}", std::string(status.message()));
    }
    if (count > 0) status = file_.Append(lines);
    if (!status.ok()) why = std::string(status.message());
    const bool writes = count > 0 && status.ok();
    uint64_t lost = 0;
    {
      absl::MutexLock lock(&mu_);
      if (!status.ok()) lost_ += count;
      lost = lost_;
      if (writes) lost_ = 0;
    }
    if (writes && lost > 0) {
      log::Get("auth").error("{} lines of the audit log were lost", lost);
      told = 0;
      tell_again = absl::InfiniteFuture();
      on_trouble_(0, "");
    } else if (lost != told && !why.empty()) {
      // The first loss at once, and then how many there are by now, but not with each of them.
      const absl::Time now = internal::SteadyNow();
      if (told > 0 && tell_again == absl::InfiniteFuture()) tell_again = now + kTellAgain;
      if (told > 0 && now < tell_again) continue;
      if (told == 0) log::Get("auth").error("{}; lines are lost", why);
      told = lost;
      tell_again = absl::InfiniteFuture();
      on_trouble_(lost, why);
    }
  }
}

}  // namespace outpost::auth
