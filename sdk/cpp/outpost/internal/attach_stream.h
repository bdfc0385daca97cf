// AttachStream is one stream of ModuleHost.Attach: from Register to its end. A
// session that re-attaches makes another one.
//
// **Thread safety.** All methods may be called from any thread; none blocks.
//
// **Invariants.**
// 1. One read and one write are pending at a time; what else is to be written
//    waits in order.
// 2. Finish follows when the reads have ended and no write is pending; the stream
//    holds itself until that is done.
// 3. The observer hears OnMessage in order, then OnEnded once, all on the loop's
//    threads and without the stream's lock; nothing after that.
#ifndef OUTPOST_SDK_CPP_OUTPOST_INTERNAL_ATTACH_STREAM_H_
#define OUTPOST_SDK_CPP_OUTPOST_INTERNAL_ATTACH_STREAM_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/async_stream.h>

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/internal/completion_loop.h"
#include "outpost/v1/module_host.grpc.pb.h"

namespace outpost::internal {

class AttachStream final : public std::enable_shared_from_this<AttachStream> {
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
    // The observer lets go of `stream` on a thread of its own.
    virtual void OnEnded(std::shared_ptr<AttachStream> stream, const grpc::Status& status) = 0;
  };

  // `loop` outlives the stream.
  static std::shared_ptr<AttachStream> Start(v1::ModuleHost::Stub& stub, CompletionLoop& loop,
                                             v1::AttachRequest first, Observer* observer);

  // False: the stream is closed for writing; the message is dropped.
  bool Send(v1::AttachRequest message);
  // There may be something for OnIdle.
  void Poke() { Pump(); }
  // Closes it for writing, after what waits (and what OnIdle has).
  void HalfClose();
  // Ends it now.
  void Cancel() { context_.TryCancel(); }

 private:
  // Calls a method of the stream when the operation is done.
  class Operation final : public CompletionLoop::Operation {
   public:
    Operation(AttachStream* stream, void (AttachStream::*done)(bool))
        : stream_(stream), done_(done) {}
    void Done(bool ok) override { (stream_->*done_)(ok); }

   private:
    AttachStream* const stream_;
    void (AttachStream::*const done_)(bool);
  };

  AttachStream(CompletionLoop& loop, Observer* observer) : loop_(loop), observer_(observer) {}

  void Started(bool ok);
  void ReadDone(bool ok);
  void WriteDone(bool ok);
  void Finished(bool ok);

  // Starts what can be started now, until there is nothing, or something is
  // pending. Does the gRPC calls themselves without the lock: `write_pending_`
  // keeps others out.
  void Pump();
  // The reads and writes that are pending fail, and bring the end.
  void Break() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  CompletionLoop& loop_;
  Observer* const observer_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::AttachRequest, v1::AttachResponse>> call_;
  Operation start_{this, &AttachStream::Started};
  Operation read_{this, &AttachStream::ReadDone};
  Operation write_{this, &AttachStream::WriteDone};
  Operation finish_{this, &AttachStream::Finished};
  v1::AttachResponse incoming_;         // of the pending read
  grpc::Status status_;                 // of the pending Finish
  std::shared_ptr<AttachStream> self_;  // until Finished

  absl::Mutex mu_;
  std::deque<v1::AttachRequest> queue_ ABSL_GUARDED_BY(mu_);
  v1::AttachRequest outgoing_;                      // of the pending write
  bool reading_ ABSL_GUARDED_BY(mu_) = true;        // a read is pending, or about to be
  bool write_pending_ ABSL_GUARDED_BY(mu_) = true;  // also the start of the call
  bool closing_ ABSL_GUARDED_BY(mu_) = false;       // HalfClose was called
  bool half_closed_ ABSL_GUARDED_BY(mu_) = false;   // and its turn has come
  bool broken_ ABSL_GUARDED_BY(mu_) = false;
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace outpost::internal

#endif  // OUTPOST_SDK_CPP_OUTPOST_INTERNAL_ATTACH_STREAM_H_
