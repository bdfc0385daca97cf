// RecordingLink is the manager's end of a stream that leads nowhere: a test waits
// for what was sent, and answers as the module would.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_SERVER_MODULE_RECORDING_LINK_H_
#define OUTPOST_SERVER_MODULE_RECORDING_LINK_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "outpost/v1/module_host.pb.h"
#include "server/module/session.h"

namespace outpost::module {

class RecordingLink : public SessionLink {
 public:
  using Case = v1::AttachResponse::MessageCase;

  bool Send(v1::AttachResponse&& message) override {
    absl::MutexLock lock(&mu_);
    if (closed_) return false;
    messages_.push_back(std::move(message));
    came_.SignalAll();
    return true;
  }

  void Close(const absl::Status& status, absl::string_view reason) override {
    absl::MutexLock lock(&mu_);
    if (closed_) return;
    closed_ = status;
    reason_ = std::string(reason);
  }

  // The next message of the kind `which`; those before it are thrown away. Fails the
  // test, and is empty, when none comes in 20 s.
  v1::AttachResponse Next(Case which) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    absl::MutexLock lock(&mu_);
    while (true) {
      while (!messages_.empty() && messages_.front().message_case() != which) messages_.pop_front();
      if (!messages_.empty()) break;
      if (came_.WaitWithDeadline(&mu_, deadline)) {
        ADD_FAILURE() << "no message of kind " << which << " came";
        return {};
      }
    }
    v1::AttachResponse message = std::move(messages_.front());
    messages_.pop_front();
    return message;
  }

  // The kinds of all messages that were not taken yet.
  std::vector<Case> Waiting() const {
    absl::MutexLock lock(&mu_);
    std::vector<Case> cases;
    for (const auto& message : messages_) cases.push_back(message.message_case());
    return cases;
  }

  // With what the stream was closed; nullopt: it is open.
  std::optional<absl::Status> closed() const {
    absl::MutexLock lock(&mu_);
    return closed_;
  }
  std::string reason() const {
    absl::MutexLock lock(&mu_);
    return reason_;
  }

 private:
  mutable absl::Mutex mu_;
  absl::CondVar came_;
  std::deque<v1::AttachResponse> messages_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> closed_ ABSL_GUARDED_BY(mu_);
  std::string reason_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::module

#endif  // OUTPOST_SERVER_MODULE_RECORDING_LINK_H_
