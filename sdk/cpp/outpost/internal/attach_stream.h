// AttachStream is one stream of ModuleHost.Attach: from Register to its end. A
// session that re-attaches makes another one.
//
// **Thread safety.** All methods may be called from any thread; none blocks.
//
// **Invariants.**
// 1. One write is pending at a time, the others wait in order: gRPC aborts on a
//    second StartWrite before OnWriteDone.
// 2. A hold keeps the call alive until the reads have ended and no write is
//    pending, because writes start outside of gRPC's reactions.
// 3. The observer hears OnMessage in order, then OnEnded once, all on gRPC's
//    threads and without the stream's lock; nothing after that.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_ATTACH_STREAM_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_ATTACH_STREAM_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/module_host.grpc.pb.h"

namespace outpost::internal {

class AttachStream final : public grpc::ClientBidiReactor<v1::AttachRequest, v1::AttachResponse>,
                           public std::enable_shared_from_this<AttachStream> {
 public:
  // Outlives the stream.
  class Observer {
   public:
    virtual ~Observer() = default;
    // Must not block.
    virtual void OnMessage(const std::shared_ptr<AttachStream>& stream,
                           v1::AttachResponse message) = 0;
    // Nothing waits to be written: fills `message`, or gives false. Runs with the
    // stream's lock held.
    virtual bool OnIdle(v1::AttachRequest* message) = 0;
    // The observer lets go of `stream` on a thread of its own: it holds the channel,
    // and the last reference to a channel must not go on one of gRPC's threads.
    virtual void OnEnded(std::shared_ptr<AttachStream> stream, const grpc::Status& status) = 0;
  };

  static std::shared_ptr<AttachStream> Start(v1::ModuleHost::Stub& stub, v1::AttachRequest first,
                                             Observer* observer);

  // False: the stream is closed for writing; the message is dropped.
  bool Send(v1::AttachRequest message);
  // There may be something for OnIdle.
  void Poke();
  // Closes it for writing, after what waits (and what OnIdle has).
  void HalfClose();
  // Ends it now.
  void Cancel() { context_.TryCancel(); }

  // gRPC's.
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnWritesDoneDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  explicit AttachStream(Observer* observer) : observer_(observer) {}

  // Starts what can be started now. Does the gRPC call itself without the lock:
  // `write_pending_` keeps others out.
  void Pump();

  Observer* const observer_;
  grpc::ClientContext context_;
  v1::AttachResponse incoming_;         // of the pending read
  std::shared_ptr<AttachStream> self_;  // until OnDone

  absl::Mutex mu_;
  std::deque<v1::AttachRequest> queue_ ABSL_GUARDED_BY(mu_);
  v1::AttachRequest outgoing_;  // of the pending write
  bool write_pending_ ABSL_GUARDED_BY(mu_) = false;
  bool closing_ ABSL_GUARDED_BY(mu_) = false;      // HalfClose was called
  bool half_closed_ ABSL_GUARDED_BY(mu_) = false;  // and its turn has come
  bool broken_ ABSL_GUARDED_BY(mu_) = false;
  bool held_ ABSL_GUARDED_BY(mu_) = true;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_ATTACH_STREAM_H_
