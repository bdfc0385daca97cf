// ProgressRegistry knows how far the modules' long work is.
//
// **Thread safety.** All methods may be called from any thread.
//
// **Invariants.**
// 1. A module has at most kMaxEvents events that go on.
// 2. The last kCompleted that were completed are kept; nothing survives a restart
//    of the manager.
#ifndef OUTPOST_SERVER_PROGRESS_PROGRESS_REGISTRY_H_
#define OUTPOST_SERVER_PROGRESS_PROGRESS_REGISTRY_H_

#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/progress.pb.h"

namespace outpost::progress {

class ProgressRegistry {
 public:
  static constexpr size_t kMaxEvents = 1000;
  static constexpr size_t kCompleted = 50;

  // Makes the event `event.id()` of `source`, or changes it. INVALID_ARGUMENT: the
  // id is empty, or the progress not within 0 and 1. RESOURCE_EXHAUSTED: there are
  // too many. Errors name the module and the event.
  absl::Status Update(absl::string_view source, v1::ProgressEvent event);

  // The event is done, whatever its progress. One that there is not is no error.
  void Complete(absl::string_view source, absl::string_view id);

  // Takes away the events of `source` that go on; of all where it is empty. Those
  // of a module that has ended, too: nobody will complete them.
  void Clear(absl::string_view source);

  // Those that go on, the oldest first.
  std::vector<v1::ProgressEvent> Events() const;
  // The last that were completed, the newest first.
  std::vector<v1::ProgressEvent> Completed() const;

 private:
  mutable absl::Mutex mu_;
  std::vector<v1::ProgressEvent> events_ ABSL_GUARDED_BY(mu_);    // the oldest first
  std::deque<v1::ProgressEvent> completed_ ABSL_GUARDED_BY(mu_);  // the newest first
};

// "[=====>........] 42%", the bar `width` characters wide.
std::string Bar(double progress, size_t width);

}  // namespace outpost::progress

#endif  // OUTPOST_SERVER_PROGRESS_PROGRESS_REGISTRY_H_
