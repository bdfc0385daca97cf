// Watch hears of changes of options or of keys, as they come; see Module::WatchOptions and
// Module::WatchStore.
//
//     absl::Status Start() override {
//       auto watch = WatchStore("job/", [this](const StoreChange& change) {
//         change.value ? Schedule(change.key, *change.value) : Drop(change.key);
//       });
//       if (!watch.ok()) return watch.status();
//       jobs_ = *std::move(watch);  // a member: outpost::Watch jobs_;
//       return absl::OkStatus();
//     }
//
// The callback first hears of all that there is, as if that had just been set, and then of
// each change. After the manager was away it hears of what has changed meanwhile, and of
// nothing twice: whoever applies what it hears in a map has what the manager has. Of changes
// that follow each other fast it may hear only the last; right after it begins, or the manager
// was away, a key's value of a moment ago may come once more before the newest.
//
// **Threads.** Callbacks run on the thread of Module::Notify, one at a time; the next change
// is read when the last one was heard.
//
// **Thread safety.** Every method may be called from any thread.
#ifndef OUTPOST_SDK_CPP_OUTPOST_WATCH_H_
#define OUTPOST_SDK_CPP_OUTPOST_WATCH_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace outpost {

namespace internal {
class Watcher;
}

// An option has another effective value.
struct OptionChange {
  std::string module = {};
  std::string name = {};  // without "mgr/<module>/"
  // As text, in the canonical form of its type; "<redacted>" of a secret option. nullopt:
  // it is not set and has no default, or is not declared any more.
  std::optional<std::string> value = {};
};

// A key of this module has another value.
struct StoreChange {
  std::string key = {};                   // whole
  std::optional<std::string> value = {};  // nullopt: it was removed
};

// Ends what it watches when it goes; after that the callback neither runs nor will. So the
// destructor waits for a callback that runs on another thread: hold no lock that it takes. A
// callback may destroy its own Watch. One that was moved from, or made by the default
// constructor, watches nothing.
class Watch {
 public:
  Watch() = default;
  explicit Watch(std::shared_ptr<internal::Watcher> watcher) : watcher_(std::move(watcher)) {}
  ~Watch() { End(); }
  Watch(Watch&& other) noexcept = default;
  Watch& operator=(Watch&& other) noexcept {
    if (this != &other) {
      End();
      watcher_ = std::move(other.watcher_);
    }
    return *this;
  }

  // OK while it goes on, also while it waits for a manager. Else why it has ended for good:
  // what the manager answered (PERMISSION_DENIED, INVALID_ARGUMENT, UNIMPLEMENTED), or
  // CANCELLED: the module ends, or this watches nothing.
  absl::Status status() const;

  // Waits until the callback has heard of all that there was when the watch began. An error
  // of status(), or DEADLINE_EXCEEDED after `timeout`. Not to be called on the thread of
  // Module::Notify, which it would wait for.
  absl::Status AwaitPresent(absl::Duration timeout) const;

 private:
  void End();

  std::shared_ptr<internal::Watcher> watcher_;
};

}  // namespace outpost

#endif  // OUTPOST_SDK_CPP_OUTPOST_WATCH_H_
