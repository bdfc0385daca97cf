#include "server/module/event_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "outpost/internal/utf8.h"
#include "server/event/moment.h"
#include "server/event/proto_time.h"
#include "server/log/log.h"

namespace outpost::module {
namespace {

constexpr char kPrefix[] = "events/";
constexpr size_t kLongestText = 2048;        // of a message, and of a line of output
constexpr size_t kLongestTraceback = 16384;  // its end tells most
constexpr char kByHand[] = " ";              // no module's name
constexpr char kCut[] = "[…]";

std::string KeyOf(uint64_t number) { return absl::StrFormat("%s%020d", kPrefix, number); }

size_t SizeOf(const Event& event) { return event.ByteSizeLong() + sizeof(Event); }

// Modules that are started by hand have names without end: they share one share.
std::string OwnerOf(const Event& event) { return event.by_hand() ? kByHand : event.module(); }

std::string Beginning(absl::string_view text, size_t longest) {
  if (text.size() <= longest) return internal::ToUtf8(text);
  return absl::StrCat(internal::ToUtf8(internal::CutUtf8(text, longest)), kCut);
}

std::string Ending(absl::string_view text, size_t longest) {
  if (text.size() <= longest) return internal::ToUtf8(text);
  return absl::StrCat(kCut, internal::ToUtf8(text.substr(text.size() - longest)));
}

}  // namespace

EventLog::EventLog(store::StateStore* store) : store_(store) {
  store::Batch batch;
  {
    absl::MutexLock lock(&mu_);
    for (const auto& [key, value] : store_->List(kPrefix)) {
      Event event;
      uint64_t number = 0;
      if (!absl::SimpleAtoi(absl::StripPrefix(key, kPrefix), &number) ||
          !event.ParseFromString(value)) {
        batch.changes.push_back({key, std::nullopt});
        continue;
      }
      next_ = number;
      Insert(std::move(event), nullptr);
    }
    MakeRoom(&batch);
  }
  if (!batch.changes.empty()) store_->Write(std::move(batch), [](const absl::Status&) {});
}

void EventLog::Add(Event event) {
  const event::Moment now = event::Moment::Now();
  *event.mutable_time() = event::ToProto(now.wall);
  event.clear_missed();
  event.set_message(Beginning(event.message(), kLongestText));
  event.set_traceback(Ending(event.traceback(), kLongestTraceback));
  if (event.has_exit()) {
    for (std::string& line : *event.mutable_exit()->mutable_output())
      line = Beginning(line, kLongestText);
  }
  store::Batch batch;
  {
    absl::MutexLock lock(&mu_);
    Owner& owner = owners_[OwnerOf(event)];
    if (!owner.limit.Take(now.steady)) return;
    if (const uint64_t left_out = owner.limit.TakeRefused(); left_out > 0) {
      Event told;
      *told.mutable_time() = event.time();
      told.set_module(event.module());
      told.set_by_hand(event.by_hand());
      told.set_state(event.state());
      told.set_kind(v1::EVENT_KIND_LEFT_OUT);
      told.set_message(absl::StrCat(left_out, " events were left out here: they came too fast"));
      Insert(std::move(told), &batch);
    }
    Insert(std::move(event), &batch);
    MakeRoom(&batch);
    // With the lock: what is written first must be what was added first.
    store_->Write(std::move(batch), [](const absl::Status& status) {
      if (!status.ok()) log::Get("module").warn("an event is not stored: {}", status.ToString());
    });
  }
  absl::MutexLock lock(&listeners_mu_);
  for (const auto& [id, listener] : listeners_) listener();
}

void EventLog::Insert(Event event, store::Batch* batch) {
  event.set_sequence(next_);
  if (batch != nullptr) batch->changes.push_back({KeyOf(next_), event.SerializeAsString()});
  Owner& owner = owners_[OwnerOf(event)];
  const size_t size = SizeOf(event);
  owner.numbers.push_back(next_);
  owner.bytes += size;
  bytes_ += size;
  events_.emplace(next_++, std::make_shared<const Event>(std::move(event)));
}

void EventLog::MakeRoom(store::Batch* batch) {
  while (events_.size() > kMaxEvents || (bytes_ > kMaxBytes && events_.size() > 1)) {
    const auto most = std::max_element(
        owners_.begin(), owners_.end(),
        [](const auto& a, const auto& b) { return a.second.bytes < b.second.bytes; });
    Owner& owner = most->second;
    const auto oldest = events_.find(owner.numbers.front());
    const size_t size = SizeOf(*oldest->second);
    batch->changes.push_back({KeyOf(oldest->first), std::nullopt});
    owner.numbers.pop_front();
    owner.bytes -= size;
    bytes_ -= size;
    events_.erase(oldest);
  }
}

uint64_t EventLog::Start(absl::string_view module, size_t limit, uint64_t after) const {
  absl::MutexLock lock(&mu_);
  // A number that no event has had yet is of another store, which is gone.
  after = std::min(after, next_ - 1);
  uint64_t start = next_;
  for (auto event = events_.rbegin(); event != events_.rend() && limit > 0; ++event) {
    if (event->first <= after) return after + 1;
    if (!module.empty() && event->second->module() != module) continue;
    start = event->first;
    --limit;
  }
  // Where there are gaps behind `after`, Read tells of them.
  return limit > 0 && after > 0 ? after + 1 : start;
}

uint64_t EventLog::End() const {
  absl::MutexLock lock(&mu_);
  return next_;
}

EventPtr EventLog::Read(uint64_t* next, absl::string_view module, uint64_t* missed) const {
  absl::MutexLock lock(&mu_);
  for (auto event = events_.lower_bound(*next); event != events_.end(); ++event) {
    *missed += event->first - *next;  // none is between: they were removed
    *next = event->first + 1;
    if (module.empty() || event->second->module() == module) return event->second;
  }
  return nullptr;
}

uint64_t EventLog::Listen(std::function<void()> listener) {
  absl::MutexLock lock(&listeners_mu_);
  listeners_[next_listener_] = std::move(listener);
  return next_listener_++;
}

void EventLog::Unlisten(uint64_t id) {
  absl::MutexLock lock(&listeners_mu_);
  listeners_.erase(id);
}

}  // namespace outpost::module
