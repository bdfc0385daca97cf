#include "server/progress/progress_registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/event/proto_time.h"

namespace outpost::progress {

absl::Status ProgressRegistry::Update(absl::string_view source, v1::ProgressEvent event) {
  if (event.id().empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a progress event of module '", source, "' has no id"));
  }
  if (!(event.progress() >= 0 && event.progress() <= 1)) {  // also not a number
    return absl::InvalidArgumentError(absl::StrCat("progress event '", event.id(), "' of module '",
                                                   source, "': the progress ", event.progress(),
                                                   " is not within 0 and 1"));
  }
  event.set_source(std::string(source));
  event.clear_completed();
  absl::MutexLock lock(&mu_);
  size_t own = 0;
  for (v1::ProgressEvent& present : events_) {
    if (present.source() != source) continue;
    if (present.id() == event.id()) {
      *event.mutable_started() = present.started();
      present = std::move(event);
      return absl::OkStatus();
    }
    ++own;
  }
  if (own >= kMaxEvents) {
    return absl::ResourceExhaustedError(
        absl::StrCat("module '", source, "' has ", kMaxEvents,
                     " progress events that go on: complete some before '", event.id(), "'"));
  }
  *event.mutable_started() = event::ToProto(absl::Now());
  events_.push_back(std::move(event));
  return absl::OkStatus();
}

void ProgressRegistry::Complete(absl::string_view source, absl::string_view id) {
  absl::MutexLock lock(&mu_);
  const auto event = std::find_if(events_.begin(), events_.end(), [&](const auto& e) {
    return e.source() == source && e.id() == id;
  });
  if (event == events_.end()) return;
  event->set_progress(1);
  *event->mutable_completed() = event::ToProto(absl::Now());
  completed_.push_front(std::move(*event));
  events_.erase(event);
  if (completed_.size() > kCompleted) completed_.pop_back();
}

void ProgressRegistry::Clear(absl::string_view source) {
  absl::MutexLock lock(&mu_);
  events_.erase(
      std::remove_if(events_.begin(), events_.end(),
                     [&](const auto& e) { return source.empty() || e.source() == source; }),
      events_.end());
}

std::vector<v1::ProgressEvent> ProgressRegistry::Events() const {
  absl::MutexLock lock(&mu_);
  return events_;
}

std::vector<v1::ProgressEvent> ProgressRegistry::Completed() const {
  absl::MutexLock lock(&mu_);
  return {completed_.begin(), completed_.end()};
}

std::string Bar(double progress, size_t width) {
  const auto full = static_cast<size_t>(progress * static_cast<double>(width));
  std::string bar(full, '=');
  if (full < width) bar += '>';
  bar.resize(width, '.');
  return absl::StrCat("[", bar, "] ", static_cast<int>(progress * 100), "%");
}

}  // namespace outpost::progress
