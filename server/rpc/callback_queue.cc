// gRPC's queue of callbacks, with threads of ours; see callback_threads.h.
//
// libgrpc++ makes its queue of callbacks, and the threads for it, in the two functions
// below: declared in grpcpp/completion_queue.h, exported, and called through the
// dynamic linker, so that a program's own come first. Known to hold for gRPC 1.51,
// Debian 12's; callback_threads_test fails where it does not.
#include <grpcpp/grpcpp.h>

#include <memory>
#include <thread>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/const_init.h"
#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/callback_threads.h"

namespace {

ABSL_CONST_INIT absl::Mutex mu(absl::kConstInit);
// How many servers, and channels with callbacks, there are.
int users ABSL_GUARDED_BY(mu) = 0;
grpc::CompletionQueue* queue ABSL_GUARDED_BY(mu) = nullptr;
outpost::rpc::CallbackThreads* threads ABSL_GUARDED_BY(mu) = nullptr;

}  // namespace

namespace grpc {

CompletionQueue* CompletionQueue::CallbackAlternativeCQ() {
  absl::MutexLock lock(&mu);
  if (users++ == 0) {
    queue = std::make_unique<CompletionQueue>().release();
    threads = std::make_unique<outpost::rpc::CallbackThreads>(
                  queue->cq(),
                  outpost::rpc::CallbackThreads::LimitsFor(std::thread::hardware_concurrency()))
                  .release();
  }
  return queue;
}

void CompletionQueue::ReleaseCallbackAlternativeCQ(CompletionQueue* /*the only one*/) {
  std::unique_ptr<CompletionQueue> last_queue;
  std::unique_ptr<outpost::rpc::CallbackThreads> last_threads;
  {
    absl::MutexLock lock(&mu);
    if (--users > 0) return;
    last_queue.reset(std::exchange(queue, nullptr));
    last_threads.reset(std::exchange(threads, nullptr));
  }
  last_queue->Shutdown();
  last_threads.reset();
}

}  // namespace grpc
