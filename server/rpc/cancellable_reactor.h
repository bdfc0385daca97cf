// CancellableReactor is a unary call that passes its client's cancellation on to
// whatever works for it.
//
// **Thread safety.** OnCancel may come at any time, also while the work is being
// started, which is what the shared state is for.
#ifndef OUTPOST_SERVER_RPC_CANCELLABLE_REACTOR_H_
#define OUTPOST_SERVER_RPC_CANCELLABLE_REACTOR_H_

#include <grpcpp/support/server_callback.h>

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace outpost::rpc {

class CancellableReactor final : public grpc::ServerUnaryReactor {
 public:
  // How to cancel the work: called at most once. Empty: it can't be.
  using CancelFunction = absl::AnyInvocable<void()>;

  // Lives on after the reactor, for a work that ended while it was started.
  class Work {
   public:
    // The work was started, and can be cancelled by `cancel`.
    void Started(CancelFunction cancel) {
      {
        absl::MutexLock lock(&mu_);
        if (!cancelled_) {
          cancel_ = std::move(cancel);
          return;
        }
      }
      if (cancel) cancel();
    }

   private:
    friend class CancellableReactor;
    void Cancel() {
      CancelFunction cancel;
      {
        absl::MutexLock lock(&mu_);
        cancelled_ = true;
        cancel = std::move(cancel_);
        cancel_ = nullptr;
      }
      if (cancel) cancel();
    }

    absl::Mutex mu_;
    bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
    CancelFunction cancel_ ABSL_GUARDED_BY(mu_);
  };

  const std::shared_ptr<Work>& work() const { return work_; }

  void OnCancel() override { work_->Cancel(); }
  void OnDone() override { delete this; }

 private:
  const std::shared_ptr<Work> work_ = std::make_shared<Work>();
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_CANCELLABLE_REACTOR_H_
