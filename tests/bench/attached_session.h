// The session of a module that does nothing but to be there: attached by hand, over a channel
// that it may share.
//
// **Thread safety.** All methods may be called from any thread.
#ifndef OUTPOST_TESTS_BENCH_ATTACHED_SESSION_H_
#define OUTPOST_TESTS_BENCH_ATTACHED_SESSION_H_

#include <grpcpp/support/client_callback.h>

#include <deque>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "outpost/v1/module_host.grpc.pb.h"

namespace outpost::bench {

class AttachedSession final
    : public grpc::ClientBidiReactor<v1::AttachRequest, v1::AttachResponse> {
 public:
  // How much of what it is sent it reads.
  enum class Reads { kAll, kUntilItServes };

  // Begins to attach. `registration` has its name, and what it declares.
  AttachedSession(v1::ModuleHost::Stub* stub, v1::Register registration, Reads reads = Reads::kAll);

  // Queues a message.
  void Send(v1::AttachRequest message);

  // Its session's key, waiting for it; empty: it is refused.
  std::string AwaitKey();

  // Waits until it has been told to serve; false: its stream has ended before.
  bool AwaitServe();

  // Ends the stream at once (kCancel), or as a module does; returns when it is over, with how.
  enum class How { kCancel, kHalfClose };
  grpc::Status End(How how = How::kCancel);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Reads reads_;
  grpc::ClientContext context_;
  v1::AttachResponse incoming_;
  absl::Mutex mu_;
  v1::AttachRequest outgoing_ ABSL_GUARDED_BY(mu_);
  std::deque<v1::AttachRequest> queue_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool ending_ ABSL_GUARDED_BY(mu_) = false;
  std::string key_ ABSL_GUARDED_BY(mu_);
  bool serves_ ABSL_GUARDED_BY(mu_) = false;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mu_);
};

// A registration with that name and nothing more.
v1::Register Registration(const std::string& name);

}  // namespace outpost::bench

#endif  // OUTPOST_TESTS_BENCH_ATTACHED_SESSION_H_
