#include "outpost/watch.h"

#include "outpost/internal/watcher.h"

namespace outpost {
namespace {

absl::Status NothingIsWatched() { return absl::CancelledError("nothing is watched"); }

}  // namespace

absl::Status Watch::status() const {
  return watcher_ == nullptr ? NothingIsWatched() : watcher_->status();
}

absl::Status Watch::AwaitPresent(absl::Duration timeout) const {
  return watcher_ == nullptr ? NothingIsWatched() : watcher_->AwaitPresent(timeout);
}

void Watch::End() {
  if (watcher_ == nullptr) return;
  watcher_->Stop();
  watcher_->AwaitCallback();
  watcher_ = nullptr;
}

}  // namespace outpost
