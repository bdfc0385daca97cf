// TailStream is a server-streaming call that sends what a history has and, where it
// follows, what comes. It reads the history at its client's pace, and so holds nothing
// of it back, but for one message.
//
// **Thread safety.** It deletes itself when the call is over; the history wakes it from
// any thread until then.
#ifndef OUTPOST_SERVER_RPC_TAIL_STREAM_H_
#define OUTPOST_SERVER_RPC_TAIL_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace outpost::rpc {

template <typename Response>
class TailStream final : public grpc::ServerWriteReactor<Response> {
 public:
  // Fills a cleared message with what comes next; false: there is nothing more, or nothing
  // yet. Never runs twice at once.
  using Read = std::function<bool(Response*)>;
  // Has `wake` called whenever there may be more, and returns what ends that.
  using Listen = std::function<std::function<void()>(std::function<void()> wake)>;

  // Without `listen` it ends where there is nothing more.
  TailStream(Read read, const Listen& listen) : read_(std::move(read)), follow_(listen != nullptr) {
    if (follow_) unlisten_ = listen([this] { WriteNext(); });
    this->StartSendInitialMetadata();  // whoever waits for them knows that it is heard
  }

  void OnSendInitialMetadataDone(bool ok) override { GoOn(ok); }
  void OnWriteDone(bool ok) override { GoOn(ok); }

  void OnCancel() override {
    absl::MutexLock lock(&mu_);
    if (!busy_) End(grpc::Status::CANCELLED);  // else what is on its way fails, and ends it
  }

  void OnDone() override {
    if (unlisten_) unlisten_();  // after this nobody calls WriteNext
    delete this;
  }

 private:
  void GoOn(bool ok) {
    {
      absl::MutexLock lock(&mu_);
      busy_ = false;
      if (!ok) return End(grpc::Status::CANCELLED);
    }
    WriteNext();
  }

  void WriteNext() {
    absl::MutexLock lock(&mu_);
    if (busy_ || ended_) return;
    current_.Clear();
    if (!read_(&current_)) {
      if (!follow_) End(grpc::Status::OK);
      return;
    }
    busy_ = true;
    this->StartWrite(&current_);
  }

  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (std::exchange(ended_, true)) return;
    this->Finish(status);
  }

  const Read read_;
  const bool follow_;
  std::function<void()> unlisten_;
  absl::Mutex mu_;
  bool busy_ ABSL_GUARDED_BY(mu_) = true;  // something is on its way: first, the headers
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  Response current_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_TAIL_STREAM_H_
