// WatchStream is a server-streaming call that tells its client of changes as they come.
//
// Its headers are sent when it watches: a client that waits for them, and then reads what
// there is, misses nothing.
//
// **Thread safety.** Offer may be called from any thread, from Open on until the feed is
// destroyed. Open is called once, by the handler that has made the stream.
//
// **Invariants.**
// 1. What is offered is sent in that order; what replaces a waiting message, in its place.
// 2. What waits is bounded. A client that reads too slowly for that is cut off with
//    RESOURCE_EXHAUSTED, once it has read what was on its way; what waited is dropped.
// 3. The feed is destroyed before the stream, which deletes itself when the call is over.
#ifndef OUTPOST_SERVER_RPC_WATCH_STREAM_H_
#define OUTPOST_SERVER_RPC_WATCH_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include <cerrno>
#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/rpc/status.h"
#include "server/store/state_store.h"

namespace outpost::rpc {

// What may wait for the client of one WatchStream.
inline constexpr size_t kMaxWaitingMessages = 4096;
inline constexpr size_t kMaxWaitingBytes = size_t{16} << 20;

template <typename Response>
class WatchStream final : public grpc::ServerWriteReactor<Response> {
 public:
  // Begins. `feed` calls Offer until it is destroyed.
  void Open(std::unique_ptr<store::WatchHandle> feed) {
    absl::MutexLock lock(&mu_);
    feed_ = std::move(feed);
    this->StartSendInitialMetadata();
  }

  // Sends `message`; in the place of the one that waits with the same `replaces`, if that is
  // not empty.
  void Offer(Response message, std::string replaces = "") {
    absl::MutexLock lock(&mu_);
    if (ended_ || cut_off_) return;
    if (!replaces.empty()) {
      for (Waiting& waiting : queue_) {
        if (waiting.replaces != replaces) continue;
        bytes_ += message.ByteSizeLong() - waiting.message.ByteSizeLong();
        waiting.message = std::move(message);
        return;
      }
    }
    bytes_ += message.ByteSizeLong();
    queue_.push_back({std::move(message), std::move(replaces)});
    // One message is sent however large it is.
    if (queue_.size() > kMaxWaitingMessages || (queue_.size() > 1 && bytes_ > kMaxWaitingBytes)) {
      cut_off_ = true;
      queue_.clear();
    }
    if (!busy_) WriteNext();
  }

  void OnSendInitialMetadataDone(bool ok) override { Continue(ok); }
  void OnWriteDone(bool ok) override { Continue(ok); }

  void OnCancel() override {
    absl::MutexLock lock(&mu_);
    cancelled_ = true;
    if (!busy_) End(grpc::Status::CANCELLED);  // else what is on its way fails, and ends it
  }

  void OnDone() override {
    std::unique_ptr<store::WatchHandle> feed;
    {
      absl::MutexLock lock(&mu_);
      feed = std::move(feed_);
    }
    feed.reset();  // after this nobody calls Offer
    delete this;
  }

 private:
  struct Waiting {
    Response message;
    std::string replaces;
  };

  void Continue(bool ok) {
    absl::MutexLock lock(&mu_);
    busy_ = false;
    if (!ok || cancelled_) return End(grpc::Status::CANCELLED);
    WriteNext();
  }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (ended_) return;
    if (cut_off_) {
      return End(ToGrpc(absl::ResourceExhaustedError(
                            "the changes came faster than they were read, and some are lost; "
                            "watch again, and then read what there is"),
                        "WATCH_TOO_SLOW", {{"errno", absl::StrCat(ENOBUFS)}}));
    }
    if (queue_.empty()) return;
    current_ = std::move(queue_.front().message);
    queue_.pop_front();
    bytes_ -= current_.ByteSizeLong();
    busy_ = true;
    this->StartWrite(&current_);
  }

  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (std::exchange(ended_, true)) return;
    this->Finish(status);
  }

  absl::Mutex mu_;
  std::unique_ptr<store::WatchHandle> feed_ ABSL_GUARDED_BY(mu_);
  bool busy_ ABSL_GUARDED_BY(mu_) = true;  // something is on its way: first, the headers
  bool cut_off_ ABSL_GUARDED_BY(mu_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<Waiting> queue_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;  // of what waits
  Response current_ ABSL_GUARDED_BY(mu_);
};

}  // namespace outpost::rpc

#endif  // OUTPOST_SERVER_RPC_WATCH_STREAM_H_
